"""From what vectors hold and from raw answers to the ledger; no model is needed."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.mem_scores import answer_entries, bare_entries, capacity_entries
from loci.bench.statistics import estimate
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--crammed", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="of cram_texts.py (JSON)"
    )
    parser.add_argument("--asked", type=Path, required=True, default=argparse.SUPPRESS, help="of answer_mem.py (JSON)")
    parser.add_argument("--turns", type=Path, required=True, default=argparse.SUPPRESS, help="of compress_turns.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def raw_answers(path: Path, step: str) -> list[dict]:
    """The JSONL beside a results file."""
    return read_jsonl(path.with_suffix(".jsonl"), f"run {step}")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {f"crammed.{at}": path for at, path in enumerate(args.crammed)} | {"asked": args.asked, "turns": args.turns}
    provenance = Provenance(Path(__file__), inputs)
    records = [read_result(path) for path in args.crammed]
    asked, turns = read_result(args.asked), read_result(args.turns)
    bases = {record["config"]["base"]["name"] for record in (*records, asked, turns)}
    if len(bases) > 1:
        raise UserError("--crammed", f"are of bases {', '.join(sorted(bases))}", "give results of one base")
    base, source, ledger, capacity = bases.pop(), args.out.name, {}, {}
    for record in records:
        count, published = record["config"]["vectors"], record["config"]["published"]
        name = "published" if published else f"k{count}"
        found = capacity_entries(record["items"], f"mem.{base}.{name}", source)
        ledger |= found
        if not published:
            capacity[count] = found[f"mem.{base}.{name}.docs.capacity_tokens"]
            ledger[f"mem.{base}.{name}.capacity_tokens"] = capacity[count]
    ledger |= bare_entries(
        [one for record in records if not record["config"]["published"] for one in record["items"]], base, source
    )
    ledger |= answer_entries(raw_answers(args.asked, "answer_mem.py"), base, source)
    ledger |= answer_entries(raw_answers(args.turns, "compress_turns.py"), base, source)
    held = [(one["uid"], of["key"], float(of["exact"])) for one in asked["items"] for of in one["held"]]
    ledger[f"mem_asked.mem.{base}.held_exact"] = estimate(held).entry(source)
    for name, part in (("mem", "bytes"), ("prefix_next", "prefix_bytes")):
        ledger[f"mem_asked.{name}.{base}.bytes"] = {"value": asked["items"][0][part], "n": 1, "source": source}
    for name in turns["items"][0]["positions"]:
        sizes = [(one["uid"], one["uid"], float(one["positions"][name])) for one in turns["items"]]
        ledger[f"mem_turns.{name}.{base}.positions"] = estimate(sizes, proportion=False).entry(source)
    compressed = sum(one["compressed"] for one in turns["items"])
    exact = sum(one["exact"] for one in turns["items"]) / max(1, compressed)
    ledger[f"mem_turns.mem.{base}.held_exact"] = {"value": exact, "n": compressed, "source": source}
    config = {"base": base, "users": [one["uid"] for one in asked["items"]]}
    write_json(args.out, result("score_mem", config, None, rounded(ledger), [], provenance.record()))
    told = ", ".join(f"{entry['value']} behind {count}" for count, entry in sorted(capacity.items()))
    print(f"{args.out}: tokens of documentation that are held: {told} vector(s)")


if __name__ == "__main__":
    run_step(main)
