"""List the reference results that other code than the present one has made, and what has changed since: `make stale`.

Reads the history of this clone; runs nothing again. What stands in REPRODUCE.md is of the commit at which it was written.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from loci.bench.staleness import STALE, STATES, stale_block, standings
from loci.definitions import working_tree
from loci.errors import UserError, run_step
from loci.paths import REFERENCE, ROOT
from loci.results import read_text, write_bytes

_BEGIN, _END = "<!-- begin stale -->", "<!-- end stale -->"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="reference results (folder)")
    parser.add_argument("--write", type=Path, help="file whose block `stale` is written anew (path); none when not given")
    return parser.parse_args(argv)


def put(path: Path, lines: list[str]) -> None:
    """Replace what stands between the markers of a file."""
    text = read_text(path, "restore it from the repository")
    block = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    if not block.search(text):
        raise UserError(f"{path}: {_BEGIN}", "marker not found", "restore the file from the repository")
    write_bytes(path, block.sub(lambda _: "\n".join([_BEGIN, *lines, _END]), text, count=1).encode())


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    found = standings(args.reference, working_tree(ROOT), ROOT)
    if not found:
        raise UserError(args.reference, "holds no results", "give the folder of reference results")
    for one in found:
        if one.state == STALE:
            print(f"{one.path}: {one.step}: {one.reason}")
    if args.write:
        put(args.write, stale_block(found))
    print(f"{args.reference}: " + ", ".join(f"{sum(one.state == state for one in found)} {state}" for state in STATES))


if __name__ == "__main__":
    run_step(main)
