"""How often intervals hold the truth: made studies, the two intervals on them, and the step."""

import numpy as np
import pytest
from steps_path import load_step

from loci.bench.statistics import wilson
from loci.errors import UserError
from loci.results import read_result

STEP = load_step("measure_coverage")
KEYS = {f"coverage.{name}.u{users}" for name in ("resampled", "student") for users in (2, 3, 5, 10, 30)}


def test_made_users_are_spread_as_asked():
    shares = STEP.drawn(np.random.default_rng(1), 4000, 400, 0.8, 0.1).mean(1)
    alike = STEP.drawn(np.random.default_rng(1), 4000, 400, 0.8, 0.0).mean(1)
    assert shares.mean() == pytest.approx(0.8, abs=0.01) and alike.mean() == pytest.approx(0.8, abs=0.01)
    of_questions = 0.8 * 0.2 / 400  # variance of a mean of 400 answers
    assert alike.var() == pytest.approx(of_questions, rel=0.15)
    assert shares.var() == pytest.approx(0.1**2 + (0.8 * 0.2 - 0.1**2) / 400, rel=0.1)


def test_intervals_of_a_study_worked_by_hand():
    answers = np.array([[True, True, False, False], [True, True, True, True]])  # means 0.5 and 1
    assert STEP.resampled_interval(answers) == (0.5, 1.0), "a quarter of the resamples takes the first user twice"
    low, high = STEP.student_interval(answers)
    assert (low + high) / 2 == pytest.approx(0.75) and high - low == pytest.approx(2 * 12.7062 * 0.25, rel=1e-4)
    alike = np.array([[True, False], [True, False]])
    assert STEP.resampled_interval(alike) == STEP.student_interval(alike) == pytest.approx(wilson(0.5, 4))


def test_few_users_are_not_covered_and_many_are():
    few, many = (STEP.covered(users, 18, 0.5, 0.1, 150) for users in (2, 30))
    assert few["resampled"][0] < 0.85 * 150 < 0.9 * 150 < few["student"][0]
    assert many["resampled"][0] > 0.85 * 150 and few["student"][1] > 2 * few["resampled"][1]


def test_the_step_counts_what_it_tried_and_repeats_itself(tmp_path):
    files = [tmp_path / name / "c.json" for name in ("one", "two")]
    for path in files:
        STEP.main(["--trials", "3", "--out", str(path)])
    one, two = (read_result(path) for path in files)
    assert set(one["metrics"]) == KEYS and all(entry["n"] == 3 * 8 for entry in one["metrics"].values())
    assert (one["metrics"], one["items"]) == (two["metrics"], two["items"])
    for key, entry in one["metrics"].items():
        _, name, users = key.split(".")
        cells = [item["coverage"] for item in one["items"] if (item["interval"], f"u{item['users']}") == (name, users)]
        assert len(cells) == 8 and entry["value"] == pytest.approx(sum(cells) / 8, abs=1e-5)
    with pytest.raises(UserError, match="--trials: is 0"):
        STEP.main(["--trials", "0", "--out", str(tmp_path / "no.json")])
