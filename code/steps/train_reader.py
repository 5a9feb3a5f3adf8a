"""Train one shared reader: an adapter that learns from other users how to recite facts and to reason, or to answer at once.

No test user, no wording of a test user and no value that only test users have is in its lessons: they are made of users of the
training split. A killed run continues after its last checkpoint.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from loci.bench.layer_prompts import TAUGHT, lines_of
from loci.bench.lessons import READERS, encoded, lessons_of
from loci.bench.pupils import iter_pupils
from loci.config import load_config
from loci.errors import run_step
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base, use_threads
from loci.models.encoder import Encoder
from loci.models.tuning import Example, TuneSettings, mean_loss, tune
from loci.progress import watching
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, sha256_text, write_json
from loci.shards import Shards
from loci.worlds.people import iter_users
from loci.worlds.records import User

WATCHED = 4  # development users whose lessons measure the loss on people that are not trained on


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--reader", choices=READERS, required=True, default=argparse.SUPPRESS, help="what it is taught")
    parser.add_argument("--rank", type=int, help="of the adapter; reader.rank of the profile when not given")
    parser.add_argument("--seed", type=int, default=0, help="redraws lessons, batches and initial weights (integer)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--adapter", type=Path, required=True, default=argparse.SUPPRESS, help="weights to write (safetensors)")
    return parser.parse_args(argv)


def lessons_about(reader: str, users: Iterator[User], settings: dict, seed: int, tokenizer, encoder: Encoder) -> list[Example]:
    """The lessons of all users as token sequences; retrieval is the one that conditions J read from."""
    found = []
    for user in users:
        recalled = lines_of(user, "best", settings["layered"], TAUGHT, encoder)
        found += lessons_of(reader, user, settings["reader"]["lessons"], seed, recalled=recalled)
    return [encoded(pieces, tokenizer) for pieces in found]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    about, people = settings["reader"], settings["people"]
    spec = LoraSpec(args.rank or about["rank"], about["targets"])
    base = load_base(settings["base"]["name"], args.model)
    pupils = iter_pupils(range(about["users"]), people["seed"])
    watched = iter_users("personal", "dev", range(min(WATCHED, people["dev"])), people["seed"])
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    print("making lessons: what an index finds stands in front of some", flush=True)
    examples = lessons_about(args.reader, pupils, settings, args.seed, base.tokenizer, encoder)
    held_out = lessons_about(args.reader, watched, settings, args.seed, base.tokenizer, encoder)
    slot = LoraSlot(base, spec)
    how = TuneSettings(about["rate"], about["epochs"], about["tokens"])
    index = {"index": settings["layered"]["index"], "lines": settings["layered"]["lines"][TAUGHT]}
    relevant = {"base": settings["base"], "encoder": settings["encoder"], "layered": index}
    relevant |= {"reader": {**about, "name": args.reader, "rank": spec.rank}}
    ids = sha256_text(str([(one.ids, one.marked) for one in examples]))
    shards = Shards(
        Path(__file__), {**relevant, "seed": args.seed, "lessons": ids, "model": base.model_sha256}, args.out.parent / "work"
    )
    with watching(f"reader {args.reader}, rank {spec.rank}", "step") as watch:
        start = time.perf_counter()
        half = shards.folder / "half.safetensors"
        weights, losses = tune(slot, examples, how, args.seed, base.tokenizer.pad_token_id, half, watch)
        seconds = time.perf_counter() - start
    slot.save(weights, args.adapter)
    metrics = {
        "lessons": len(examples),
        "tokens": sum(len(one.ids) for one in examples) * about["epochs"],
        "learnt_tokens": sum(sum(one.marked) for one in examples) * about["epochs"],
        "bytes": weights.nbytes,
        "loss_held_out": mean_loss(base.model, held_out, about["tokens"], base.tokenizer.pad_token_id),
        "adapter_sha256": sha256_file(args.adapter),
    }
    record = provenance.record() | {"train_seconds": seconds, "model_sha256": base.model_sha256}
    curve = [{"step": at, "loss": loss} for at, loss in enumerate(rounded(losses), 1)]
    write_json(args.out, result("train_reader", relevant, args.seed, rounded(metrics), curve, record))
    print(
        f"{args.adapter}: a reader that learnt to {args.reader} from {len(examples)} lessons; loss on development users "
        f"{metrics['loss_held_out']:.3f} nats a token"
    )


if __name__ == "__main__":
    run_step(main)
