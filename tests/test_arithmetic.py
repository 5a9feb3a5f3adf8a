"""Sums in steps: hand-made lines, and every step of every training user's reasoning is true and small."""

import re

import pytest

from loci.bench.arithmetic import worked
from loci.worlds.people import iter_users

STEP = re.compile(r"(\d+) (plus|minus|times) (\d+) is (\d+)")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("2026 minus 1974 is 52.", "2020 minus 1970 is 50, 50 plus 6 is 56, 56 minus 4 is 52."),
        ("1974 minus 1970 is 4.", "1970 minus 1970 is 0, 0 plus 4 is 4, 4 minus 0 is 4."),
        (
            "I turn 80 in 2054, and 2054 minus 2006 is 48.",
            "I turn 80 in 2054, and 2050 minus 2000 is 50, 50 plus 4 is 54, 54 minus 6 is 48.",
        ),
        ("7:00 minus 18 minutes is 6:42.", "7:00 is 6:60, 60 minus 10 is 50, 50 minus 8 is 42, so it is 6:42."),
        ("9:35 plus 30 minutes is 10:05.", "35 plus 30 is 65, 65 minus 60 is 5, so it is 10:05."),
        ("9:35 plus 5 minutes is 9:40, which is", "35 plus 5 is 40, so it is 9:40, which is"),
        ("2 times 18 is 36.", "18 plus 10 is 28, 28 plus 8 is 36."),
        (
            "4 days with 2 trips of 18 minutes make 144.",
            "18 plus 10 is 28, 28 plus 8 is 36, 4 times 30 is 120, 4 times 6 is 24, 120 plus 20 is 140, 140 plus 4 is 144.",
        ),
        ("1973 is before 1974, so the answer is my spouse.", "1973 is before 1974, so the answer is my spouse."),
    ],
)
def test_lines_written_out(line, wanted):
    assert worked(line) == wanted


def test_every_step_is_true_and_the_last_one_says_the_answer():
    seen = 0
    for user in iter_users("personal", "train", range(60), seed=3):
        for question in user.questions:
            line = worked(question.recitation)
            for left, sign, right, result in STEP.findall(line):
                left, right, result = int(left), int(right), int(result)
                assert {"plus": left + right, "minus": left - right, "times": left * right}[sign] == result, line
                assert sign == "times" or right % 10 == 0 or right < 10, line
                seen += 1
            if question.family in ("age", "multi") or question.key in ("commute.leave", "commute.week"):
                assert line.rstrip(".").endswith(f" is {question.answer}"), line
    assert seen > 3000
