"""Sums in steps: hand-made lines, and every step of every training user's reasoning is true and small."""

import random
import re

import pytest

from loci.bench.arithmetic import drills, reasoned, worked
from loci.worlds.people import iter_users
from loci.worlds.plans import load_world

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COUNTED = {"day_set.count", "commute.week"}
COMPARED = {"day_set.work", "day_set.off", "day_set.class", "routine.class_on", "routine.evening"}  # with one list
LOOKED_UP = COUNTED | COMPARED | {"routine.overlap", "day_set.both", "routine.free"}
STEP = re.compile(r"(\d+) (plus|minus|times) (\d+) is (\d+)")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("2026 minus 1974 is 52.", "2026 minus 1974: 2020 minus 1970 is 50, 50 plus 6 is 56, 56 minus 4 is 52."),
        ("1974 minus 1970 is 4.", "1974 minus 1970: 1970 minus 1970 is 0, 0 plus 4 is 4, 4 minus 0 is 4."),
        (
            "I turn 80 in 2054, and 2054 minus 2006 is 48.",
            "1974 plus 80: 1970 plus 80 is 2050, 2050 plus 4 is 2054, 2054 plus 0 is 2054. "
            "I turn 80 in 2054, and 2054 minus 2006: 2050 minus 2000 is 50, 50 plus 4 is 54, 54 minus 6 is 48.",
        ),
        (
            "7:00 minus 18 minutes is 6:42.",
            "7:00 minus 18 minutes: 7:00 is 6:60, 60 minus 10 is 50, 50 minus 8 is 42, so it is 6:42.",
        ),
        ("9:35 plus 30 minutes is 10:05.", "9:35 plus 30 minutes: 35 plus 30 is 65, 65 minus 60 is 5, so it is 10:05."),
        ("9:35 plus 5 minutes is 9:40, which is", "9:35 plus 5 minutes: 35 plus 5 is 40, so it is 9:40, which is"),
        ("2 times 18 is 36.", "Both ways: 18 plus 10 is 28, 28 plus 8 is 36."),
        (
            "4 days with 2 trips of 18 minutes make 144.",
            "4 days with 2 trips of 18 minutes: 18 plus 10 is 28, 28 plus 8 is 36, "
            "4 times 30 is 120, 4 times 6 is 24, 120 plus 20 is 140, 140 plus 4 is 144.",
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
                said = statements + reasoned(question, facts)
                written = worked(question.recitation)
                added = len(said) - len(written)
                assert said[: len(statements)] + said[len(statements) + added :] == written
                assert bool(added) == (question.key in LOOKED_UP), said
    assert seen == {(min, 2), (min, 3), (max, 3)}


def compared(day: str, said: str) -> list[tuple[str, str]]:
    """What a line says of each day it compares."""
    found = [tuple(one.split()) for one in said.split(", ")]
    assert all((other == day) == (verdict == "yes") for other, verdict in found), said
    return found


def until(day: str, days: list[str]) -> list[tuple[str, str]]:
    """A list of days compared with one, up to where it stands."""
    out = []
    for other in days:
        out.append((other, "yes" if other == day else "no"))
        if other == day:
            break
    return out


def test_days_are_looked_up_and_counted():
    seen = set()
    for user in iter_users("personal", "train", range(30), seed=2):
        days = {key: [day for day in DAYS if day in user.fact(key).answer] for key in ("workdays", "activity_days")}
        for question in user.questions:
            if question.key not in LOOKED_UP:
                continue
            line = reasoned(question, {key: user.fact(key) for key in question.required_fact_keys})
            if question.key in COUNTED:
                counted = dict(re.findall(r"(\w+day) (\d)[,.]", line.partition(". ")[0] + "."))
                assert counted == {day: str(at) for at, day in enumerate(days["workdays"], 1)}, line
            elif question.key == "routine.overlap":
                found = {day: compared(day, said) for day, said in re.findall(r"(\w+day) at work: ([^.]+)\.", line)}
                assert found == {day: until(day, days["workdays"]) for day in days["activity_days"]}, line
                assert [days[-1][1] for days in found.values()].count("yes") == int(question.answer)
            elif question.key in COMPARED:
                day, said = re.match(r" (\w+day): ([^.]+)\. ", line).groups()
                key = question.required_fact_keys[0]
                assert day in question.text and compared(day, said) == until(day, days[key]), line
            else:
                pattern = r" (\w+) at work: ([^.]+)\. \1 in class: ([^.]+)\. \1: work (yes|no), class (yes|no)\. "
                day, at_work, in_class, work, lesson = re.match(pattern, line).groups()
                assert day in question.text, line
                assert compared(day, at_work) == until(day, days["workdays"]), line
                assert compared(day, in_class) == until(day, days["activity_days"]), line
                assert (work == "yes", lesson == "yes") == (day in days["workdays"], day in days["activity_days"]), line
                wanted = work == lesson == ("yes" if question.key == "day_set.both" else "no")
                assert question.answer == ("Yes" if wanted else "No")
            seen.add(question.key)
    assert seen == LOOKED_UP


def test_drills_are_right_and_use_no_year_that_only_test_users_have():
    pools = load_world("personal").pools
    keys = ("birth_year", "spouse_year", "sibling_year", "child_year", "car_year")
    taught = {option.raw for key in keys for option in pools["train"][key]}
    kinds = set()
    for text, line, answer in drills(random.Random(0), 400):
        for left, sign, right, result in STEP.findall(line):
            left, right, result = int(left), int(right), int(result)
            assert {"plus": left + right, "minus": left - right, "times": left * right}[sign] == result, line
        assert line.rstrip(".").lower().endswith(answer.lower()), (text, line, answer)
        if "among" in text:
            day = text.split(" among ")[0]
            held = [day in one for one in re.findall(r"(?:\w+day, )*\w+day and \w+day", text.split(" among ")[1])]
            assert answer == ("Yes" if all(held) else "No"), text
            kinds.add(len(held))
            if len(held) == 2:
                work, lesson = ("yes" if one else "no" for one in held)
                assert line.startswith(f"{day} at work: ") and f". {day}: work {work}, class {lesson}. " in line, line
            else:
                assert compared(day, line.split(": ")[1].split(".")[0])[-1][1] == ("yes" if held[0] else "no"), line
        if "before" in text:
            assert answer == ("Yes" if text.split()[0] < text.split()[-1] else "No")
        years = [int(year) for year in re.findall(r"\b(?:19|20)\d\d\b", text)]
        rounded = "minus" in text and all(year % 10 == 0 for year in years)
        assert rounded or all(year in taught for year in years[1:] + ([] if "minus" in text else years))
    assert kinds == {1, 2}
