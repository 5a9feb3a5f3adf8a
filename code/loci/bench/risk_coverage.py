"""Risk against coverage: what is wrong of what is answered, if only the answers that a reader is surest of are given.

All categories together. An answer scores as officially; any answer to an adversarial question (category 5) scores 0, and one
that declines is not given at all. Sure is a high mean log-probability of what was said (El-Yaniv and Wiener, 2010: the curve).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loci.bench.locomo_metrics import declines, official
from loci.bench.statistics import RESAMPLES
from loci.worlds.locomo import ADVERSARIAL, LocomoQuestion

COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Given:
    """One answer: whether it is given, how sure the reader is, and its score."""

    conversation: str
    given: bool
    sure: float
    score: float


def given_of(answer: dict, question: LocomoQuestion) -> Given:
    """A raw answer as this curve sees it."""
    said, adversarial = answer["prediction"], question.category == ADVERSARIAL
    score = 0.0 if adversarial else official(question.category, said, question.answer)
    return Given(question.conversation, not declines(said), answer["log_prob"], score)


def curve(given: np.ndarray, sure: np.ndarray, scores: np.ndarray) -> dict[float, float]:
    """{coverage: risk} of questions: 1 less the mean score of the surest answers that make up this share of all questions.
    Coverages that are not reached, because the rest declines, are left out."""
    order = np.argsort(np.where(given, -sure, np.inf), kind="stable")
    answered, found = int(given.sum()), {}
    for share in COVERAGES:
        count = int(np.ceil(share * len(given) - 1e-9))
        if count <= answered:
            found[share] = float(1 - scores[order[:count]].mean())
    return found


def risk_entries(found: Sequence[Given], prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.risk_at_<per cent of coverage>, <prefix>.coverage (all that is given) and <prefix>.risk (of all that is given),
    with intervals over conversations, as far as resampled curves reach."""
    names = sorted({one.conversation for one in found})
    by_name = [[one for one in found if one.conversation == name] for name in names]

    def measured(chosen: Sequence[int]) -> dict[str, float]:
        items = [one for at in chosen for one in by_name[at]]
        given, sure, scores = (np.array([getattr(one, part) for one in items]) for part in ("given", "sure", "score"))
        values = {f"risk_at_{round(100 * share)}": risk for share, risk in curve(given, sure, scores).items()}
        return values | {"coverage": float(given.mean())} | ({"risk": float(1 - scores[given].mean())} if given.any() else {})

    drawn = np.random.default_rng(0).integers(len(names), size=(RESAMPLES // 4, len(names)))
    again = [measured(chosen) for chosen in drawn]
    ledger = {}
    for name, value in measured(range(len(names))).items():
        low, high = np.percentile([one[name] for one in again if name in one] or [value], [2.5, 97.5])
        about = {"n": len(found), "low": min(float(low), value), "high": max(float(high), value), "source": source}
        ledger[f"{prefix}.{name}"] = {"value": value, **about}
    return ledger
