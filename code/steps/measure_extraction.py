"""Measure extracted triplets against gold ones: agreement with its intervals, and how much shorter text is as triplets."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from loci.bench.arms import LONGEST
from loci.bench.compression import RATIOS, Compressed, compressed, ratio
from loci.bench.evicted import read
from loci.bench.extraction import CASES, ExtractionScore, agreement
from loci.bench.statistics import RESAMPLES, Estimate
from loci.errors import UserError, run_step
from loci.models.bpe import load_bpe
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.worlds.extracted_files import read_extracted
from loci.worlds.prose_exams import passage_of
from loci.worlds.prose_files import read_documents
from loci.worlds.prose_lexicon import many_valued
from loci.worlds.prose_records import NOVELTIES

_MEASURES = ("precision", "recall", "f1")
GROUPS = ("all", *NOVELTIES, *CASES, *(f"wordings {name}" for name in CASES))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--text", type=Path, default=GENERATED / "prose.heldout.parquet", help="documents with gold triplets")
    parser.add_argument("--extracted", type=Path, required=True, default=argparse.SUPPRESS, help="by extract_prose.py (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    parser.add_argument("--strategy", default="a", help="name of the strategy in the ledger")
    parser.add_argument("--passages", action="store_true", help="of exams measure the passages alone")
    parser.add_argument("--compression", action="store_true", help="measure too how much shorter text is as triplets")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def agreement_entries(counts: np.ndarray, name: str, source: str) -> dict[str, dict]:
    """<name>.precision, .recall and .f1 of counts [documents, 4], documents resampled; n is the number of gold triplets."""
    value = agreement(counts.sum(0))
    drawn = np.random.default_rng(0).integers(len(counts), size=(RESAMPLES, len(counts)))
    low, high = np.percentile(agreement(counts[drawn].sum(1)), [2.5, 97.5], axis=0)
    found = zip(_MEASURES, value.tolist(), low.tolist(), high.tolist(), strict=True)
    return {f"{name}.{measure}": Estimate(at, down, up, int(counts[:, 0].sum())).entry(source) for measure, at, down, up in found}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"text": args.text, "extracted": args.extracted, "tokenizer": args.tokenizer}
    provenance = Provenance(Path(__file__), inputs)
    tokenizer, extracted, many = load_bpe(args.tokenizer), read_extracted(args.extracted), many_valued()
    counts: dict[str, list[tuple[int, int, int, int]]] = {group: [] for group in GROUPS}
    by_kind: dict[str, list[Compressed]] = {}
    for document in tqdm(read_documents(args.text), desc="measure", unit="document"):
        if document.doc_id not in extracted:
            raise UserError(args.extracted, f"lacks document {document.doc_id}", f"extract from {args.text}")
        found, score = extracted[document.doc_id], ExtractionScore()
        if args.passages:
            document = replace(document, sentences=passage_of(document))
            found = found[: len(document.sentences)]
        score.add(document, found)
        for group in GROUPS:
            counts[group].append(score.counts(group))
        one = compressed(read(document, tokenizer, found), read(document, tokenizer), many, tokenizer, LONGEST)
        for kind in ("all", document.kind):
            by_kind.setdefault(kind, []).append(one)
    if not by_kind:
        raise UserError(args.text, "holds no documents", "make it with more --tokens")
    ledger = {}
    for group, found in counts.items():
        of = np.array([one for one in found if any(one)] or [(0, 0, 0, 0)])
        ledger |= agreement_entries(of, f"extraction.{args.strategy}.{group.replace(' ', '.')}", args.out.name)
    for kind, found in sorted(by_kind.items()) if args.compression else ():
        ledger |= {f"triplet.compression.{kind}.{name}": ratio(found, name).entry(args.out.name) for name in RATIOS}
    config = {"strategy": args.strategy, "documents": len(by_kind["all"])}
    write_json(args.out, result("extraction", config, None, rounded(ledger), [], provenance.record()))
    f1, shorter = ledger[f"extraction.{args.strategy}.all.f1"]["value"], ratio(by_kind["all"], "spelt").value
    print(f"{args.out}: F1 of {args.strategy} {f1:.3f}; text takes {shorter:.1f} times as many positions as its spelt triplets")


if __name__ == "__main__":
    run_step(main)
