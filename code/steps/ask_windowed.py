"""Ask one arm about text that has left a window: answers to exams, and nats of the tokens that name facts.

All arms are asked the same questions, those about text that a window of windowed.asked.window tokens no longer shows. A zone of
triplets is filled with those that were extracted from the evicted text and, for contrast, with others (windowed.asked.contents).
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tqdm import tqdm

from loci.bench.arms import TRIPLETS, load_arm
from loci.bench.evicted import read
from loci.bench.exam_asking import Contents, answers, nats_by_token, other_documents
from loci.bench.exams import Posed, posed
from loci.bench.windowed import RIGHT
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import use_threads
from loci.models.bpe import load_bpe
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.extracted_files import read_extracted_of
from loci.worlds.prose_files import read_documents
from loci.worlds.prose_lexicon import many_valued
from loci.worlds.prose_records import Document, Triplet

GOLD = "gold"  # contents: what the text states, instead of what was extracted


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument(
        "--trained", type=Path, required=True, default=argparse.SUPPRESS, help="result of train_windowed.py (JSON)"
    )
    parser.add_argument("--exams", type=Path, default=GENERATED / "exams.heldout.parquet", help="exams to put (parquet)")
    parser.add_argument("--extracted", type=Path, required=True, default=argparse.SUPPRESS, help="their triplets (parquet)")
    parser.add_argument("--tokenizer", type=Path, required=True, default=argparse.SUPPRESS, help="made by train_bpe.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def sample(exams: Iterable[Document], extracted: dict, tokenizer: Tokenizer, about: dict) -> list[tuple[str, Posed, Posed]]:
    """(what of it is new, the question with extracted triplets, the same with gold ones): of each kind the first `each` questions
    about evicted text in documents of every novelty. UserError where there is not one of a kind."""
    counts: Counter = Counter()
    out = []
    for document in exams:
        pairs = zip(posed(document, tokenizer, extracted[document.doc_id]), posed(document, tokenizer), strict=True)
        for found, gold in pairs:
            key = document.novel, found.kind
            if found.is_evicted(about["window"]) and counts[key] < about["each"].get(document.novel, 0):
                counts[key] += 1
                out.append((document.novel, found, gold))
    if not out:
        raise UserError("exams", f"hold no question about text that {about['window']} tokens do not show", "make more of them")
    return out


def whereabouts(fact: Triplet | None, zone: Sequence[Triplet]) -> str:
    """Where the triplet that answers was: it "stood" in the zone, was "wrong" (another object in its place) or "absent"; "" where
    no triplet answers."""
    if fact is None:
        return ""
    slots = [one.object for one in zone if (one.subject, one.relation, one.polarity) == (fact.subject, fact.relation, "yes")]
    return "stood" if fact.object in slots else "wrong" if slots else "absent"


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"trained": args.trained, "exams": args.exams, "extracted": args.extracted, "tokenizer": args.tokenizer}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    about = settings["windowed"]["asked"]
    use_threads(settings["threads"])
    tokenizer, trained = load_bpe(args.tokenizer), read_result(args.trained)
    arm, model = load_arm(args.trained, trained, tokenizer)
    exams = list(read_documents(args.exams))
    extracted = read_extracted_of(args.extracted, exams, args.exams)
    asked = sample(exams, extracted, tokenizer, about)
    others = other_documents(exams, extracted, tokenizer, about["window"])
    told = [one for one in exams if one.novel == "none"][: about["documents"]]
    name, seed = trained["config"]["name"], trained["seed"]
    relevant = {"arm": trained["config"]["arm"], "name": name, "asked": about}
    identity = {**relevant, "seed": seed, **{of: sha256_file(path) for of, path in inputs.items()}}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    said, items = [], []
    for content in tqdm(
        [RIGHT, GOLD, *about["contents"]] if arm.zone in TRIPLETS else [RIGHT], desc=f"ask {name}", unit="content"
    ):
        part = shards.get(content)
        if part is None:
            filled = Contents(RIGHT if content == GOLD else content, others)
            questions = [gold if content == GOLD else found for _, found, gold in asked]
            stated = [read(one, tokenizer) for one in told]
            read_ = stated if content == GOLD else [read(one, tokenizer, extracted[one.doc_id]) for one in told]
            start = time.perf_counter()
            texts = answers(model, arm, questions, filled, tokenizer, about["max_tokens"])
            seconds = (time.perf_counter() - start) / len(texts)
            spoken = [
                {
                    "content": content,
                    "novel": novel,
                    "qid": one.qid,
                    "kind": one.kind,
                    "question": one.question,
                    "prediction": text,
                    "positions": arm.window + taken,
                    "accepted": list(one.accepted),
                    "other": one.other,
                    "fact": whereabouts(one.fact, filled.of(one.seen(arm.window, many_valued()), at).standing),
                }
                for at, ((novel, *_), one, (text, taken)) in enumerate(zip(asked, questions, texts, strict=True))
            ]
            nats = [{"content": content, **one} for one in nats_by_token(model, arm, read_, stated, filled, tokenizer)]
            part = shards.put(content, {"answers": spoken, "nats": nats, "seconds": seconds})
        said += part["answers"]
        items += part["nats"]
    write_jsonl(args.answers, said)
    metrics = {"answers": len(said), "answers_sha256": sha256_file(args.answers)}
    seconds = {content: shards.get(content)["seconds"] for content in dict.fromkeys(one["content"] for one in said)}
    record = provenance.record() | {"answer_seconds": rounded(seconds)}
    config = relevant | {"positions": trained["config"]["positions"]}
    write_json(args.out, result("ask_windowed", config, seed, metrics, rounded(items), record))
    print(f"{args.out}: arm {name} gave {len(said)} answers about text that {about['window']} tokens no longer show")


if __name__ == "__main__":
    run_step(main)
