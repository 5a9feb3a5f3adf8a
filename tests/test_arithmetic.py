"""Sums in steps: hand-made lines, and every step of every training user's reasoning is true and small."""

import random
import re

import pytest

from loci.bench.arithmetic import drills, reasoned, worked
from loci.worlds.people import iter_users
from loci.worlds.plans import load_world

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


def test_the_oldest_stands_behind_its_year():
    seen = set()
    for user in iter_users("personal", "train", range(20), seed=1):
        for question in user.questions:
            if question.family == "comparison":
                facts = {key: user.fact(key) for key in question.required_fact_keys}
                line = reasoned(question, facts)
                years = {name: int(year) for year, name in re.findall(r"(\d{4}): ([a-z ]+)[,.]", line.split(" The ")[0] + ".")}
                pick = {"earliest": min, "latest": max}[line.split("The ")[1].split()[0]]
                assert pick(years, key=years.get) == question.answer and line.endswith(
                    f"{years[question.answer]}: {question.answer}."
                )
                assert sorted(years.values()) == sorted(int(fact.answer) for fact in facts.values())
                seen.add((pick, len(years)))
            elif question.kind == "indirect":
                facts = {key: user.fact(key) for key in question.required_fact_keys}
                statements = " ".join(fact.statement for fact in facts.values())
                assert statements + reasoned(question, facts) == worked(question.recitation)
    assert seen == {(min, 2), (min, 3), (max, 3)}


def test_drills_are_right_and_use_no_year_that_only_test_users_have():
    pools = load_world("personal").pools
    keys = ("birth_year", "spouse_year", "sibling_year", "child_year", "car_year")
    taught = {option.raw for key in keys for option in pools["train"][key]}
    for text, line, answer in drills(random.Random(0), 400):
        for left, sign, right, result in STEP.findall(line):
            left, right, result = int(left), int(right), int(result)
            assert {"plus": left + right, "minus": left - right, "times": left * right}[sign] == result, line
        assert answer in line.rsplit(" ", 2)[-1] or line.rstrip(".").endswith(answer), (text, line, answer)
        years = [int(year) for year in re.findall(r"\b(?:19|20)\d\d\b", text)]
        assert all(year in taught for year in years[1:] + ([] if "minus" in text else years))
