"""Ask every memory the same questions of the same users, for one seed, and keep the raw answers.

Batches hold questions of several users; each element reads its own user's rows. Memories that only add rows share one
reading of the prompts. What the profile does not repeat is asked with its first seed only.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from loci.bench.decode import Decoded, PromptBatch, newline_tokens
from loci.bench.people import asked_questions, asked_users, context_text, donors
from loci.bench.reader import Reader
from loci.bench.told import query_of, tell_facts
from loci.bench.traces import load_traces
from loci.config import load_config
from loci.errors import run_step
from loci.memories.row_strategies import CLOSED_FORM, STRATEGIES
from loci.memories.text import GoldMemory, NoMemory
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowBatch
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, sha256_file, sha256_text, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.records import Question, User, load_users

TEXT_MEMORIES = (NoMemory(), GoldMemory())
DONOR = "rows_donor"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--rows", type=Path, required=True, default=argparse.SUPPRESS, help="result of write_rows.py, same seed")
    parser.add_argument("--seed", type=int, default=0, help="seed of the rows (integer)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def prompts_of(memory, users: list[User], settings: dict, reader: Reader) -> list[tuple[User, Question, str]]:
    """Every question with its prompt under a memory that fills prompts, users in order."""
    out = []
    for user in users:
        trace = tell_facts(memory, user)
        for question in asked_questions(user, settings):
            sentences = memory.recall(trace, query_of(question)).lines
            out.append((user, question, reader.prompt(question, sentences, context_text(question.context_id))))
    return out


def batches(prompts: list[tuple[User, Question, str]], tokenizer, size: int) -> list[list[tuple]]:
    """(user, question, prompt, token ids) in batches of `size`: prompts that begin alike (with the reader's examples, with a
    preceding context) stand together, because what they share is read once; then those of like length."""
    encoded = [(*item, tokenizer(item[2], add_special_tokens=False).input_ids) for item in prompts]
    encoded.sort(key=lambda item: (item[1].form, bool(item[1].context_id), len(item[3]), item[1].qid))
    return [encoded[at : at + size] for at in range(0, len(encoded), size)]


def record(memory: str, seed: int | None, asked: tuple[User, Question, str, list[int]], decoded: Decoded, tokenizer) -> dict:
    """One raw answer. `gold_first_token` serves the published top-1 metric."""
    user, question, prompt, ids = asked
    answer_ids = tokenizer(f"{question.text} {question.answer}", add_special_tokens=False).input_ids
    start = len(tokenizer(question.text, add_special_tokens=False).input_ids)
    text = tokenizer.decode(decoded.tokens, skip_special_tokens=True)
    return {
        "memory": memory,
        "seed": seed,
        "uid": user.uid,
        "qid": question.qid,
        "kind": question.kind,
        "form": question.form,
        "prompt_sha256": sha256_text(prompt)[:16],
        "prompt_tokens": len(ids),
        "prediction": text.partition("\n")[0].strip(),
        "first_token": decoded.tokens[0] if decoded.tokens else None,
        "gold_first_token": answer_ids[start] if question.answer and len(answer_ids) > start else None,
        "prompt_hits": decoded.prompt_hits,
        "answer_hits": decoded.answer_hits,
    }


def ask_batch(batch: list[tuple], memories: dict, graft: Graft, tokenizer, ends: set[int], max_tokens: int, seed: int) -> dict:
    """Answers of one batch under every memory: {answers, seconds}. memories: id -> rows of a user, by uid."""
    start = time.perf_counter()
    prompt_batch = PromptBatch(graft, [ids for *_, ids in batch], tokenizer.pad_token_id, ends, max_tokens)
    seconds = {"reading": time.perf_counter() - start}
    uids = sorted({user.uid for user, *_ in batch})
    slots = torch.tensor([uids.index(user.uid) for user, *_ in batch])
    answers = []
    for memory, rows_of in memories.items():
        start = time.perf_counter()
        rows = RowBatch([rows_of(uid) for uid in uids], slots)
        decoded = prompt_batch.answer(rows)
        seconds[memory] = time.perf_counter() - start
        drawn = None if memory in ("none", "gold", *CLOSED_FORM) else seed
        answers += [record(memory, drawn, item, found, tokenizer) for item, found in zip(batch, decoded, strict=True)]
    return {"answers": answers, "seconds": seconds, "questions": len(batch)}


def plan_of(users: list[User], traces: dict, settings: dict, graft: Graft, first_seed: bool) -> list[tuple[object, dict]]:
    """(memory that makes the prompts, {memory id: rows of a user}) pairs; rows memories use the prompts of `none`."""
    donor = donors(users)
    empty = graft.empty_rows()
    written = {memory for _, memory in traces}
    rows = {name: (lambda uid, name=name: traces[uid, name]) for name in STRATEGIES if name in written}
    rows[DONOR] = lambda uid: traces[donor[uid].uid, "rows"]
    none, gold = TEXT_MEMORIES
    if not first_seed:
        return [(none, rows)]
    return [(none, {"none": lambda _uid: empty, **rows}), (gold, {"gold": lambda _uid: empty})]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users, "rows": args.rows})
    settings = load_config(args.config)
    use_threads(args.threads)
    users = asked_users(load_users(args.users), settings)
    base, reader = load_base(settings["base"]["name"], args.model), Reader.load()
    spec = EngramSpec.of(settings["engram"])
    graft = Graft(base.model, base.tokenizer, spec)
    traces = load_traces(args.rows, spec.about(base.name), args.seed)
    matrix, ends = settings["matrix"], newline_tokens(base.tokenizer)
    relevant = {"base": settings["base"], "engram": settings["engram"], "matrix": matrix, "reader_sha256": reader.sha256}
    identity = {**relevant, "seed": args.seed, "users": sha256_file(args.users), "rows": read_result(args.rows)["items"]}
    shards = Shards(Path(__file__), {**identity, "model": base.model_sha256}, args.out.parent / "work")
    work = []
    for memory, readers in plan_of(users, traces, settings, graft, args.seed == matrix["seeds"][0]):
        found = batches(prompts_of(memory, users, settings, reader), base.tokenizer, matrix["batch"])
        work += [(f"{memory.name}.{at:03d}", batch, readers) for at, batch in enumerate(found)]
    answers, timings = [], []
    for name, batch, readers in tqdm(work, desc=f"ask, seed {args.seed}", unit="batch"):
        part = shards.get(name)
        if part is None:
            part = ask_batch(batch, readers, graft, base.tokenizer, ends, matrix["max_tokens"], args.seed)
            shards.put(name, part)
        answers += part["answers"]
        timings.append({"batch": name, "questions": part["questions"], "seconds": part["seconds"]})
    answers.sort(key=lambda answer: (answer["memory"], answer["uid"], answer["qid"]))
    write_jsonl(args.answers, answers)
    made = provenance.record() | {"batch_seconds": timings, "model_sha256": base.model_sha256}
    metrics = {"answers": len(answers), "answers_sha256": sha256_file(args.answers)}
    write_json(args.out, result("ask_memories", relevant, args.seed, metrics, args.answers.name, made))
    print(f"{args.answers}: {len(answers)} raw answers of {len(users)} users; score_matrix.py says how many are right")


if __name__ == "__main__":
    run_step(main)
