"""Train the reading of retrieved lines further: the reciting reader goes on with lessons behind as many lines as it will read.

The control of the growth of memories: condition J there is read by the reciting reader, whose lessons hold few lines; this one
has learnt everything that that reader has, and then more, of just what it is asked. With --bare it is the reader of rows (K) that
goes on: as many lessons, about the same questions of the same people, with nothing in front. No lesson is about a test user. A
killed run continues after its last checkpoint.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from loci.bench.finding import finding_lessons, firing_lessons
from loci.bench.layer_bench import shape_of
from loci.bench.lessons import encoded
from loci.bench.pupils import iter_pupils
from loci.config import load_config
from loci.errors import run_step
from loci.models.adapters import LoraSlot
from loci.models.base import load_base, use_threads
from loci.models.encoder import Encoder
from loci.models.tuning import Example, TuneSettings, mean_loss, tune
from loci.progress import watching
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, sha256_text, write_json
from loci.shards import Shards
from loci.worlds.people import iter_users
from loci.worlds.records import User

_WATCHED = 2  # development users whose lessons measure the loss on people that are not trained on
_SEED = 0


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument(
        "--start", type=Path, required=True, default=argparse.SUPPRESS, help="the reciting reader's weights (safetensors)"
    )
    parser.add_argument("--bare", action="store_true", help="lessons with nothing in front, as rows are asked")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--adapter", type=Path, required=True, default=argparse.SUPPRESS, help="weights to write (safetensors)")
    return parser.parse_args(argv)


def lessons_about(users: Iterator[User], settings: dict, tokenizer, encoder: Encoder | None) -> list[Example]:
    """The lessons of all users as token sequences; one user after the other has a memory of each size. encoder: of the index that
    finds the lines in front; without one there are none."""
    about, seed, found = settings["finder"], settings["people"]["seed"], []
    for at, user in enumerate(users):
        size = about["facts"][at % len(about["facts"])]
        if encoder is None:
            found += firing_lessons(user, size, about["lessons"], seed)
        else:
            found += finding_lessons(user, size, about["lines"], about["lessons"], settings["layered"]["index"], encoder, seed)
    return [encoded(pieces, tokenizer) for pieces in found]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"start": args.start})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    about, people = settings["finder"], settings["people"]
    base = load_base(settings["base"]["name"], args.model)
    slot = LoraSlot(base, shape_of(settings, "recite"))
    start = slot.load(args.start)
    encoder = None if args.bare else Encoder.load(settings["encoder"]["name"], args.encoder)
    print("making lessons" + ("" if args.bare else ": what an index finds in large memories stands in front of them"), flush=True)
    examples = lessons_about(iter_pupils(range(about["users"]), people["seed"]), settings, base.tokenizer, encoder)
    watched = iter_users("personal", "dev", range(min(_WATCHED, people["dev"])), people["seed"])
    held_out = lessons_about(watched, settings, base.tokenizer, encoder)
    relevant = {name: settings[name] for name in ("base", "encoder", "reader", "finder")}
    relevant |= {"index": settings["layered"]["index"], "bare": args.bare}
    owned = {**relevant, "model": base.model_sha256, "start": sha256_file(args.start)}
    owned |= {"lessons": sha256_text(str([(one.ids, one.marked) for one in examples]))}
    how = TuneSettings(about["rate"], 1, about["bare_tokens" if args.bare else "tokens"])
    shards, pad = Shards(Path(__file__), owned, args.out.parent / "work"), base.tokenizer.pad_token_id
    slot.put(start)
    before = mean_loss(base.model, held_out, how.tokens, pad)
    with watching("further lessons", "step") as watch:
        began = time.perf_counter()
        weights, losses = tune(slot, examples, how, _SEED, pad, shards.folder / "half.safetensors", watch, start)
        seconds = time.perf_counter() - began
    slot.save(weights, args.adapter)
    metrics = {
        "lessons": len(examples),
        "tokens": sum(len(one.ids) for one in examples),
        "learnt_tokens": sum(sum(one.marked) for one in examples),
        "bytes": weights.nbytes,
        "loss_held_out_before": before,
        "loss_held_out": mean_loss(base.model, held_out, how.tokens, pad),
        "adapter_sha256": sha256_file(args.adapter),
    }
    record = provenance.record() | {"train_seconds": seconds, "model_sha256": base.model_sha256}
    curve = [{"step": at, "loss": loss} for at, loss in enumerate(rounded(losses), 1)]
    write_json(args.out, result("train_finder", relevant, _SEED, rounded(metrics), curve, record))
    behind = "with nothing in front" if args.bare else "behind retrieved lines"
    print(
        f"{args.adapter}: the reciting reader after {len(examples)} lessons {behind}; loss on development users "
        f"{metrics['loss_held_out_before']:.3f} nats a token before, {metrics['loss_held_out']:.3f} now"
    )


if __name__ == "__main__":
    run_step(main)
