"""Train one arm of the comparison of memories for evicted text: a decoder from scratch that reads exams through a window.

Every arm reads the same documents, as many tokens of them a step, for as many steps; what differs is how long its window is and
what stands in its memory zone of the text before. A killed run continues after its last checkpoint, to the same bytes on a CPU.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import save
from tokenizers import Tokenizer

from loci.bench.arms import Arm, parts_of
from loci.bench.evicted import ReadDocument, Windows, read, windows
from loci.bench.self_extraction import emitting
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.attention import backend_of, described
from loci.models.base import use_threads
from loci.models.bpe import load_bpe
from loci.models.optimisers import Optimisers, Rates
from loci.models.running import add_options, device_of
from loci.models.trainer import Schedule, Told, Trainer, line_of
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_bytes, write_json
from loci.shards import Shards
from loci.worlds.prose_files import read_documents
from loci.worlds.prose_lexicon import many_valued

_KEEP_EVERY = 50  # steps
_MEAN = 20  # steps of which the last loss is the mean


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--arm", required=True, default=argparse.SUPPRESS, help="one of windowed.arms of the profile")
    parser.add_argument("--seed", type=int, default=0, help="redraws initial weights, and what is left out and when (integer)")
    parser.add_argument("--corpus", type=Path, default=GENERATED / "exams.train.parquet", help="exams to learn from (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    add_options(parser)
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--weights", type=Path, required=True, default=argparse.SUPPRESS, help="weights to write (safetensors)")
    return parser.parse_args(argv)


def arm_of(settings: dict, name: str) -> Arm:
    """An arm of the profile; UserError for another name."""
    arms = settings["windowed"]["arms"]
    if name not in arms:
        raise UserError(f"--arm {name}", "is not in the profile", f"use one of {', '.join(arms)}")
    return Arm(**arms[name])


def enough(path: Path, tokenizer: Tokenizer, tokens: int, emits: bool = False) -> Iterator[ReadDocument]:
    """Documents, or passages with the triplets that they state, until they have that many tokens; UserError where the file ends
    before."""
    for document in read_documents(path):
        made = read(emitting(document) if emits else document, tokenizer)
        yield made
        tokens -= len(made.ids) - 1
        if tokens <= 0:
            return
    raise UserError(path, f"lacks {tokens} tokens of what one pass over it takes", "make it with more --tokens")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"corpus": args.corpus, "tokenizer": args.tokenizer})
    settings = load_config(args.config)
    about, arm = settings["windowed"], arm_of(settings, args.arm)
    use_threads(settings["threads"])
    device = device_of(args.device)
    tokenizer, schedule = load_bpe(args.tokenizer), Schedule(about["steps"])
    model = arm.model(about["depth"], tokenizer.get_vocab_size(), args.seed, backend_of(args.attention)).to(device)
    # Windows at the ends of documents are shorter: how much of a batch is text differs a little from arm to arm.
    documents = list(enough(args.corpus, tokenizer, about["steps"] * about["batch_tokens"], arm.emits))
    found, size = windows(documents, arm.window, many_valued()), about["batch_tokens"] // arm.window
    source = Windows(found, arm.window, size, arm.remembered(True), parts_of(tokenizer), args.seed, about["answers"])
    names = ("depth", "steps", "batch_tokens", "answers", "rates")
    relevant = {"name": args.arm, "arm": asdict(arm), **{name: about[name] for name in names}, "precision": args.precision}
    files = {name: sha256_file(path) for name, path in (("corpus", args.corpus), ("tokenizer", args.tokenizer))}
    owned = {**relevant, **files, "seed": args.seed, "device": args.device}
    shards = Shards(Path(__file__), owned, args.out.parent / "work")
    moved_by = Optimisers(model, "muon", Rates(**about["rates"]))
    trainer = Trainer(model, source, moved_by, owned, args.precision, args.compile == "on")
    seconds: list[float] = []

    def tell(told: Told) -> None:
        seconds.append(told.seconds)
        print(line_of(told, schedule, about["batch_tokens"]), file=sys.stderr)

    losses = trainer.train(schedule, shards.folder / "half.safetensors", _KEEP_EVERY, tell)
    write_bytes(args.weights, save(model.state_dict()))
    metrics = {"weights_sha256": sha256_file(args.weights), "last_loss": sum(losses[-_MEAN:]) / len(losses[-_MEAN:])}
    derived = {"shape": asdict(model.shape), "positions": arm.positions, "parameters": model.parameters_by_kind()}
    record = provenance.record() | {"train_seconds": round(seconds[-1], 1) if seconds else None}
    record |= {"device": args.device, "attention": described(args.attention), "compile": args.compile}
    curve = [{"step": at, "loss": loss} for at, loss in enumerate(rounded(losses), 1)]
    write_json(args.out, result("train_windowed", relevant | derived, args.seed, rounded(metrics), curve, record))
    tokens = about["steps"] * about["batch_tokens"]
    print(f"{args.out}: arm {args.arm} read {tokens:,} tokens; {metrics['last_loss']:.3f} nats a token in the end")


if __name__ == "__main__":
    run_step(main)
