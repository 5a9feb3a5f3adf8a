"""Describe every generated world in numbers: who says what, what repeats, what changes how often. No text is copied.

The figure of the worlds draws from this file, and from those of the attackers and of LOCOMO.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from loci.errors import run_step
from loci.provenance import Provenance
from loci.results import read_json, result, rounded, write_json
from loci.worlds.chain_files import load_labels, shares
from loci.worlds.dialogue_records import ROLES, load_conversations
from loci.worlds.records import User, load_users
from loci.worlds.timeline_files import load_questions, load_timeline

_RANKS = 200  # entities of the prose whose frequency is kept


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    needed = {"type": Path, "required": True, "default": argparse.SUPPRESS}
    parser.add_argument("--users", nargs="+", help="users files of make_people.py (JSON)", **needed)
    parser.add_argument("--dialogues", nargs="+", help="files of make_dialogues.py (JSON)", **needed)
    parser.add_argument("--corpora", nargs="+", help="files of make_corpus.py, one an axis (JSON)", **needed)
    parser.add_argument("--chains", help="file of make_chains.py (JSON)", **needed)
    parser.add_argument("--timeline", help="folder of make_timeline.py", **needed)
    parser.add_argument("--prose", nargs="+", help="files of make_prose.py (parquet)", **needed)
    parser.add_argument("--out", help="results file to write (JSON)", **needed)
    return parser.parse_args(argv)


def of_people(users: list[User]) -> dict:
    """How varied the answers are: values by key, those that no training user has, questions and changes by kind."""
    seen: dict[str, set[str]] = defaultdict(set)
    for user in users:
        if user.split == "train":
            for fact in user.facts:
                seen[fact.key].add(fact.answer)
    tested = [fact for user in users if user.split == "test" for fact in user.facts]
    counts: dict[str, Counter] = defaultdict(Counter)
    for fact in tested:
        counts[fact.key][fact.answer] += 1
    test_users = sum(user.split == "test" for user in users)
    return {
        "users": dict(sorted(Counter(user.split for user in users).items())),
        "facts": len(users[0].facts),
        "test_values_unseen_in_training": sum(fact.answer not in seen[fact.key] for fact in tested) / max(len(tested), 1),
        "distinct_answers": {key: len(counter) for key, counter in counts.items()},
        "most_frequent_answer": {key: max(counter.values()) / test_users for key, counter in counts.items()},
        "questions": dict(Counter(question.kind for user in users for question in user.questions)),
        "families": dict(sorted(Counter(q.family for user in users for q in user.questions if q.family).items())),
        "changes": dict(Counter(change.action for user in users for change in user.changes)),
    }


def of_dialogues(path: Path) -> dict:
    """Turns by role, and how many turns it takes to tell a fact."""
    conversations = load_conversations(path)
    roles = Counter(turn.role for one in conversations for turn in one.turns)
    told = sum(len(turn.fact_keys) for one in conversations for turn in one.turns if turn.role == "fact")
    turns = sum(roles.values())
    return {
        "conversations": len(conversations),
        "sessions": sum(len(one.sessions) for one in conversations) / len(conversations),
        "turns": turns / len(conversations),
        "words": sum(len(turn.text.split()) for one in conversations for turn in one.turns) / len(conversations),
        "turns_a_fact": turns / told,
        "roles": {role: roles[role] / turns for role in ROLES},
    }


def of_corpus(path: Path) -> dict:
    """A corpus by how its triggers end, in tokens of the tokenizer that the file names."""
    record = read_json(path, "run code/steps/make_corpus.py")
    facts = record["facts"]
    about = {name: record[name] for name in ("axis", "tokenizer", "endings")}
    return {**about, "facts": len(facts), "distinct_answers": len({fact["answer"] for fact in facts})}


def of_chains(path: Path) -> dict:
    """How much chained questions and statements overlap with stored triggers, by form."""
    labels = load_labels(path)
    forms = {q.qid: q.form for user in load_users(path) for q in user.questions if q.kind == "chained"}
    by_form = {form: [label for qid, label in labels.items() if forms[qid] == form] for form in sorted(set(forms.values()))}
    return {"questions": len(labels), "share_at_least": {form: shares(found) for form, found in by_form.items()}}


def of_timeline(folder: Path) -> dict:
    """Events between two updates of an attribute, and how far back the answers lie."""
    questions = load_questions(folder)
    intervals: dict[str, list[int]] = defaultdict(list)
    kinds: Counter = Counter()
    for pid in questions:
        updates: dict[str, list[int]] = defaultdict(list)
        for event in load_timeline(folder, pid).events:
            kinds[event.kind] += 1
            if event.kind == "update":
                updates[event.attribute].append(event.t)
        for attribute, times in updates.items():
            intervals[attribute] += [after - before for before, after in pairwise(times)]
    asked = list(chain.from_iterable(questions.values()))
    return {
        "people": len(questions),
        "events": dict(kinds),
        "update_intervals": {attribute: sorted(found) for attribute, found in sorted(intervals.items())},
        "questions": dict(Counter(question.form for question in asked)),
        "distances": sorted(question.distance for question in asked),
    }


def of_prose(path: Path) -> dict:
    """Sizes, kinds of document, triplets by polarity, and the frequencies of the most frequent entities."""
    table = pq.read_table(path, columns=["kind", "triplets", "sentences", "text"])
    triplets = pc.list_flatten(table["triplets"])
    subjects = pc.value_counts(pc.struct_field(triplets, "subject")).to_pylist()
    return {
        "documents": table.num_rows,
        "words": pc.sum(pc.list_value_length(pc.utf8_split_whitespace(table["text"]))).as_py(),
        "sentences": pc.sum(pc.list_value_length(table["sentences"])).as_py(),
        "triplets": len(triplets),
        "relations": pc.count_distinct(pc.struct_field(triplets, "relation")).as_py(),
        "kinds": {one["values"]: one["counts"] for one in pc.value_counts(table["kind"]).to_pylist()},
        "polarity": {one["values"]: one["counts"] for one in pc.value_counts(pc.struct_field(triplets, "polarity")).to_pylist()},
        "entities": len(subjects),
        "entity_counts": sorted((one["counts"] for one in subjects), reverse=True)[:_RANKS],
    }


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    people = {path.stem: of_people(load_users(path)) for path in args.users}
    metrics = {
        "people": people,
        "dialogues": {path.stem.partition(".")[2]: of_dialogues(path) for path in args.dialogues},
        "corpora": [of_corpus(path) for path in args.corpora],
        "chains": of_chains(args.chains),
        "timeline": of_timeline(args.timeline),
        "prose": {path.stem.partition(".")[2]: of_prose(path) for path in args.prose},
    }
    source = args.out.name
    ledger = {
        f"worlds.unseen_values.{world}": {
            "value": one["test_values_unseen_in_training"],
            "n": one["users"]["test"] * one["facts"],
            "source": source,
        }
        for world, one in people.items()
    }
    write_json(args.out, result("worlds", {}, None, rounded({**metrics, **ledger}), [], provenance.record()))
    users = sum(sum(one["users"].values()) for one in people.values())
    print(f"{args.out}: {users} users, {metrics['timeline']['people']} timelines and all other worlds in numbers")


if __name__ == "__main__":
    run_step(main)
