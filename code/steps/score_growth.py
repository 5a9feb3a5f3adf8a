"""Score what the base model answered from memories that grew: exact answers against the number of facts."""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from loci.bench.score import exact
from loci.bench.statistics import estimate
from loci.config import load_config
from loci.errors import run_step
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, result, rounded, write_json
from loci.worlds.records import load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers of ask_recalls.py")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users, "answers": args.answers})
    settings = load_config(args.config)
    base = settings["base"]["name"]
    questions = {question.qid: question for user in load_users(args.users) for question in user.questions}
    scores: dict[str, list] = defaultdict(list)
    for answer in read_jsonl(args.answers, "run ask_recalls.py"):
        question = questions[answer["qid"]]
        right = exact(answer["prediction"], question.accepted, question.form)
        about = f"growth.{answer['memory']}.{base}.n{answer['notes']}.{question.kind}"
        scores[f"{about}.exact"].append((answer["uid"], answer["qid"], right))
        scores[f"{about}.prompt_tokens"].append((answer["uid"], answer["qid"], float(answer["prompt_tokens"])))
    ledger = {
        key: estimate(found, proportion=key.endswith(".exact")).entry(args.out.name) for key, found in sorted(scores.items())
    }
    config = {"base": settings["base"], "growth": settings["growth"]}
    write_json(args.out, result("growth", config, None, rounded(ledger), [], provenance.record()))
    print(f"{args.out}: {len(ledger)} numbers about what is answered as memories grow")


if __name__ == "__main__":
    run_step(main)
