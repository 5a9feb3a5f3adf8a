"""Score the raw answers of all layered conditions: kinds, families, recitations, and the contrasts that matter."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.layered import (
    entries_of,
    family_scores,
    firing_entries,
    macro_averages,
    prompt_entries,
    recitation_scores,
    seen_scores,
    wording_entries,
)
from loci.bench.layers import CONDITIONS
from loci.bench.matrix import judged
from loci.bench.people import asked_questions, asked_users, donors
from loci.bench.statistics import by_user
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, write_json
from loci.worlds.records import load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument(
        "--answers", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="raw answers of ask_layered.py (JSONL)"
    )
    parser.add_argument(
        "--firing", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="results of trace_firing.py (JSON)"
    )
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {f"answers.{at}": path for at, path in enumerate(args.answers)} | {"users": args.users}
    inputs |= {f"firing.{at}": path for at, path in enumerate(args.firing)}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    base, everybody = settings["base"]["name"], load_users(args.users)
    users = asked_users(everybody, settings)
    questions = {
        one.qid: one for user in users for one in asked_questions(user, everybody, settings, settings["layered"]["questions"])
    }
    answers = [answer for path in args.answers for answer in read_jsonl(path, "run ask_layered.py")]
    unknown = [answer for answer in answers if answer.get("memory") not in CONDITIONS or answer.get("qid") not in questions]
    if unknown:
        raise UserError(
            f"{args.answers[0]}: {unknown[0].get('qid')}",
            "is no answer of these conditions and users",
            "run ask_layered.py again",
        )
    scores = {name.partition("|")[2]: found for name, found in judged(answers, questions, users, donors(users)).items()}
    scores |= recitation_scores(answers, questions, users) | family_scores(answers, questions)
    scores |= seen_scores(answers, questions, users)
    metrics = entries_of(scores, macro_averages(answers, questions, users), base, args.out.name)
    metrics |= wording_entries(answers, questions, base, args.out.name) | prompt_entries(answers, base, args.out.name)
    fired = [item for path in args.firing for item in read_result(path)["items"]]
    metrics |= firing_entries(fired, base, args.out.name)
    items = [
        {"condition": name.partition("|")[0], "measure": name.partition("|")[2], "users": by_user(records)}
        for name, records in scores.items()
    ]
    config = {"base": settings["base"], "layered": settings["layered"], "users": [user.uid for user in users]}
    write_json(args.out, result("layered", config, None, rounded(metrics), rounded(items), provenance.record()))
    print(f"{args.out}: {len(metrics)} numbers about {len({item['condition'] for item in items})} conditions")


if __name__ == "__main__":
    run_step(main)
