"""Write facts into the tables of models from scratch: inside a trained table, beside it, or into an empty one on a dense model.

Beside them the controls: the trained table, or the dense model, fine-tuned whole on the same facts. Reported are recall after the
bare trigger, steps until all facts lead by the margin, and what held-out text costs more (it reads written rows where addresses
collide). --choose tries every rate of the profile on other facts and other text instead; the best of a place, over all seeds, is
frozen in the profile: the one that meets most facts and, of equals, costs the text least. Written are facts whose tokens all
stand in the training text: a model from scratch cannot say others, wherever they are kept.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tqdm import tqdm

from loci.bench.statistics import student, wilson
from loci.bench.table_writing import PLACES, TUNED, Lesson, Written, fine_tune, hits, lessons_of, said, sayable, table_at, write
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.architectures import build
from loci.models.base import use_threads
from loci.models.bpe import BOS, bytes_of, canonical_of, load_bpe
from loci.models.checkpoints import weights_of
from loci.models.gpt import GPT, Shape
from loci.models.ngram_table import NgramTable, TableSpec
from loci.models.packed import Batch, pack, windows_of
from loci.models.trainer import bits_per_byte
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.prose_files import texts_of
from loci.worlds.records import load_facts

_BATCH = 8  # windows read together
_OWNERS = {"inside": "engram", "beside": "engram", "graft": "dense", "table": "engram", "model": "dense"}  # whose weights move
_SHARES = (".exact", ".met")  # of facts


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument(
        "--trained", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="results of pretrain.py (JSON)"
    )
    parser.add_argument("--facts", type=Path, required=True, default=argparse.SUPPRESS, help="facts of make_corpus.py (JSON)")
    parser.add_argument("--corpus", type=Path, default=GENERATED / "prose.long.parquet", help="text they learnt from (parquet)")
    parser.add_argument("--held-out", type=Path, default=GENERATED / "prose.heldout.parquet", help="text to measure on (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    parser.add_argument("--choose", action="store_true", help="try every rate of the profile on facts that are not measured")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def measured_and_apart(held: torch.Tensor, length: int, measured: int, path: Path) -> tuple[list[Batch], list[Batch]]:
    """(the first `measured` windows of a stream [N] of held-out text, half as many behind them that rates are chosen on)."""
    rest = held[measured * length :]
    if len(rest) <= length:
        raise UserError(path, f"has no more than the {measured} windows that are measured", "make it with more words")
    return list(windows_of(held, length, _BATCH, measured)), list(windows_of(rest, length, _BATCH, max(1, measured // 2)))


class Text:
    """Windows of held-out text, and what they cost a model."""

    def __init__(self, windows: list[Batch], tokenizer: Tokenizer):
        self.windows, self.token_bytes = windows, bytes_of(tokenizer)

    @property
    def tokens(self) -> torch.Tensor:
        return torch.cat([batch.tokens for batch in self.windows])

    def costs(self, model: GPT) -> float:
        """Bits a byte."""
        return bits_per_byte(model, self.windows, self.token_bytes)


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

    def written(
        self, place: str, seed: int, lessons: Sequence[Lesson], rate: float, how: dict
    ) -> tuple[GPT, NgramTable | None, Written]:
        """The model after one writing, the table that rows were written to, and what the writing came to."""
        model = self.model(_OWNERS[place], seed)
        if place in TUNED:
            part = model if place == "model" else model.attached[str(self.spec.layers[0])]
            return model, None, fine_tune(model, part, lessons, rate, how["margin"], how["steps"])
        table = table_at(place, model, self.spec, self.canonical, self.pad, seed)
        return model, table, write(model, table, lessons, rate, how["margin"], how["steps"], seed, empty=place != "inside")


def tried(bench: Bench, place: str, seed: int, lessons: Sequence[Lesson], how: dict, text: Text) -> dict:
    """What every rate of the profile comes to at one place: facts met, and bits a byte that text costs more."""
    before, rates = text.costs(bench.model(_OWNERS[place], seed)), {}
    for rate in how["tuned_rates" if place in TUNED else "rates"]:
        model, _, report = bench.written(place, seed, lessons, rate, how)
        rates[str(rate)] = {"met": report.met, "dbpb": text.costs(model) - before}
    return {"place": place, "seed": seed, "rates": rates}


def chosen(items: Sequence[dict], source: str) -> dict:
    """Ledger entries: the rate of each place with which most facts are met over all seeds; of equals the one after which text
    costs least, then the smallest."""
    best = {}
    for place in dict.fromkeys(item["place"] for item in items):
        runs = [item["rates"] for item in items if item["place"] == place]
        rank = {rate: (-sum(run[rate]["met"] for run in runs), sum(run[rate]["dbpb"] for run in runs)) for rate in runs[0]}
        rate = float(min(rank, key=lambda rate: (*rank[rate], float(rate))))
        best[f"pretrain.chosen.{place}.rate"] = {"value": rate, "n": len(runs), "source": source}
    return best


def measured(bench: Bench, place: str, seed: int, lessons: Sequence[Lesson], how: dict, text: Text) -> dict:
    """What writing each number of facts at one place comes to, with the rate that the profile has for it."""
    before, rate, sizes = text.costs(bench.model(_OWNERS[place], seed)), how["chosen"][place], {}
    for size in how["facts"]:
        model, table, report = bench.written(place, seed, lessons[:size], rate, how)
        about = {"exact": sum(said(model, lessons[:size])) / size, "met": report.met, "steps": report.steps}
        about |= {"numbers": report.numbers, "dbpb": text.costs(model) - before}
        if table is not None:
            about |= {"rows": len(report.rows), "hit_rate": hits(table, report.rows, text.tokens)}
        sizes[str(size)] = about
    return {"place": place, "seed": seed, "rate": rate, "sizes": sizes}


def entries(items: Sequence[dict], source: str) -> dict:
    """Ledger entries: means over seeds with Student's intervals; of shares within 0 and 1, and over facts where seeds agree."""
    found: dict[str, list[float]] = defaultdict(list)
    for item in items:
        for size, about in item["sizes"].items():
            for measure, value in about.items():
                found[f"pretrain.write.{item['place']}.n{size}.{measure}"].append(value)
    out = {}
    for key, values in found.items():
        low, high = student(values)
        if key.endswith(_SHARES):
            size = int(key.split(".n")[1].split(".")[0])
            low, high = (max(0.0, low), min(1.0, high)) if low < high else wilson(values[0], size)
        out[key] = {"value": sum(values) / len(values), "low": low, "high": high, "n": len(values), "source": source}
    return out


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"facts": args.facts, "corpus": args.corpus, "held_out": args.held_out, "tokenizer": args.tokenizer}
    provenance = Provenance(Path(__file__), inputs | {f"trained.{at}": path for at, path in enumerate(args.trained)})
    settings = load_config(args.config)
    about, how = settings["pretrain"], settings["pretrained"]["written"]
    use_threads(settings["threads"])
    tokenizer = load_bpe(args.tokenizer)
    bench, given = Bench(args.trained, tokenizer, about), load_facts(args.facts)
    facts, needed = sayable(given, tokenizer, pack(texts_of(args.corpus), tokenizer)), how["chosen_on"] + max(how["facts"])
    if len(facts) < needed:
        problem = f"has {len(facts)} facts all of whose tokens stand in {args.corpus}"
        raise UserError(args.facts, problem, f"give {needed} or write fewer")
    lessons = lessons_of(facts, tokenizer)
    others, lessons = lessons[: how["chosen_on"]], lessons[how["chosen_on"] :]
    held = pack(texts_of(args.held_out, "none"), tokenizer)
    windows, apart = measured_and_apart(held, about["sequence"], about["measured"], args.held_out)
    step, text = (tried, Text(apart, tokenizer)) if args.choose else (measured, Text(windows, tokenizer))
    relevant = {"pretrain": about, "written": how, "choose": args.choose}
    files = {name: sha256_file(path) for name, path in inputs.items()}
    trained = {str(at): read_result(path)["metrics"]["weights_sha256"] for at, path in enumerate(args.trained)}
    shards = Shards(Path(__file__), {**relevant, **files, "trained": trained}, args.out.parent / "work")
    items = []
    places = [(place, seed) for place in (*PLACES, *TUNED) for seed in bench.seeds]
    for place, seed in tqdm(places, desc="write", unit="model"):
        part = shards.get(f"{place}.s{seed}")
        if part is None:
            part = step(bench, place, seed, others if args.choose else lessons, how, text)
            part = shards.put(f"{place}.s{seed}", part)
        items.append(part)
    metrics = (chosen if args.choose else entries)(items, args.out.name)
    if not args.choose:
        share, n = len(facts) / len(given), len(given)
        low, high = wilson(share, n)
        metrics["pretrain.write.sayable"] = {"value": share, "low": low, "high": high, "n": n, "source": args.out.name}
    write_json(args.out, result("write_pretrained", relevant, None, rounded(metrics), rounded(items), provenance.record()))
    if args.choose:
        told = ", ".join(f"{key.split('.')[2]}: {entry['value']}" for key, entry in metrics.items())
        print(f"{args.out}: pretrained.written.chosen: {{{told}}}")
        return
    size = max(how["facts"])
    told = ", ".join(
        f"{place} {metrics[f'pretrain.write.{place}.n{size}.exact']['value']:.2f} and "
        f"{metrics[f'pretrain.write.{place}.n{size}.dbpb']['value']:+.3f}"
        for place in (*PLACES, *TUNED)
    )
    print(f"{args.out}: {size} facts said after their triggers, and bits a byte that other text costs more: {told}")


if __name__ == "__main__":
    run_step(main)
