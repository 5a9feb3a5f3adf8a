"""Write LOCOMO's test conversations, or those of its stand-in, into Engram rows, and ask the frozen questions over them.

Behind the plain base model, or behind the reciting reader of the layered conditions. Sources of what is written: the released
observations, our extraction, and, as an upper bound that trains on the test, the tested questions with their gold answers
(oracle write, the published protocol). Controls: nothing written, and the rows of another conversation. Rows are kept
conversation by conversation; a killed run goes on with the next.
"""

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.lessons import asked as recited_prompt
from loci.bench.locomo_asked import frozen
from loci.bench.locomo_extraction import document_of
from loci.bench.locomo_rows import of_observations, of_questions, of_triplets, writable
from loci.bench.locomo_rows_asking import BASE, RECITE, ask
from loci.bench.pupils import wordings
from loci.bench.reader import Reader
from loci.config import load_config
from loci.errors import run_step
from loci.memories.prose_extract import Extractor
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base, use_threads
from loci.models.encoder import Encoder
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowMap
from loci.models.upper import UpperStack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.locomo import Conversation
from loci.worlds.locomo_file import load_or_stand_in
from loci.worlds.locomo_observations import observations_of
from loci.worlds.prose_files import first_words, read_documents

_LEARN = 150_000  # words that the extraction is fitted on, as extract_locomo.py
_SEED = 0
SOURCES = {BASE: ("observed", "extracted", "oracle"), RECITE: ("observed", "extracted")}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--reader", choices=(BASE, RECITE), required=True, default=argparse.SUPPRESS, help="who reads the rows")
    parser.add_argument("--adapter", type=Path, help="the reciting reader, by train_reader.py (safetensors)")
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--stand-in", type=Path, required=True, default=argparse.SUPPRESS, help="made by make_standin.py (JSON)")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a downloaded file (path)")
    parser.add_argument("--train", type=Path, default=GENERATED / "prose.train.parquet", help="for the extraction (parquet)")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def extracted(conversation: Conversation, extractor: Extractor) -> list[Sentence]:
    """What the extraction finds in a conversation, as sentences."""
    documents = [document_of(conversation, session)[0] for session in conversation.sessions]
    return of_triplets(one for document in extractor.extract(documents) for sentence in document for one in sentence)


def write(writer: Writer, sentences: list[Sentence], before: list[list[str]], settings: dict) -> tuple[RowMap, dict]:
    """(rows of sentences, what it took), written bare and behind each list of texts."""
    kept = writable(sentences, writer.tokenizer)
    chosen = [one for one, fits in zip(sentences, kept, strict=True) if fits]
    contexts = [[text for text, fits in zip(texts, kept, strict=True) if fits] for texts in before]
    start = time.perf_counter()
    rows, report = write_optimised("rows", writer, chosen, contexts, write_settings(settings["write"], len(chosen)), _SEED)
    about = {"sentences": len(chosen), "left_out": len(sentences) - len(chosen), "rows": len(rows), "bytes": rows.nbytes}
    return rows, {**about, **report.as_dict(), "seconds": time.perf_counter() - start}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"train": args.train} | ({"adapter": args.adapter} if args.adapter else {})
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    source, locomo = load_or_stand_in(args.file, args.stand_in, cache=args.cache)
    observations = observations_of(args.file, args.stand_in, args.cache)
    conversations = [one for one in locomo.conversations if one.split == "test"]
    base, reader = load_base(settings["base"]["name"], args.model), Reader.load()
    if args.reader == RECITE:
        slot = LoraSlot(base, LoraSpec(settings["reader"]["rank"], settings["reader"]["targets"]))
        slot.put(slot.load(args.adapter))
    spec = EngramSpec.of(settings["engram"])
    graft = Graft(base.model, base.tokenizer, spec)
    writer = Writer(UpperStack(graft), base.tokenizer)
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    relevant = {name: settings[name] for name in ("base", "engram", "write", "reader", "locomo_asked")} | {"file": source}
    identity = {**relevant, "reader_is": args.reader, "file_sha256": locomo.sha256, "model": base.model_sha256}
    identity |= {name: sha256_file(path) for name, path in inputs.items()}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    questions = {one.id: frozen([one], "test", settings["locomo_asked"]["each"]) for one in conversations}
    every, extractor, written = [text for texts in wordings().values() for text in texts], None, {}
    for conversation in tqdm(conversations, desc=f"write for {args.reader}", unit="conversation"):
        for name in SOURCES[args.reader]:
            trace = shards.folder / f"{conversation.id}.{name}.safetensors"
            item = shards.get(f"{conversation.id}.{name}")
            if item is None:
                rng = random.Random(f"locomo rows:{conversation.id}:{name}")
                if name == "oracle":
                    answerable = [one for one in questions[conversation.id] if one.answer]
                    sentences, prompts = of_questions(answerable, reader)
                    before = [prompts]
                else:
                    if name == "extracted":
                        learnt = extractor or Extractor.fit(first_words(read_documents(args.train), _LEARN), encoder, _SEED)
                        extractor, sentences = learnt, extracted(conversation, learnt)
                    else:
                        sentences = of_observations(observations[conversation.id])
                    recite = [recited_prompt(rng.choice(every)) + " " for _ in sentences]
                    before = [recite] if args.reader == RECITE else []
                rows, item = write(writer, sentences, before, settings)
                rows.save(trace, spec.about(base.name))
                shards.put(f"{conversation.id}.{name}", item)
            written[conversation.id, name] = (RowMap.load(trace, spec.about(base.name)), item)
    answers = []
    for at, conversation in enumerate(tqdm(conversations, desc="ask", unit="conversation")):
        part = shards.get(f"asked.{conversation.id}")
        if part is None:
            donor = conversations[(at + 1) % len(conversations)]
            over = {name: written[conversation.id, name][0] for name in SOURCES[args.reader]}
            over["observed_donor"] = written[donor.id, "observed"][0]
            part = {
                "answers": ask(
                    conversation, questions[conversation.id], over, graft, base.tokenizer, reader, args.reader, settings
                )
            }
            shards.put(f"asked.{conversation.id}", part)
        answers += part["answers"]
    write_jsonl(args.answers, answers)
    items = [{"conversation": uid, "source": name, **item} for (uid, name), (_, item) in written.items()]
    seconds = {f"{item['conversation']}.{item['source']}": round(item.pop("seconds"), 1) for item in items}
    metrics = {"answers": len(answers), "answers_sha256": sha256_file(args.answers)}
    record = provenance.record() | {"write_seconds": seconds, "model_sha256": base.model_sha256}
    config = relevant | {"file_sha256": locomo.sha256, "reader": args.reader}
    write_json(args.out, result("rows_locomo", config, _SEED, metrics, items, record))
    hits = sum(one["answer_hits"] > 0 for one in answers) / len(answers)
    print(f"{args.out}: {len(answers)} answers about {source} over rows, {hits:.2f} of them read one while they were said")


if __name__ == "__main__":
    run_step(main)
