"""How many facts one table holds: one owner's facts written together, n at a time, and asked as bare statements.

Joint OPT, distinct suffixes. The raw answers are kept; score_density.py says how many are right.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.decode import PromptBatch, newline_tokens
from loci.config import load_config
from loci.errors import run_step
from loci.memories.row_examples import Sentence, encode_sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.base import Base, load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowBatch, RowMap
from loci.models.upper import UpperStack
from loci.provenance import Provenance
from loci.results import result, write_json
from loci.shards import Shards
from loci.worlds.corpus import build_corpus
from loci.worlds.records import Fact


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def answers(graft: Graft, base: Base, rows: RowMap, facts: list[Fact], settings: dict) -> list[dict]:
    """The model's completion of every trigger under one table."""
    size, ends, out = settings["matrix"]["batch"], newline_tokens(base.tokenizer), []
    encoded = [encode_sentence(base.tokenizer, "", Sentence(fact.trigger, fact.answer)) for fact in facts]
    order = sorted(range(len(facts)), key=lambda at: (encoded[at].answer_start, at))
    for start in range(0, len(facts), size):
        members = order[start : start + size]
        prompts = [encoded[at].ids[: encoded[at].answer_start] for at in members]
        batch = PromptBatch(graft, prompts, base.tokenizer.pad_token_id, ends, settings["matrix"]["max_tokens"])
        decoded = batch.answer(RowBatch.shared(rows, len(members)))
        for at, found in zip(members, decoded, strict=True):
            text = base.tokenizer.decode(found.tokens, skip_special_tokens=True).partition("\n")[0].strip()
            out.append(
                {
                    "key": facts[at].key,
                    "accepted": facts[at].accepted,
                    "prediction": text,
                    "first_token": found.tokens[0] if found.tokens else None,
                    "gold_first_token": encoded[at].ids[encoded[at].answer_start],
                }
            )
    return sorted(out, key=lambda answer: answer["key"])


def one_size(size: int, writer: Writer, base: Base, settings: dict) -> dict:
    """Write `size` facts into one table and ask them all."""
    facts = build_corpus(size, settings["density"]["seed"])
    how = write_settings(settings["write"], len(facts))
    start = time.perf_counter()
    sentences = [Sentence(fact.trigger, fact.answer) for fact in facts]
    rows, report = write_optimised("rows_joint", writer, sentences, [], how, settings["density"]["seed"])
    seconds = time.perf_counter() - start
    found = answers(writer.upper.graft, base, rows, facts, settings)
    return {"n": size, "rows": len(rows), "bytes": rows.nbytes, **report.as_dict(), "seconds": seconds, "answers": found}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    settings = load_config(args.config)
    use_threads(settings["threads"])
    base = load_base(settings["base"]["name"], args.model)
    spec = EngramSpec.of(settings["engram"])
    writer = Writer(UpperStack(Graft(base.model, base.tokenizer, spec)), base.tokenizer)
    relevant = {name: settings[name] for name in ("base", "engram", "write", "matrix", "density")}
    shards = Shards(Path(__file__), {**relevant, "model": base.model_sha256}, args.out.parent / "work")
    items = []
    for size in tqdm(settings["density"]["sizes"], desc="density", unit="table"):
        items.append(shards.get(f"n{size}") or shards.put(f"n{size}", one_size(size, writer, base, settings)))
    seconds = {f"n{item['n']}": round(item.pop("seconds"), 2) for item in items}
    metrics = {"facts": [item["n"] for item in items], "unmet": [item["unmet"] for item in items]}
    record = provenance.record() | {"write_seconds": seconds, "model_sha256": base.model_sha256}
    write_json(args.out, result("density", relevant, settings["density"]["seed"], metrics, items, record))
    print(f"{args.out}: answers about {items[-1]['n']} facts in one table; score_density.py says how many are right")


if __name__ == "__main__":
    run_step(main)
