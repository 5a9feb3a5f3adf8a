"""Read triplets out of prose (extraction A: rules and small fitted models, no language model), and score them against gold.

An extractor is fitted once on the first documents of --train, which carry gold triplets, and then reads the text of --text, and
only that. Scores stand in --result: precision, recall and F1 of exact (subject, relation, object, polarity), also by what of a
document is held out (names, wordings, both; make_prose.py --split heldout makes such) and by hard case (pronoun, negation,
update). "shifted" is a control: the same triplets against another document's gold.
"""

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from loci.bench.extraction import ExtractionScore
from loci.errors import UserError, run_step
from loci.memories.prose_extract import Extractor
from loci.models.base import use_threads
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.worlds.checks import require
from loci.worlds.extracted_files import write_extracted
from loci.worlds.prose_files import read_about, read_documents
from loci.worlds.prose_records import Document, Triplet

_TOGETHER = 100  # documents


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--train", type=Path, default=GENERATED / "prose.parquet", help="documents to learn from (parquet)")
    parser.add_argument("--learn", type=int, default=150_000, help="learn from so much of them, from the first on (words)")
    parser.add_argument("--text", type=Path, required=True, default=argparse.SUPPRESS, help="documents to read (parquet)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="triplets to write (parquet)")
    parser.add_argument("--result", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the fitted models (an integer without unit)")
    parser.add_argument("--threads", type=int, default=2, help="threads of the fitted models (a number)")
    return parser.parse_args(argv)


def first_words(documents: Iterable[Document], words: int) -> list[Document]:
    """Documents until they have that many words."""
    kept: list[Document] = []
    for document in documents:
        kept.append(document)
        words -= len(document.text.split())
        if words <= 0:
            break
    return kept


def read_all(
    extractor: Extractor, documents: Iterator[Document], score: ExtractionScore, bar: tqdm
) -> Iterator[tuple[Document, list[list[Triplet]]]]:
    """Each document with the triplets of its sentences, scored on the way."""
    while part := list(islice(documents, _TOGETHER)):
        for document, extracted in zip(part, extractor.extract(part), strict=True):
            score.add(document, extracted)
            yield document, extracted
        bar.update(len(part))


def main(argv: Sequence[str] | None) -> None:
    args = parse_args(argv)
    require(args.learn >= 1, "--learn", f"is {args.learn}", "learn from at least 1 word")
    require(args.threads >= 1, "--threads", f"is {args.threads}", "use at least 1 thread")
    if args.train.resolve() == args.text.resolve():
        raise UserError("--text", "is the file of --train", "read other documents than those learned from")
    provenance = Provenance(Path(__file__), {"train": args.train, "text": args.text})
    use_threads(args.threads)
    total = int(read_about(args.text).get("documents", 0))
    learned = first_words(read_documents(args.train), args.learn)
    started = time.perf_counter()
    extractor = Extractor.fit(learned, args.seed)
    fitted = time.perf_counter()
    score = ExtractionScore()
    with tqdm(total=total, desc="extract", unit="document", disable=total < 10 * _TOGETHER) as bar:
        count = write_extracted(args.out, read_all(extractor, read_documents(args.text), score, bar))
    costs = {"fit_seconds": fitted - started, "extract_seconds": time.perf_counter() - fitted}
    metrics = score.metrics()
    config = {"learn_words": args.learn, "learned_documents": len(learned), "documents": total}
    made = provenance.record() | {"costs": rounded(costs)}
    write_json(args.result, result("extract_prose", config, args.seed, rounded(metrics), args.out.name, made))
    print(
        f"{args.out}: {count} triplets of {total} documents; {metrics['f1']:.3f} of exact F1 against gold, "
        f"{metrics['by_novel']['wordings']['f1']:.3f} where the wordings are new, is in {args.result}"
    )


if __name__ == "__main__":
    run_step(main)
