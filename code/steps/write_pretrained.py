"""Write facts into the tables of models from scratch: inside a trained table, beside it, or into an empty one on a dense model.

The rate of each place is chosen on other facts, as the one that needs the fewest steps. Reported are recall after the bare
trigger, steps until all facts lead by the margin, and what the written rows do to held-out text, which reads them where addresses
collide.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tqdm import tqdm

from loci.bench.statistics import student
from loci.bench.table_writing import PLACES, Lesson, hits, lessons_of, said, table_at, write
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.architectures import build
from loci.models.base import use_threads
from loci.models.bpe import BOS, bytes_of, canonical_of, load_bpe
from loci.models.checkpoints import weights_of
from loci.models.gpt import GPT, Shape
from loci.models.ngram_table import TableSpec
from loci.models.packed import pack, windows_of
from loci.models.trainer import bits_per_byte
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.prose_files import texts_of
from loci.worlds.records import load_facts

_BATCH = 8  # windows read together


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument(
        "--trained", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="results of pretrain.py (JSON)"
    )
    parser.add_argument("--facts", type=Path, required=True, default=argparse.SUPPRESS, help="facts of make_corpus.py (JSON)")
    parser.add_argument("--held-out", type=Path, default=GENERATED / "prose.heldout.parquet", help="text to measure on (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


class Bench:
    """Trained models, made anew for each writing: a table that was written to stays written."""

    def __init__(self, paths: Sequence[Path], tokenizer: Tokenizer, about: dict):
        self.canonical, self.pad = canonical_of(tokenizer), tokenizer.token_to_id(BOS)
        self.about, self.spec = about, TableSpec.of(about["engram"])
        self.found: dict[tuple[str, int], tuple[dict, dict]] = {}
        for path in paths:
            record = read_result(path)
            weights = weights_of(path, record, len(self.canonical), "pretrain.py")
            self.found[record["config"]["model"], record["seed"]] = record["config"], weights

    @property
    def seeds(self) -> list[int]:
        """Seeds of which there is a dense and an Engram model; UserError where there is none."""
        both = sorted(
            {seed for name, seed in self.found if name == "dense"} & {seed for name, seed in self.found if name == "engram"}
        )
        if not both:
            raise UserError("--trained", "lacks a dense and an Engram model of one seed", "give results of both")
        return both

    def model(self, name: str, seed: int) -> GPT:
        """A trained model, fresh from its weights."""
        config, weights = self.found[name, seed]
        made = build(name, Shape(**config["shape"]), self.about["engram"], self.canonical, self.pad, seed)
        made.load_state_dict(weights)
        return made.eval()

    def written(self, place: str, seed: int, lessons: Sequence[Lesson], rate: float, how: dict):
        """(model, table, report) of one writing."""
        model = self.model("dense" if place == "graft" else "engram", seed)
        table = table_at(place, model, self.spec, self.canonical, self.pad, seed)
        report = write(model, table, lessons, rate, how["margin"], how["steps"], seed, empty=place != "inside")
        return model, table, report

    def rate(self, place: str, seed: int, lessons: Sequence[Lesson], how: dict) -> float:
        """The rate with which most of these facts are met in the fewest steps; the smallest of equals."""
        tried = {rate: self.written(place, seed, lessons, rate, how)[2] for rate in how["rates"]}
        return min(how["rates"], key=lambda rate: (-tried[rate].met, tried[rate].steps, rate))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"facts": args.facts, "held_out": args.held_out, "tokenizer": args.tokenizer}
    provenance = Provenance(Path(__file__), inputs | {f"trained.{at}": path for at, path in enumerate(args.trained)})
    settings = load_config(args.config)
    about, how = settings["pretrain"], settings["pretrained"]["written"]
    use_threads(settings["threads"])
    tokenizer = load_bpe(args.tokenizer)
    bench, facts = Bench(args.trained, tokenizer, about), load_facts(args.facts)
    if len(facts) < how["chosen_on"] + max(how["facts"]):
        raise UserError(args.facts, f"has {len(facts)} facts", f"give {how['chosen_on'] + max(how['facts'])} or write fewer")
    lessons = lessons_of(facts, tokenizer)
    others, lessons = lessons[: how["chosen_on"]], lessons[how["chosen_on"] :]
    held = pack(texts_of(args.held_out, "none"), tokenizer)
    windows = list(windows_of(held, about["sequence"], _BATCH, about["measured"]))
    text, token_bytes = torch.cat([batch.tokens for batch in windows]), bytes_of(tokenizer)
    relevant = {"pretrain": about, "written": how}
    files = {name: sha256_file(path) for name, path in inputs.items()}
    trained = {str(at): read_result(path)["metrics"]["weights_sha256"] for at, path in enumerate(args.trained)}
    shards = Shards(Path(__file__), {**relevant, **files, "trained": trained}, args.out.parent / "work")
    found: dict[str, list[float]] = defaultdict(list)
    items = []
    for place, seed in tqdm([(place, seed) for place in PLACES for seed in bench.seeds], desc="write", unit="model"):
        part = shards.get(f"{place}.s{seed}")
        if part is None:
            rate = bench.rate(place, seed, others, how)
            before = bits_per_byte(bench.model("dense" if place == "graft" else "engram", seed), windows, token_bytes)
            part = {"place": place, "seed": seed, "rate": rate, "sizes": {}}
            for size in how["facts"]:
                model, table, report = bench.written(place, seed, lessons[:size], rate, how)
                right = said(model, lessons[:size])
                part["sizes"][str(size)] = {
                    "exact": sum(right) / size,
                    "met": report.met,
                    "steps": report.steps,
                    "rows": len(report.rows),
                    "dbpb": bits_per_byte(model, windows, token_bytes) - before,
                    "hit_rate": hits(table, report.rows, text),
                }
            part = shards.put(f"{place}.s{seed}", part)
        items.append(part)
        for size, measured in part["sizes"].items():
            for measure, value in measured.items():
                found[f"pretrain.write.{place}.n{size}.{measure}"].append(value)
    metrics = {}
    for key, values in found.items():
        low, high = student(values)
        metrics[key] = {"value": sum(values) / len(values), "low": low, "high": high, "n": len(values), "source": args.out.name}
    write_json(args.out, result("write_pretrained", relevant, None, rounded(metrics), rounded(items), provenance.record()))
    size = max(how["facts"])
    told = ", ".join(
        f"{place} {metrics[f'pretrain.write.{place}.n{size}.exact']['value']:.2f} and "
        f"{metrics[f'pretrain.write.{place}.n{size}.dbpb']['value']:+.3f}"
        for place in PLACES
    )
    print(f"{args.out}: {size} facts said after their triggers, and bits a byte that other text costs more: {told}")


if __name__ == "__main__":
    run_step(main)
