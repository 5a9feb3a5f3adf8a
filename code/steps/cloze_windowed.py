"""Put the cloze battery to models that read through windows: with their memory of evicted text, another text's, or none."""

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from tokenizers import Tokenizer
from tqdm import tqdm

from loci.bench.arms import TRIPLETS, load_arm
from loci.bench.cloze import CHANCE, Item, items_of, nats
from loci.bench.exam_asking import Contents, other_documents
from loci.bench.matrix import Records
from loci.bench.statistics import estimate, paired_difference
from loci.bench.windowed import RIGHT
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import use_threads
from loci.models.bpe import load_bpe
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, sha256_file, write_json, write_jsonl
from loci.worlds.extracted_files import read_extracted_of
from loci.worlds.prose_files import read_documents

CONTENTS = {RIGHT: "", "other": "_shuffled", "none": "_masked"}  # what stands in a zone of triplets, and its name in the ledger


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument(
        "--trained", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="results of train_windowed.py (JSON)"
    )
    parser.add_argument("--exams", type=Path, default=GENERATED / "exams.heldout.parquet", help="exams to make it of (parquet)")
    parser.add_argument("--extracted", type=Path, required=True, default=argparse.SUPPRESS, help="their triplets (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument(
        "--answers", type=Path, required=True, default=argparse.SUPPRESS, help="nats of every item to write (JSONL)"
    )
    return parser.parse_args(argv)


def records_of(items: Sequence[Item], found: Sequence[Sequence[float]]) -> dict[str, Records]:
    """(document, item, whether the right continuation is the likeliest) by set."""
    out: dict[str, Records] = {name: [] for name in CHANCE}
    for item, likelihoods in zip(items, found, strict=True):
        right = likelihoods[0] < min(likelihoods[1:])
        out[item.set].append((item.window.document.doc_id, item.qid, float(right)))
    return {name: records for name, records in out.items() if records}


def told_of(name: str, seed: int, items: Sequence[Item], found: Sequence[Sequence[float]], tokenizer: Tokenizer) -> list[dict]:
    """Every item with its continuations, the right one first, and what each costs: nats of all its tokens."""
    return [
        {
            "model": name,
            "seed": seed,
            "set": item.set,
            "qid": item.qid,
            "continuations": [tokenizer.decode(list(ids)).strip() for ids in item.continuations],
            "nats": rounded(list(costs)),
        }
        for item, costs in zip(items, found, strict=True)
    ]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"exams": args.exams, "extracted": args.extracted, "tokenizer": args.tokenizer}
    provenance = Provenance(Path(__file__), inputs | {f"trained.{at}": path for at, path in enumerate(args.trained)})
    settings = load_config(args.config)
    about = settings["windowed"]["asked"]
    use_threads(settings["threads"])
    tokenizer = load_bpe(args.tokenizer)
    exams = list(read_documents(args.exams))
    extracted = read_extracted_of(args.extracted, exams, args.exams)
    others = other_documents(exams, extracted, tokenizer, about["window"])
    scores: dict[str, dict[str, Records]] = {}
    told: list[dict] = []
    for path in tqdm(args.trained, desc="cloze", unit="model"):
        trained = read_result(path)
        arm, model = load_arm(path, trained, tokenizer)
        items = items_of(exams, extracted, tokenizer, arm.window, about["window"], settings["cloze"]["items"])
        if not items:
            raise UserError(args.exams, "hold no sentence or question for the battery", "make more exams")
        for content, ending in CONTENTS.items() if arm.zone in TRIPLETS else [(RIGHT, "")]:
            found = nats(model, arm, items, Contents(content, others), tokenizer)
            name = f"{trained['config']['name']}{ending}"
            told += told_of(name, trained["seed"], items, found, tokenizer)
            for kind, records in records_of(items, found).items():
                scores.setdefault(name, {}).setdefault(kind, []).extend(records)
    ledger = {}
    for name, kinds in scores.items():
        for kind, records in kinds.items():
            ledger[f"cloze.{name}.{kind}.exact"] = estimate(records).entry(args.out.name, chance=CHANCE[kind])
    for left, right in combinations(scores, 2):
        for kind in scores[left].keys() & scores[right].keys():
            gap = paired_difference(scores[left][kind], scores[right][kind])
            ledger[f"cloze.{left}_minus_{right}.{kind}.exact"] = gap.entry(args.out.name)
    config = {"asked": about, "cloze": settings["cloze"], "models": sorted(scores)}
    write_jsonl(args.answers, told)
    record = provenance.record() | {"answers_sha256": sha256_file(args.answers)}
    write_json(args.out, result("cloze", config, None, rounded(dict(sorted(ledger.items()))), args.answers.name, record))
    said = "; ".join(
        f"{name} {', '.join(f'{kind} {estimate(records).value:.2f}' for kind, records in kinds.items())}"
        for name, kinds in scores.items()
    )
    print(f"{args.out}: the likeliest continuation is the right one: {said}")


if __name__ == "__main__":
    run_step(main)
