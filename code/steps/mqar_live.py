"""Recall of pairs by learning rate: the delta rule, linear attention and plain attention, each trained at every rate of a sweep.

A recurrent model learns this in a narrow range of rates, so one rate alone says nothing. A killed run goes on with the
next model.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.mqar import learnt
from loci.bench.statistics import over_seeds
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import use_threads
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.shards import Shards


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def entries(items: Sequence[dict], source: str) -> dict[str, dict]:
    """mqar.<model>.p<pairs>.r<rate>.exact, mean over seeds; mqar.<model>.p<pairs>.best and .worst, of the rates, the best one's
    number .best_rate."""
    found: dict[tuple[str, int, float], list[float]] = {}
    for one in items:
        for pairs, share in one["right"].items():
            found.setdefault((one["model"], int(pairs), one["rate"]), []).append(share)
    ledger = {f"mqar.{model}.p{pairs}.r{rate:g}.exact": over_seeds(of, source) for (model, pairs, rate), of in found.items()}
    for model, pairs in dict.fromkeys((model, pairs) for model, pairs, _ in found):
        means = {rate: sum(of) / len(of) for (name, many, rate), of in found.items() if (name, many) == (model, pairs)}
        best, worst = max(means, key=means.get), min(means, key=means.get)
        for what, value in (("best", means[best]), ("worst", means[worst]), ("best_rate", best)):
            ledger[f"mqar.{model}.p{pairs}.{what}"] = {"value": value, "n": len(means), "source": source}
    return ledger


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    settings = load_config(args.config)
    about = settings["live"]["mqar"]
    use_threads(settings["threads"])
    shards, items = Shards(Path(__file__), about, args.out.parent / "work"), []
    runs = [(model, rate, seed) for model in about["models"] for rate in about["rates"] for seed in about["seeds"]]
    for model, rate, seed in tqdm(runs, desc="mqar", unit="model"):
        name = f"{model}.r{rate:g}.s{seed}"
        part = shards.get(name) or shards.put(name, {"right": {str(k): v for k, v in learnt(model, rate, about, seed).items()}})
        items.append({"model": model, "rate": rate, "seed": seed, **part})
    ledger = rounded(entries(items, args.out.name))
    write_json(args.out, result("mqar_live", {"mqar": about}, None, ledger, rounded(items), provenance.record()))
    most = max(about["pairs"])
    told = "; ".join(
        f"{model} {best['value']:.2f} (worst {ledger[f'mqar.{model}.p{most}.worst']['value']:.2f})"
        for model in about["models"]
        for best in [ledger[f"mqar.{model}.p{most}.best"]]
    )
    print(f"{args.out}: {most} pairs recalled at the best of {len(about['rates'])} rates: {told}")


if __name__ == "__main__":
    run_step(main)
