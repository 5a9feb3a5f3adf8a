"""Have the base model read what memories of text recalled, and keep its raw answers.

Equal prompts are read once, whichever memory made them; a killed run continues with the next unit of prompts.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.answers import raw_answer
from loci.bench.asking import Prompt, answered, prompt_of
from loci.bench.people import asked_questions, asked_users, context_text
from loci.bench.reader import Reader
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, result, sha256_file, sha256_text, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.checks import located, member
from loci.worlds.records import Question, User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument(
        "--recalls", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="recalls to be read (JSONL)"
    )
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def questions_of(users: list[User], settings: dict) -> dict[str, Question]:
    """Every question that can have been asked, by id."""
    found = [question for user in asked_users(users, settings) for question in asked_questions(user, users, settings)]
    return {question.qid: question for user in users for question in user.questions} | {one.qid: one for one in found}


def recalls_of(path: Path, questions: dict[str, Question]) -> list[dict]:
    """The recalls of a file; UserError for one that lacks a field or answers none of the questions."""
    records = read_jsonl(path, "run recall_memories.py")
    for number, record in enumerate(records, 1):
        where = f"{path}: line {number}"
        for name, kind in (("qid", str), ("lines", list), ("positions", list)):
            located(where, member, record, name, kind)
        if record["qid"] not in questions:
            raise UserError(f"{where}: {record['qid']}", "is no question of these users", "recall again for these users")
    return records


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"users": args.users} | {f"recalls.{at}": path for at, path in enumerate(args.recalls)}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    matrix, questions = settings["matrix"], questions_of(load_users(args.users), settings)
    records = [record for path in args.recalls for record in recalls_of(path, questions)]
    base, reader = load_base(settings["base"]["name"], args.model), Reader.load()
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    asked = [questions[record["qid"]] for record in records]
    prompts = [
        prompt_of(record, question, reader, context_text(question.context_id), base.tokenizer, matrix["window"])
        for record, question in zip(records, asked, strict=True)
    ]
    relevant = {"base": settings["base"], "matrix": matrix, "reader_sha256": reader.sha256}
    identity = {**relevant, "prompts": sha256_text("\n".join(prompt.text for prompt in prompts)), "model": base.model_sha256}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    said, timings = answered(prompts, shards, matrix["batch"], graft, base.tokenizer, matrix["max_tokens"])
    write_jsonl(args.answers, answers(records, asked, prompts, said, base.tokenizer))
    read = len(said)
    metrics = {"answers": len(records), "prompts_read": read, "answers_sha256": sha256_file(args.answers)}
    made = provenance.record() | {"unit_seconds": timings, "model_sha256": base.model_sha256}
    write_json(args.out, result("ask_recalls", relevant, None, metrics, args.answers.name, made))
    print(f"{args.answers}: {len(records)} raw answers from {read} different prompts; score_matrix.py says how many are right")


def answers(
    records: list[dict], asked: list[Question], prompts: list[Prompt], said: dict[str, list[int]], tokenizer
) -> list[dict]:
    """One raw answer a recall, with what the recall was part of."""
    out = []
    for record, question, prompt in zip(records, asked, prompts, strict=True):
        about = {name: record[name] for name in ("write", "memory", "uid", "notes") if name in record}
        out.append(about | raw_answer(question, prompt.text, len(prompt.ids), said[prompt.text], tokenizer))
    return out


if __name__ == "__main__":
    run_step(main)
