"""Make the people of the bench: users of one world, and the questions about them.

Users come in twins that are asked the same questions and have different answers; make an even number of each split.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.errors import run_step
from loci.paths import GENERATED
from loci.worlds.people import build_users
from loci.worlds.plans import WORLDS
from loci.worlds.records import User, save_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--world", default=WORLDS[0], help=f"whose lives: {' or '.join(WORLDS)}")
    parser.add_argument("--count", type=int, default=30, help="number of users, development and test together")
    parser.add_argument("--dev", type=int, default=10, help="number of development users; they come first")
    parser.add_argument("--train", type=int, default=30, help="number of training users, on top of --count")
    parser.add_argument("--seed", type=int, default=0, help="seed of the values and wordings (an integer without unit)")
    parser.add_argument("--out", type=Path, default=GENERATED / "people.json", help="JSON file to write (path)")
    return parser.parse_args(argv)


def summary(users: list[User], out: Path) -> str:
    """One line for the person at the keyboard."""
    splits = [user.split for user in users]
    facts, questions = (sum(len(part) for part in parts) for parts in zip(*((u.facts, u.questions) for u in users), strict=True))
    return (
        f"{out}: {splits.count('dev')} development, {splits.count('test')} test and {splits.count('train')} training users with "
        f"{facts} facts and {questions} questions; choose on the first, report on the second, teach readers on the third"
    )


def main(argv: Sequence[str] | None) -> None:
    args = parse_args(argv)
    users = build_users(args.count, args.seed, args.dev, args.world, args.train)
    save_users(args.out, users)
    print(summary(users, args.out))


if __name__ == "__main__":
    run_step(main)
