"""From raw answers behind vectors, prefixes and compressed turns to the ledger; no model is needed."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.mem_scores import answer_entries
from loci.bench.statistics import estimate
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--asked", type=Path, required=True, default=argparse.SUPPRESS, help="of answer_mem.py (JSON)")
    parser.add_argument("--turns", type=Path, required=True, default=argparse.SUPPRESS, help="of compress_turns.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def raw_answers(path: Path, step: str) -> list[dict]:
    """The JSONL beside a results file."""
    return read_jsonl(path.with_suffix(".jsonl"), f"run {step}")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"asked": args.asked, "turns": args.turns})
    asked, turns = read_result(args.asked), read_result(args.turns)
    base, source = asked["config"]["base"]["name"], args.out.name
    if (other := turns["config"]["base"]["name"]) != base:
        raise UserError("--turns", f"is of {other}, --asked of {base}", "give results of one base")
    ledger = answer_entries(raw_answers(args.asked, "answer_mem.py"), base, source)
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
    write_json(args.out, result("score_mem_answers", config, None, rounded(ledger), [], provenance.record()))
    exact = ledger[f"mem_asked.mem.{base}.direct.exact"]["value"]
    print(f"{args.out}: direct questions answered from the vector of the needed fact: {exact:.3f}")


if __name__ == "__main__":
    run_step(main)
