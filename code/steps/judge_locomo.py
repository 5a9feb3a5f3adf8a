"""Bring all judges' verdicts on the answers to LOCOMO's questions, or its stand-in's, together: the lexical judge's, which it
reads here, and those of language models.

A share accepted is corrected by the lexical judge's sensitivity and specificity on answers that were labelled by hand, where
there are any, else on those made by rules. What a judge says that is unfit for claims is marked so (unfit). Kappa says how far
judges agree, tau how far they, and the metrics, put the memories in the same order.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from loci.bench.clusters import pooled
from loci.bench.judging import corrected, kappa
from loci.bench.lexical_judge import LexicalJudge, features_of
from loci.bench.locomo_asked import answers_about
from loci.bench.locomo_metrics import declines, gold_recall, official
from loci.bench.rankings import comparable, tau_entries
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, sha256_file, write_json, write_jsonl
from loci.worlds.locomo import ADVERSARIAL, LocomoQuestion
from loci.worlds.locomo_file import load_or_stand_in

LEXICAL = "lexical"
_ORACLE = ("gold", "recite_gold", "oracle_rows")  # know what is asked, or what answers it: they stand in no order of memories
Answer = tuple[str, str]  # memory, question id


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    several = {"type": Path, "nargs": "+", "required": True, "default": argparse.SUPPRESS}
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--audit", type=Path, help="errors.json of the independent audit (path)")
    parser.add_argument("--stand-in", type=Path, required=True, default=argparse.SUPPRESS, help="made by make_standin.py (JSON)")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a downloaded file (path)")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--fitted", type=Path, required=True, default=argparse.SUPPRESS, help="of fit_judge.py (JSON)")
    parser.add_argument("--judge", type=Path, required=True, default=argparse.SUPPRESS, help="its judge (JSON)")
    parser.add_argument("--asked", **several, help="of ask_locomo.py and rows_locomo.py (JSON)")
    parser.add_argument("--answers", **several, help="their raw answers (JSONL)")
    parser.add_argument("--votes", type=Path, nargs="*", default=[], help="of ask_judge.py, one a judge (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--verdicts", type=Path, required=True, default=argparse.SUPPRESS, help="the lexical judge's (JSONL)")
    return parser.parse_args(argv)


def error_rates(metrics: dict, prefix: str) -> tuple[list[bool], list[bool]]:
    """(verdicts on right answers, on wrong ones) as the fitting step counted them: labelled by hand, else made by rules."""
    kinds = ("labelled", "labelled") if f"{prefix}.right.labelled" in metrics else ("framed", "specific")
    found = []
    for side, kind in zip(("right", "wrong"), kinds, strict=True):
        one = metrics[f"{prefix}.{side}.{kind}"]
        accepted = round(one["value"] * one["n"])
        found.append([True] * accepted + [False] * (one["n"] - accepted))
    return found[0], found[1]


def votes_of(path: Path, sha256: str, hashes: list[str]) -> tuple[dict[str, dict[Answer, bool | None]], dict[str, bool]]:
    """({judge: verdicts on answers}, {judge: whether it may feed claims}) of a step that asked a language model."""
    found = read_result(path)
    verdicts = path.parent / found["items"]
    if found["config"]["file_sha256"] != sha256 or found["config"]["answers_sha256"] != hashes:
        raise UserError(path, "judged other answers than those given", "run ask_judge.py again")
    if found["metrics"]["verdicts_sha256"] != sha256_file(verdicts):
        raise UserError(verdicts, f"holds other verdicts than those of {path}", "run ask_judge.py again")
    out: dict[str, dict[Answer, bool | None]] = defaultdict(dict)
    for one in read_jsonl(verdicts, "run ask_judge.py"):
        out[one["judge"]][one["memory"], one["qid"]] = one["accepted"]
    return dict(out), found["metrics"]["fit_for_claims"]


def share_entries(
    votes: dict[str, dict[Answer, bool | None]],
    fit: dict[str, bool],
    questions: dict[str, LocomoQuestion],
    rates: tuple[list[bool], list[bool]],
    prefix: str,
    source: str,
) -> dict[str, dict]:
    """<prefix>.<memory>.judged of the lexical judge, .judged_corrected, and .judged_<judge> of the others: shares accepted of
    the answers that a judge could be read on; unfit: true where no claim may rest on it."""
    ledger = {}
    for judge, verdicts in votes.items():
        marked = {} if fit[judge] else {"unfit": True}
        for memory in dict.fromkeys(memory for memory, _ in verdicts):
            items = [
                (questions[qid].conversation, qid, float(said))
                for (name, qid), said in verdicts.items()
                if name == memory and said is not None
            ]
            if not items:
                continue
            key = f"{prefix}.{memory}.judged" + ("" if judge == LEXICAL else f"_{judge}")
            ledger[key] = pooled(items).entry(source) | marked
            if judge == LEXICAL:
                ledger[f"{key}_corrected"] = corrected(items, *rates).entry(source) | marked
    return ledger


def kappa_entries(votes: dict[str, dict[Answer, bool | None]], prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.kappa.<judge>.<judge>: Cohen's kappa on the answers that both could be read on."""
    ledger = {}
    for one, other in combinations(votes, 2):
        both = [(votes[one][key], votes[other][key]) for key in votes[one] if votes[other].get(key) is not None]
        both = [pair for pair in both if pair[0] is not None]
        if both:
            value = kappa(*zip(*both, strict=True))
            ledger[f"{prefix}.kappa.{one}.{other}"] = {"value": value, "n": len(both), "source": source}
    return ledger


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"fitted": args.fitted, "judge": args.judge} | {f"asked.{at}": path for at, path in enumerate(args.asked)}
    provenance = Provenance(Path(__file__), inputs | {f"votes.{at}": path for at, path in enumerate(args.votes)})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    source, locomo = load_or_stand_in(args.file, args.stand_in, args.audit, args.cache)
    fitted = read_result(args.fitted)
    if fitted["config"]["file_sha256"] != locomo.sha256:
        raise UserError(args.fitted, "is about another file than the one given", "run fit_judge.py again")
    if fitted["metrics"]["judge_sha256"] != sha256_file(args.judge):
        raise UserError(args.judge, f"is another judge than that of {args.fitted}", "run fit_judge.py again")
    said, hashes = answers_about(locomo, args.asked, args.answers)
    votes, fit = {}, {LEXICAL: fitted["metrics"]["fit_for_claims"]}
    for path in args.votes:
        verdicts, trusted = votes_of(path, locomo.sha256, hashes)
        votes, fit = votes | verdicts, fit | trusted
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    judge = LexicalJudge.load(args.judge, encoder.sha256)
    questions = {question.id: question for question in locomo.questions}
    test = {conversation.id for conversation in locomo.conversations if conversation.split == "test"}
    answers = [
        one
        for one in said
        if one["uid"] in test and questions[one["qid"]].category != ADVERSARIAL and not questions[one["qid"]].corrupt
    ]
    likely = judge.probabilities(features_of([(questions[one["qid"]].answer, one["prediction"]) for one in answers], encoder))
    verdicts = [
        {"memory": one["memory"], "qid": one["qid"], "accepted": bool(value >= judge.threshold), "probability": round(value, 4)}
        for one, value in zip(answers, likely.tolist(), strict=True)
    ]
    write_jsonl(args.verdicts, verdicts)
    votes = {LEXICAL: {(one["memory"], one["qid"]): one["accepted"] for one in verdicts}, **votes}
    prefix = "judge" if source == "locomo" else f"{source}_judge"
    rates = error_rates(fitted["metrics"], f"{prefix}.{LEXICAL}")
    ledger = share_entries(votes, fit, questions, rates, source, args.out.name)
    ledger |= kappa_entries(votes, prefix, args.out.name)
    scores, unread = comparable(scores_of(answers, votes, questions))
    ledger |= tau_entries(scores, source, args.out.name)
    ordered = len(next(iter(scores["f1"].values())))
    config = {"file": source, "file_sha256": locomo.sha256, "fit_for_claims": fit, "answers_sha256": hashes}
    config |= {"orders": {"questions": ordered, "too_seldom_read": rounded(unread)}}
    metrics = rounded(ledger) | {"verdicts_sha256": sha256_file(args.verdicts)}
    write_json(args.out, result("judge_locomo", config, None, metrics, args.verdicts.name, provenance.record()))
    told = {name.split(".")[1]: one["value"] for name, one in ledger.items() if name.endswith(".judged")}
    best = max(told, key=told.get)
    unfit = [name for name, good in fit.items() if not good]
    rest = f"; unfit for claims: {', '.join(unfit)}" if unfit else ""
    rest += f"; read too seldom to order memories: {', '.join(unread)}" if unread else ""
    print(f"{args.out}: {len(answers)} answers about {source} judged; {best} has most of them right: {told[best]:.3f}{rest}")


def scores_of(
    answers: list[dict], votes: dict[str, dict[Answer, bool | None]], questions: dict[str, LocomoQuestion]
) -> dict[str, dict[str, dict[tuple[str, str], float | None]]]:
    """{metric or judge: {memory: {(conversation, question): score}}} of what may stand in an order of memories; None where a
    judge could not be read."""
    out: dict[str, dict[str, dict[tuple[str, str], float | None]]] = defaultdict(lambda: defaultdict(dict))
    for one in answers:
        memory, question = one["memory"], questions[one["qid"]]
        if memory in _ORACLE:
            continue
        item = (question.conversation, question.id)
        out["f1"][memory][item] = official(question.category, one["prediction"], question.answer)
        out["answered"][memory][item] = float(not declines(one["prediction"]))  # control: right or wrong, but not declined
        out["gold_recall"][memory][item] = gold_recall(one["prediction"], question.answer)
        for judge, verdicts in votes.items():
            said = verdicts[memory, question.id]
            out[judge][memory][item] = None if said is None else float(said)
    return out


if __name__ == "__main__":
    run_step(main)
