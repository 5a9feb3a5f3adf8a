"""Score the raw answers of all seeds, with controls, side effects and costs: the matrix of memories and questions.

Needs no model: whoever doubts a score changes the rule in bench/score.py and runs this step alone.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.matrix import (
    cost_entries,
    entries_of_answers,
    judged,
    prior_entries,
    side_effect_entries,
    timing_entries,
)
from loci.bench.people import asked_questions, asked_users, donors
from loci.bench.statistics import by_user
from loci.config import load_config
from loci.errors import run_step
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, write_json
from loci.worlds.records import load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    for name, what in (
        ("rows", "results of write_rows.py, one a seed"),
        ("recalled", "results of recall_memories.py, one a write"),
        ("answers", "raw answers of ask_rows.py and ask_recalls.py (JSONL)"),
        ("asked", "result of ask_rows.py"),
        ("side-effects", "results of measure_side_effects.py, one a seed"),
    ):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help=what)
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def per_user(scores: dict) -> list[dict]:
    """What the intervals are made of: mean score of each user, by memory and measure, seeds averaged within a question."""
    items = []
    for name, records in scores.items():
        experiment, memory, measure = name.split("|")
        items.append({"experiment": experiment, "memory": memory, "measure": measure, "users": by_user(records)})
    return items


def timed_items(written: list[dict]) -> list[dict]:
    """The traces that write_rows.py lists, each with the seconds that it took."""
    return [
        {**item, "seconds": one["provenance"]["write_seconds"][f"{item['uid']}.{item['memory']}"]}
        for one in written
        for item in one["items"]
    ]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {f"answers.{at}": path for at, path in enumerate(args.answers)} | {"users": args.users}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    base = settings["base"]["name"]
    everybody = load_users(args.users)
    users = asked_users(everybody, settings)
    answers = [answer for path in args.answers for answer in read_jsonl(path, "run ask_rows.py and ask_recalls.py")]
    written = timed_items([read_result(path) for path in args.rows])
    recalled = {key: entry for path in args.recalled for key, entry in read_result(path)["metrics"].items()}
    batches = [batch for path in args.asked for batch in read_result(path)["provenance"]["batch_seconds"]]
    lines = [line for path in args.side_effects for line in read_result(path)["items"]]
    asked = {user.uid: asked_questions(user, everybody, settings) for user in users}
    questions = {question.qid: question for found in asked.values() for question in found}
    scores, source = judged(answers, questions, users, donors(users)), args.out.name
    memories = sorted({answer["memory"] for answer in answers})
    metrics = {
        **entries_of_answers(scores, base, source),
        **prior_entries(asked, [user for user in everybody if user.split == "dev"], base, source),
        **side_effect_entries(lines, settings["matrix"]["memories"], base, source),
        **cost_entries(written, recalled, answers, base, source),
    }
    costs = timing_entries(written, batches, base, source)
    record = provenance.record() | {"costs": rounded(costs)}
    config = {"base": settings["base"], "matrix": settings["matrix"], "users": [user.uid for user in users]}
    write_json(args.out, result("matrix", config, None, rounded(metrics), rounded(per_user(scores)), record))
    found = metrics[f"matrix.rows.{base}.statement.exact"]
    print(f"{args.out}: {len(memories)} memories, {len(metrics)} numbers; rows complete {found['value']:.3f} of bare statements")


if __name__ == "__main__":
    run_step(main)
