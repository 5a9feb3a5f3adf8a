"""Train one language model from scratch on packed prose: the plain decoder, with Engram tables, widened to as many
parameters, or with layers of the delta rule and sparse attention in the place of attention.

One line a step. A killed run continues after its last checkpoint, with the same losses to the last bit on a CPU. Under torchrun
each process takes its share of every batch (torchrun --nproc-per-node 2 code/steps/pretrain.py ...).
A corpus may also be a folder of parquet files with a column "text", as public corpora come: it is read group by group, and bits
per byte are then those of the first row group of the file that is held out.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save
from torch import distributed

from loci.config import load_config
from loci.errors import run_step
from loci.models.architectures import NAMES, build
from loci.models.attention import described
from loci.models.base import use_threads
from loci.models.bpe import BOS, bytes_of, canonical_of, load_bpe
from loci.models.gpt import GPT, Shape
from loci.models.optimisers import Optimisers
from loci.models.packed import Packed, pack, windows_of
from loci.models.running import add_options, device_of
from loci.models.streamed import Streamed, first_texts
from loci.models.trainer import Schedule, Told, Trainer, bits_per_byte, line_of
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_bytes, write_json
from loci.shards import Shards
from loci.worlds.prose_files import texts_of


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--model", choices=NAMES, required=True, default=argparse.SUPPRESS, help="what is trained")
    parser.add_argument("--seed", type=int, default=0, help="redraws initial weights and the order of the text (integer)")
    parser.add_argument(
        "--corpus", type=Path, default=GENERATED / "prose.train.parquet", help="text to learn from (parquet, or a folder)"
    )
    parser.add_argument("--held-out", type=Path, default=GENERATED / "prose.heldout.parquet", help="text to measure on (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    add_options(parser)
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--weights", type=Path, required=True, default=argparse.SUPPRESS, help="weights to write (safetensors)")
    return parser.parse_args(argv)


def join_processes(device: str) -> tuple[int, int]:
    """(rank, number of processes) under torchrun; (0, 1) alone."""
    if "RANK" not in os.environ:
        return 0, 1
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    return distributed.get_rank(), distributed.get_world_size()


class Diary:
    """What is seen while a model is trained: a line a step, and bits per byte of held-out text every so many steps.

    Measurements are kept as they are made, with the seconds of training up to them.
    """

    def __init__(
        self,
        model: GPT,
        schedule: Schedule,
        shards: Shards,
        held: torch.Tensor,
        token_bytes: torch.Tensor,
        about: dict,
        precision: str,
    ):
        self.model, self.schedule, self.shards, self.about, self.precision = model, schedule, shards, about, precision
        self.held, self.token_bytes = held, token_bytes

    def tell(self, told: Told) -> None:
        """Take note of a step."""
        tokens = self.about["batch"] * self.model.shape.sequence
        print(line_of(told, self.schedule, tokens), file=sys.stderr)
        if told.step % self.about["measure_every"] == 0 or told.step == self.schedule.steps:
            windows = windows_of(self.held, self.model.shape.sequence, self.about["batch"], self.about["measured"])
            bpb = bits_per_byte(self.model, windows, self.token_bytes, self.precision)
            self.shards.put(f"at{told.step:07d}", {"step": told.step, "val_bpb": bpb, "seconds": told.seconds})

    def measured(self) -> list[dict]:
        """All measurements so far, in order."""
        every, last = self.about["measure_every"], self.schedule.steps
        steps = sorted({*range(every, last + 1, every), last})
        return [item for step in steps if (item := self.shards.get(f"at{step:07d}"))]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    many = args.corpus.is_dir()
    inputs = {"held_out": args.held_out, "tokenizer": args.tokenizer} | ({} if many else {"corpus": args.corpus})
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    about, schedule = settings["pretrain"], Schedule(settings["pretrain"]["steps"])
    use_threads(settings["threads"])
    rank, world = join_processes(args.device)
    device = device_of(args.device)
    tokenizer = load_bpe(args.tokenizer)
    shape = Shape.of_depth(about["depth"], tokenizer.get_vocab_size(), about["sequence"])
    pad = tokenizer.token_to_id(BOS)
    model = build(args.model, shape, about["engram"], canonical_of(tokenizer), pad, args.seed, args.attention).to(device)
    share = shape.sequence, about["batch"], args.seed, rank, world
    source = Streamed(args.corpus, tokenizer, *share) if many else Packed(pack(texts_of(args.corpus), tokenizer), *share)
    relevant = {"model": args.model, "shape": asdict(shape), "pretrain": about, "precision": args.precision}
    derived = {"parameters": model.parameters_by_kind()}
    derived |= {"row_groups": len(source.groups)} if many else {"windows": source.windows}
    files = {"corpus": source.identity if many else sha256_file(args.corpus), "tokenizer": sha256_file(args.tokenizer)}
    owned = {**relevant, **files, "seed": args.seed, "processes": world, "device": args.device}
    shards = Shards(Path(__file__), owned, args.out.parent / "work")
    # Of the prose, known names and wordings: others are another question.
    held = pack(first_texts(args.held_out) if many else texts_of(args.held_out, "none"), tokenizer)
    diary = Diary(model, schedule, shards, held, bytes_of(tokenizer), about, args.precision)
    moved_by = Optimisers(model, about["optimiser"], tables=about["engram"]["rate"])
    trainer = Trainer(model, source, moved_by, owned, args.precision, args.compile == "on")
    if rank == 0:
        print(f"{args.model}: {asdict(shape) | derived}", file=sys.stderr)
    losses = trainer.train(schedule, shards.folder / "half.safetensors", about["keep_every"], diary.tell if rank == 0 else None)
    if rank == 0:
        write_bytes(args.weights, save(model.state_dict()))
        measured = diary.measured()
        metrics = {"val_bpb": measured[-1]["val_bpb"], "weights_sha256": sha256_file(args.weights)}
        curve = [{"step": at, "loss": loss} for at, loss in enumerate(rounded(losses), 1)]
        curve += rounded([{"step": item["step"], "val_bpb": item["val_bpb"]} for item in measured])
        seconds, tokens = [item["seconds"] for item in measured], schedule.steps * about["batch"] * shape.sequence
        record = provenance.record() | {"measured_at_seconds": rounded(seconds), "tokens_per_s": round(tokens / seconds[-1], 1)}
        record |= {"device": args.device, "attention": described(args.attention), "compile": args.compile, "processes": world}
        write_json(args.out, result("pretrain", relevant | derived, args.seed, rounded(metrics), curve, record))
        print(
            f"{args.out}: {args.model} read {tokens:,} tokens, last loss {losses[-1]:.3f} nats a token; held-out text takes "
            f"{metrics['val_bpb']:.3f} bits a byte"
        )
    if world > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    run_step(main)
