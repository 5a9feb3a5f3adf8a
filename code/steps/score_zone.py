"""Score the answers that were given behind a zone of triplets, beside those of layered conditions on the same questions."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.layered import entries_of, family_scores, macro_averages, prompt_entries
from loci.bench.matrix import judged
from loci.bench.people import asked_questions, asked_users, donors
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, result, rounded, write_json
from loci.worlds.records import load_users

ZONE = ("t", "ts", "ta", "tas")  # before the base, and before it with the answering reader attached; s: another user's triplets
CONTRASTS = (
    *(("t", other) for other in ("ts", "c", "i", "ja", "golda", "k")),
    *(("ta", other) for other in ("tas", "e", "ja", "golda", "k", "t")),
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument(
        "--answers", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="of ask_zone.py (JSONL)"
    )
    parser.add_argument(
        "--beside", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="of ask_layered.py (JSONL)"
    )
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"users": args.users} | {f"answers.{at}": path for at, path in enumerate(args.answers)}
    inputs |= {f"beside.{at}": path for at, path in enumerate(args.beside)}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    base, everybody = settings["base"]["name"], load_users(args.users)
    users = asked_users(everybody, settings)
    questions = {
        one.qid: one for user in users for one in asked_questions(user, everybody, settings, settings["layered"]["questions"])
    }
    wanted = {name for pair in CONTRASTS for name in pair} - set(ZONE)
    answers = [one for path in args.answers for one in read_jsonl(path, "run ask_zone.py")]
    answers += [one for path in args.beside for one in read_jsonl(path, "run ask_layered.py") if one.get("memory") in wanted]
    unknown = [answer for answer in answers if answer.get("qid") not in questions]
    if unknown:
        raise UserError(f"{args.answers[0]}: {unknown[0].get('qid')}", "is no question of these users", "run ask_zone.py again")
    scores = {name.partition("|")[2]: found for name, found in judged(answers, questions, users, donors(users)).items()}
    scores |= family_scores(answers, questions)
    found = entries_of(scores, macro_averages(answers, questions, users), base, args.out.name, CONTRASTS)
    metrics = {key: entry for key, entry in found.items() if key.split(".")[1].split("_minus_")[0] in ZONE}
    metrics |= prompt_entries([one for one in answers if one["memory"] in ("t", "ta")], base, args.out.name)
    config = {"base": settings["base"], "layered": settings["layered"], "users": [user.uid for user in users]}
    write_json(args.out, result("zone", config, None, rounded(metrics), [], provenance.record()))
    told = [f"{name} {entry['value']:.2f}" for name in ZONE if (entry := metrics.get(f"layered.{name}.{base}.direct.exact"))]
    print(f"{args.out}: direct questions behind a zone of triplets (s: another's): {', '.join(told)}")


if __name__ == "__main__":
    run_step(main)
