"""Ask every memory of rows the same questions of the same users, for all seeds, and keep the raw answers.

Batches hold questions of several users; each element reads its own user's rows. Prompts hold no facts and are read once for
all tables of rows, whatever their seed: that is why one job asks all seeds.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from loci.bench.answers import raw_answer
from loci.bench.decode import PromptBatch, newline_tokens
from loci.bench.people import asked_questions, asked_users, context_text, donors
from loci.bench.reader import Reader
from loci.bench.traces import load_traces
from loci.config import load_config
from loci.errors import run_step
from loci.memories.row_strategies import CLOSED_FORM
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowBatch, RowMap
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.records import Question, User, load_users

DONOR = "rows_donor"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument(
        "--rows", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="results of write_rows.py, one a seed"
    )
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def prompts_of(users: list[User], everybody: list[User], settings: dict, reader: Reader) -> list[tuple[User, Question, str]]:
    """Every question with its prompt, users in order; nothing is recalled into it."""
    return [
        (user, question, reader.prompt(question, (), context_text(question.context_id)))
        for user in users
        for question in asked_questions(user, everybody, settings)
    ]


def batches(prompts: list[tuple[User, Question, str]], tokenizer, size: int) -> list[list[tuple]]:
    """(user, question, prompt, token ids) in batches of `size`: prompts that begin alike (with the reader's examples, with a
    preceding context) stand together, because what they share is read once; then those of like length."""
    encoded = [(*item, tokenizer(item[2]).input_ids) for item in prompts]
    encoded.sort(key=lambda item: (item[1].form, bool(item[1].context_id), len(item[3]), item[1].qid))
    return [encoded[at : at + size] for at in range(0, len(encoded), size)]


def ask_batch(batch: list[tuple], memories: dict, graft: Graft, tokenizer, ends: frozenset[int], max_tokens: int) -> dict:
    """Answers of one batch under every memory: {answers, seconds}. memories: (id, seed) -> rows of a user, by uid."""
    start = time.perf_counter()
    prompt_batch = PromptBatch(graft, [ids for *_, ids in batch], tokenizer.pad_token_id, ends, max_tokens)
    seconds = [["reading", None, time.perf_counter() - start]]
    uids = sorted({user.uid for user, *_ in batch})
    slots = torch.tensor([uids.index(user.uid) for user, *_ in batch])
    answers = []
    for (memory, seed), rows_of in memories.items():
        start = time.perf_counter()
        decoded = prompt_batch.answer(RowBatch([rows_of(uid) for uid in uids], slots))
        seconds.append([memory, seed, time.perf_counter() - start])
        answers += [
            {"memory": memory, "seed": seed, "uid": user.uid, **raw_answer(question, prompt, len(ids), found, tokenizer)}
            for (user, question, prompt, ids), found in zip(batch, decoded, strict=True)
        ]
    return {"answers": answers, "seconds": seconds, "questions": len(batch)}


def rows_by_memory(users: list[User], written: list[dict[tuple[str, str], RowMap]], seeds: list[int]) -> dict:
    """(memory id, seed) -> rows of a user, by uid. Closed forms have no seed; donors lend the rows of the same seed."""
    donor, out = donors(users), {}
    for seed, traces in zip(seeds, written, strict=True):
        for name in dict.fromkeys(memory for _, memory in traces):
            out[name, None if name in CLOSED_FORM else seed] = lambda uid, name=name, traces=traces: traces[uid, name]
        out[DONOR, seed] = lambda uid, traces=traces: traces[donor[uid].uid, "rows"]
    return out


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users} | {f"rows.{at}": path for at, path in enumerate(args.rows)})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    everybody = load_users(args.users)
    users = asked_users(everybody, settings)
    base, reader = load_base(settings["base"]["name"], args.model), Reader.load()
    spec = EngramSpec.of(settings["engram"])
    graft = Graft(base.model, base.tokenizer, spec)
    seeds = [read_result(path)["seed"] for path in args.rows]
    written = [load_traces(path, spec.about(base.name), seed) for path, seed in zip(args.rows, seeds, strict=True)]
    matrix, ends = settings["matrix"], newline_tokens(base.tokenizer)
    relevant = {"base": settings["base"], "engram": settings["engram"], "matrix": matrix, "reader_sha256": reader.sha256}
    identity = {**relevant, "users": sha256_file(args.users), "rows": [read_result(path)["items"] for path in args.rows]}
    shards = Shards(Path(__file__), {**identity, "model": base.model_sha256}, args.out.parent / "work")
    memories = rows_by_memory(users, written, seeds)
    work = batches(prompts_of(users, everybody, settings, reader), base.tokenizer, matrix["batch"])
    answers, timings = [], []
    for at, batch in enumerate(tqdm(work, desc="ask", unit="batch")):
        part = shards.get(name := f"{at:03d}")
        if part is None:
            part = ask_batch(batch, memories, graft, base.tokenizer, ends, matrix["max_tokens"])
            shards.put(name, part)
        answers += part["answers"]
        timings.append({"batch": name, "questions": part["questions"], "seconds": part["seconds"]})
    answers.sort(key=lambda answer: (answer["memory"], answer["seed"] or 0, answer["uid"], answer["qid"]))
    write_jsonl(args.answers, answers)
    made = provenance.record() | {"batch_seconds": timings, "model_sha256": base.model_sha256}
    metrics = {"answers": len(answers), "answers_sha256": sha256_file(args.answers)}
    write_json(args.out, result("ask_rows", relevant, None, metrics, args.answers.name, made))
    print(f"{args.answers}: {len(answers)} raw answers of {len(users)} users; score_matrix.py says how many are right")


if __name__ == "__main__":
    run_step(main)
