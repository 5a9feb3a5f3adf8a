"""Score live memory: present, stale and other users' values said, by arm, gap and updates; bytes and speed by length."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import spread
from loci.bench.live_scores import cost_entries, entries
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, sha256_file, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--asked", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="by ask_live.py (JSON)")
    parser.add_argument("--answers", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="their answers (JSONL)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {f"answers{at}": path for at, path in enumerate(args.answers)}
    provenance = Provenance(Path(__file__), inputs)
    records = [read_result(path) for path in args.asked]
    said = []
    for path, record in zip(args.answers, records, strict=True):
        if not path.is_file() or sha256_file(path) != record["metrics"]["answers_sha256"]:
            raise UserError(path, "missing or not the answers that the result names", "run ask_live.py again")
        said += read_jsonl(path)
    priors = {record["seed"]: record["metrics"]["majority"] for record in records}
    source = args.out.name
    ledger = entries(said, priors, records[0]["metrics"]["bank"], source) | cost_entries(records, source)
    speeds = {key: ledger.pop(key) for key in list(ledger) if key.endswith("tokens_per_s")}
    ledger = rounded(ledger)
    record = provenance.record() | {"costs": rounded(speeds)}
    write_json(args.out, result("score_live", {"asked": records[0]["config"]}, None, ledger, [], record))
    told = ", ".join(f"{arm} {spread(ledger[f'live.{arm}.current.exact'])}" for arm in ("state", "none", "donor", "attention"))
    print(f"{args.out}: the present value is said: {told}; a stale one {spread(ledger['live.state.stale.rate'])}")


if __name__ == "__main__":
    run_step(main)
