"""Matrix products of the base model through torch's own library and through oneDNN, in turn, forward and backward.

Shapes are those of one block of the profile's model and its head, at one batch of training and one step of decoding. What
counts is the median; which library the steps use on this machine follows from the processor (`loci.models.products`).
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from loci.config import load_config
from loci.errors import run_step
from loci.models import products
from loci.models.base import load_base, use_threads
from loci.provenance import Provenance
from loci.results import result, rounded, write_json

LIBRARIES = ("torch", "onednn")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, default="config/laptop.yaml", help="profile (YAML)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--repeats", type=int, default=30, help="products of each shape and library")
    parser.add_argument("--out", type=Path, default="results/laptop/bench/products.json", help="results file to write (JSON)")
    return parser.parse_args(argv)


def shapes_of(model, rows: Sequence[int]) -> list[tuple[int, int, int]]:
    """(rows, columns in, columns out) of the different linear maps of a model, at each number of rows."""
    maps = {(one.in_features, one.out_features) for one in model.modules() if isinstance(one, torch.nn.Linear)}
    return [(count, *shape) for count in rows for shape in sorted(maps)]


def seconds_of(library: str, shape: tuple[int, int, int]) -> float:
    """Of one product and of the gradient of its left side."""
    rows, width, out = shape
    values, weight = torch.randn(rows, width, requires_grad=True), torch.randn(out, width)
    gradient = torch.randn(rows, out)
    multiply: Callable = torch.nn.functional.linear if library == "torch" else products.through_onednn
    start = time.perf_counter()
    multiply(values, weight, None).backward(gradient)
    return time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    shapes = shapes_of(
        load_base(settings["base"]["name"], args.model).model, (settings["layered"]["batch"], settings["reader"]["tokens"])
    )
    items = []
    for shape in tqdm(shapes, unit="shape"):
        spent: dict[str, list[float]] = {library: [] for library in LIBRARIES}
        for _ in range(args.repeats):
            for library in LIBRARIES:
                spent[library].append(seconds_of(library, shape))
        flops = 4 * shape[0] * shape[1] * shape[2]
        rates = {library: flops / statistics.median(found) / 1e9 for library, found in spent.items()}
        items.append({"rows": shape[0], "in": shape[1], "out": shape[2]} | {f"{one}_gflops": rates[one] for one in LIBRARIES})
        shown = ", ".join(f"{one} {rates[one]:4.0f} GFLOP/s" for one in LIBRARIES)
        print(f"{shape[0]:5} x {shape[1]:5} x {shape[2]:6}: {shown}")
    ratio = statistics.geometric_mean([one["onednn_gflops"] / one["torch_gflops"] for one in items])
    metrics = {"onednn_over_torch": ratio}
    config = {"base": settings["base"], "repeats": args.repeats}
    write_json(args.out, result("bench_products", config, None, rounded(metrics), rounded(items), provenance.record()))
    print(
        f"{args.out}: oneDNN is {ratio:.2f} times as fast as torch's own products (geometric mean of {len(items)} shapes); "
        f"steps use {products.library()} here"
    )


if __name__ == "__main__":
    run_step(main)
