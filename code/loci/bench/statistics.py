"""Means with intervals. The unit is the user: seeds are averaged within a user first, then users are what varies.

Resampling users would be too narrow where they are few, and Student's interval where a share is near 0 or 1: how often each
holds the truth is measured by measure_coverage.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 4000
_Z = 1.959964
_ALIKE = 1e-12  # means of equal numbers can differ by a rounding error


@dataclass(frozen=True)
class Estimate:
    """A mean, its 95 % interval, and n, the number of distinct items behind it."""

    value: float
    low: float
    high: float
    n: int

    def entry(self, source: str, **more: float) -> dict:
        """The ledger's record of this estimate."""
        return {"value": self.value, "n": self.n, "low": self.low, "high": self.high, "source": source, **more}


def by_user(records: Iterable[tuple[str, str, float]]) -> dict[str, float]:
    """(user, item, score) of any number of seeds -> mean per user, each item first averaged over its seeds."""
    seeds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for user, item, score in records:
        seeds[user, item].append(score)
    items: dict[str, list[float]] = defaultdict(list)
    for (user, _item), scores in seeds.items():
        items[user].append(sum(scores) / len(scores))
    return {user: sum(scores) / len(scores) for user, scores in sorted(items.items())}


def estimate(records: list[tuple[str, str, float]], proportion: bool = True) -> Estimate:
    """Mean over users with its interval over users: share_interval of shares (`proportion`), Student's of anything else, which
    has none with one user: both ends are then its value."""
    n = len({(user, item) for user, item, _ in records})
    means = np.array(list(by_user(records).values()))
    low, high = share_interval(means, n) if proportion else student(means)
    value = float(means.mean())
    # The mean of equal numbers can miss them by a rounding error; an interval never excludes its own value.
    return Estimate(value, min(low, value), max(high, value), n)


def share_interval(shares: np.ndarray, n: int) -> tuple[float, float]:
    """95 % interval of the mean of the users' shares [U]: Wilson's, with the questions that would vary by chance as much as the
    users do, and Student's quantile for so many users (Korn and Graubard 1998; Franco et al. 2019).

    Where users do not differ all n questions count, so that 120 of 120 does not pretend to be certain. One user, or answers of
    which each is another user's, vary by chance alone, and it is Wilson's own.
    """
    value, users = float(shares.mean()), len(shares)
    if users < 2 or (n == users and np.isin(shares, (0.0, 1.0)).all()):
        return wilson(value, n)
    from scipy import stats  # late: half a second

    variance = float(shares.var(ddof=1)) / users
    questions = n if np.ptp(shares) < _ALIKE else value * (1 - value) / variance
    # Wilson's interval depends on questions over squared quantile only.
    return wilson(value, questions * (_Z / float(stats.t.ppf(0.975, users - 1))) ** 2)


def paired_difference(left: list[tuple[str, str, float]], right: list[tuple[str, str, float]]) -> Estimate:
    """Mean of (left - right), both shares, over the users that both have, with Student's interval over users.

    Where every user has the same gap, or there is one user, it is Newcombe's for two shares of n questions.
    """
    one, other = by_user(left), by_user(right)
    users = sorted(one.keys() & other.keys())
    gaps = np.array([one[user] - other[user] for user in users])
    gap, n = float(gaps.mean()), len({(user, item) for user, item, _ in left if user in other})
    if np.ptp(gaps) < _ALIKE:
        low, high = newcombe(*(sum(means[user] for user in users) / len(users) for means in (one, other)), n)
    else:
        low, high = student(gaps)
    return Estimate(gap, max(-1.0, min(low, gap)), min(1.0, max(high, gap)), n)


def bootstrap(values: np.ndarray) -> tuple[float, float]:
    """Percentile 95 % interval of the mean of values [N], resampled; the same draws for the same N. For hundreds of values: with
    few it is too narrow (measure_coverage.py)."""
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[draws].mean(1), [2.5, 97.5])
    return float(low), float(high)


def unpaired_difference(left: np.ndarray, right: np.ndarray) -> Estimate:
    """Mean of left [N] less mean of right [M], both resampled, each on its own; n is the smaller of both."""
    rng = np.random.default_rng(0)
    drawn = [values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(1) for values in (left, right)]
    low, high = np.percentile(drawn[0] - drawn[1], [2.5, 97.5])
    return Estimate(float(left.mean() - right.mean()), float(low), float(high), min(len(left), len(right)))


def student(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of the mean of a few independent runs; for one run there is none, and both ends are its value."""
    found = np.array(values)
    if len(found) < 2:
        return float(found[0]), float(found[0])
    from scipy import stats  # late: half a second

    half = float(stats.t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / len(found) ** 0.5)
    return float(found.mean()) - half, float(found.mean()) + half


def over_seeds(values: Sequence[float], source: str) -> dict:
    """A ledger entry: mean of a few independent runs with Student's interval."""
    low, high = student(values)
    return {"value": float(np.mean(values)), "low": low, "high": high, "n": len(values), "source": source}


def newcombe(left: float, right: float, n: int) -> tuple[float, float]:
    """Newcombe's (1998) hybrid score interval of the difference of two shares, each of n trials."""
    (left_low, left_high), (right_low, right_high) = wilson(left, n), wilson(right, n)
    below = ((left - left_low) ** 2 + (right_high - right) ** 2) ** 0.5
    above = ((left_high - left) ** 2 + (right - right_low) ** 2) ** 0.5
    return left - right - below, left - right + above


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share of n trials, which need not be whole (an effective number)."""
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * (share * (1 - share) / n + _Z**2 / (4 * n**2)) ** 0.5
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
