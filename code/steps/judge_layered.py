"""Have the lexical judge read the answers of the layered conditions, whose rightness is known: does the judge of LOCOMO put them
in the same order as `exact`, and where do the two part?

The judge knows nothing of these questions: it was fitted on LOCOMO, or on its stand-in, and the result says on which. An answer
is accepted if it is for any of the variants that `exact` accepts. Answers on which the two part are kept, to be read.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loci.bench.judging import kappa
from loci.bench.lexical_judge import LexicalJudge, features_of
from loci.bench.people import asked_questions, asked_users
from loci.bench.rankings import tau
from loci.bench.score import exact
from loci.bench.statistics import by_user, estimate
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, sha256_file, write_json
from loci.worlds.records import Question, load_users

KINDS = ("direct", "paraphrase", "indirect", "chained", "updated")
_KEPT = 40  # answers on which judge and `exact` part


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument(
        "--answers", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="raw answers of ask_layered.py (JSONL)"
    )
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--fitted", type=Path, required=True, default=argparse.SUPPRESS, help="of fit_judge.py (JSON)")
    parser.add_argument("--judge", type=Path, required=True, default=argparse.SUPPRESS, help="its judge (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def verdicts_of(answers: list[dict], questions: dict[str, Question], judge: LexicalJudge, encoder: Encoder) -> list[bool]:
    """Whether each answer is accepted for any accepted variant of its question; each pair of texts is judged once."""
    wanted = [[(gold, one["prediction"]) for gold in questions[one["qid"]].accepted] for one in answers]
    pairs = list(dict.fromkeys(pair for of in wanted for pair in of))
    accepted = dict(zip(pairs, judge.accepts(features_of(pairs, encoder)).tolist(), strict=True))
    return [any(accepted[pair] for pair in of) for of in wanted]


def agreement_entries(right: Sequence[bool], accepted: Sequence[bool], prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.kappa of judge and `exact`; .accepts_wrong, .refuses_right: shares of what `exact` calls wrong, and right."""
    truth, said = np.array(right), np.array(accepted)
    ledger = {f"{prefix}.kappa": {"value": kappa(right, accepted), "n": len(truth), "source": source}}
    for name, of, value in (("accepts_wrong", ~truth, said), ("refuses_right", truth, ~said)):
        if of.any():
            ledger[f"{prefix}.{name}"] = {"value": float(value[of].mean()), "n": int(of.sum()), "source": source}
    return ledger


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {f"answers.{at}": path for at, path in enumerate(args.answers)} | {"users": args.users, "judge": args.judge}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    fitted = read_result(args.fitted)
    if fitted["metrics"]["judge_sha256"] != sha256_file(args.judge):
        raise UserError(args.judge, f"is another judge than that of {args.fitted}", "run fit_judge.py again")
    base, everybody = settings["base"]["name"], load_users(args.users)
    users = asked_users(everybody, settings)
    questions = {
        one.qid: one for user in users for one in asked_questions(user, everybody, settings, settings["layered"]["questions"])
    }
    said = [answer for path in args.answers for answer in read_jsonl(path, "run ask_layered.py")]
    if unknown := next((one for one in said if one.get("qid") not in questions), None):
        raise UserError(args.answers[0], f"{unknown.get('qid')} is no question of these users", "run ask_layered.py again")
    answers = [
        one for one in said if questions[one["qid"]].kind in KINDS and questions[one["qid"]].form == "question"
        and questions[one["qid"]].accepted
    ]  # fmt: skip
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    accepted = verdicts_of(answers, questions, LexicalJudge.load(args.judge, encoder.sha256), encoder)
    right = [exact(one["prediction"], questions[one["qid"]].accepted, "question") for one in answers]
    records: dict[tuple[str, str, str], list] = defaultdict(list)
    for one, truth, verdict in zip(answers, right, accepted, strict=True):
        kind = questions[one["qid"]].kind
        records[one["memory"], kind, "judged"].append((one["uid"], one["qid"], float(verdict)))
        records[one["memory"], kind, "exact"].append((one["uid"], one["qid"], float(truth)))
    ledger = {
        f"layered.{memory}.{base}.{kind}.judged": estimate(found).entry(args.out.name)
        for (memory, kind, measure), found in records.items()
        if measure == "judged"
    }
    prefix = "judge" if fitted["config"]["file"] == "locomo" else f"{fitted['config']['file']}_judge"
    ledger |= agreement_entries(right, accepted, f"{prefix}.layered", args.out.name)
    memories = list(dict.fromkeys(one["memory"] for one in answers))
    for kind in KINDS:
        means = [[mean_of(records[memory, kind, measure]) for memory in memories] for measure in ("exact", "judged")]
        ledger[f"{prefix}.layered.tau.{kind}"] = {
            "value": float(tau(*map(np.array, means))), "n": len(memories), "source": args.out.name,
        }  # fmt: skip
    parted = [
        {"memory": one["memory"], "qid": one["qid"], "prediction": one["prediction"], "exact": truth, "judged": verdict}
        for one, truth, verdict in zip(answers, right, accepted, strict=True)
        if truth != verdict
    ]
    config = {"judge_fitted_on": fitted["config"]["file"], "fit_for_claims": fitted["metrics"]["fit_for_claims"], "kinds": KINDS}
    kept = parted[:: max(1, len(parted) // _KEPT)][:_KEPT]
    counts = Counter(f"{'refused' if one['exact'] else 'accepted'} {questions[one['qid']].kind}" for one in parted)
    config |= {"base": settings["base"], "parted": dict(sorted(counts.items()))}
    write_json(args.out, result("judge_layered", config, None, rounded(ledger), kept, provenance.record()))
    same, agreed = len(answers) - len(parted), ledger[f"{prefix}.layered.kappa"]["value"]
    print(f"{args.out}: judge and exact agree on {same} of {len(answers)} answers, kappa {agreed:.3f}")


def mean_of(records: list[tuple[str, str, float]]) -> float:
    """Mean over users."""
    means = by_user(records).values()
    return sum(means) / len(means)


if __name__ == "__main__":
    run_step(main)
