"""Ask the base model with triplets in a zone in front of the prompt: the layered questions, with each user's own facts (t) and
with another user's (ts). A killed run continues with the next user.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tqdm import tqdm

from loci.bench.layer_asking import limits_of
from loci.bench.people import asked_questions, asked_users, donors
from loci.bench.zone_asking import answers
from loci.bench.zone_training import layers_of
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base, use_threads
from loci.models.checkpoints import weights_beside
from loci.models.engram import EngramSpec, Graft
from loci.models.frozen_zone import FrozenZone
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.records import load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--adapter", type=Path, help="the reader that was attached in training (safetensors); none: the base")
    parser.add_argument("--trained", type=Path, required=True, default=argparse.SUPPRESS, help="by train_zone.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"users": args.users, "trained": args.trained} | ({"adapter": args.adapter} if args.adapter else {})
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    base, everybody, layered = load_base(settings["base"]["name"], args.model), load_users(args.users), settings["layered"]
    users = asked_users(everybody, settings)
    record = read_result(args.trained)
    weights = weights_beside(args.trained, record, "train_zone.py")
    if record["config"]["base"] != settings["base"]:
        raise UserError(
            args.trained, f"is of base {record['config']['base']['name']}, not {base.name}", "train it with this profile"
        )
    if record["config"].get("adapter") != (sha256_file(args.adapter) if args.adapter else None):
        raise UserError(args.trained, "was trained with another reader, or none", "give the adapter that train_zone.py was given")
    if args.adapter:
        slot = LoraSlot(base, LoraSpec(settings["reader"]["rank"], settings["reader"]["targets"]))
        slot.put(slot.load(args.adapter))
    own, other = ("ta", "tas") if args.adapter else ("t", "ts")
    zone = FrozenZone(base.model.get_input_embeddings(), record["config"]["zone"]["longest"]).requires_grad_(False)
    zone.load_state_dict(load_file(weights))
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    limits, donor = limits_of(settings, base.tokenizer), donors(users)
    relevant = {name: settings[name] for name in ("base", "matrix", "layered")} | {"zone": record["config"]["zone"]}
    files = {name: sha256_file(path) for name, path in inputs.items()}
    shards = Shards(Path(__file__), {**relevant, **files, "model": base.model_sha256}, args.out.parent / "work")
    said, items = [], []
    for user in tqdm(users, desc="ask", unit="user"):
        part = shards.get(user.uid)
        if part is None:
            start, found, positions = time.perf_counter(), [], 0
            questions = asked_questions(user, everybody, settings, layered["questions"])
            for name, owner in ((own, user), (other, donor[user.uid])):
                with torch.no_grad():
                    layers = layers_of(zone, base, owner.final_facts())
                positions = positions or layers[0][0].shape[2]
                found += answers(name, user, questions, layers, graft, base.tokenizer, limits, layered["batch"])
            seconds = time.perf_counter() - start
            part = shards.put(user.uid, {"answers": found, "positions": positions, "seconds": seconds})
        said += part["answers"]
        items.append({"uid": user.uid, "positions": part["positions"], "seconds": round(part["seconds"], 2)})
    said.sort(key=lambda answer: (answer["memory"], answer["uid"], answer["qid"]))
    write_jsonl(args.answers, said)
    metrics = {"answers": len(said), "answers_sha256": sha256_file(args.answers)}
    made = provenance.record() | {"model_sha256": base.model_sha256}
    write_json(args.out, result("ask_zone", relevant, record["seed"], rounded(metrics), items, made))
    print(f"{args.answers}: {len(said)} raw answers of {len(users)} users; score_zone.py says how many are right")


if __name__ == "__main__":
    run_step(main)
