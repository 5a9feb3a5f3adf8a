"""Make a stand-in in the format of LOCOMO, for wherever the file itself is not: dialogues of timelines, and questions of its five
categories with known evidence. Whatever is measured on it is named so.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from loci.errors import run_step
from loci.paths import GENERATED
from loci.results import write_json
from loci.worlds.standin import build_standin


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--conversations", type=int, default=4, help="number of conversations, of different people")
    parser.add_argument("--events", type=int, default=300, help="turns of each of the two people in a conversation")
    parser.add_argument("--seed", type=int, default=0, help="seed of states, wordings and questions (an integer without unit)")
    parser.add_argument("--out", type=Path, default=GENERATED / "standin.json", help="JSON file to write (path)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    conversations = build_standin(args.conversations, args.events, args.seed)
    write_json(args.out, conversations)
    counts = Counter(question["category"] for one in conversations for question in one["qa"])
    told = ", ".join(f"{counts[category]} of category {category}" for category in sorted(counts))
    print(
        f"{args.out}: {len(conversations)} conversations of {2 * args.events} turns that stand in for LOCOMO; questions: {told}"
    )


if __name__ == "__main__":
    run_step(main)
