"""Make a large corpus of one owner's facts, with distinct answers, for density; triggers end apart or in groups alike."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from loci.bench.units import suffix_units
from loci.errors import run_step
from loci.paths import GENERATED
from loci.worlds.corpus import AXES, POOLS, SIZES, build_corpus, build_named
from loci.worlds.overlap import Endings, endings
from loci.worlds.records import Fact, save_facts

_ORDERS = range(1, 9)  # tokens; no address in use reads more


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--count", type=int, default=1000, help="number of personal facts, when --kind is not given")
    sizes = "; ".join(f"{name} is {own} personal and {other} organisation facts" for name, (own, other) in SIZES.items())
    size.add_argument("--kind", choices=SIZES, default=argparse.SUPPRESS, help=sizes)
    axis = "how triggers end: all apart, or in groups that share their last 2, 3 or 4 words; the same facts in each"
    parser.add_argument("--axis", choices=AXES, default="distinct", help=axis)
    parser.add_argument("--seed", type=int, default=0, help="seed of the order and the values (an integer without unit)")
    tokenizer = "model folder whose tokenizer.json counts shared suffixes, in tokens; words are counted when not given"
    parser.add_argument("--tokenizer", type=Path, help=tokenizer)
    parser.add_argument("--pools", type=Path, default=POOLS, help="folder of the authored names, templates and values")
    parser.add_argument("--out", type=Path, default=GENERATED / "corpus.json", help="JSON file to write (path)")
    return parser.parse_args(argv)


def summary(facts: list[Fact], found: Endings, unit: str, out: Path) -> str:
    """One line for the person at the keyboard."""
    spread = ", ".join(f"{count} share {length}" for length, count in found.longest.items())
    return f"{out}: {len(facts)} facts of one owner, no two with one answer; longest suffix shared, by {unit}: {spread}"


def main(argv: Sequence[str] | None) -> None:
    args = parse_args(argv)
    encode, unit = suffix_units(args.tokenizer)
    if "kind" in args:
        facts = build_named(args.kind, args.seed, args.axis, args.pools)
    else:
        facts = build_corpus(args.count, args.seed, args.axis, args.pools)
    found = endings([fact.trigger for fact in facts], encode, _ORDERS)
    save_facts(args.out, facts, {"axis": args.axis, "seed": args.seed, "tokenizer": unit, "endings": asdict(found)})
    print(summary(facts, found, unit["name"], args.out))


if __name__ == "__main__":
    run_step(main)
