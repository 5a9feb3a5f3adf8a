"""How the order of memories depends on who scores: Kendall's tau of metrics and judges, over the same answers.

Intervals resample conversations: with eight of them and small differences an order is soon another one, whoever scores. So
beside tau with another metric stands tau with itself, of two halves of the conversations: what it would say again.

A verdict that could not be read is no verdict: its question leaves the orders, for every memory and metric alike.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from loci.bench.statistics import RESAMPLES

Scores = Mapping[str, Mapping[tuple[str, str], float]]  # {memory: {(conversation, question): score}}
Read = Mapping[str, Mapping[tuple[str, str], float | None]]  # the same, with None where a judge could not be read
LEAST = 0.9  # of the questions that a judge has to be read on, for every memory, to stand in an order


def tau(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of scores [..., M] of M memories by two metrics; 0 where one of them cannot tell any two apart."""
    pairs = np.array(list(combinations(range(one.shape[-1]), 2)))
    left, right = (np.sign(of[..., pairs[:, 0]] - of[..., pairs[:, 1]]) for of in (one, other))
    norm = np.sqrt((left**2).sum(-1) * (right**2).sum(-1))
    return np.divide((left * right).sum(-1), norm, out=np.zeros(norm.shape), where=norm > 0)


def comparable(metrics: Mapping[str, Read]) -> tuple[dict[str, Scores], dict[str, float]]:
    """(scores by metric on the questions that all of these could be read on, shares of questions read on of the judges that stand
    in no order because they could be read on less than LEAST of them)."""
    asked = {item for of in metrics.values() for said in of.values() for item in said}
    lost = {name: {item for said in of.values() for item, score in said.items() if score is None} for name, of in metrics.items()}
    shares = {name: 1 - len(items) / len(asked) for name, items in lost.items()}
    kept = [name for name in metrics if shares[name] >= LEAST]
    gone = set().union(*(lost[name] for name in kept))

    def left(said: Mapping[tuple[str, str], float | None]) -> dict[tuple[str, str], float]:
        return {item: score for item, score in said.items() if item not in gone}

    scores = {name: {memory: left(said) for memory, said in metrics[name].items()} for name in kept}
    return scores, {name: share for name, share in shares.items() if share < LEAST}


def sums_of(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """(sums [C, M] of scores by conversation and memory, questions [C]); every memory answered the same questions."""
    asked = [sorted(of) for of in scores.values()]
    if any(of != asked[0] for of in asked):
        raise ValueError("the memories were not asked the same questions")
    names = sorted({conversation for conversation, _ in asked[0]})
    sums = [[sum(score for (one, _), score in of.items() if one == name) for of in scores.values()] for name in names]
    return np.array(sums, float), np.array([sum(one == name for one, _ in asked[0]) for name in names])


def tau_entries(metrics: Mapping[str, Scores], prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.tau.<metric>.<metric> of every two metrics, and of every metric with itself: the median over splits of the
    conversations into two halves. n: memories in the order."""
    rng, ledger = np.random.default_rng(0), {}
    sums = {name: sums_of(scores) for name, scores in metrics.items()}
    conversations = len(next(iter(sums.values()))[1])
    count = len(next(iter(metrics.values())))
    drawn = rng.integers(conversations, size=(RESAMPLES, conversations))
    means = {
        name: (of.sum(0) / sizes.sum(), of[drawn].sum(1) / sizes[drawn].sum(1)[:, None]) for name, (of, sizes) in sums.items()
    }
    for one, other in combinations(metrics, 2):
        value = float(tau(means[one][0], means[other][0]))
        low, high = np.percentile(tau(means[one][1], means[other][1]), [2.5, 97.5])
        about = {"n": count, "low": min(float(low), value), "high": max(float(high), value), "source": source}
        ledger[f"{prefix}.tau.{one}.{other}"] = {"value": value, **about}
    if conversations < 2:
        return ledger
    orders = np.argsort(rng.random((RESAMPLES, conversations)), axis=1)
    halves = orders[:, : conversations // 2], orders[:, conversations // 2 :]
    for name, (of, sizes) in sums.items():
        left, right = (of[half].sum(1) / sizes[half].sum(1)[:, None] for half in halves)
        found = tau(left, right)
        low, high = np.percentile(found, [2.5, 97.5])
        about = {"n": count, "low": float(low), "high": float(high), "source": source}
        ledger[f"{prefix}.tau.{name}.{name}"] = {"value": float(np.median(found)), **about}
    return ledger
