"""Make two-fact chains for one owner or for given users, and compute how much each question overlaps a stored trigger."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.units import suffix_units
from loci.errors import run_step
from loci.paths import GENERATED
from loci.worlds.chain_files import Overlap, label, save_chains, shares
from loci.worlds.chains import POOLS, Chain, build_chains, with_chains
from loci.worlds.records import SPLITS, User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="number of chains a user")
    parser.add_argument("--people", type=Path, help="users file to add chains to (JSON); one owner is made when not given")
    split = "split of the one owner, which chooses the wordings; users of --people keep theirs"
    parser.add_argument("--split", choices=SPLITS, default="test", help=split)
    parser.add_argument("--seed", type=int, default=0, help="seed of names, values and wordings (an integer without unit)")
    tokenizer = "model folder whose tokenizer.json counts overlaps, in tokens; words are counted when not given"
    parser.add_argument("--tokenizer", type=Path, help=tokenizer)
    parser.add_argument("--pools", type=Path, default=POOLS, help="JSON file of the authored names, relations and values")
    parser.add_argument("--out", type=Path, default=GENERATED / "chains.json", help="JSON file to write (path)")
    return parser.parse_args(argv)


def statements(chains: dict[str, list[Chain]], labels: dict[str, Overlap]) -> list[Overlap]:
    """The overlaps of the composed statements alone."""
    asked = (question for of_user in chains.values() for chain in of_user for question in chain.questions)
    return [labels[question.qid] for question in asked if question.kind == "chained" and question.form == "statement"]


def main(argv: Sequence[str] | None) -> None:
    args = parse_args(argv)
    encode, unit = suffix_units(args.tokenizer)
    bare = load_users(args.people) if args.people else [User("owner", args.split, (), ())]
    users: list[User] = []
    chains: dict[str, list[Chain]] = {}
    labels: dict[str, Overlap] = {}
    for user in tqdm(bare, desc="chains", unit="user", disable=len(bare) == 1):
        stored = [fact.trigger for fact in user.facts]
        chains[user.uid] = build_chains(args.count, args.seed, user.uid, user.split, stored, args.pools)
        users.append(with_chains(user, chains[user.uid]))
        labels |= label(users[-1], chains[user.uid], encode)
    reached = shares(statements(chains, labels))
    about = {"seed": args.seed, "tokenizer": unit, "statements_sharing_at_least": {str(k): n for k, n in reached.items()}}
    save_chains(args.out, users, chains, labels, about)
    print(
        f"{args.out}: {len(users) * args.count} chains of {len(users)} users; by {unit['name']}, {reached.get(2, 0)} composed "
        f"statements end with 2 or more units of a stored trigger, {reached.get(3, 0)} with 3 or more: they may need no chaining"
    )


if __name__ == "__main__":
    run_step(main)
