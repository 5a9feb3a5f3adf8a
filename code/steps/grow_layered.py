"""Let rows, adapters and the reader's index grow: the same questions with more and more facts of the owner beside.

rows: facts written on the base model, asked of it and of the answering reader. recited: facts written with the reciting reader
attached, and retrieval over the same facts for the same reader. user: an adapter of one's own. A killed run continues with the
next user.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.layer_asking import ask, limits_of
from loci.bench.layer_prompts import batches
from loci.bench.layers import CONDITIONS, prompt_under
from loci.bench.people import asked_questions, asked_users, writing_contexts
from loci.bench.reader import Reader
from loci.bench.recited import write_recited
from loci.bench.told import query_of
from loci.bench.user_lora import Teaching, examples_of, texts_to_keep
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.base import Note
from loci.memories.registry import text_memory
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base, use_threads
from loci.models.encoder import Encoder
from loci.models.engram import EngramSpec, Graft
from loci.models.fitting import fit
from loci.models.rows import RowMap
from loci.models.upper import UpperStack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.growth import storable
from loci.worlds.records import Fact, Question, User, load_facts, load_users

STORES = {"rows": ("c", "f"), "recited": ("k", "j"), "user": ("b",)}
KINDS = ("statement", "direct", "paraphrase", "indirect")
_SEED = 0


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument(
        "--corpora", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="facts of make_corpus.py (JSON)"
    )
    parser.add_argument("--store", choices=STORES, required=True, default=argparse.SUPPRESS, help="what grows")
    parser.add_argument("--adapter", type=Path, help="the answering reader for rows, the reciting one for recited (safetensors)")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def questions_about(user: User, facts: list[Fact], everybody: list[User], settings: dict) -> list[Question]:
    """What the user is asked at every size: of the layered sample, what rests on stored facts."""
    stored = {fact.key for fact in facts}
    asked = asked_questions(user, everybody, settings, settings["layered"]["questions"])
    return [one for one in asked if one.kind in KINDS and stored >= set(one.required_fact_keys)]


class Bench:
    """A grafted base model with a slot for adapters, and everything that questions need."""

    def __init__(self, settings: dict, store: str, adapter: Path | None, encoder: Path | None, model: Path | None):
        self.settings, self.how = settings, Teaching(**settings["user_lora"])
        self.base = load_base(settings["base"]["name"], model)
        shared = LoraSpec(settings["reader"]["rank"], settings["reader"]["targets"])
        self.slot = LoraSlot(self.base, self.how.spec if store == "user" else shared)
        self.reader = self.slot.load(adapter) if adapter else None
        self.graft = Graft(self.base.model, self.base.tokenizer, EngramSpec.of(settings["engram"]))
        self.writer, self.prompts = Writer(UpperStack(self.graft), self.base.tokenizer), Reader.load()
        self.encoder = Encoder.load(settings["encoder"]["name"], encoder) if store == "recited" else None
        self.limits = limits_of(settings, self.base.tokenizer)

    def stored(self, store: str, user: User, facts: list[Fact]) -> tuple[RowMap, dict]:
        """The rows of the facts (none for an adapter of one's own, which the slot then holds), and what they cost."""
        start = time.perf_counter()
        if store == "user":
            examples = examples_of(user, self.how, self.base.tokenizer, _SEED, facts)
            kept = texts_to_keep(self.base.tokenizer, self.how.tokens) if self.how.keep else []
            weights, passes = fit(self.slot, examples, self.how.fitting, _SEED, self.base.tokenizer.pad_token_id, kept)
            about = {"bytes": weights.nbytes, "recall": passes[-1].recall, "passes": len(passes)}
            rows = self.graft.empty_rows()
        else:
            self.slot.put(self.reader if store == "recited" else None)
            if store == "recited":
                rows, report = write_recited(self.writer, facts, user.uid, self.settings, _SEED)
            else:
                sentences = [Sentence(fact.trigger, fact.answer) for fact in facts]
                contexts = writing_contexts(self.settings["write"]["contexts_per_kind"], _SEED)
                how = write_settings(self.settings["write"], len(facts))
                rows, report = write_optimised("rows", self.writer, sentences, contexts, how, _SEED)
            about = {"bytes": rows.nbytes, **report.as_dict()}
        return rows, {"facts": len(facts), "seconds": time.perf_counter() - start, **about}

    def lines(self, user: User, facts: list[Fact], questions: list[Question]) -> dict[str, tuple[str, ...]]:
        """What the index finds for each question among the facts, the most relevant last."""
        layered = self.settings["layered"]
        memory = text_memory(layered["index"], self.encoder, layered["lines"])
        trace = memory.write(user.uid, [Note(fact.key, fact.statement) for fact in facts])
        found = {one.qid: memory.recall(trace, query_of(one)) for one in questions}
        return {qid: recall.lines if recall.told else recall.lines[::-1] for qid, recall in found.items()}

    def answers(self, condition: str, user: User, questions: list[Question], rows: RowMap, lines: dict) -> list[dict]:
        """Raw answers under one condition."""
        named = {condition: CONDITIONS[condition]}
        if condition in ("c", "f"):
            self.slot.put(self.reader if condition == "f" else None)
        texts = [
            prompt_under(named[condition], one, lines.get(one.qid, ()), [], self.prompts, "", self.how.knows_questions)
            for one in questions
        ]
        prompts = {condition: [(user, one, text) for one, text in zip(questions, texts, strict=True)]}
        size, empty = self.settings["layered"]["batch"], self.graft.empty_rows()
        over = rows if CONDITIONS[condition].rows else empty
        out = []
        for together, batch in batches(prompts, named, self.base.tokenizer, size):
            found = ask(together, batch, named, lambda _name, _uid: over, self.graft, self.base.tokenizer, self.limits)
            out += found["answers"]
        return sorted(out, key=lambda answer: answer["qid"])


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if (args.store == "user") != (args.adapter is None):
        raise UserError("--adapter", f"does not fit store {args.store}", "give a shared reader's weights, none for user")
    inputs = {"users": args.users} | {f"corpora.{at}": path for at, path in enumerate(args.corpora)}
    inputs |= {"adapter": args.adapter} if args.adapter else {}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    everybody, growth = load_users(args.users), settings["layered"]["growth"]
    users = asked_users(everybody, settings)[: growth["users"]]
    corpus = list({fact.statement: fact for path in args.corpora for fact in load_facts(path)}.values())
    names = ("base", "engram", "write", "matrix", "reader", "user_lora", "layered")
    relevant = {name: settings[name] for name in names} | {"store": args.store}
    bench = Bench(settings, args.store, args.adapter, args.encoder, args.model)
    files = {name: sha256_file(path) for name, path in inputs.items()}
    shards = Shards(Path(__file__), {**relevant, **files, "model": bench.base.model_sha256}, args.out.parent / "work")
    sizes = [size for size in growth["facts"] if args.store != "user" or size <= growth["adapters"]]
    parts = []
    for size, user in tqdm([(size, user) for size in sizes for user in users], desc=f"{args.store} grow", unit="user"):
        part = shards.get(f"n{size}.{user.uid}")
        if part is None:
            facts = storable(user, size, corpus, settings["people"]["seed"])
            questions = questions_about(user, facts, everybody, settings)
            rows, cost = bench.stored(args.store, user, facts)
            said = []
            for name in STORES[args.store]:
                lines = bench.lines(user, facts, questions) if CONDITIONS[name].lines else {}
                said += [{"facts": size, **one} for one in bench.answers(name, user, questions, rows, lines)]
            part = shards.put(f"n{size}.{user.uid}", {"cost": {"uid": user.uid, **cost}, "answers": said})
        parts.append(part)
    write_jsonl(args.answers, [answer for part in parts for answer in part["answers"]])
    metrics = {"answers": sum(len(part["answers"]) for part in parts), "answers_sha256": sha256_file(args.answers)}
    items = [{**part["cost"], "seconds": round(part["cost"]["seconds"], 2)} for part in parts]
    made = provenance.record() | {"model_sha256": bench.base.model_sha256}
    write_json(args.out, result("grow_layered", relevant, _SEED, metrics, items, made))
    print(f"{args.out}: {metrics['answers']} answers of {len(users)} users with {min(sizes):,} to {max(sizes):,} facts")


if __name__ == "__main__":
    run_step(main)
