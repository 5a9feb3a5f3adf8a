"""Give every test user an adapter of their own: LoRA fitted to the user's facts until they are recalled.

Adapters are kept beside the result; a killed run continues with the next user.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.people import asked_users
from loci.bench.user_lora import Teaching, examples_of, texts_to_keep
from loci.config import load_config
from loci.errors import run_step
from loci.models.adapters import LoraSlot
from loci.models.base import load_base, use_threads
from loci.models.fitting import fit
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.records import load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--seed", type=int, default=0, help="redraws initial weights, batches and wordings (integer)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    users, how = asked_users(load_users(args.users), settings), Teaching(**settings["user_lora"])
    base = load_base(settings["base"]["name"], args.model)
    slot = LoraSlot(base, how.spec)
    others = texts_to_keep(base.tokenizer, how.tokens) if how.keep else []
    relevant = {name: settings[name] for name in ("base", "user_lora")}
    identity = {**relevant, "seed": args.seed, "users": sha256_file(args.users), "model": base.model_sha256}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    items = []
    for user in tqdm(users, desc=f"tune, rank {how.rank}, seed {args.seed}", unit="user"):
        path, item = shards.folder / f"{user.uid}.safetensors", shards.get(user.uid)
        if item is None:
            start = time.perf_counter()
            examples = examples_of(user, how, base.tokenizer, args.seed)
            weights, passes = fit(slot, examples, how.fitting, args.seed, base.tokenizer.pad_token_id, others)
            seconds = time.perf_counter() - start
            slot.save(weights, path)
            about = {"uid": user.uid, "facts": len(user.final_facts()), "examples": len(examples), "bytes": weights.nbytes}
            fitted = {"passes": len(passes), "steps": sum(one.steps for one in passes), "recall": passes[-1].recall}
            where = {"adapter": str(path.relative_to(args.out.parent)), "adapter_sha256": sha256_file(path)}
            item = shards.put(user.uid, {**about, **fitted, "loss": passes[-1].loss, **where, "seconds": seconds})
        items.append(item)
    seconds = {item["uid"]: round(item.pop("seconds"), 3) for item in items}
    short = sum(item["recall"] < how.recall for item in items)
    metrics = {"adapters": len(items), "below_recall": short, "bytes": items[0]["bytes"]}
    record = provenance.record() | {"tune_seconds": seconds, "model_sha256": base.model_sha256}
    write_json(args.out, result("tune_users", relevant, args.seed, metrics, rounded(items), record))
    print(f"{args.out}: {len(items)} adapters of {metrics['bytes']:,} bytes; {short} below the recall at which learning stops")


if __name__ == "__main__":
    run_step(main)
