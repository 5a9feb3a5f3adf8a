"""Choose how a user's own adapter is fitted: variants, tried on development users only.

For each variant and user: passes, steps and seconds until everything is recalled; on the way, at each share of examples that is
passed, what it does to prose, chat and other users' sentences; at the end, exact answers by kind of question.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import yaml
from tqdm import tqdm

from loci.bench.contamination import TextsBefore
from loci.bench.decode import PromptBatch, newline_tokens
from loci.bench.layers import CONDITIONS, prompt_under
from loci.bench.people import context_text
from loci.bench.reader import Reader
from loci.bench.score import exact
from loci.bench.texts import other_sentences, unrelated_texts
from loci.bench.user_lora import Teaching, examples_of, texts_to_keep
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.adapters import LoraSlot
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.fitting import Pass, fit
from loci.models.rows import RowBatch
from loci.paths import CONFIG, GENERATED
from loci.provenance import Provenance
from loci.results import read_text, result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.records import User, load_users

KINDS = ("statement", "midconv", "direct", "paraphrase")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--sweep", type=Path, default=CONFIG.parent / "config" / "sweep_lora.yaml", help="variants (YAML)")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def read_sweep(path: Path) -> dict:
    """The variants of a file; UserError where there are none."""
    sweep = yaml.safe_load(read_text(path, "give a YAML file of variants"))
    if not isinstance(sweep, dict) or not all(sweep.get(name) for name in ("variants", "users", "start")):
        raise UserError(f"{path}: variants, users, start", "empty or missing", "name a start, one variant and one user at least")
    return sweep


def try_variant(how: Teaching, user: User, others: list[User], watched: list[float], settings: dict, model: Path | None) -> dict:
    """One user's adapter: how long it took, what it passed on the way, what it can answer."""
    base = load_base(settings["base"]["name"], model)
    slot, limits = LoraSlot(base, how.spec), settings["side_effects"]
    texts = {**unrelated_texts(limits), "others": other_sentences(others, user, limits["others"])}
    before = TextsBefore(slot, texts, limits["max_tokens"])
    passed: list[dict] = []

    def watch(done: Pass) -> None:
        if any(share <= done.recall and all(one["recall"] < share for one in passed) for share in watched):
            passed.append({"recall": done.recall, "loss": done.loss, **before.deltas()})

    examples = examples_of(user, how, base.tokenizer, 0)
    kept = texts_to_keep(base.tokenizer, how.tokens) if how.keep else []
    start = time.perf_counter()
    weights, passes = fit(slot, examples, how.fitting, 0, base.tokenizer.pad_token_id, kept, watch)
    seconds = time.perf_counter() - start
    steps = sum(one.steps for one in passes)
    found = {"passes": len(passes), "steps": steps, "recall": passes[-1].recall, "bytes": weights.nbytes, "seconds": seconds}
    ended = {kind: delta for kind, delta in before.under(weights).items()}
    return {**found, "delta": ended, "passed": passed, "exact": _answers(slot, user, how, settings)}


def _answers(slot: LoraSlot, user: User, how: Teaching, settings: dict) -> dict[str, float]:
    """Exact answers by kind of question, with what the slot holds."""
    base, reader, limits = slot.base, Reader.load(), settings["matrix"]
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    questions = [question for question in user.questions if question.kind in KINDS]
    right: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for form in ("statement", "question"):
        asked = [question for question in questions if question.form == form]
        texts = [
            prompt_under(CONDITIONS["b"], one, (), [], reader, context_text(one.context_id), how.knows_questions) for one in asked
        ]
        ids = [base.tokenizer(text).input_ids for text in texts]
        batch = PromptBatch(graft, ids, base.tokenizer.pad_token_id, newline_tokens(base.tokenizer), limits["max_tokens"])
        for question, decoded in zip(asked, batch.answer(RowBatch.shared(graft.empty_rows(), len(asked))), strict=True):
            text = base.tokenizer.decode(decoded.tokens, skip_special_tokens=True)
            right[question.kind].append(exact(text.partition("\n")[0], question.accepted, question.form))
    return {kind: sum(found) / len(found) for kind, found in right.items() if found}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users, "sweep": args.sweep})
    settings, sweep = load_config(args.config), read_sweep(args.sweep)
    variants = {name: Teaching(**{**sweep["start"], **change}) for name, change in sweep["variants"].items()}
    use_threads(settings["threads"])
    everybody = load_users(args.users)
    users = [user for user in everybody if user.split == "dev"][: sweep["users"]]
    names = ("base", "side_effects", "engram", "matrix")
    identity = {
        **{name: settings[name] for name in names},
        "start": sweep["start"],
        "users": sha256_file(args.users),
        "watch": sweep["watch"],
    }
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    items = []
    for name, how in tqdm(variants.items(), desc="sweep", unit="variant"):
        for user in users:
            shard = f"{name}.{user.uid}".replace(" ", "_").replace(",", "")
            found = shards.get(shard)
            if found is None:
                found = shards.put(shard, try_variant(how, user, everybody, sweep["watch"], settings, args.model))
            items.append({"variant": name, "uid": user.uid, **asdict(how), **rounded(found, 4)})
            tqdm.write(f"{name:34} {user.uid} {found['steps']:5} steps, recall {found['recall']:.2f}, {found['exact']}")
    seconds = {f"{item['variant']}|{item['uid']}": item.pop("seconds") for item in items}
    config = {name: settings[name] for name in names} | {"start": sweep["start"], "users": [user.uid for user in users]}
    record = provenance.record() | {"fit_seconds": seconds}
    write_json(args.out, result("sweep_lora", config, 0, {"variants": len(variants)}, items, record))
    print(f"{args.out}: {len(variants)} variants on {len(users)} development users; freeze the choice in {args.config}")


if __name__ == "__main__":
    run_step(main)
