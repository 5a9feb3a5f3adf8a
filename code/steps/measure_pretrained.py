"""Compare models that were trained from scratch: bits per byte at equal steps, parameters and seconds, what each is sensitive to,
what its layers would say, and which tokens an Engram table helps.

Reads the results and weights of pretrain.py, seeds of each model side by side. Differences are paired by seed.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from loci.bench.pretrained import (
    COUNTED,
    FACTUAL,
    READING,
    Probe,
    TrigramCounts,
    lens,
    nats,
    nats_by_band,
    probes_of,
    silenced,
    stable_facts,
)
from loci.bench.statistics import bootstrap, over_seeds, unpaired_difference
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.architectures import build
from loci.models.base import use_threads
from loci.models.bpe import BOS, bytes_of, canonical_of, load_bpe
from loci.models.checkpoints import weights_of
from loci.models.gpt import GPT, Shape
from loci.models.packed import pack, windows_of
from loci.models.trainer import bits_per_byte
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, write_json
from loci.worlds.prose import documents
from loci.worlds.prose_files import read_documents, texts_of
from loci.worlds.prose_records import NOVELTIES

_BATCH = 8  # windows read together


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument(
        "--trained", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="results of pretrain.py (JSON)"
    )
    parser.add_argument("--corpus", type=Path, default=GENERATED / "prose.train.parquet", help="text they learnt from (parquet)")
    parser.add_argument("--held-out", type=Path, default=GENERATED / "prose.heldout.parquet", help="text to measure on (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def load_model(path: Path, record: dict, canonical: torch.Tensor, pad: int) -> GPT:
    """The model of a result of pretrain.py; UserError where its weights are missing, altered, or of another shape."""
    weights, config = weights_of(path, record, len(canonical), "pretrain.py"), record["config"]
    model = build(config["model"], Shape(**config["shape"]), config["pretrain"]["engram"], canonical, pad, record["seed"])
    model.load_state_dict(weights)
    return model.eval()


def curve_of(record: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, bits per byte of held-out text, and seconds of training at each measurement of a training."""
    measured = [item for item in record["items"] if "val_bpb" in item]
    seconds = np.array(record["provenance"]["measured_at_seconds"])
    return np.array([item["step"] for item in measured]), np.array([item["val_bpb"] for item in measured]), seconds


def at_equal_seconds(left: dict, right: dict) -> float:
    """Bits per byte of `left` less those of `right` when the faster of both had ended, in between two measurements in a line."""
    (_, one, one_at), (_, other, other_at) = curve_of(left), curve_of(right)
    end = min(one_at[-1], other_at[-1])
    return float(np.interp(end, one_at, one) - np.interp(end, other_at, other))


def over_items(values: Sequence[float], source: str) -> dict:
    """A ledger entry: mean of probes or batches, resampled."""
    low, high = bootstrap(np.array(values))
    return {"value": float(np.mean(values)), "low": low, "high": high, "n": len(values), "source": source}


def losses_entries(records: dict[tuple[str, int], dict], source: str) -> dict[str, dict]:
    """Bits per byte of each model, and of pairs at equal steps (engram, dense), parameters (engram, wide) and seconds."""
    seeds = defaultdict(dict)
    for (name, seed), record in records.items():
        seeds[name][seed] = record
    out = {
        f"pretrain.{name}.val_bpb": over_seeds([one["metrics"]["val_bpb"] for one in found.values()], source)
        for name, found in seeds.items()
    }
    for name, found in seeds.items():
        curves = [curve_of(one)[:2] for one in found.values()]
        for at, step in enumerate(curves[0][0]):
            out[f"pretrain.{name}.step{step}.val_bpb"] = over_seeds([values[at] for _, values in curves], source)
    for other in sorted(set(seeds) - {"engram"}):
        both = sorted(seeds["engram"].keys() & seeds[other].keys())
        pairs = [(seeds["engram"][seed], seeds[other][seed]) for seed in both]
        gaps = [one["metrics"]["val_bpb"] - two["metrics"]["val_bpb"] for one, two in pairs]
        out[f"pretrain.engram_minus_{other}.val_bpb"] = over_seeds(gaps, source)
        timed = [at_equal_seconds(one, two) for one, two in pairs]
        out[f"pretrain.engram_minus_{other}.equal_seconds.val_bpb"] = over_seeds(timed, source)
    return out


def novelty_entries(found: dict[str, dict[str, dict[int, float]]], source: str) -> dict[str, dict]:
    """Bits per byte of text with what training never showed, {novelty: {model: {seed: bits}}}, and Engram less dense."""
    out = {}
    for novel, models in found.items():
        for name, seeds in models.items():
            out[f"pretrain.{name}.{novel}.val_bpb"] = over_seeds(list(seeds.values()), source)
        both = sorted(models["engram"].keys() & models["dense"].keys())
        gaps = [models["engram"][seed] - models["dense"][seed] for seed in both]
        out[f"pretrain.engram_minus_dense.{novel}.val_bpb"] = over_seeds(gaps, source)
    return out


def sensitivity(models: list[GPT], probes: list[Probe]) -> dict[str, dict[str, np.ndarray]]:
    """Nats an answer token of each probe, by kind, whole and with parts silenced, averaged over seeds: {part: {kind: [probes]}}.

    Parts: the Engram tables, and the MLP of each block.
    """
    found: dict[str, list[list[float]]] = defaultdict(list)
    for model in models:
        found["whole"].append(nats(model, probes))
        parts = {"engram": list(model.attached.values())} | {f"mlp{at}": [block.down] for at, block in enumerate(model.blocks)}
        for name, silent in parts.items():
            with silenced(*silent):
                found[name].append(nats(model, probes))
    means = {name: np.array(values).mean(0) for name, values in found.items()}
    kinds = np.array([probe.kind for probe in probes])
    return {name: {kind: values[kinds == kind] for kind in (FACTUAL, READING)} for name, values in means.items()}


def sensitivity_entries(found: dict[str, dict[str, np.ndarray]], at: int, source: str) -> dict[str, dict]:
    """What silencing costs, by kind, and factual minus reading: of the tables, of every MLP, and of the tables less the MLP of
    block `at`, in front of which the tables stand."""
    out = {}
    for kind in (FACTUAL, READING):
        out[f"pretrain.engram.{kind}.nats"] = over_items(found["whole"][kind], source)
    costs = {
        part: {kind: found[part][kind] - found["whole"][kind] for kind in (FACTUAL, READING)}
        for part in sorted(found.keys() - {"whole"})
    }
    for part, cost in costs.items():
        for kind, values in cost.items():
            out[f"pretrain.engram.silenced_{part}.{kind}.dnats"] = over_items(values, source)
        out[f"pretrain.engram.silenced_{part}.gap"] = unpaired_difference(cost[FACTUAL], cost[READING]).entry(source)
    more = {kind: costs["engram"][kind] - costs[f"mlp{at}"][kind] for kind in (FACTUAL, READING)}
    out["pretrain.engram.sensitivity_gap"] = out["pretrain.engram.silenced_engram.gap"]
    out["pretrain.engram.sensitivity_gap_over_mlp"] = unpaired_difference(more[FACTUAL], more[READING]).entry(source)
    return out


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"corpus": args.corpus, "held_out": args.held_out, "tokenizer": args.tokenizer}
    provenance = Provenance(Path(__file__), inputs | {f"trained.{at}": path for at, path in enumerate(args.trained)})
    settings = load_config(args.config)
    about, how = settings["pretrain"], settings["pretrained"]
    use_threads(settings["threads"])
    tokenizer = load_bpe(args.tokenizer)
    canonical, pad, token_bytes = canonical_of(tokenizer), tokenizer.token_to_id(BOS), bytes_of(tokenizer)
    read = {path: read_result(path) for path in args.trained}
    records = {(record["config"]["model"], record["seed"]): record for record in read.values()}
    models = {
        (record["config"]["model"], record["seed"]): load_model(path, record, canonical, pad)
        for path, record in tqdm(read.items(), unit="model")
    }
    if not {"dense", "engram"} <= {name for name, _ in models}:
        raise UserError("--trained", "lacks a dense or an Engram model", "give results of both")
    learnt = list(read_documents(args.corpus))
    fresh = islice(documents(0, "train", len(learnt)), how["documents"])
    probes = probes_of(fresh, tokenizer, about["sequence"], how["probes"], stable_facts(learnt))
    held = {novel: pack(texts_of(args.held_out, novel), tokenizer) for novel in NOVELTIES}
    source, metrics = args.out.name, losses_entries(records, args.out.name)
    tables = [model for (name, _), model in models.items() if name == "engram"]
    metrics |= sensitivity_entries(sensitivity(tables, probes), about["engram"]["layers"][0], source)
    counts = TrigramCounts(pack((document.text for document in learnt), tokenizer))
    by_layer, by_band = defaultdict(list), defaultdict(lambda: defaultdict(list))
    by_novelty = defaultdict(lambda: defaultdict(dict))
    for (name, seed), model in tqdm(models.items(), unit="model"):
        batches = list(windows_of(held["none"], about["sequence"], _BATCH, about["measured"]))
        for novel in NOVELTIES[1:]:
            windows = windows_of(held[novel], about["sequence"], _BATCH, about["measured"])
            by_novelty[novel][name][seed] = bits_per_byte(model, windows, token_bytes)
        for at, value in enumerate(lens(model, batches)):
            by_layer[f"pretrain.{name}.lens.layer{at}.nats"].append(value)
        for band, values in nats_by_band(model, batches, counts).items():
            by_band[band][name].append(values)
    metrics |= {key: over_seeds(values, source) for key, values in by_layer.items()} | novelty_entries(by_novelty, source)
    for band, *_ in COUNTED:
        gains = np.mean(by_band[band]["engram"], 0) - np.mean(by_band[band]["dense"], 0)
        if not len(gains):
            continue  # a small text has no trigram that often
        metrics[f"pretrain.engram_minus_dense.{band}.dnats"] = over_items(gains, source)
    config = {"pretrain": about, "pretrained": {name: how[name] for name in ("probes", "documents")}}
    config["models"] = sorted(f"{name}.s{seed}" for name, seed in models)
    speeds = defaultdict(list)
    for (name, _), record in records.items():
        speeds[f"pretrain.{name}.tokens_per_s"].append(record["provenance"]["tokens_per_s"])
    costs = {key: over_seeds(values, source) for key, values in speeds.items()}
    made = provenance.record() | {"costs": rounded(costs)}
    write_json(args.out, result("measure_pretrained", config, None, rounded(metrics), [], made))
    gap, steps = metrics["pretrain.engram.sensitivity_gap"], metrics["pretrain.engram_minus_dense.val_bpb"]
    print(
        f"{args.out}: Engram minus dense {steps['value']:+.4f} bits a byte at equal steps; silencing the tables costs "
        f"{gap['value']:+.3f} nats more an answer token where the answer stands in the weights than where it stands in the text"
    )


if __name__ == "__main__":
    run_step(main)
