"""Write rows under stress: after other words, two domains in one table, new values, deletions, other layers.

Test users' facts, no questions: what is asked is whether a sentence is completed with what was stored. A killed run continues
with the next user and study.
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from loci.bench.completion import complete
from loci.bench.people import asked_users, context_text, writing_contexts
from loci.bench.stress import STUDIES, Asked, changed_facts, entries, reworded, sentence_of
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.row_changes import forgotten, updated
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.base import Base, load_base, use_threads
from loci.models.engram import EngramSpec, Graft, decoder_layers
from loci.models.rows import RowMap, laid_over
from loci.models.upper import UpperStack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.contexts import load_contexts
from loci.worlds.people import iter_users
from loci.worlds.records import Fact, User, load_users

_SEED = 0


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--base", help="base.name of the profile when not given, or stress.second.base")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


class Tables:
    """The tables of one user under one graft, timed: name -> rows, and what each cost."""

    def __init__(self, graft: Graft, base: Base, settings: dict):
        self.writer, self.settings = Writer(UpperStack(graft), base.tokenizer), settings
        self.contexts = writing_contexts(settings["write"]["contexts_per_kind"], _SEED)
        self.rows: dict[str, RowMap] = {}
        self.costs: list[dict] = []

    def add(self, name: str, make: Callable[[], tuple[RowMap, int]]) -> RowMap:
        """Keep what `make` gives, (rows, facts left below the margin), under a name."""
        start = time.perf_counter()
        rows, unmet = make()
        self.rows[name] = rows
        seconds = time.perf_counter() - start
        self.costs.append({"table": name, "rows": len(rows), "bytes": rows.nbytes, "unmet": unmet, "seconds": seconds})
        return rows

    def written(self, sentences: list[Sentence], strategy: str = "rows") -> tuple[RowMap, int]:
        how = write_settings(self.settings["write"], len(sentences))
        rows, report = write_optimised(strategy, self.writer, sentences, self.contexts, how, _SEED)
        return rows, report.unmet


def wording(tables: Tables, user: User) -> list[Asked]:
    facts = list(user.final_facts())
    stated = [sentence_of(fact) for fact in facts]
    more = {fact.key: reworded(fact) for fact in facts}
    twice = [fact for fact in facts if len(more[fact.key]) > 1]
    tables.add("bare", lambda: tables.written(stated, "rows_joint"))
    tables.add("contexts", lambda: tables.written(stated))
    tables.add("two_wordings", lambda: tables.written([*stated, *(more[fact.key][0] for fact in twice)]))
    unseen = [Asked("reworded", fact.key, more[fact.key][1].trigger, fact.accepted) for fact in twice]
    return [*_bare("bare", facts), *_midconv(facts, user.uid), *unseen]


def domains(tables: Tables, user: User, patient: User) -> list[Asked]:
    """Personal facts of the user, medical ones of a person of the other world, as if they were one."""
    personal, medical = list(user.final_facts()), list(patient.final_facts())
    alone = tables.add("alone", lambda: tables.written([sentence_of(fact) for fact in personal]))
    second, unmet = tables.written([sentence_of(fact) for fact in medical])
    tables.add("apart", lambda: (laid_over([alone, second]), unmet))
    tables.add("together", lambda: tables.written([sentence_of(fact) for fact in (*personal, *medical)]))
    return [*_bare("personal", personal), *_bare("medical", medical)]


def update(tables: Tables, user: User) -> list[Asked]:
    old, new, _ = changed_facts(user)
    keys = {fact.key for fact in new}
    kept = [fact for fact in user.facts if fact.key not in keys]
    others, then, now = ([sentence_of(fact) for fact in facts] for facts in (kept, old, new))
    before = tables.add("before", lambda: tables.written([sentence_of(fact) for fact in user.facts]))

    def changed() -> tuple[RowMap, int]:
        how = write_settings(tables.settings["write"], len(now))
        rows, report = updated(tables.writer, before, others, then, now, tables.contexts, how, _SEED)
        return rows, report.unmet

    tables.add("in_place", changed)
    tables.add("again", lambda: tables.written([*others, *now]))
    asked = [Asked("changed", to.key, to.trigger, to.accepted, "", fact.answer) for fact, to in zip(old, new, strict=True)]
    return [*asked, *_bare("kept", kept)]


def deletion(tables: Tables, user: User) -> list[Asked]:
    *_, gone = changed_facts(user)
    kept = [fact for fact in user.facts if fact not in gone]
    others, withdrawn = ([sentence_of(fact) for fact in facts] for facts in (kept, gone))
    before = tables.add("before", lambda: tables.written([sentence_of(fact) for fact in user.facts]))
    tables.add("in_place", lambda: (forgotten(tables.writer, before, others, withdrawn), 0))
    tables.add("again", lambda: tables.written(others))
    asked = [Asked("gone", fact.key, fact.trigger, (), "", fact.answer) for fact in gone]
    return [*asked, *_bare("kept", kept)]


def _bare(what: str, facts: Sequence[Fact]) -> list[Asked]:
    return [Asked(what, fact.key, fact.trigger, fact.accepted) for fact in facts]


def _midconv(facts: Sequence[Fact], name: str) -> list[Asked]:
    """Each fact behind somebody's talk that no table was written after."""
    rng = random.Random(f"stress:{name}")
    ids = [context.id for contexts in load_contexts()["test"].values() for context in contexts]
    return [replace(one, what="midconv", context=rng.choice(ids)) for one in _bare("", facts)]


def base_and_spec(name: str, settings: dict, model: Path | None) -> tuple[Base, EngramSpec]:
    """The profile's base model and where its rows are, or those of the second one; UserError for any other."""
    first, second = settings["base"]["name"], settings["stress"]["second"]
    if name not in (first, second["base"]):
        raise UserError(f"--base {name}", "is not in the profile", f"use {first} or {second['base']}")
    layer = settings["engram"]["layer"] if name == first else second["layer"]
    return load_base(name, model), EngramSpec.of({**settings["engram"], "layer": layer})


def one_study(study: str, user: User, patient: User, base: Base, spec: EngramSpec, settings: dict) -> dict:
    """Raw answers and costs of all tables of one study and user."""
    answers, costs = [], []
    count = len(decoder_layers(base.model))
    depths = {f"depth{share}": round(share / 100 * count) for share in settings["stress"]["depths"]}
    for name, layer in depths.items() if study == "layer" else [("", spec.layer)]:
        graft = Graft(base.model, base.tokenizer, replace(spec, layer=layer))
        try:
            tables = Tables(graft, base, settings)
            if study == "layer":
                stated = [sentence_of(fact) for fact in user.final_facts()]
                tables.add(name, lambda tables=tables, stated=stated: tables.written(stated))
                asked = [*_bare("bare", user.final_facts()), *_midconv(user.final_facts(), user.uid)]
            elif study == "domains":
                asked = domains(tables, user, patient)
            else:
                asked = {"wording": wording, "update": update, "deletion": deletion}[study](tables, user)
            texts = [context_text(one.context) + one.trigger for one in asked]
            for table, rows in tables.rows.items():
                said = complete(graft, base.tokenizer, texts, rows, settings["matrix"])
                for one, found in zip(asked, said, strict=True):
                    about = {"study": study, "table": table, "uid": user.uid, "what": one.what, "key": one.key}
                    about |= {"trigger": one.trigger, "context": one.context, "accepted": list(one.accepted)}
                    answers.append(about | {"stale": one.stale, "prediction": found.text, "hits": found.hits})
            costs += [{"study": study, "uid": user.uid, **cost} for cost in tables.costs]
        finally:
            graft.detach()
    return {"answers": answers, "costs": costs}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    users = asked_users(load_users(args.users), settings)[: settings["stress"]["users"]]
    patients = list(iter_users("medical", "test", range(len(users)), settings["people"]["seed"]))
    base, spec = base_and_spec(args.base or settings["base"]["name"], settings, args.model)
    relevant = {name: settings[name] for name in ("engram", "write", "matrix", "stress", "people")} | {"base": base.name}
    identity = {**relevant, "users": sha256_file(args.users), "model": base.model_sha256}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    parts = []
    pairs = [(study, user, patient) for study in STUDIES for user, patient in zip(users, patients, strict=True)]
    for study, user, patient in tqdm(pairs, desc="stress", unit="user"):
        name = f"{study}.{user.uid}"
        parts.append(shards.get(name) or shards.put(name, one_study(study, user, patient, base, spec, settings)))
    answers = [answer for part in parts for answer in part["answers"]]
    write_jsonl(args.answers, answers)
    metrics = rounded(entries(answers, base.name, args.out.name)) | {"answers_sha256": sha256_file(args.answers)}
    items = [cost for part in parts for cost in part["costs"]]
    seconds = {f"{item['study']}.{item['table']}.{item['uid']}": round(item.pop("seconds"), 3) for item in items}
    record = provenance.record() | {"model_sha256": base.model_sha256, "write_seconds": seconds}
    write_json(args.out, result("stress_rows", relevant, _SEED, metrics, items, record))
    print(f"{args.out}: {len(STUDIES)} studies of {len(users)} users, {len(answers)} completed sentences")


if __name__ == "__main__":
    run_step(main)
