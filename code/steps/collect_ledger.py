"""Collect every number of a profile's results into one flat ledger, summary.json."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import collect, write_ledger
from loci.errors import run_step


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="results files (JSON) whose metrics belong in the ledger")
    parser.add_argument("--profile", required=True, default=argparse.SUPPRESS, help="name of the profile that made them")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="ledger to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    entries = collect(args.results)
    write_ledger(args.out, entries, args.profile)
    print(f"{args.out}: {len(entries)} numbers from {len(args.results)} results; figures and tables read them from here")


if __name__ == "__main__":
    run_step(main)
