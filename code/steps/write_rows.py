"""Write every test user's facts into Engram rows, with every strategy, for one seed.

A table is written as a whole, so it holds the facts as they are after all updates and deletions.
The first seed of the profile writes every strategy, the others those that the profile repeats. Traces are kept beside
the result; a killed run continues with the next trace.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.people import asked_users, writing_contexts
from loci.config import load_config
from loci.errors import run_step
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import OPTIMISED, STRATEGIES, Writer, randomised, write_closed_form, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowMap
from loci.models.upper import UpperStack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.records import User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--seed", type=int, default=0, help="redraws initial rows, minibatches and writing contexts (integer)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def strategies_of(seed: int, settings: dict) -> list[str]:
    """All strategies for the first seed, those that the profile repeats for the others."""
    matrix = settings["matrix"]
    return [name for name in STRATEGIES if name in matrix["repeated"] or seed == matrix["seeds"][0]]


def write_one(strategy: str, writer: Writer, user: User, settings: dict, seed: int, own_rows: Path) -> tuple[RowMap, dict]:
    """One user's rows by one strategy, and what the writer reports. own_rows: the user's `rows`, written before."""
    sentences = [Sentence(fact.trigger, fact.answer) for fact in user.final_facts()]
    if strategy == "rows_random":
        about = writer.upper.graft.spec.about(settings["base"]["name"])
        return randomised(RowMap.load(own_rows, about), seed), {}
    if strategy in OPTIMISED:
        contexts = writing_contexts(settings["write"]["contexts_per_kind"], seed)
        rows, report = write_optimised(
            strategy, writer, sentences, contexts, write_settings(settings["write"], len(sentences)), seed
        )
        return rows, report.as_dict()
    return write_closed_form(strategy, writer, sentences, settings["closed_form_scale"][strategy]), {}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    users = asked_users(load_users(args.users), settings)
    base = load_base(settings["base"]["name"], args.model)
    spec = EngramSpec.of(settings["engram"])
    writer = Writer(UpperStack(Graft(base.model, base.tokenizer, spec)), base.tokenizer)
    relevant = {name: settings[name] for name in ("base", "engram", "write", "closed_form_scale")}
    identity = {**relevant, "seed": args.seed, "users": sha256_file(args.users), "model": base.model_sha256}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    plan = [(user, strategy) for user in users for strategy in strategies_of(args.seed, settings)]
    items = []
    for user, strategy in tqdm(plan, desc=f"write rows, seed {args.seed}", unit="table"):
        name = f"{user.uid}.{strategy}"
        trace = shards.folder / f"{name}.safetensors"
        item = shards.get(name)
        if item is None:
            start = time.perf_counter()
            own_rows = shards.folder / f"{user.uid}.rows.safetensors"
            rows, report = write_one(strategy, writer, user, settings, args.seed, own_rows)
            seconds = time.perf_counter() - start
            rows.save(trace, spec.about(base.name))
            item = {
                "uid": user.uid,
                "memory": strategy,
                "facts": len(user.final_facts()),
                "rows": len(rows),
                "bytes": rows.nbytes,
                "mean_row_norm": round(float(rows.values.norm(dim=-1).mean()), 4),
                **report,
                "trace": str(trace.relative_to(args.out.parent)),
                "trace_sha256": sha256_file(trace),
                "seconds": seconds,
            }
            shards.put(name, item)
        items.append(item)
    seconds = {f"{item['uid']}.{item['memory']}": round(item.pop("seconds"), 3) for item in items}
    metrics = {"tables": len(items), "unmet_facts": sum(item.get("unmet", 0) for item in items)}
    record = provenance.record() | {"write_seconds": seconds, "model_sha256": base.model_sha256}
    write_json(args.out, result("write_rows", relevant, args.seed, metrics, items, record))
    print(
        f"{args.out}: wrote {len(items)} tables of rows for {len(users)} users; {metrics['unmet_facts']} facts below the margin"
    )


if __name__ == "__main__":
    run_step(main)
