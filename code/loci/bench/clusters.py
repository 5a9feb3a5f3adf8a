"""Questions in few clusters, as LOCOMO has them: every question counts alike, conversations are what differs.

Ten conversations with 105 to 260 questions each: a mean of conversations would weigh a question by where it stands. Two memories
are compared by a permutation over conversations, exact because there are so few, and many by Holm's step-down.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

import numpy as np

from loci.bench.statistics import Estimate, share_interval, student

_POWER, _LEVEL = 0.8, 0.05


def pooled(records: Iterable[tuple[str, str, float]], proportion: bool = True) -> Estimate:
    """Mean over all questions of (conversation, question, score), each question once, with Student's interval over
    conversations of this ratio of sums, linearised (Cochran 1977, chapter 6); for shares as share_interval has it."""
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    for cluster, item, score in records:
        scores[cluster][item] = score
    sums = np.array([sum(of.values()) for _, of in sorted(scores.items())], float)
    sizes = np.array([len(of) for _, of in sorted(scores.items())])
    value, n = float(sums.sum() / sizes.sum()), int(sizes.sum())
    shares = value + (sums - value * sizes) / sizes.mean()  # [C], their mean is the value
    low, high = share_interval(shares, n) if proportion else student(shares)
    return Estimate(value, min(low, value), max(high, value), n)


def gaps(left: Sequence[tuple[str, str, float]], right: Sequence[tuple[str, str, float]]) -> list[tuple[str, str, float]]:
    """left less right, question by question, of the questions that both have."""
    other = {item: score for _, item, score in right}
    return [(cluster, item, score - other[item]) for cluster, item, score in left if item in other]


def sign_flip(differences: Sequence[tuple[str, str, float]]) -> float:
    """Two-sided p of a mean difference: all ways of exchanging the two sides within whole conversations (2^C of them) whose
    difference is at least as far from zero. With eight conversations no p is below 2/256."""
    totals: dict[str, float] = defaultdict(float)
    for cluster, _, gap in differences:
        totals[cluster] += gap
    sums = np.array([totals[cluster] for cluster in sorted(totals)])
    flipped = np.abs(np.array(list(product((1, -1), repeat=len(sums)))) @ sums)
    return float(np.mean(flipped >= abs(sums.sum()) - 1e-12))


def holm(values: Mapping[str, float]) -> dict[str, float]:
    """Holm's (1979) adjusted p of each of several comparisons; never below that of a smaller one."""
    order, adjusted, least = sorted(values, key=lambda name: values[name]), {}, 0.0
    for place, name in enumerate(order):
        least = max(least, min(1.0, (len(order) - place) * values[name]))
        adjusted[name] = least
    return adjusted


def detectable(differences: Sequence[tuple[str, str, float]]) -> float:
    """The smallest true mean difference that a t test over conversations at 0.05 would find with power 0.8, from how much
    conversations differ here; inf for fewer than two conversations."""
    means: dict[str, list[float]] = defaultdict(list)
    for cluster, _, gap in differences:
        means[cluster].append(gap)
    if len(means) < 2:
        return float("inf")
    from scipy import stats  # late: half a second

    spread = np.std([np.mean(of) for of in means.values()], ddof=1) / len(means) ** 0.5
    freedom = len(means) - 1
    return float((stats.t.ppf(1 - _LEVEL / 2, freedom) + stats.t.ppf(_POWER, freedom)) * spread)
