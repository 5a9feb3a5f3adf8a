"""Make a large corpus of one owner's facts, with distinct trigger endings and distinct answers, for density."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.errors import run_step
from loci.paths import GENERATED
from loci.worlds.corpus import build_corpus
from loci.worlds.records import save_facts


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="number of facts")
    parser.add_argument("--seed", type=int, default=0, help="seed of the order and the values (an integer without unit)")
    parser.add_argument("--out", type=Path, default=GENERATED / "corpus.json", help="JSON file to write (path)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None) -> None:
    args = parse_args(argv)
    facts = build_corpus(args.count, args.seed)
    save_facts(args.out, facts)
    print(f"{args.out}: {len(facts)} facts of one owner; no two share an answer or the last two words of a trigger")


if __name__ == "__main__":
    run_step(main)
