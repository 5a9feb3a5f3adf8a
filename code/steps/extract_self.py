"""Have a model say the triplets of its own context (extraction C): passages of exams, sentence by sentence.

Written in the form of extract_prose.py, so that whatever reads extracted triplets reads these. A killed run continues with the
next documents.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from loci.bench.arms import load_arm
from loci.bench.self_extraction import emitted
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import use_threads
from loci.models.bpe import load_bpe
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.extracted_files import write_extracted
from loci.worlds.prose_exams import passage_of
from loci.worlds.prose_files import read_documents
from loci.worlds.prose_records import Document, Triplet

_TOGETHER = 20  # documents of a shard
_MOST = 120  # tokens said of one sentence


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--trained", type=Path, required=True, default=argparse.SUPPRESS, help="by train_windowed.py (JSON)")
    parser.add_argument("--text", type=Path, default=GENERATED / "exams.heldout.parquet", help="exams to read (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="triplets to write (parquet)")
    parser.add_argument("--result", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"trained": args.trained, "text": args.text, "tokenizer": args.tokenizer}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    tokenizer, record = load_bpe(args.tokenizer), read_result(args.trained)
    arm, model = load_arm(args.trained, record, tokenizer)
    if not arm.emits:
        raise UserError(args.trained, f"is arm {record['config']['name']}, which says no triplets", "give one with `emits`")
    documents = list(read_documents(args.text))
    shards = Shards(Path(__file__), {name: sha256_file(path) for name, path in inputs.items()}, args.result.parent / "work")
    broken, seconds = 0, 0.0

    def read() -> Iterator[tuple[Document, list[list[Triplet]]]]:
        nonlocal broken, seconds
        stream = iter(documents)
        with tqdm(total=len(documents), desc="say triplets", unit="document") as bar:
            while part := list(islice(stream, _TOGETHER)):
                kept = shards.get(part[0].doc_id)
                if kept is None:
                    started, said, bad = time.perf_counter(), [], 0
                    for document in part:
                        found, lost = emitted(model, passage_of(document), tokenizer, _MOST)
                        said.append([[asdict(one) for one in of] for of in found])
                        bad += lost
                    kept = {"said": said, "broken": bad, "seconds": time.perf_counter() - started}
                    kept = shards.put(part[0].doc_id, kept)
                broken, seconds = broken + kept["broken"], seconds + kept["seconds"]
                for document, found in zip(part, kept["said"], strict=True):
                    rest = [[] for _ in document.sentences[len(found) :]]  # questions and answers state nothing new
                    yield document, [[Triplet(**one) for one in of] for of in found] + rest
                bar.update(len(part))

    count = write_extracted(args.out, read())
    metrics = {"triplets": count, "documents": len(documents), "broken_lines": broken}
    made = provenance.record() | {"costs": rounded({"seconds": seconds})}
    config = {"arm": record["config"]["arm"], "seed": record["seed"], "most": _MOST}
    write_json(args.result, result("extract_self", config, record["seed"], metrics, args.out.name, made))
    print(f"{args.out}: {count} triplets that the model said of {len(documents)} passages; {broken} lines were none")


if __name__ == "__main__":
    run_step(main)
