"""Have the lexical judge read the answers to LOCOMO's questions, or to its stand-in's, and correct what it accepts for its
errors.

Verdicts are kept answer by answer. A share accepted is corrected by the judge's sensitivity and specificity on answers that were
labelled by hand, where there are any, else on those made by rules. A judge that is unfit for claims says so in every number.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loci.bench.clusters import pooled
from loci.bench.judging import corrected
from loci.bench.lexical_judge import LexicalJudge, features_of
from loci.bench.locomo_metrics import official
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, sha256_file, write_json, write_jsonl
from loci.worlds.locomo import ADVERSARIAL
from loci.worlds.locomo_file import load_or_stand_in


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--audit", type=Path, help="errors.json of the independent audit (path)")
    parser.add_argument("--stand-in", type=Path, required=True, default=argparse.SUPPRESS, help="made by make_standin.py (JSON)")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a downloaded file (path)")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--fitted", type=Path, required=True, default=argparse.SUPPRESS, help="of fit_judge.py (JSON)")
    parser.add_argument("--judge", type=Path, required=True, default=argparse.SUPPRESS, help="its judge (JSON)")
    parser.add_argument("--asked", type=Path, required=True, default=argparse.SUPPRESS, help="of ask_locomo.py (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="its raw answers (JSONL)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--verdicts", type=Path, required=True, default=argparse.SUPPRESS, help="verdicts to write (JSONL)")
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


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"fitted": args.fitted, "judge": args.judge, "asked": args.asked}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    source, locomo = load_or_stand_in(args.file, args.stand_in, args.audit, args.cache)
    asked, fitted = read_result(args.asked), read_result(args.fitted)
    for path, about in ((args.asked, asked), (args.fitted, fitted)):
        if about["config"]["file_sha256"] != locomo.sha256:
            raise UserError(path, "is about another file than the one given", "run its step again")
    if asked["metrics"]["answers_sha256"] != sha256_file(args.answers):
        raise UserError(args.answers, f"holds other answers than those of {args.asked}", "run ask_locomo.py again")
    if fitted["metrics"]["judge_sha256"] != sha256_file(args.judge):
        raise UserError(args.judge, f"is another judge than that of {args.fitted}", "run fit_judge.py again")
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    judge = LexicalJudge.load(args.judge, encoder.sha256)
    questions = {question.id: question for question in locomo.questions}
    test = {conversation.id for conversation in locomo.conversations if conversation.split == "test"}
    answers = [
        one
        for one in read_jsonl(args.answers, "run ask_locomo.py")
        if one["uid"] in test and questions[one["qid"]].category != ADVERSARIAL and not questions[one["qid"]].corrupt
    ]
    likely = judge.probabilities(features_of([(questions[one["qid"]].answer, one["prediction"]) for one in answers], encoder))
    verdicts = [
        {"memory": one["memory"], "qid": one["qid"], "accepted": bool(value >= judge.threshold), "probability": round(value, 4)}
        for one, value in zip(answers, likely.tolist(), strict=True)
    ]
    write_jsonl(args.verdicts, verdicts)
    prefix = "judge" if source == "locomo" else f"{source}_judge"
    right, wrong = error_rates(fitted["metrics"], f"{prefix}.lexical")
    ledger = {}
    for memory in dict.fromkeys(one["memory"] for one in answers):
        items = [(one["uid"], one["qid"], float(said["accepted"])) for one, said in zip(answers, verdicts, strict=True)
                 if one["memory"] == memory]  # fmt: skip
        ledger[f"{source}.{memory}.judged"] = pooled(items).entry(args.out.name)
        ledger[f"{source}.{memory}.judged_corrected"] = corrected(items, right, wrong).entry(args.out.name)
    scores = [official(questions[one["qid"]].category, one["prediction"], questions[one["qid"]].answer) for one in answers]
    accepted = np.array([one["accepted"] for one in verdicts])
    for name, of in (("accepted", accepted), ("refused", ~accepted)):
        if of.any():
            mean = float(np.array(scores)[of].mean())
            ledger[f"{source}.lexical.{name}.f1"] = {"value": mean, "n": int(of.sum()), "source": args.out.name}
    config = {"file": source, "file_sha256": locomo.sha256, "fit_for_claims": fitted["metrics"]["fit_for_claims"]}
    metrics = rounded(ledger) | {"verdicts_sha256": sha256_file(args.verdicts)}
    write_json(args.out, result("judge_locomo", config, None, metrics, args.verdicts.name, provenance.record()))
    told = {name.split(".")[1]: one["value"] for name, one in ledger.items() if name.endswith(".judged")}
    best = max(told, key=told.get)
    print(f"{args.out}: {len(answers)} answers about {source} judged; {best} has most of them right: {told[best]:.3f}")


if __name__ == "__main__":
    run_step(main)
