"""Copy fresh results into the committed reference and rebuild its ledger.

Results files are copied as they are, raw answers compressed; traces and partial work stay behind.
"""

import argparse
import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import collect, write_ledger
from loci.errors import UserError, run_step
from loci.paths import REFERENCE, RESULTS
from loci.results import read_result, write_bytes

_RESULT_FOLDERS = ("matrix", "density", "bench", "sweeps")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, default=RESULTS / "laptop", help="fresh results (folder)")
    parser.add_argument("--to", type=Path, default=REFERENCE, help="reference results (folder)")
    parser.add_argument("--rule", choices=_RESULT_FOLDERS, help="promote one part only; all parts that exist when not given")
    return parser.parse_args(argv)


def fresh_files(source: Path, parts: Sequence[str]) -> list[Path]:
    """Results and raw answers below the parts of a profile's folder, partial work excluded."""
    files = [path for part in parts for path in sorted((source / part).glob("*.json*")) if path.is_file()]
    if not files:
        raise UserError(source, "holds no results", "run snakemake first")
    return files


def promote(path: Path, target: Path) -> None:
    """Copy one file: a result after a check, raw answers as reproducible gzip."""
    if path.suffix == ".jsonl":
        write_bytes(target.with_suffix(".jsonl.gz"), gzip.compress(path.read_bytes(), mtime=0))
    else:
        read_result(path)
        write_bytes(target, path.read_bytes())


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    parts = [args.rule] if args.rule else _RESULT_FOLDERS
    files = fresh_files(args.source, parts)
    for part in parts:
        if any(path.parent.name == part for path in files):
            shutil.rmtree(args.to / part, ignore_errors=True)  # a file that no rule makes any more must not linger
    for path in files:
        promote(path, args.to / path.relative_to(args.source))
    entries = collect(sorted(args.to.glob("*/*.json")))
    write_ledger(args.to / "summary.json", entries)
    print(f"{args.to}: {len(files)} files promoted, {len(entries)} numbers in its ledger; `make figures` draws from it")


if __name__ == "__main__":
    run_step(main)
