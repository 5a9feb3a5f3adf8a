"""Join the columns of the grid of Engram tables: bits per byte of held-out text by table and length of training, and each table
less the dense model, over seeds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.capacity import NONE, grid_entries
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--columns", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="of sweep_capacity.py")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {f"columns.{at}": path for at, path in enumerate(args.columns)})
    columns = {path: read_result(path) for path in args.columns}
    same = [{name: value for name, value in one["config"].items() if name != "table"} for one in columns.values()]
    for path, about in zip(columns, same, strict=True):
        if about != same[0]:
            raise UserError(path, f"was trained with other settings than {args.columns[0]}", "run sweep_capacity.py again")
    tables = {one["config"]["table"]: one for one in columns.values()}
    if NONE not in tables or len(tables) < 2:
        raise UserError("--columns", "lack the dense model, or a table", "give the column none and at least one other")
    items = [item for one in columns.values() for item in one["items"]]
    metrics, longest = grid_entries(items, args.out.name), max(item["steps"] for item in items)
    costs = {name: one["provenance"]["seconds"] for name, one in tables.items()}
    record = provenance.record() | {"seconds": costs, "gpus": sorted({str(one["provenance"]["gpu"]) for one in columns.values()})}
    write_json(args.out, result("score_capacity", same[0] | {"tables": list(tables)}, None, rounded(metrics), items, record))
    gaps = {name: metrics[f"capacity.{name}_minus_{NONE}.steps{longest}.val_bpb"]["value"] for name in tables if name != NONE}
    best = min(gaps, key=gaps.get)
    print(f"{args.out}: after {longest} steps table {best} is the best, {gaps[best]:+.4f} bits a byte from the dense model")


if __name__ == "__main__":
    run_step(main)
