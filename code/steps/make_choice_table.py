"""LaTeX table of what to use for how many facts a user, and what it costs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.choice import choice_table
from loci.bench.ledger import Ledger
from loci.errors import run_step
from loci.results import write_bytes


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to read")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are shown")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="LaTeX file to write")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    write_bytes(args.out, choice_table(Ledger(args.ledger), args.base).encode())
    print(f"{args.out}: what to use for how many facts a user, with what it costs")


if __name__ == "__main__":
    run_step(main)
