"""Write every test user's facts into Engram rows for the reciting reader, with that reader attached.

Traces are kept beside the result; a killed run continues with the next user.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.people import asked_users
from loci.bench.recited import RECITED, write_recited
from loci.config import load_config
from loci.errors import run_step
from loci.memories.row_strategies import Writer
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.upper import UpperStack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.records import load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument(
        "--adapter",
        type=Path,
        required=True,
        default=argparse.SUPPRESS,
        help="the reciting reader, by train_reader.py (safetensors)",
    )
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--seed", type=int, default=0, help="redraws initial rows, minibatches and writing prompts (integer)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users, "adapter": args.adapter})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    users = asked_users(load_users(args.users), settings)
    base = load_base(settings["base"]["name"], args.model)
    slot = LoraSlot(base, LoraSpec(settings["reader"]["rank"], settings["reader"]["targets"]))
    slot.put(slot.load(args.adapter))
    spec = EngramSpec.of(settings["engram"])
    writer = Writer(UpperStack(Graft(base.model, base.tokenizer, spec)), base.tokenizer)
    relevant = {name: settings[name] for name in ("base", "engram", "write", "reader")}
    files = {"users": sha256_file(args.users), "adapter": sha256_file(args.adapter), "model": base.model_sha256}
    shards = Shards(Path(__file__), {**relevant, "seed": args.seed, **files}, args.out.parent / "work")
    items = []
    for user in tqdm(users, desc=f"write for the reciting reader, seed {args.seed}", unit="user"):
        trace = shards.folder / f"{user.uid}.safetensors"
        item = shards.get(user.uid)
        if item is None:
            start = time.perf_counter()
            rows, report = write_recited(writer, user.final_facts(), user.uid, settings, args.seed)
            seconds = time.perf_counter() - start
            rows.save(trace, spec.about(base.name))
            about = {
                "uid": user.uid,
                "memory": RECITED,
                "facts": len(user.final_facts()),
                "rows": len(rows),
                "bytes": rows.nbytes,
            }
            where = {"trace": str(trace.relative_to(args.out.parent)), "trace_sha256": sha256_file(trace)}
            item = shards.put(user.uid, {**about, **report.as_dict(), **where, "seconds": seconds})
        items.append(item)
    seconds = {item["uid"]: round(item.pop("seconds"), 3) for item in items}
    metrics = {"tables": len(items), "unmet_facts": sum(item["unmet"] for item in items)}
    record = provenance.record() | {"write_seconds": seconds, "model_sha256": base.model_sha256}
    write_json(args.out, result("write_recited", relevant, args.seed, metrics, items, record))
    print(f"{args.out}: wrote rows for {len(items)} users; {metrics['unmet_facts']} facts below the margin")


if __name__ == "__main__":
    run_step(main)
