"""Every rule of scoring and statistics on cases worked out by hand, wrong answers included."""

import numpy as np
import pytest

from loci.bench.score import contains_any, exact, first_token, normalised, says_not_known, substring
from loci.bench.statistics import bootstrap, by_user, estimate, newcombe, paired_difference, wilson


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
    found = estimate([(f"u{at}", "q", 1.0) for at in range(10)])
    assert (found.value, found.high) == (1.0, 1.0) and 0.70 < found.low < 0.75  # Wilson 10 of 10: 0.722
    assert estimate([("u1", "q", 2.0), ("u2", "q", 2.0)], proportion=False).low == 2.0


def test_wilson_against_published_values():
    low, high = wilson(0.445, 400)
    assert low == pytest.approx(0.397, abs=5e-4) and high == pytest.approx(0.494, abs=5e-4)


def test_paired_difference_uses_the_users_that_both_have():
    left = [("u1", "a", 1.0), ("u2", "a", 1.0), ("u3", "a", 0.0)]
    right = [("u1", "a", 0.0), ("u2", "a", 1.0)]
    assert paired_difference(left, right).value == 0.5


def test_bootstrap_repeats_and_covers():
    values = np.array([0.1, 0.5, 0.9, 0.4, 0.6])
    assert bootstrap(values) == bootstrap(values)
    low, high = bootstrap(values)
    assert low < values.mean() < high


def test_newcombe_against_the_published_example():
    # Newcombe (1998), table II, example (b): 9/10 against 3/10 gives 0.1705 to 0.8090.
    low, high = newcombe(0.9, 0.3, 10)
    assert low == pytest.approx(0.1705, abs=2e-3) and high == pytest.approx(0.8090, abs=2e-3)


def test_a_difference_that_every_user_has_is_not_a_point():
    found = paired_difference([("u1", "a", 1.0), ("u2", "a", 1.0)], [("u1", "a", 0.0), ("u2", "a", 0.0)])
    assert found.value == found.high == 1.0 and found.low < 0.5
