"""Every rule of scoring and statistics on cases worked out by hand, wrong answers included."""

import numpy as np
import pytest

from loci.bench.score import contains_any, exact, first_token, normalised, says_not_known, substring
from loci.bench.statistics import by_user, estimate, newcombe, paired_difference, share_interval, student, wilson


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Dr. Lee", ("dr", "lee")),
        ("the Café, an ÉCLAIR", ("café", "éclair")),
        ("$2,200.50 for the Dog", ("2200.5", "for", "dog")),
        ("1 234 567", ("1234567",)),
        ("12 34", ("12", "34")),
        ("007 and 3.50", ("7", "and", "3.5")),
        ("blue-green", ("blue-green",)),
        ("O’Neil's", ("o'neil's",)),
        ("ﬁne", ("fine",)),
        ("5:45", ("5", "45")),
        ("...", ()),
    ],
)
def test_normalisation(text, tokens):
    assert normalised(text) == tokens


@pytest.mark.parametrize(
    ("said", "accepted", "form", "right"),
    [
        ("Denver", ["Denver"], "question", True),
        (" denver.", ["Denver"], "question", True),
        ("The Hague", ["Hague"], "question", True),
        ("Denver, Colorado", ["Denver"], "question", False),
        ("Boulder", ["Denver", "Boulder"], "question", True),
        ("1,760", ["1760"], "question", True),
        ("1760.0", ["1760"], "question", True),
        ("17600", ["1760"], "question", False),
        ("", ["Denver"], "question", False),
        ("Denver", [""], "question", False),
        ("Tulsa. I work at", ["Tulsa"], "statement", True),
        ("Tulsan by birth", ["Tulsa"], "statement", False),
        ("19935", ["1993"], "statement", False),
        ("1993, in spring", ["1993"], "statement", True),
        ("640.50.", ["640"], "statement", False),
        ("New", ["New York"], "statement", False),
        ("New York City", ["New York"], "statement", True),
        ("in Tulsa", ["Tulsa"], "statement", False),
        ("7 people", ["07"], "statement", True),
    ],
)
def test_exact(said, accepted, form, right):
    assert exact(said, accepted, form) is right


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("not known", True),
        ("I do not know", True),
        ("Don't know.", True),
        ("Unknown", True),
        ("Nonesuch Road", False),
        ("Oslo", False),
        ("I like Oslo", False),
    ],
)
def test_says_not_known(said, right):
    assert says_not_known(said) is right


def test_published_metrics_stand_under_their_own_rules():
    assert substring("notable", "No") and not substring("yes", "No")
    assert first_token([5, 6], 5) and not first_token([6, 5], 5) and not first_token([], 5)
    assert contains_any("he lives in New York now", ["York", "Oslo"]) and not contains_any("Yorkshire", ["York"])


def test_seeds_are_averaged_within_a_user_before_users():
    records = [("u1", "a", 1.0), ("u1", "a", 0.0), ("u1", "b", 1.0), ("u2", "a", 0.0)]
    assert by_user(records) == {"u1": 0.75, "u2": 0.0}
    found = estimate(records)
    assert found.value == 0.375 and found.n == 3 and found.low <= found.value <= found.high


def test_equal_users_get_wilsons_interval_and_not_a_point():
    found = estimate([(f"u{at}", name, 1.0) for at in range(10) for name in "ab"])
    quantile = 2.262157  # Student's with nine degrees of freedom, where Wilson's own is 1.96
    assert (found.value, found.high) == (1.0, 1.0) and found.low == pytest.approx(20 / (20 + quantile**2), abs=1e-5)
    one = estimate([("u1", f"q{at}", 1.0) for at in range(10)])
    assert (one.low, one.high) == pytest.approx(wilson(1.0, 10)), "one user says nothing of how users differ"
    alone = estimate([(f"u{at}", "q", float(at < 3)) for at in range(10)])
    assert (alone.low, alone.high) == pytest.approx(wilson(0.3, 10)), "one answer of each: they vary by chance alone"
    assert estimate([("u1", "q", 2.0), ("u2", "q", 2.0)], proportion=False).low == 2.0


def test_wilson_against_published_values():
    low, high = wilson(0.445, 400)
    assert low == pytest.approx(0.397, abs=5e-4) and high == pytest.approx(0.494, abs=5e-4)


def test_paired_difference_uses_the_users_that_both_have():
    left = [("u1", "a", 1.0), ("u2", "a", 1.0), ("u3", "a", 0.0)]
    right = [("u1", "a", 0.0), ("u2", "a", 1.0)]
    assert paired_difference(left, right).value == 0.5


def test_shares_that_vary_as_by_chance_have_wilsons_interval():
    shares = np.array([0.5] * 200 + [0.3] * 100 + [0.7] * 100)  # their mean varies as that of so many answers does
    answers = 0.25 / (shares.var(ddof=1) / 400)
    assert share_interval(shares, 1) == pytest.approx(wilson(0.5, answers), abs=2e-4)
    assert share_interval(shares, 1) == pytest.approx(student(shares), abs=2e-4), "far from 0 and 1, and many: alike"


def test_few_users_who_differ_are_wide_and_stay_within_0_and_1():
    low, high = share_interval(np.array([1.0, 1.0, 1.0, 1.0, 0.9]), 50)
    # Worked by hand: variance of the mean 0.0004, 49 answers vary as much; Student's quantile 2.776445, squared 7.708647.
    centre, more = 0.98 + 7.708647 / 98, 1 + 7.708647 / 49
    half = (7.708647 * (0.98 * 0.02 / 49 + 7.708647 / 9604)) ** 0.5
    assert (low, high) == pytest.approx(((centre - half) / more, (centre + half) / more), abs=1e-5) and 0.98 < high < 1.0
    assert share_interval(np.array([0.0, 1.0]), 10)[0] < 0.05, "two users say next to nothing"


def test_a_difference_has_students_interval_over_users():
    left = [("u1", "a", 0.4), ("u2", "a", 0.6), ("u3", "a", 0.5)]
    right = [("u1", "a", 0.2), ("u2", "a", 0.5), ("u3", "a", 0.3)]
    found = paired_difference(left, right)
    assert (found.low, found.high) == pytest.approx(student([0.2, 0.1, 0.2]))
    wide = paired_difference([("u1", "a", 1.0), ("u2", "a", 0.0)], [("u1", "a", 0.0), ("u2", "a", 1.0)])
    assert (wide.low, wide.high) == (-1.0, 1.0), "12.7 to either side, and shares cannot differ by more"


def test_newcombe_against_the_published_example():
    # Newcombe (1998), table II, example (b): 9/10 against 3/10 gives 0.1705 to 0.8090.
    low, high = newcombe(0.9, 0.3, 10)
    assert low == pytest.approx(0.1705, abs=2e-3) and high == pytest.approx(0.8090, abs=2e-3)


def test_a_difference_that_every_user_has_is_not_a_point():
    found = paired_difference([("u1", "a", 1.0), ("u2", "a", 1.0)], [("u1", "a", 0.0), ("u2", "a", 0.0)])
    assert found.value == found.high == 1.0 and found.low < 0.5
