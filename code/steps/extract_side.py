"""Have the side model read triplets out of documents (extraction B), segment by segment, as it would behind a window.

Written in the form of extract_prose.py, so that whatever reads extracted triplets reads these.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.extraction import ExtractionScore
from loci.config import load_config
from loci.errors import run_step
from loci.memories.side_model import SideModel
from loci.models.base import use_threads
from loci.models.checkpoints import weights_beside
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, write_json
from loci.worlds.extracted_files import write_extracted
from loci.worlds.prose_files import read_about, read_documents
from loci.worlds.prose_records import Document, Triplet


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--trained", type=Path, required=True, default=argparse.SUPPRESS, help="by train_side.py (JSON)")
    parser.add_argument("--text", type=Path, default=GENERATED / "prose.heldout.parquet", help="documents to read (parquet)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="triplets to write (parquet)")
    parser.add_argument("--result", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"trained": args.trained, "text": args.text})
    use_threads(load_config(args.config)["threads"])
    record = read_result(args.trained)
    model = SideModel.load(weights_beside(args.trained, record, "train_side.py"))
    score, count = ExtractionScore(), int(read_about(args.text).get("documents", 0))
    started = time.perf_counter()

    def read() -> Iterator[tuple[Document, list[list[Triplet]]]]:
        for document in tqdm(read_documents(args.text), desc="extract", unit="document", total=count):
            extracted = model.extract(document)
            score.add(document, extracted)
            yield document, extracted

    triplets, metrics = write_extracted(args.out, read()), score.metrics()
    made = provenance.record() | {"costs": rounded({"extract_seconds": time.perf_counter() - started})}
    config = {"side": record["config"]["side"], "seed": record["seed"], "documents": count}
    write_json(args.result, result("extract_side", config, record["seed"], rounded(metrics), args.out.name, made))
    print(
        f"{args.out}: {triplets} triplets of {count} documents; {metrics['f1']:.3f} of exact F1 against gold, "
        f"{metrics['by_novel']['wordings']['f1']:.3f} where the wordings are new, is in {args.result}"
    )


if __name__ == "__main__":
    run_step(main)
