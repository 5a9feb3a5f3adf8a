"""Score arms that were trained several times, with other initial weights and another order of the text: means over trainings.

The questions are those of score_windowed.py, whose intervals are over documents; here the unit is the training.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from loci.bench.windowed import seeds_entries
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, sha256_file, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--asked", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="results of ask_windowed.py (JSON)"
    )
    parser.add_argument(
        "--answers", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="their raw answers, in order (JSONL)"
    )
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def gather(asked: Sequence[Path], answers: Sequence[Path]) -> dict[str, dict[int, list[dict]]]:
    """Answers by arm and seed; UserError where answers and results do not belong together, or an arm lacks a seed."""
    if len(asked) != len(answers):
        raise UserError("--answers", f"are {len(answers)} files for {len(asked)} results", "give one for each, in order")
    found: dict[str, dict[int, list[dict]]] = defaultdict(dict)
    for path, said in zip(asked, answers, strict=True):
        record = read_result(path)
        if record["metrics"]["answers_sha256"] != sha256_file(said):
            raise UserError(said, f"holds other answers than those of {path}", "run ask_windowed.py again")
        found[record["config"]["name"]][record["seed"]] = list(read_jsonl(said, "run ask_windowed.py"))
    wanted = sorted(set().union(*found.values()))
    for name, seeds in found.items():
        if sorted(seeds) != wanted:
            raise UserError(f"--asked: {name}", f"lacks seeds {sorted(set(wanted) - set(seeds))}", "ask all arms with all seeds")
    return dict(found)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {f"{name}.{at}": path for name in ("asked", "answers") for at, path in enumerate(getattr(args, name))}
    provenance = Provenance(Path(__file__), inputs)
    arms = gather(args.asked, args.answers)
    ledger = seeds_entries(arms, args.out.name)
    seeds = sorted(next(iter(arms.values())))
    config = {"arms": list(arms), "seeds": seeds}
    write_json(args.out, result("windowed_seeds", config, None, rounded(ledger), [], provenance.record()))
    told = ", ".join(f"{name} {ledger[f'triplet.{name}.seeds.values.exact']['value']:.2f}" for name in arms)
    print(f"{args.out}: names and values in evicted text, exact, means of {len(seeds)} trainings: {told}")


if __name__ == "__main__":
    run_step(main)
