"""Tokens a second when a model is trained from scratch: plain and with Engram tables, with Muon and with AdamW, side by side.

The variants take turns, step by step, so that a busy machine slows all of them alike; what counts is the median step. Beside them
stands the machine's own peak: float32 matrices of the model's size multiplied, and the share of it that a training step reaches.
Tokens are drawn at random: their order does not matter to the clock.
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
from loci.models.base import use_threads
from loci.models.gpt import GPT, Shape
from loci.models.optimisers import Optimisers
from loci.provenance import Provenance
from loci.results import result, rounded, write_json

VARIANTS = (("dense", "adamw"), ("dense", "muon"), ("engram", "adamw"), ("engram", "muon"))
_WARM = 3  # steps of each that do not count


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, default="config/laptop.yaml", help="profile (YAML)")
    parser.add_argument("--steps", type=int, default=20, help="that count, of each variant")
    parser.add_argument("--out", type=Path, default="results/laptop/bench/pretrain.json", help="results file to write (JSON)")
    return parser.parse_args(argv)


def stepper(model: GPT, optimiser: str, batch: int) -> Callable[[], float]:
    """A function that takes one training step and returns its seconds."""
    optimisers, generator = Optimisers(model, optimiser), torch.Generator().manual_seed(0)

    def step() -> float:
        shape = (batch, model.shape.sequence + 1)
        drawn = torch.randint(model.shape.vocabulary, shape, generator=generator)
        start = time.perf_counter()
        model.loss(drawn[:, :-1], drawn[:, 1:]).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimisers.step(0.1)
        return time.perf_counter() - start

    return step


def peak_flops(shape: Shape, batch: int, times: int = 30) -> float:
    """Floating-point operations a second of the model's own largest matrix product, the better half of `times`."""
    left, right = torch.randn(batch * shape.sequence, shape.width), torch.randn(shape.width, 4 * shape.width)
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - start)
    return 2 * left.shape[0] * left.shape[1] * right.shape[1] / statistics.median(sorted(seconds)[: times // 2])


def flops_of_token(model: GPT) -> int:
    """Of forward and backward pass: six for each weight that a token is multiplied with, and attention over half the window."""
    shape = model.shape
    multiplied = sum(module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear))
    return 6 * multiplied + 6 * shape.depth * shape.width * shape.sequence


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {})
    settings = load_config(args.config)
    about = settings["pretrain"]
    use_threads(settings["threads"])
    shape = Shape.of_depth(about["depth"], about["vocabulary"], about["sequence"])
    models = {
        (name, optimiser): build(name, shape, about["engram"], torch.arange(shape.vocabulary), 0, 0)
        for name, optimiser in VARIANTS
    }
    steps = {key: stepper(model, key[1], about["batch"]) for key, model in models.items()}
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in models}
    peaks = []
    for at in tqdm(range(_WARM + args.steps), unit="round"):
        peaks.append(peak_flops(shape, about["batch"]))
        for key, step in steps.items():
            took = step()
            if at >= _WARM:
                seconds[key].append(took)
    tokens, peak = about["batch"] * shape.sequence, statistics.median(peaks)
    items = []
    for (name, optimiser), times in seconds.items():
        rate = tokens / statistics.median(times)
        share = rate * flops_of_token(models[name, optimiser]) / peak
        items.append({"model": name, "optimiser": optimiser, "tokens_per_s": rate, "share_of_peak": share})
        print(f"{name:7} {optimiser:6} {rate:7,.0f} tokens/s, {share:.0%} of what matrix products alone reach")
    metrics = {"peak_gflops": peak / 1e9} | {
        f"{one['model']}.{one['optimiser']}.tokens_per_s": one["tokens_per_s"] for one in items
    }
    config = {"shape": asdict(shape), "pretrain": about, "steps": args.steps}
    write_json(args.out, result("bench_pretrain", config, 0, rounded(metrics), rounded(items), provenance.record()))
    print(f"{args.out}: medians of {args.steps} steps of {tokens:,} tokens; matrix products reach {peak / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    run_step(main)
