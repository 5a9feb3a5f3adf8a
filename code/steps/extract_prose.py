"""Read triplets out of prose (extraction A: rules and small models over a frozen encoder, no language model), and score them.

An extractor is fitted on the first documents of --train, which carry gold triplets, and then reads the text of --text, and only
that. Where both are one file, each half of its documents is read by an extractor that was fitted on the other half, so that what
is wrong in the triplets of a training corpus is like what will be wrong in new ones.

Scores stand in --result: precision, recall and F1 of exact (subject, relation, object, polarity), also by what of a document is
held out (names, wordings, both; make_prose.py --split heldout makes such) and by hard case (pronoun, negation, update). "shifted"
is a control: the same triplets against another document's gold.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from tqdm import tqdm

from loci.bench.extraction import ExtractionScore
from loci.config import load_config
from loci.errors import run_step
from loci.memories.prose_extract import Extractor
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.worlds.checks import require
from loci.worlds.extracted_files import write_extracted
from loci.worlds.prose_files import first_words, read_about, read_documents
from loci.worlds.prose_records import Document, Triplet

_TOGETHER = 100  # documents


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--train", type=Path, default=GENERATED / "prose.parquet", help="documents to learn from (parquet)")
    parser.add_argument(
        "--learn", type=int, default=150_000, help="each extractor learns from so much, from the first on (words)"
    )
    parser.add_argument("--text", type=Path, required=True, default=argparse.SUPPRESS, help="documents to read (parquet)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="triplets to write (parquet)")
    parser.add_argument("--result", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the fitted models (an integer without unit)")
    return parser.parse_args(argv)


def parts(train: Path, text: Path, count: int) -> Iterator[tuple[Iterator[Document], Iterator[Document]]]:
    """Pairs of what to learn from and what to read with it, together all `count` documents of `text` in order."""
    if train.resolve() != text.resolve():
        yield read_documents(train), read_documents(text)
        return
    middle = count // 2
    for first, last in ((0, middle), (middle, count)):
        others = chain(islice(read_documents(text), first), islice(read_documents(text), last, None))
        yield others, islice(read_documents(text), first, last)


class Reading:
    """Fits extractors and has them read, with scores and costs (seconds) kept on the way."""

    def __init__(self, encoder: Encoder, learn: int, seed: int):
        self.encoder, self.learn, self.seed = encoder, learn, seed
        self.score = ExtractionScore()
        self.learned: list[int] = []  # documents, for each extractor
        self.fit_seconds = 0.0

    def read(self, train: Path, text: Path, count: int) -> Iterator[tuple[Document, list[list[Triplet]]]]:
        """Each document of `text` with the triplets of its sentences."""
        with tqdm(total=count, desc="extract", unit="document", disable=count < 10 * _TOGETHER) as bar:
            for others, documents in parts(train, text, count):
                started = time.perf_counter()
                learned = first_words(others, self.learn)
                extractor = Extractor.fit(learned, self.encoder, self.seed)
                self.learned.append(len(learned))
                self.fit_seconds += time.perf_counter() - started
                while part := list(islice(documents, _TOGETHER)):
                    for document, extracted in zip(part, extractor.extract(part), strict=True):
                        self.score.add(document, extracted)
                        yield document, extracted
                    bar.update(len(part))


def main(argv: Sequence[str] | None) -> None:
    args = parse_args(argv)
    require(args.learn >= 1, "--learn", f"is {args.learn}", "learn from at least 1 word")
    provenance = Provenance(Path(__file__), {"train": args.train, "text": args.text})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    total = int(read_about(args.text).get("documents", 0))
    reading, started = Reading(encoder, args.learn, args.seed), time.perf_counter()
    count = write_extracted(args.out, reading.read(args.train, args.text, total))
    metrics = reading.score.metrics()
    costs = {"fit_seconds": reading.fit_seconds, "extract_seconds": time.perf_counter() - started - reading.fit_seconds}
    config = {"learn_words": args.learn, "learned_documents": reading.learned, "documents": total, "encoder": encoder.sha256}
    made = provenance.record() | {"costs": rounded(costs)}
    write_json(args.result, result("extract_prose", config, args.seed, rounded(metrics), args.out.name, made))
    print(
        f"{args.out}: {count} triplets of {total} documents; {metrics['f1']:.3f} of exact F1 against gold, "
        f"{metrics['by_novel']['wordings']['f1']:.3f} where the wordings are new, is in {args.result}"
    )


if __name__ == "__main__":
    run_step(main)
