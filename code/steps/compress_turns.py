"""A conversation in a prompt that is too small for it: is what was asked about an old turn still answered?

Turns of generated conversations: the first short ones in which a user tells a fact, then turns of small talk. In the prompt stand
all of them, the latest alone, a summary by rules and the latest (reset), or the auto-compressor's [mem] vectors and the latest,
at the same budget of positions; beside them the turn itself, and nothing. A killed run goes on with the next user.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.mem_asking import Asker
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.mem_store import MARK, MemStore
from loci.memories.mem_tools import AutoMem, Compressor, injected, newest, reset
from loci.models.base import load_base, use_threads
from loci.models.mem_vectors import FITTED, MemSettings
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.dialogue_records import Conversation, load_conversations
from loci.worlds.records import Question, User, load_users

_SEED = 0


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--conversations", type=Path, default=GENERATED / "dialogues.people.json", help="by make_dialogues.py")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def episode(user: User, conversation: Conversation, how: dict, tokens) -> tuple[list[str], list[tuple[Question, str]]]:
    """Turns as lines, and questions with the line that answers each. tokens: of a line (count)."""
    changed = {change.key for change in user.changes}
    direct = {one.key: one for one in user.questions if one.kind == "direct" and one.key not in changed}
    old, asked, latest = [], [], []
    for turn in conversation.turns:
        key = turn.fact_keys[0] if len(turn.fact_keys) == 1 else ""
        if turn.role == "fact" and key in direct and len(old) < how["old"] and tokens(turn.text) <= how["most"]:
            old.append(turn.text)
            asked.append((direct[key], turn.text))
        elif turn.role == "chat" and len(old) == how["old"] and len(latest) < how["latest"] and turn.text not in latest:
            latest.append(turn.text)
    if len(old) < how["old"] or len(latest) < how["latest"]:
        raise UserError(
            "mem_asked.turns", f"{user.uid} has {len(old)} old and {len(latest)} latest turns", "ask for fewer or longer ones"
        )
    return [*old, *latest], asked


def answered(asker: Asker, turns: list[str], asked: list, compressor: Compressor) -> tuple[dict, dict]:
    """Answers under every condition; positions of each, turns that gave way and how many of their vectors are exact.

    The budget is what the latest turns take, and vectors in the place of the others."""

    def size(lines: Sequence[str]) -> int:
        return len(asker.ids("".join(f"{line}\n" for line in lines)))

    latest = [turn for turn in turns if turn not in {line for _, line in asked}]
    vectors, store = compressor.settings.vectors, compressor.store
    auto = AutoMem(compressor, sum(size([turn]) for turn in latest) + (vectors + 1) * (len(turns) - len(latest)))
    for turn in turns:
        auto.add(turn)
    lines = {
        "all": turns,
        "latest": newest(turns, auto.budget, size),
        "reset": reset(turns, auto.budget, asker.base.tokenizer),
        "none": [],
    }
    inputs = {name: [asker.told(of, one.text) for one, _ in asked] for name, of in lines.items()}
    inputs["turn"] = [asker.told([line], one.text) for one, line in asked]
    inputs["mem"] = [injected(f"{auto.prompt}\n{asker.question(one.text)}", store, asker.base) for one, _ in asked]
    marks = [match[1] for turn in auto.turns if (match := MARK.fullmatch(turn))]
    about = {"compressed": len(marks), "exact": sum(store.get(one, asker.base.model_sha256).exact for one in marks)}
    about |= {"budget": auto.budget, "positions": {name: size(of) for name, of in lines.items()} | {"mem": auto.positions}}
    return {name: asker.answers(of) for name, of in inputs.items()}, about


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users, "conversations": args.conversations})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    how, mem, base = settings["mem_asked"]["turns"], settings["mem"], load_base(settings["base"]["name"], args.model)
    users = [user for user in load_users(args.users) if user.split == "test"][: how["users"]]
    told = {one.uid: one for one in load_conversations(args.conversations)}
    asker = Asker.of(base)
    spec, fitted_as = MemSettings.of(1, mem), {name: mem[name] for name in (*FITTED, "by")}
    relevant = {"base": settings["base"], "mem": fitted_as, "turns": how} | {"users": sha256_file(args.users)}
    relevant |= {"conversations": sha256_file(args.conversations)}
    shards = Shards(Path(__file__), {**relevant, "model": base.model_sha256}, args.out.parent / "work")
    said, items, store = [], [], MemStore(":memory:")
    compressor = Compressor(base, asker.front, store, spec, mem["by"])
    episodes = {user.uid: episode(user, told[user.uid], how, lambda text: len(asker.ids(text))) for user in users}
    unread = [user for user in users if shards.get(user.uid) is None]
    # All at once, which takes a third of the time; the auto-compressor finds them in the store.
    compressor.compress([line for user in unread for _, line in episodes[user.uid][1]])
    for user in tqdm(users, desc="compress and ask", unit="user"):
        turns, asked = episodes[user.uid]
        part = shards.get(user.uid)
        if part is None:
            started = time.perf_counter()
            answers, about = answered(asker, turns, asked, compressor)
            part = shards.put(user.uid, {"answers": answers, "about": about, "seconds": time.perf_counter() - started})
        for name, texts in part["answers"].items():
            for (one, line), text in zip(asked, texts, strict=True):
                about = {"memory": name, "uid": user.uid, "qid": one.qid, "kind": "turn", "key": one.key, "line": line}
                said.append({**about, "accepted": list(one.accepted), "prediction": text})
        items.append({"uid": user.uid, **part["about"], "seconds": part["seconds"]})
    write_jsonl(args.answers, said)
    metrics = {"answers": len(said), "answers_sha256": sha256_file(args.answers)}
    record = provenance.record() | {
        "model_sha256": base.model_sha256,
        "seconds": {one["uid"]: one.pop("seconds") for one in items},
    }
    write_json(args.out, result("compress_turns", relevant, _SEED, metrics, rounded(items), record))
    print(f"{args.answers}: {len(said)} raw answers about turns of {len(users)} conversations; score_mem_answers.py scores them")


if __name__ == "__main__":
    run_step(main)
