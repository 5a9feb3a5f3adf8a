"""How often intervals hold the truth: made studies, the two intervals on them, and the step."""

import numpy as np
import pytest
from steps_path import load_step

from loci.bench.statistics import wilson
from loci.errors import UserError
from loci.results import read_result

STEP = load_step("measure_coverage")
NAMES, USERS = ("share", "student", "resampled", "difference"), (2, 3, 5, 10, 30)
KEYS = {f"coverage.{name}.u{users}{part}" for name in NAMES for users in USERS for part in ("", ".uneven")}


def test_made_users_are_spread_as_asked():
    spread, others = STEP.drawn(np.random.default_rng(1), 4000, 400, 0.8, 0.1)
    shares, alike = spread.mean(1), STEP.drawn(np.random.default_rng(1), 4000, 400, 0.8, 0.0)[0].mean(1)
    assert np.corrcoef(shares, others.mean(1))[0, 1] > 0.9 and not np.array_equal(spread, others), "users alike, answers not"
    assert shares.mean() == pytest.approx(0.8, abs=0.01) and alike.mean() == pytest.approx(0.8, abs=0.01)
    of_questions = 0.8 * 0.2 / 400  # variance of a mean of 400 answers
    assert alike.var() == pytest.approx(of_questions, rel=0.15)
    assert shares.var() == pytest.approx(0.1**2 + (0.8 * 0.2 - 0.1**2) / 400, rel=0.1)


def test_intervals_of_a_study_worked_by_hand():
    answers = np.array([[True, True, False, False], [True, True, True, True]])  # means 0.5 and 1
    assert STEP.resampled_interval(answers) == (0.5, 1.0), "a quarter of the resamples takes the first user twice"
    low, high = STEP.student_interval(answers)
    assert (low, high) == (0.0, 1.0), "0.75 and 12.7 times 0.25 to either side, cut"
    alike = np.array([[True, False], [True, False]])
    assert STEP.resampled_interval(alike) == STEP.student_interval(alike) == pytest.approx(wilson(0.5, 4))
    assert STEP.share_interval(alike)[0] < wilson(0.5, 4)[0], "two users: Student's quantile"
    low, high = STEP.difference_interval(answers, answers[::-1])
    assert (low, high) == (-1.0, 1.0), "0 and 6.35 to either side, cut"


def test_few_users_are_not_covered_and_many_are():
    few, many = (STEP.covered(users, 18, 0.5, 0.1, 150) for users in (2, 30))
    assert few["resampled"][0] < 0.85 * 150 < 0.9 * 150 < few["student"][0]
    assert many["resampled"][0] > 0.85 * 150 and few["student"][1] > 2 * few["resampled"][1]
    assert min(found[name][0] for found in (few, many) for name in ("share", "difference")) > 0.9 * 150


def test_the_step_counts_what_it_tried_and_repeats_itself(tmp_path):
    files = [tmp_path / name / "c.json" for name in ("one", "two")]
    for path in files:
        STEP.main(["--trials", "3", "--out", str(path)])
    one, two = (read_result(path) for path in files)
    assert set(one["metrics"]) == KEYS
    assert all(entry["n"] == 3 * (1 if key.endswith("uneven") else 18) for key, entry in one["metrics"].items())
    assert (one["metrics"], one["items"]) == (two["metrics"], two["items"])
    for key, entry in one["metrics"].items():
        _, name, users, *part = key.split(".")
        cells = [item for item in one["items"] if (item["interval"], f"u{item['users']}") == (name, users)]
        hardest = {"questions": 18, "mean": 0.95, "spread": 0.1}
        cells = [cell["coverage"] for cell in cells if not part or cell.items() >= hardest.items()]
        assert len(cells) == (1 if part else 18) and entry["value"] == pytest.approx(sum(cells) / len(cells), abs=1e-5)
    with pytest.raises(UserError, match="--trials: is 0"):
        STEP.main(["--trials", "0", "--out", str(tmp_path / "no.json")])
