"""Train one column of the grid of Engram tables: a table size, or none, for every number of steps and every seed.

All models have the profile's depth, width, batch and rates; each reads its own part of one long text once. Every training is
kept when it ends, and a killed one goes on from its last checkpoint. Columns may run beside each other.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tqdm import tqdm

from loci.bench.capacity import NONE, Grid, read_grid
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.architectures import build
from loci.models.attention import described
from loci.models.base import use_threads
from loci.models.bpe import BOS, bytes_of, canonical_of, load_bpe
from loci.models.gpt import GPT, Shape
from loci.models.optimisers import Optimisers
from loci.models.packed import Packed, pack, windows_of
from loci.models.running import add_options, device_of
from loci.models.trainer import Schedule, Told, Trainer, bits_per_byte
from loci.paths import CONFIG, GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.prose_files import texts_of
from loci.worlds.prose_records import NOVELTIES


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--sweep", type=Path, default=CONFIG / "sweep_capacity.yaml", help="the grid (YAML)")
    parser.add_argument("--table", required=True, default=argparse.SUPPRESS, help="one of the grid's tables")
    parser.add_argument("--corpus", type=Path, default=GENERATED / "prose.grid.parquet", help="text to learn from (parquet)")
    parser.add_argument("--held-out", type=Path, default=GENERATED / "prose.heldout.parquet", help="text to measure on (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    add_options(parser)
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


class Column:
    """One table size: models, the text that they read, and what is measured of them."""

    def __init__(self, settings: dict, args: argparse.Namespace, tokenizer: Tokenizer):
        self.about, self.args, self.device = settings["pretrain"], args, device_of(args.device)
        self.shape = Shape.of_depth(self.about["depth"], tokenizer.get_vocab_size(), self.about["sequence"])
        self.canonical, self.pad = canonical_of(tokenizer), tokenizer.token_to_id(BOS)
        self.token_bytes = bytes_of(tokenizer)
        self.stream = pack(texts_of(args.corpus), tokenizer)
        self.held = {novel: pack(texts_of(args.held_out, novel), tokenizer) for novel in NOVELTIES}

    def model(self, seed: int) -> GPT:
        """A new model, drawn alike on every device."""
        name = "dense" if self.args.table == NONE else "engram"
        engram = self.about["engram"] | ({} if name == "dense" else {"preset": self.args.table})
        made = build(name, self.shape, engram, self.canonical, self.pad, seed, self.args.attention)
        return made.to(self.device)

    def train(self, steps: int, seed: int, shards: Shards, owned: dict, bar: tqdm) -> dict:
        """{table, steps, seed, parameters, val_bpb, val_bpb of text with new names and wordings, last loss, seconds}."""
        torch.compiler.reset()  # what was compiled for the model before is of no use
        model = self.model(seed)
        source = Packed(self.stream, self.shape.sequence, self.about["batch"], seed)
        if steps * self.about["batch"] > source.windows:
            raise UserError(self.args.corpus, f"has {source.windows} windows, {steps} steps read more", "make it with more words")
        owned = {**owned, "steps": steps, "seed": seed}
        moved_by = Optimisers(model, self.about["optimiser"], tables=self.about["engram"]["rate"])
        trainer = Trainer(model, source, moved_by, owned, self.args.precision, self.args.compile == "on")
        kept, spent = shards.folder / f"half.{steps}.{seed}.safetensors", [0.0]

        def tell(told: Told) -> None:
            spent[0] = told.seconds
            bar.update(told.step - bar.n)

        losses = trainer.train(Schedule(steps), kept, self.about["keep_every"], tell)
        bits = {novel: self._bits(model, novel) for novel in self.held}
        kept.unlink(missing_ok=True)
        return {
            "table": self.args.table,
            "steps": steps,
            "seed": seed,
            "parameters": model.parameters_by_kind(),
            "val_bpb": bits.pop("none"),
            "novel": bits,
            "last_loss": sum(losses[-20:]) / len(losses[-20:]),
            "seconds": spent[0],
        }

    def _bits(self, model: GPT, novel: str) -> float:
        windows = windows_of(self.held[novel], self.shape.sequence, self.about["batch"], self.about["measured"])
        return bits_per_byte(model, windows, self.token_bytes, self.args.precision)


def cells(grid: Grid, table: str) -> list[tuple[int, int]]:
    """(steps, seed) of a column, short trainings first; UserError for a table that the grid does not have."""
    if table not in grid.tables:
        raise UserError(f"--table {table}", "is not in the grid", f"use one of {', '.join(grid.tables)}")
    return [(steps, seed) for steps in sorted(grid.steps) for seed in grid.seeds]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"sweep": args.sweep, "corpus": args.corpus, "held_out": args.held_out, "tokenizer": args.tokenizer}
    provenance = Provenance(Path(__file__), inputs)
    settings, grid = load_config(args.config), read_grid(args.sweep)
    wanted = cells(grid, args.table)
    use_threads(settings["threads"])
    column = Column(settings, args, load_bpe(args.tokenizer))
    read = ("depth", "sequence", "batch", "optimiser", "measured", "engram")
    relevant = {"table": args.table, "precision": args.precision, "pretrain": {name: column.about[name] for name in read}}
    files = {name: sha256_file(path) for name, path in inputs.items() if name != "sweep"}
    owned = {**relevant, **files, "device": args.device}
    shards = Shards(Path(__file__), owned, args.out.parent / "work")
    found = []
    for steps, seed in wanted:
        name = f"{steps}.s{seed}"
        with tqdm(total=steps, unit="step", desc=f"{args.table} {name}") as bar:
            found.append(shards.get(name) or shards.put(name, rounded(column.train(steps, seed, shards, owned, bar))))
    config = {**relevant, "shape": asdict(column.shape), "steps": sorted(grid.steps), "seeds": list(grid.seeds)}
    seconds = {"seconds": [item.pop("seconds") for item in found]}
    record = provenance.record() | seconds
    record |= {"device": args.device, "attention": described(args.attention), "compile": args.compile}
    write_json(args.out, result("sweep_capacity", config, None, {}, found, record))
    last = [item["val_bpb"] for item in found if item["steps"] == max(grid.steps)]
    print(f"{args.out}: table {args.table}, {sum(last) / len(last):.3f} bits a byte of held-out text after the longest training")


if __name__ == "__main__":
    run_step(main)
