"""Let rows, adapters and the reader's index grow: the same questions with more and more facts of the owner beside, a size a run.

rows: facts written on the base model, asked of it and of the answering reader. recited: facts written with the reciting reader
attached. practised: the same with a reader that train_finder.py --bare taught on. index: the same facts in an index, read by the
reciting reader; how many lines it finds is chosen at each size, on development users with as many facts. finder: the index again,
read by a reader that train_finder.py taught to read such lines. user: an adapter of one's own. A killed run continues with the
next user, or the next number of lines.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.layer_bench import LayerBench, shape_of
from loci.bench.layers import BASE, CONDITIONS
from loci.bench.line_choice import best_depth, share_right
from loci.bench.people import asked_questions, asked_users
from loci.bench.user_lora import Teaching, examples_of, texts_to_keep
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.adapters import LoraWeights
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.models.fitting import fit
from loci.models.rows import RowMap
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.growth import storable
from loci.worlds.records import Fact, Question, User, load_facts, load_users

# What grows, and what is asked of it: names in the answers, and the conditions that they stand for.
STORES = {
    "rows": {"c": "c", "f": "f"},
    "recited": {"k": "k"},
    "practised": {"kp": "k"},
    "index": {"j": "j"},
    "finder": {"jf": "j"},
    "user": {"b": "b"},
}
_SEARCHED = ("index", "finder")
_RECITED = ("recited", "practised")
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
    parser.add_argument(
        "--facts", type=int, required=True, default=argparse.SUPPRESS, help="facts of an owner: a size of layered_growth.sizes"
    )
    readers = "the answering reader for rows, the reciting one for recited and index, its successors for the others (safetensors)"
    parser.add_argument("--adapter", type=Path, help=readers)
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def users_at(facts: int, store: str, growth: dict) -> int:
    """How many users a store is made for at a size; UserError where the profile has no such size, or stops before it."""
    sizes = {at["facts"]: at["users"] for at in growth["sizes"] if store != "user" or at["facts"] <= growth["adapters"]}
    if facts not in sizes:
        known = ", ".join(map(str, sizes))
        raise UserError("--facts", f"{facts} is no size of store {store}", f"use {known}, or add it to layered_growth.sizes")
    return sizes[facts]


def questions_about(user: User, facts: list[Fact], everybody: list[User], settings: dict) -> list[Question]:
    """What the user is asked at every size: of the layered sample, what rests on stored facts."""
    stored = {fact.key for fact in facts}
    asked = asked_questions(user, everybody, settings, settings["layered"]["questions"])
    return [one for one in asked if one.kind in KINDS and stored >= set(one.required_fact_keys)]


def stored(bench: LayerBench, store: str, reader: LoraWeights | None, user: User, facts: list[Fact]) -> tuple[RowMap, dict]:
    """The rows of the facts (none for an index or an adapter of one's own, which the slot then holds), and what they cost."""
    start, how = time.perf_counter(), Teaching(**bench.settings["user_lora"])
    if store == "user":
        tokenizer = bench.base.tokenizer
        examples = examples_of(user, how, tokenizer, _SEED, facts)
        kept = texts_to_keep(tokenizer, how.tokens) if how.keep else []
        weights, passes = fit(bench.slot, examples, how.fitting, _SEED, tokenizer.pad_token_id, kept)
        about = {"bytes": weights.nbytes, "recall": passes[-1].recall, "passes": len(passes)}
        rows = bench.graft.empty_rows()
    elif store in _SEARCHED:
        bench.slot.put(reader)
        about, rows = {"bytes": bench.index(facts, user.uid, 1)[1].nbytes}, bench.graft.empty_rows()
    else:
        bench.slot.put(reader if store in _RECITED else None)
        rows, report = bench.write(facts, user.uid, store in _RECITED, _SEED)
        about = {"bytes": rows.nbytes, **report.as_dict()}
    return rows, {"facts": len(facts), "seconds": time.perf_counter() - start, **about}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if (args.store == "user") != (args.adapter is None):
        raise UserError("--adapter", f"does not fit store {args.store}", "give a shared reader's weights, none for user")
    inputs = {"users": args.users} | {f"corpora.{at}": path for at, path in enumerate(args.corpora)}
    inputs |= {"adapter": args.adapter} if args.adapter else {}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    everybody, growth = load_users(args.users), settings["layered_growth"]
    count = users_at(args.facts, args.store, growth)
    corpus = list({fact.statement: fact for path in args.corpora for fact in load_facts(path)}.values())
    names = ("base", "engram", "write", "matrix", "reader", "user_lora", "layered")
    relevant = {name: settings[name] for name in names} | {"store": args.store, "facts": args.facts, "users": count}
    relevant |= {"encoder": settings["encoder"], "chosen": growth["chosen"]} if args.store in _SEARCHED else {}
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder) if args.store in _SEARCHED else None
    bench = LayerBench(settings, shape_of(settings, args.store), encoder, args.model)
    reader = bench.slot.load(args.adapter) if args.adapter else None
    files = {name: sha256_file(path) for name, path in inputs.items()}
    shards = Shards(Path(__file__), {**relevant, **files, "model": bench.base.model_sha256}, args.out.parent / "work")

    def told(user: User) -> tuple[User, list[Fact], list[Question]]:
        facts = storable(user, args.facts, corpus, settings["people"]["seed"])
        return user, facts, questions_about(user, facts, everybody, settings)

    depth, tried = 0, {}
    if args.store in _SEARCHED:
        bench.slot.put(reader)
        choosers = [told(user) for user in [one for one in everybody if one.split == "dev"][: growth["chosen"]["users"]]]
        for lines in tqdm(growth["chosen"]["lines"], desc="lines of the index", unit="number"):
            kept = f"k{lines}"
            part = shards.get(kept) or shards.put(kept, {"share": share_right(bench, "j", choosers, lines)})
            tried[lines] = part["share"]
        depth = best_depth(tried)
    parts = []
    for user in tqdm(asked_users(everybody, settings)[:count], desc=f"{args.store}, {args.facts} facts", unit="user"):
        part = shards.get(user.uid)
        if part is None:
            _, facts, questions = told(user)
            rows, cost = stored(bench, args.store, reader, user, facts)
            said = []
            for name, condition in STORES[args.store].items():
                if args.store == "rows":  # asked of the base model, then of the answering reader
                    bench.slot.put(reader if CONDITIONS[condition].adapter != BASE else None)
                found = bench.answers(condition, user, facts, questions, rows, depth)
                said += [{"facts": args.facts, **one, "memory": name} for one in found]
            part = shards.put(user.uid, {"cost": {"uid": user.uid, **cost}, "answers": said})
        parts.append(part)
    write_jsonl(args.answers, [answer for part in parts for answer in part["answers"]])
    metrics = {"answers": sum(len(part["answers"]) for part in parts), "answers_sha256": sha256_file(args.answers)}
    metrics |= {"lines": depth, "tried": rounded({str(lines): share for lines, share in tried.items()})} if tried else {}
    items = [{**part["cost"], "seconds": round(part["cost"]["seconds"], 2)} for part in parts]
    made = provenance.record() | {"model_sha256": bench.base.model_sha256}
    write_json(args.out, result("grow_layered", relevant, _SEED, metrics, items, made))
    print(f"{args.out}: {metrics['answers']} answers of {count} users with {args.facts:,} facts each, store {args.store}")


if __name__ == "__main__":
    run_step(main)
