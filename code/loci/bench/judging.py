"""How far a judge can be trusted: what it accepts of answers that are known to be right or wrong, and what that does to a score.

Controls: a judge that is shown another gold answer, and one that learns from the answers alone, both on cases in which every
answer is right once and wrong once. Both must stay at 0.5.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from loci.bench.clusters import pooled
from loci.bench.judge_cases import LABELLED, Case, cases_of
from loci.bench.statistics import RESAMPLES, Estimate, wilson
from loci.errors import UserError
from loci.paths import DATA
from loci.results import read_json, sha256_text
from loci.worlds.locomo import LocomoQuestion
from loci.worlds.locomo_file import Locomo

UNFIT = 0.8  # specificity below which a judge feeds no claim
USELESS = 0.5  # sensitivity below which it feeds none either: who refuses everything refuses every wrong answer
SENSITIVITY = 0.85  # of labelled right answers of development conversations, at which thresholds are set
WRITTEN = ("specific", "vague")  # kinds of wrong answers that the audit wrote; claims rest on these
LENGTHS = {"short": (0, 3), "middling": (4, 8), "long": (9, 10_000)}  # words of an answer
_LABELS = DATA / "locomo" / "labels.json"


@dataclass(frozen=True)
class CaseSets:
    """Cases of development and of test conversations, and those of both that people labelled."""

    dev: list[Case]
    test: list[Case]
    dev_labelled: list[Case]
    test_labelled: list[Case]


def gathered(locomo: Locomo, files: Mapping[str, Path]) -> CaseSets:
    """All cases of a file. files: the audit's, by name: "specific", "vague" (wrong answers) and "answers" (of which some are
    labelled), as far as there are any."""
    wrong = {name: answers_in(files[name]) for name in WRITTEN if name in files}
    questions = {question.id: question for question in locomo.questions}
    splits = {conversation.id: conversation.split for conversation in locomo.conversations}
    by_split: dict[str, list[Case]] = {"dev": [], "test": []}
    for conversation in locomo.conversations:
        by_split[conversation.split] += cases_of(conversation, wrong)
    labelled = labelled_cases(questions, answers_in(files["answers"])) if "answers" in files else []
    return CaseSets(*by_split.values(), *([one for one in labelled if splits[one.conversation] == name] for name in by_split))


def sampled(cases: Sequence[Case], each: int) -> list[Case]:
    """`each` cases of every kind, by the hash of question and kind: for judges that take their time."""
    kinds: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        kinds[case.kind].append(case)
    return [
        case
        for found in kinds.values()
        for case in sorted(found, key=lambda one: sha256_text(f"judged:{one.qid}:{one.kind}"))[:each]
    ]


def fit_for_claims(metrics: Mapping[str, Mapping], prefix: str) -> bool:
    """Whether a judge may feed a claim: it refuses enough of the answers that were written to be wrong, and accepts enough of
    the right ones."""
    refused = [metrics[f"{prefix}.specificity_{kind}"]["value"] for kind in WRITTEN]
    return min(refused) >= UNFIT and metrics[f"{prefix}.sensitivity"]["value"] >= USELESS


def answers_in(path: Path) -> dict[str, str]:
    """{question id: answer} of one of the audit's files of answers; UserError where it is not one."""
    found = read_json(path, "give a file of answers of github.com/dial481/locomo-audit, or none")
    try:
        return {one["question_id"]: one["generated_answer"] for part in found["detailed_results"].values() for one in part}
    except (KeyError, TypeError, AttributeError):
        raise UserError(path, "is no file of answers", "give one of github.com/dial481/locomo-audit, or none") from None


def labelled_cases(questions: Mapping[str, LocomoQuestion], answers: Mapping[str, str]) -> list[Case]:
    """The answers that were read and labelled by hand, unclear ones left out."""
    out = []
    for qid, label in read_json(_LABELS, "restore it from the repository")["labels"].items():
        if label != "unclear" and qid in answers:
            one = questions[qid]
            out.append(Case(one.conversation, qid, one.category, one.answer, answers[qid], label == "right", LABELLED))
    return out


def trust_entries(cases: Sequence[Case], accepted: Sequence[bool], prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.right.<kind> and .wrong.<kind>, shares accepted; .sensitivity, the mean of the kinds of right answers (verbatim
    and lower-cased gold left out); .specificity, that of the kinds of wrong ones; .specificity_<kind>; the first two by
    category and by length of the answer."""
    found: dict[str, list[tuple[str, str, float]]] = defaultdict(list)
    for at, (case, verdict) in enumerate(zip(cases, accepted, strict=True)):
        right = "right" if case.right else "wrong"
        item = (case.conversation, f"{case.qid}.{at}", float(verdict))
        found[f"{right}.{case.kind}"].append(item)
        if case.kind in ("verbatim", "plain"):
            continue
        length = next(name for name, (low, high) in LENGTHS.items() if low <= len(case.answer.split()) <= high)
        for group in (f"id{case.category}", length):
            found[f"{right}.{group}"].append(item)
    ledger = {f"{prefix}.{name}": pooled(records).entry(source) for name, records in found.items()}
    for side, measure in (("right", "sensitivity"), ("wrong", "specificity")):
        kinds = sorted({case.kind for case in cases if case.right == (side == "right")} - {"verbatim", "plain"})
        shares = [ledger[f"{prefix}.{side}.{kind}"] for kind in kinds]
        values = [one["value"] if side == "right" else 1 - one["value"] for one in shares]
        if values:
            n = sum(one["n"] for one in shares)
            ledger[f"{prefix}.{measure}"] = {"value": float(np.mean(values)), "n": n, "source": source}
        for kind, one in zip(kinds, shares, strict=True):
            turned = one if side == "right" else one | {"value": 1 - one["value"], "low": 1 - one["high"], "high": 1 - one["low"]}
            ledger[f"{prefix}.{measure}_{kind}"] = turned
    return ledger


def balanced_accuracy(cases: Sequence[Case], accepted: Sequence[bool]) -> float:
    """Mean of the shares of right answers accepted and of wrong ones refused."""
    right, verdicts = np.array([case.right for case in cases]), np.array(accepted, bool)
    return float((verdicts[right].mean() + (~verdicts[~right]).mean()) / 2)


def with_other_gold(cases: Sequence[Case], seed: int = 0) -> list[Case]:
    """The same answers, each against the gold answer of another question of its category."""
    golds: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for case in cases:
        golds[case.category].append((case.qid, case.gold))
    rng, out = random.Random(f"other gold:{seed}"), []
    for case in cases:
        others = [gold for qid, gold in golds[case.category] if qid != case.qid]
        out.append(replace(case, gold=rng.choice(others) if others else ""))
    return out


def answer_only(train: Sequence[Case], test: Sequence[Case]) -> np.ndarray:
    """Verdicts bool [N] on test cases of a judge that learns from the answers' words alone (logistic regression on words and
    pairs of them)."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # late: a second
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=2000))
    model.fit([case.answer for case in train], [case.right for case in train])
    return model.predict([case.answer for case in test])


def kappa(one: Sequence[bool], other: Sequence[bool]) -> float:
    """Cohen's kappa of two judges' verdicts on the same answers; 1 where both always say the same one thing."""
    left, right = np.array(one, bool), np.array(other, bool)
    agreed, chance = (left == right).mean(), left.mean() * right.mean() + (1 - left.mean()) * (1 - right.mean())
    return 1.0 if chance == 1 else float((agreed - chance) / (1 - chance))


def corrected(accepted: Sequence[tuple[str, str, float]], right: Sequence[bool], wrong: Sequence[bool]) -> Estimate:
    """The share of right answers behind a share accepted, given verdicts on right and wrong ones (Rogan and Gladen, 1978):
    (share + specificity - 1) / (sensitivity + specificity - 1), clipped to 0 to 1. accepted: (conversation, question, verdict).
    The interval resamples conversations and both sets of verdicts; where it has no width it is Wilson's."""
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = defaultdict(list)
    for conversation, _, verdict in accepted:
        found[conversation].append(verdict)
    sums, sizes = np.array([sum(of) for of in found.values()]), np.array([len(of) for of in found.values()])
    drawn = rng.integers(len(sums), size=(RESAMPLES, len(sums)))
    shares = sums[drawn].sum(1) / sizes[drawn].sum(1)
    rates = [rng.binomial(len(of), np.mean(of), RESAMPLES) / len(of) for of in (right, wrong)]
    value = _corrected(sums.sum() / sizes.sum(), float(np.mean(right)), float(np.mean(wrong)))
    low, high = np.percentile(_corrected(shares, *rates), [2.5, 97.5])
    if low == high:  # all clipped: as if so many answers had been looked at and none, or all, been right
        low, high = wilson(float(value), int(sizes.sum()))
    return Estimate(float(value), min(float(low), float(value)), max(float(high), float(value)), int(sizes.sum()))


def _corrected(share, sensitivity, false_accepted):
    apart = np.maximum(sensitivity - false_accepted, 1e-3)
    return np.clip((share - false_accepted) / apart, 0, 1)
