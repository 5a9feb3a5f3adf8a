"""What each user's rows do to text that has nothing to do with them, for one seed.

Kinds of text: prose, other people's chat, sentences that share the last tokens of a trigger, and the stored
sentences of other users. The base model reads each text once; rows re-read only from their first hit on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.people import asked_users
from loci.bench.side_effects import BaseTexts, TextEffect, summary
from loci.bench.texts import SUFFIX_LENGTHS, other_sentences, prose_sha256, suffix_texts, unrelated_texts
from loci.bench.traces import load_traces
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.upper import UpperStack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.records import User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--rows", type=Path, required=True, default=argparse.SUPPRESS, help="result of write_rows.py, same seed")
    parser.add_argument("--seed", type=int, default=0, help="seed of the rows (integer)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def texts_about(user: User, users: list[User], tokenizer, limits: dict) -> dict[str, list[str]]:
    """Texts that depend on the user: trigger endings, and other users' sentences."""
    kinds = {f"suffix{length}": suffix_texts(user, length, limits["suffix"], tokenizer) for length in SUFFIX_LENGTHS}
    return {**kinds, "others": other_sentences(users, user, limits["others"])}


def record(uid: str, memory: str, kind: str, effects: list[TextEffect]) -> dict:
    """One line of the results: one user, one memory, one kind of text."""
    return {"uid": uid, "memory": memory, "text": kind, **rounded(summary(effects))}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users, "rows": args.rows})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    users = asked_users(load_users(args.users), settings)
    base = load_base(settings["base"]["name"], args.model)
    spec = EngramSpec.of(settings["engram"])
    upper, limits = UpperStack(Graft(base.model, base.tokenizer, spec)), settings["side_effects"]
    traces = load_traces(args.rows, spec.about(base.name), args.seed)
    relevant = {"base": settings["base"], "engram": settings["engram"], "side_effects": limits, "prose_sha256": prose_sha256()}
    identity = {**relevant, "seed": args.seed, "users": sha256_file(args.users), "rows": read_result(args.rows)["items"]}
    shards = Shards(Path(__file__), {**identity, "model": base.model_sha256}, args.out.parent / "work")
    read: dict[tuple[str, ...], BaseTexts] = {}  # most users share their triggers, and with them the texts on suffixes
    items: list[dict] = []
    for user in tqdm(users, desc=f"side effects, seed {args.seed}", unit="user"):
        part = shards.get(user.uid)
        if part is None:
            kinds = {**unrelated_texts(limits), **texts_about(user, users, base.tokenizer, limits)}
            texts = {
                kind: _read(read, upper, base.tokenizer, found, limits["max_tokens"]) for kind, found in kinds.items() if found
            }
            own = [(memory, rows) for (uid, memory), rows in traces.items() if uid == user.uid]
            lines = [record(user.uid, memory, kind, text.effects(rows)) for memory, rows in own for kind, text in texts.items()]
            part = shards.put(user.uid, {"lines": lines})
        items += part["lines"]
    record_ = provenance.record() | {"model_sha256": base.model_sha256}
    write_json(args.out, result("side_effects", relevant, args.seed, {"lines": len(items)}, items, record_))
    kinds = len({item["text"] for item in items})
    print(f"{args.out}: side effects of {len(traces)} tables on {kinds} kinds of text, Δ bits per byte and hit rate")


def _read(read: dict, upper: UpperStack, tokenizer, texts: list[str], max_tokens: int) -> BaseTexts:
    """The texts as the base model reads them; the same texts are read once."""
    if tuple(texts) not in read:
        read[tuple(texts)] = BaseTexts(upper, tokenizer, texts, max_tokens)
    return read[tuple(texts)]


if __name__ == "__main__":
    run_step(main)
