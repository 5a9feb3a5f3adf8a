"""How many facts one table holds: one owner's facts written together, n at a time, and asked as bare statements.

Joint OPT. The growing tables have distinct suffixes and are stored as float32, float16 and int8; at one size the suffixes, the
orders and the heads are changed one at a time. A sample is asked after other people's talk as well, and what the rows do to
prose and chat is measured. The raw answers are kept; score_density.py says how many are right.
"""

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.decode import PromptBatch, newline_tokens
from loci.bench.side_effects import BaseTexts, summary
from loci.bench.tables import Table, tables_of
from loci.bench.texts import unrelated_texts
from loci.config import load_config
from loci.errors import run_step
from loci.memories.row_examples import Sentence, encode_sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.base import Base, load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.quantised import FORMATS, stored_as
from loci.models.rows import RowBatch, RowMap
from loci.models.upper import UpperStack
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.contexts import load_contexts
from loci.worlds.corpus import build_corpus
from loci.worlds.records import Fact


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--size", type=int, help="write one table of so many facts; density.sizes and its variants if not given")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def answers(graft: Graft, base: Base, rows: RowMap, facts: list[Fact], contexts: list[str], settings: dict) -> list[dict]:
    """The model's completion of every trigger, each after its context, under one table."""
    size, ends, out = settings["matrix"]["batch"], newline_tokens(base.tokenizer), []
    pairs = zip(facts, contexts, strict=True)
    encoded = [encode_sentence(base.tokenizer, context, Sentence(fact.trigger, fact.answer)) for fact, context in pairs]
    order = sorted(range(len(facts)), key=lambda at: (encoded[at].answer_start, at))
    for start in range(0, len(facts), size):
        members = order[start : start + size]
        prompts = [encoded[at].ids[: encoded[at].answer_start] for at in members]
        longest = max(len(encoded[at].ids) - encoded[at].answer_start for at in members)
        limit = min(settings["matrix"]["max_tokens"], longest + 2)  # nothing behind the longest answer is looked at
        batch = PromptBatch(graft, prompts, base.tokenizer.pad_token_id, ends, limit)
        decoded = batch.answer(RowBatch.shared(rows, len(members)))
        for at, found in zip(members, decoded, strict=True):
            text = base.tokenizer.decode(found.tokens, skip_special_tokens=True).partition("\n")[0].strip()
            first = found.tokens[0] if found.tokens else None
            gold = encoded[at].ids[encoded[at].answer_start]
            about = {
                "key": facts[at].key,
                "accepted": facts[at].accepted,
                "answer_tokens": len(encoded[at].ids) - encoded[at].answer_start,
            }
            out.append({**about, "prediction": text, "first_token": first, "gold_first_token": gold, "hits": found.prompt_hits})
    return sorted(out, key=lambda answer: answer["key"])


def one_table(table: Table, base: Base, settings: dict) -> dict:
    """Write one table, ask all its facts, and measure what it does to other text."""
    density = settings["density"]
    graft = Graft(base.model, base.tokenizer, table.spec)
    try:
        writer = Writer(UpperStack(graft), base.tokenizer)
        facts = build_corpus(table.facts, density["seed"], table.axis)
        start = time.perf_counter()
        sentences = [Sentence(fact.trigger, fact.answer) for fact in facts]
        how = write_settings(settings["write"], len(facts))
        rows, report = write_optimised("rows_joint", writer, sentences, [], how, density["seed"])
        seconds = time.perf_counter() - start
        about = {"table": table.name, "n": table.facts, "rows": len(rows), **report.as_dict(), "bytes": {}}
        said = []
        for form in FORMATS if table.main else FORMATS[:1]:
            stored, about["bytes"][form] = stored_as(rows, form)
            found = answers(graft, base, stored, facts, [""] * len(facts), settings)
            said += [{"table": table.name, "format": form, "asked": "bare", **answer} for answer in found]
        rng = random.Random(f"density:{density['seed']}")
        some = rng.sample(facts, min(density["midconv"], len(facts)))
        contexts = [context.text for kinds in load_contexts()["test"].values() for context in kinds]
        found = answers(graft, base, rows, some, [rng.choice(contexts) for _ in some], settings)
        said += [{"table": table.name, "format": "float32", "asked": "midconv", **answer} for answer in found]
        limits, effects = settings["side_effects"], []
        for texts in unrelated_texts(limits).values():
            effects += BaseTexts(writer.upper, base.tokenizer, texts, limits["max_tokens"]).effects(rows)
        return {"about": about | {"side_effects": rounded(summary(effects), 6)}, "answers": said, "seconds": seconds}
    finally:
        graft.detach()


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    settings = load_config(args.config)
    use_threads(settings["threads"])
    base, spec = load_base(settings["base"]["name"], args.model), EngramSpec.of(settings["engram"])
    tables = [Table(f"n{args.size}", args.size, "distinct", spec)] if args.size else tables_of(settings["density"], spec)
    relevant = {name: settings[name] for name in ("base", "engram", "write", "matrix", "side_effects", "density")}
    shards = Shards(Path(__file__), {**relevant, "model": base.model_sha256}, args.out.parent / "work")
    parts = []
    for table in tqdm(tables, desc="density", unit="table"):
        parts.append(shards.get(table.name) or shards.put(table.name, one_table(table, base, settings)))
    items = [part["about"] for part in parts]
    write_jsonl(args.answers, [answer for part in parts for answer in part["answers"]])
    seconds = {part["about"]["table"]: round(part["seconds"], 2) for part in parts}
    metrics = {"answers": sum(len(part["answers"]) for part in parts), "answers_sha256": sha256_file(args.answers)}
    record = provenance.record() | {"write_seconds": seconds, "model_sha256": base.model_sha256}
    write_json(args.out, result("density", relevant, settings["density"]["seed"], metrics, items, record))
    largest = max(item["n"] for item in items)
    print(f"{args.out}: {len(items)} tables of up to {largest:,} facts; score_density.py says how many answers are right")


if __name__ == "__main__":
    run_step(main)
