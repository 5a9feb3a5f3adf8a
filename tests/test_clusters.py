"""Questions in conversations: pooled means, exact permutations, Holm's correction, and what could have been found."""

import numpy as np
import pytest

from loci.bench.clusters import detectable, gaps, holm, pooled, sign_flip
from loci.bench.statistics import estimate


def test_every_question_counts_alike():
    records = [("a", f"a{at}", 1.0) for at in range(3)] + [("b", "b0", 0.0)]
    found = pooled(records)
    assert found.value == 0.75 and found.n == 4 and found.low < 0.05 and found.high > 0.99, "two conversations that differ"
    certain = pooled([("a", "a0", 1.0), ("b", "b0", 1.0)])
    assert certain.value == 1.0 and certain.low < 0.5, "Wilson's, where each conversation has one question"
    assert pooled([("a", "a0", 3.0), ("b", "b0", 3.0)], proportion=False).low == 3.0


def test_a_pooled_mean_varies_as_its_ratio_does():
    rng, sizes = np.random.default_rng(0), (5, 10, 20, 30, 15, 20)
    scores = [(f"c{at}", f"c{at}q{one}", float(rng.normal(at % 2, 1))) for at, size in enumerate(sizes) for one in range(size)]
    found = pooled(scores, proportion=False)
    sums = np.array([sum(score for of, _, score in scores if of == f"c{at}") for at in range(len(sizes))])
    left_out = [(sums.sum() - sums[at]) / (sum(sizes) - size) for at, size in enumerate(sizes)]
    jackknife = ((len(sizes) - 1) / len(sizes) * sum((one - np.mean(left_out)) ** 2 for one in left_out)) ** 0.5
    assert (found.high - found.low) / 2 == pytest.approx(2.570582 * jackknife, rel=0.25), "Student's quantile, five degrees"
    alike = [("a", "a0", 1.0), ("a", "a1", 0.0), ("b", "b0", 1.0), ("b", "b1", 1.0), ("c", "c0", 0.0), ("c", "c1", 0.0)]
    assert pooled(alike).low == estimate(alike).low, "conversations of one size are users"


def test_the_permutation_is_exact():
    alike = [(name, name, 1.0) for name in "abcdefgh"]
    assert sign_flip(alike) == 2 / 256
    assert sign_flip([("a", "x", 1.0), ("b", "y", -1.0)]) == 1.0
    three = [("a", "a", 1.0), ("b", "b", 2.0), ("c", "c", -0.5)]  # |2.5|: of 8 sums, +-3.5, +-2.5 are as far
    assert sign_flip(three) == 4 / 8
    assert sign_flip([("a", "x", 1.0), ("a", "y", -1.0), ("b", "z", 1.0)]) == 1.0, "a conversation flips as a whole: sums 0 and 1"


def test_permutation_holds_its_level():
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        found.append(sign_flip([(str(at), str(at), value) for at, value in enumerate(rng.normal(size=8))]) <= 0.05)
    assert np.mean(found) < 0.08


def test_holm():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.5, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def test_gaps_and_what_is_detectable():
    left, right = [("a", "x", 1.0), ("a", "y", 0.0)], [("a", "x", 0.5)]
    assert gaps(left, right) == [("a", "x", 0.5)]
    assert detectable([("a", "x", 1.0)]) == float("inf")
    wide = detectable([(str(at), str(at), float(at % 2)) for at in range(8)])
    assert wide == pytest.approx((2.3646 + 0.8960) * np.std([0, 1] * 4, ddof=1) / 8**0.5, rel=1e-3)
