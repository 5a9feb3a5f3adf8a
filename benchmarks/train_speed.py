"""Tokens a second when a model is trained from scratch: plain and with Engram tables, with Muon and with AdamW, side by side.

The variants take turns, step by step, so that a busy machine slows all of them alike; what counts is the median step. Beside them
stands the machine's own peak: matrices of the model's size multiplied in the same precision (float8: in bfloat16) and by the same
library, and the share of it that a training step reaches. Tokens are drawn at random: their order does not matter to the clock.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from loci.config import load_config
from loci.errors import run_step
from loci.models.architectures import build
from loci.models.attention import described
from loci.models.base import use_threads
from loci.models.gpt import GPT, Shape
from loci.models.optimisers import Optimisers
from loci.models.packed import Batch
from loci.models.products import Linear
from loci.models.running import add_options, device_of
from loci.models.trainer import Trainer, autocast
from loci.provenance import Provenance
from loci.results import result, rounded, write_json

VARIANTS = (("dense", "adamw"), ("dense", "muon"), ("engram", "adamw"), ("engram", "muon"))
_WARM = 3  # steps of each that do not count


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, default="config/laptop.yaml", help="profile (YAML)")
    parser.add_argument("--depths", type=int, nargs="*", default=[], help="of models (blocks); none for the profile's")
    parser.add_argument("--steps", type=int, default=20, help="that count, of each variant")
    add_options(parser)
    parser.add_argument("--out", type=Path, default="results/laptop/bench/pretrain.json", help="results file to write (JSON)")
    return parser.parse_args(argv)


class Drawn:
    """Batches of random tokens (a `Source`)."""

    def __init__(self, shape: Shape, batch: int):
        self.size, self.vocabulary = (batch, shape.sequence + 1), shape.vocabulary
        self.position: dict = {}
        self._generator = torch.Generator().manual_seed(0)

    def next(self) -> Batch:
        """The next batch."""
        drawn = torch.randint(self.vocabulary, self.size, generator=self._generator)
        return Batch(drawn[:, :-1].contiguous(), drawn[:, 1:].contiguous())


def clock(device: torch.device) -> float:
    """Seconds, after all that the device was given has been done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def stepper(trainer: Trainer) -> Callable[[], float]:
    """A function that takes one training step and returns its seconds."""

    def step() -> float:
        start = clock(trainer.device)
        trainer.learn()
        trainer.move(0.1)
        return clock(trainer.device) - start

    return step


def peak_flops(shape: Shape, batch: int, device: torch.device, precision: str, times: int = 30) -> float:
    """Floating-point operations a second of the model's own largest matrix product, the better half of `times`."""
    layer = Linear(shape.width, 4 * shape.width, bias=False, device=device)
    values, seconds = torch.randn(batch * shape.sequence, shape.width, device=device), []
    with torch.no_grad(), autocast(layer, precision):
        if precision != "float32":
            layer, values = layer.to(torch.bfloat16), values.to(torch.bfloat16)
        for _ in range(times):
            start = clock(device)
            layer(values)
            seconds.append(clock(device) - start)
    return 2 * values.numel() * 4 * shape.width / statistics.median(sorted(seconds)[: times // 2])


def flops_of_token(model: GPT) -> int:
    """Of forward and backward pass: six for each weight that a token is multiplied with, and attention over half the window."""
    shape = model.shape
    multiplied = sum(module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear))
    return 6 * multiplied + 6 * shape.depth * shape.width * shape.sequence


def measure(shape: Shape, about: dict, args: argparse.Namespace) -> tuple[float, list[dict]]:
    """The peak, and of each variant its tokens a second and what share of the peak that is."""
    device, trainers = device_of(args.device), {}
    for name, optimiser in VARIANTS:
        engram = about["engram"] | {"layers": [layer for layer in about["engram"]["layers"] if layer < shape.depth]}
        model = build(name, shape, engram, torch.arange(shape.vocabulary), 0, 0, args.attention).to(device)
        source, moved_by = Drawn(shape, about["batch"]), Optimisers(model, optimiser, tables=engram["rate"])
        trainers[name, optimiser] = Trainer(model, source, moved_by, {}, args.precision, args.compile == "on")
    steps = {key: stepper(trainer) for key, trainer in trainers.items()}
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in steps}
    peaks = []
    for at in tqdm(range(_WARM + args.steps), unit="round", desc=f"depth {shape.depth}"):
        peaks.append(peak_flops(shape, about["batch"], device, args.precision))
        for key, step in steps.items():
            took = step()
            if at >= _WARM:
                seconds[key].append(took)
    tokens, peak = about["batch"] * shape.sequence, statistics.median(peaks)
    items = []
    for (name, optimiser), times in seconds.items():
        rate = tokens / statistics.median(times)
        share = rate * flops_of_token(trainers[name, optimiser].model) / peak
        items.append({"depth": shape.depth, "model": name, "optimiser": optimiser, "tokens_per_s": rate, "share_of_peak": share})
        print(
            f"depth {shape.depth} {name:7} {optimiser:6} {rate:9,.0f} tokens/s, {share:.0%} of what matrix products alone reach"
        )
    return peak, items


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {})
    settings = load_config(args.config)
    about = settings["pretrain"]
    use_threads(settings["threads"])
    metrics, items, shapes = {}, [], []
    for depth in args.depths or [about["depth"]]:
        shape = Shape.of_depth(depth, about["vocabulary"], about["sequence"])
        peak, found = measure(shape, about, args)
        before = f"d{depth}." if args.depths else ""
        metrics[f"{before}peak_gflops"] = peak / 1e9
        metrics |= {f"{before}{one['model']}.{one['optimiser']}.tokens_per_s": one["tokens_per_s"] for one in found}
        items += found
        shapes.append(asdict(shape))
    config = {"shapes": shapes, "pretrain": about, "precision": args.precision, "steps": args.steps}
    record = provenance.record() | {"device": args.device, "attention": described(args.attention), "compile": args.compile}
    write_json(args.out, result("bench_pretrain", config, 0, rounded(metrics), rounded(items), record))
    print(f"{args.out}: medians of {args.steps} steps of {about['batch'] * shape.sequence:,} tokens")


if __name__ == "__main__":
    run_step(main)
