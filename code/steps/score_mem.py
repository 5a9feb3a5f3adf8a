"""From what vectors hold to the ledger: the longest text that counts as held, nats, what is said freely; no model is needed."""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from loci.bench.mem_scores import bare_entries, capacity_entries
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--crammed", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="of cram_texts.py (JSON)"
    )
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {f"crammed.{at}": path for at, path in enumerate(args.crammed)})
    records = [read_result(path) for path in args.crammed]
    bases = {record["config"]["base"]["name"] for record in records}
    if len(bases) > 1:
        raise UserError("--crammed", f"are of bases {', '.join(sorted(bases))}", "give results of one base")
    base, source, ledger, told = bases.pop(), args.out.name, {}, []
    items: dict[str, list[dict]] = defaultdict(list)
    for record in records:
        items["published" if record["config"]["published"] else f"k{record['config']['vectors']}"] += record["items"]
    for name, found in items.items():
        about = f"mem.{base}.{name}"
        entries = capacity_entries(found, about, source) | bare_entries(found, about, source)
        held = entries[f"{about}.docs.capacity_tokens"]
        ledger |= entries if name == "published" else entries | {f"{about}.capacity_tokens": held}
        told.append(f"{held['value']} ({name})")
    write_json(args.out, result("score_mem", {"base": base}, None, rounded(ledger), [], provenance.record()))
    print(f"{args.out}: tokens of documentation that vectors hold: {', '.join(told)}")


if __name__ == "__main__":
    run_step(main)
