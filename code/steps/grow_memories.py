"""Let memories grow: each user's own to thousands of facts, and a shared index to the facts of many users.

Own growth measures whether the needed fact is still recalled, how long a recall takes and what the index weighs. In a shared
index, searched with and without a user filter, it also measures how often somebody else's canary comes back.
"""

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from loci.bench.people import asked_users, leak_questions
from loci.bench.recalls import Costs, cost_entries, holds, read_questions, recall_all, recalled_share, told_to
from loci.bench.statistics import estimate
from loci.bench.told import tell_notes
from loci.config import load_config
from loci.errors import run_step
from loci.memories.base import Note, Query, Recall
from loci.memories.registry import text_memory
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json, write_jsonl
from loci.worlds.growth import grown, own_facts, population
from loci.worlds.people import iter_users
from loci.worlds.records import Fact, Question, User, load_facts, load_users

FIRST_STRANGER = 10_000  # number of the first user who is nowhere else on the bench
OWN_KINDS = ("direct", "paraphrase")  # questions about a user's own memory
ASKED_OF_MANY = {"direct": 10, "other": 12}  # questions a user to a shared index


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument(
        "--corpora", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="facts of make_corpus.py (JSON)"
    )
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--recalls", type=Path, required=True, default=argparse.SUPPRESS, help="what the reader gets (JSONL)")
    return parser.parse_args(argv)


def grow_own(name: str, size: int, users: list[User], corpus: list[Fact], encoder: Encoder, settings: dict, source: str) -> tuple:
    """One point of the curve: ({key: entry}, {key: measured cost}, recalls that the reader gets)."""
    growth, k = settings["growth"], settings["matrix"]["k"]
    memory, reading = (text_memory(name, encoder, lines) for lines in (k, settings["matrix"]["lines"]))
    costs, kept = {}, []
    scores: dict[str, list] = {kind: [] for kind in OWN_KINDS}
    for user in users:
        notes = [Note(key, sentence) for key, sentence in grown(user, size, corpus, settings["people"]["seed"])]
        keys, stored = [note.key for note in notes], {key for key, _ in own_facts(user)}
        questions = [question for question in user.questions if question.kind in scores and question.key in stored]
        write = partial(tell_notes, owner=user.uid, notes=notes)
        trace, spent = told_to(memory, write)
        records, times = recall_all(memory, trace, questions, keys)
        costs[user.uid] = Costs(spent / len(notes), times, trace.nbytes)
        for record in records:
            scores[record["kind"]].append((record["uid"], record["qid"], recalled_share(record)))
        if name in growth["read"]:
            direct = [question for question in questions if question.kind == "direct"]
            asked = random.Random(f"growth:{user.uid}").sample(range(len(direct)), growth["questions"])
            shown, _ = recall_all(reading, trace, [direct[at] for at in sorted(asked)], keys)
            kept += [{"write": "growth", "notes": size, **record} for record in shown]
    about = f"growth.{name}.n{size}"
    ledger = {f"{about}.{kind}.at_{k}": estimate(found).entry(source) for kind, found in scores.items()}
    sizes, times = cost_entries(costs, about, source)
    return ledger | sizes, times, kept


def only_of(recall: Recall, uid: str, k: int) -> Recall:
    """The first `k` recalled lines that are of one user: a shared index with a user filter."""
    mine = [at for at, keys in enumerate(recall.sources) if keys[0].startswith(f"{uid}/")][:k]
    return replace(recall, lines=tuple(recall.lines[at] for at in mine), sources=tuple(recall.sources[at] for at in mine))


def grow_population(name: str, count: int, users: list[User], encoder: Encoder, settings: dict, source: str) -> tuple:
    """One point of the population curve: ({key: entry}, {key: measured cost})."""
    k, seed = settings["matrix"]["k"], settings["people"]["seed"]
    asked = users[:count]
    strangers = iter_users("personal", "test", range(FIRST_STRANGER, FIRST_STRANGER + count - len(asked)), seed)
    told = population([*asked, *strangers])
    memory = text_memory(name, encoder, len(told))  # everything in order of relevance, so that a filter can work on it
    trace = memory.write("everybody", [Note(key, sentence) for key, sentence in told])
    found: dict[str, list] = {f"{way}.{what}": [] for way in ("shared", "filtered") for what in (f"at_{k}", "leak")}
    spent = []
    for user in asked:
        for question in questions_to_many(user, asked):
            start = time.perf_counter()
            recall = memory.recall(trace, Query(question.text))
            spent.append(1000 * (time.perf_counter() - start))
            first = replace(recall, lines=recall.lines[:k], sources=recall.sources[:k])
            for way, seen in (("shared", first), ("filtered", only_of(recall, user.uid, k))):
                record = {"lines": seen.lines, "sources": seen.sources, "needed": [f"{user.uid}/{question.key}"]}
                if question.kind == "other":
                    found[f"{way}.leak"].append((user.uid, question.qid, holds(record, list(question.accepted))))
                else:
                    found[f"{way}.at_{k}"].append((user.uid, question.qid, recalled_share(record)))
    about = f"population.{name}.u{count}"
    ledger = {f"{about}.{measure}": estimate(scores).entry(source) for measure, scores in found.items() if scores}
    cost = {"value": float(np.percentile(spent, 95)), "n": len(spent), "source": source}
    return ledger, {f"{about}.sort_all_ms_p95": cost}


def questions_to_many(user: User, asked: list[User]) -> list[Question]:
    """A fixed sample of direct questions, and of questions about what others told."""
    rng = random.Random(f"population:{user.uid}")
    direct = [question for question in user.questions if question.kind == "direct"]
    leaks = leak_questions(user, asked)
    return [
        *rng.sample(direct, min(len(direct), ASKED_OF_MANY["direct"])),
        *rng.sample(leaks, min(len(leaks), ASKED_OF_MANY["other"])),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"users": args.users} | {f"corpora.{at}": path for at, path in enumerate(args.corpora)}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    users, growth = asked_users(load_users(args.users), settings), settings["growth"]
    corpus = list({fact.statement: fact for path in args.corpora for fact in load_facts(path)}.values())
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    own = [question for user in users for question in user.questions if question.kind in OWN_KINDS]
    everything = own + [question for user in users for question in questions_to_many(user, users)]
    ledger, costs, kept = {}, read_questions(encoder, everything, "growth", args.out.name), []
    points = [(name, size) for name in growth["memories"] for size in growth["facts"]]
    for name, size in tqdm(points, desc="own memory grows", unit="point"):
        entries, spent, recalls = grow_own(name, size, users, corpus, encoder, settings, args.out.name)
        ledger, costs, kept = ledger | entries, costs | spent, kept + recalls
    points = [(name, count) for name in growth["shared"] for count in growth["users"]]
    for name, count in tqdm(points, desc="shared index grows", unit="point"):
        entries, spent = grow_population(name, count, users, encoder, settings, args.out.name)
        ledger, costs = ledger | entries, costs | spent
    write_jsonl(args.recalls, kept)
    config = {"growth": growth, "k": settings["matrix"]["k"], "encoder": encoder.sha256, "users": [user.uid for user in users]}
    metrics = rounded(ledger) | {"recalls_sha256": sha256_file(args.recalls)}
    record = provenance.record() | {"costs": rounded(costs)}
    write_json(args.out, result("grow_memories", config, settings["people"]["seed"], metrics, args.recalls.name, record))
    print(f"{args.out}: {len(ledger)} numbers about memories that grow; ask_recalls.py has {len(kept)} of their recalls read")


if __name__ == "__main__":
    run_step(main)
