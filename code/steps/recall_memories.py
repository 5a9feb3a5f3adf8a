"""Tell every memory of text what each user said, ask it every question, and keep what it recalls: no language model yet.

Fact write (without --conversations): clean sentences, changes through update and forget. Conversation write: the turns of
the dialogue, nothing else. Recall is measured at `k` lines on all questions of a user; the reader gets `lines` of them for
the fixed sample.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from loci.bench.completion import completer
from loci.bench.people import asked_questions, asked_users, leak_questions
from loci.bench.recalls import Costs, cost_entries, holds, read_questions, recall_all, recalled_share, told_to
from loci.bench.statistics import Estimate, estimate, paired_difference, wilson
from loci.bench.told import tell_conversation, tell_facts, told_keys, turns_of
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.llm_decider import ModelDecider
from loci.memories.llm_distiller import TOKENS, ModelDistiller
from loci.memories.registry import NEEDS_MODEL, text_memory
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json, write_jsonl
from loci.worlds.dialogue_records import Conversation, load_conversations
from loci.worlds.records import Question, User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--conversations", type=Path, help="their dialogues, made by make_dialogues.py (JSON), for that write")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--model", type=Path, help="folder of the base model, for a memory that asks it; models/<base.name>")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--recalls", type=Path, required=True, default=argparse.SUPPRESS, help="what the reader gets (JSONL)")
    return parser.parse_args(argv)


def conversations_of(path: Path | None, users: list[User]) -> dict[str, Conversation]:
    """The conversation of each user, by uid; {} for a fact write."""
    if path is None:
        return {}
    found = {conversation.uid: conversation for conversation in load_conversations(path)}
    missing = [user.uid for user in users if user.uid not in found]
    if missing:
        raise UserError(path, f"holds no conversation of {missing[0]}", "make the dialogues of these users")
    return found


def needed(records: list[dict], questions: dict[str, Question], k: int) -> dict[str, list]:
    """'<kind>.at_<k>' -> (user, question, share of the needed notes among what was recalled)."""
    found: dict[str, list] = defaultdict(list)
    for record in records:
        if record["needed"]:
            found[f"{questions[record['qid']].kind}.at_{k}"].append((record["uid"], record["qid"], recalled_share(record)))
    return found


def measures(records: list[dict], questions: dict[str, Question], k: int, prefix: str, source: str) -> dict[str, dict]:
    """Ledger entries of one memory: recall of the needed notes by kind, and what it should not bring back."""
    found = needed(records, questions, k)
    for record in records:
        question, item = questions[record["qid"]], (record["uid"], record["qid"])
        if question.stale:
            found[f"{question.kind}.stale"].append((*item, holds(record, [question.stale])))
        if question.kind == "other":
            found["other.leak"].append((*item, holds(record, list(question.accepted))))
    ledger = {f"{prefix}.{name}": estimate(scores).entry(source) for name, scores in found.items()}
    lines = [(record["uid"], record["qid"], float(len(record["lines"]))) for record in records]
    ledger[f"{prefix}.lines"] = estimate(lines, proportion=False).entry(source)
    return ledger


def contrast(recalled: dict[str, dict[str, list]], prefix: str, source: str) -> dict[str, dict]:
    """'<prefix>.hybrid_minus_dense.<kind>.at_<k>', paired by user: what fusing two rankings changes. {} without the two."""
    if not recalled.keys() >= {"hybrid", "dense"}:
        return {}
    kinds = ((name, scores, recalled["dense"][name]) for name, scores in recalled["hybrid"].items())
    return {f"{prefix}.hybrid_minus_dense.{name}": paired_difference(*pair).entry(source) for name, *pair in kinds}


def unreadable(decider: ModelDecider | ModelDistiller, source: str) -> dict:
    """Share of a model's answers that could not be read as what was asked for, with Wilson's interval."""
    share = decider.invalid / decider.asked
    return Estimate(share, *wilson(share, decider.asked), decider.asked).entry(source)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"users": args.users} | ({"conversations": args.conversations} if args.conversations else {})
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    everybody = load_users(args.users)
    users, matrix = asked_users(everybody, settings), settings["matrix"]
    conversations = conversations_of(args.conversations, users)
    experiment = "recall_dialogue" if conversations else "recall"
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    asked = {user.uid: asked_questions(user, everybody, settings) for user in users}
    all_questions = {user.uid: [*user.questions, *leak_questions(user, everybody)] for user in users}
    asking = [name for name in matrix["memories"] if name in NEEDS_MODEL]
    asked_for = {name: completer(settings, args.model, TOKENS if name == "distilled_llm" else 0) for name in asking}
    everything = [question for user in users for question in all_questions[user.uid]]
    times, kept = read_questions(encoder, everything, experiment, args.out.name), []
    ledger, recalled = {}, {}
    for name in tqdm(matrix["memories"], desc="recall", unit="memory"):
        memory, reading = (text_memory(name, encoder, matrix[depth], asked_for.get(name)) for depth in ("k", "lines"))
        costs, records = {}, []
        for user in users:
            conversation = conversations.get(user.uid)
            if conversation:
                told, keys = partial(tell_conversation, conversation=conversation), [note.key for note in turns_of(conversation)]
            else:
                told, keys = partial(tell_facts, user=user), told_keys(user)
            trace, spent = told_to(memory, told)
            found, times_of_recall = recall_all(memory, trace, all_questions[user.uid], keys, conversation)
            records += found
            costs[user.uid] = Costs(spent / len(keys), times_of_recall, trace.nbytes)
            shown, _ = recall_all(reading, trace, asked[user.uid], keys, conversation)
            kept += [{"write": "dialogue" if conversations else "facts", **record} for record in shown]
        questions = {question.qid: question for asked_all in all_questions.values() for question in asked_all}
        ledger |= measures(records, questions, matrix["k"], f"{experiment}.{name}", args.out.name)
        recalled[name] = needed(records, questions, matrix["k"])
        if name in NEEDS_MODEL and memory.decider.asked:  # fewer messages than a distillation has: nothing was asked
            ledger[f"{experiment}.{name}.unreadable"] = unreadable(memory.decider, args.out.name)
        size, spent = cost_entries(costs, f"{experiment}.{name}", args.out.name)
        ledger, times = ledger | size, times | spent
    ledger |= contrast(recalled, experiment, args.out.name)
    write_jsonl(args.recalls, kept)
    config = {"matrix": matrix, "encoder": encoder.sha256, "users": [user.uid for user in users]}
    metrics = rounded(ledger) | {"recalls_sha256": sha256_file(args.recalls)}
    record = provenance.record() | {"costs": rounded(times)}
    write_json(args.out, result("recall_memories", config, None, metrics, args.recalls.name, record))
    print(f"{args.recalls}: {len(kept)} recalls of {len(settings['matrix']['memories'])} memories; ask_recalls.py has them read")


if __name__ == "__main__":
    run_step(main)
