"""Train the encoder of a zone of triplets in front of the frozen base model, on other users than those who are asked.

No test user, no wording of a test user and no value that only test users have is learnt from. A killed run continues after its
last checkpoint.
"""

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save

from loci.bench.pupils import iter_pupils
from loci.bench.zone_training import ZoneSettings, loss_of, step_of, train_zone
from loci.config import load_config
from loci.errors import run_step
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base, use_threads
from loci.models.frozen_zone import FrozenZone
from loci.progress import watching
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_bytes, write_json
from loci.shards import Shards
from loci.worlds.people import iter_users

WATCHED = 4  # development users whose questions measure the loss on people that are not trained on


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument(
        "--adapter", type=Path, help="a reader that stays attached, by train_reader.py (safetensors); none: the base"
    )
    parser.add_argument("--seed", type=int, default=0, help="redraws lessons, their order and initial weights (integer)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--weights", type=Path, required=True, default=argparse.SUPPRESS, help="encoder to write (safetensors)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"adapter": args.adapter} if args.adapter else {}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    how, people = ZoneSettings(**settings["zone"]), settings["people"]
    base = load_base(settings["base"]["name"], args.model)
    if args.adapter:
        slot = LoraSlot(base, LoraSpec(settings["reader"]["rank"], settings["reader"]["targets"]))
        slot.put(slot.load(args.adapter))
    pupils = list(iter_pupils(range(how.users), people["seed"]))
    watched = list(iter_users("personal", "dev", range(min(WATCHED, people["dev"])), people["seed"]))
    torch.manual_seed(args.seed)
    zone = FrozenZone(base.model.get_input_embeddings(), how.longest)
    relevant = {name: settings[name] for name in ("base", "people", "zone")}
    relevant |= {name: sha256_file(path) for name, path in inputs.items()}
    shards = Shards(Path(__file__), {**relevant, "seed": args.seed, "model": base.model_sha256}, args.out.parent / "work")
    started = time.perf_counter()
    with watching("zone", "step") as watch:
        losses = train_zone(zone, base, pupils, how, args.seed, shards.folder / "half.safetensors", watch)
    seconds = time.perf_counter() - started
    with torch.no_grad():
        steps = [step_of(user, how, random.Random(f"watched:{user.uid}"), base.tokenizer) for user in watched]
        held_out = [loss_of(zone, base, *step).item() for step in steps]
    write_bytes(args.weights, save(zone.state_dict()))
    metrics = {
        "parameters": sum(weight.numel() for weight in zone.parameters()),
        "loss_held_out": sum(held_out) / len(held_out),
        "weights_sha256": sha256_file(args.weights),
    }
    record = provenance.record() | {"train_seconds": seconds, "model_sha256": base.model_sha256}
    curve = [{"step": at, "loss": loss} for at, loss in enumerate(rounded(losses), 1)]
    write_json(args.out, result("train_zone", relevant, args.seed, rounded(metrics), curve, record))
    print(
        f"{args.weights}: an encoder of {metrics['parameters']:,} parameters, taught on {how.users} users; "
        f"loss on development users {metrics['loss_held_out']:.3f} nats a token"
    )


if __name__ == "__main__":
    run_step(main)
