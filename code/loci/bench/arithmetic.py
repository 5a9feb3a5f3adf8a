"""Reasoning written out in steps that a small model can take, and sums to practise them.

A model of 135M parameters does not learn "2026 minus 1974 is 52" as one step (it has to know the borrow before it has said a
digit). The sum is said first, so that its numbers are copied while the question is near; then tens, then ones, and each step says
its result, so that the next one starts from a number that stands there. Days are counted one by one. Who is the oldest is told by
a list of years with names behind them: whoever has found the year finds the name behind it.
"""

import random
import re

from loci.worlds.plans import load_world
from loci.worlds.records import Fact, Question

_CALLED = {
    "birth_year": "me",
    "spouse_year": "my spouse",
    "sibling_year": "my sibling",
    "child_year": "my child",
    "car_year": "my car",
}
_LATER = range(2000, 2046)
_DRILLS = {  # how often each kind is drawn: short steps that everything else rests on more often than whole sums
    "years": 3,
    "decades": 4,
    "ones": 4,
    "clock": 3,
    "double": 1,
    "week": 2,
    "order": 1,
    "before": 1,
    "among": 3,
    "both": 2,
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def reasoned(question: Question, facts: dict[str, Fact]) -> str:
    """The line of reasoning behind the recited sentences of a question, in steps. facts: the needed ones, by key."""
    needed = [facts[key] for key in question.required_fact_keys]
    if question.family == "comparison" and all(fact.key in _CALLED for fact in needed):
        return _ordered({_CALLED[fact.key]: int(fact.answer) for fact in needed}, question.answer)
    line = worked(question.recitation.removeprefix(" ".join(fact.statement for fact in needed)))
    return f"{_about_days(line, *map(_days_in, (fact.answer for fact in needed)))}{line}"


def drills(rng: random.Random, count: int) -> list[tuple[str, str, str]]:
    """(sum, steps, result) of the kinds that reasoning needs. Years and minutes are those that training users can have."""
    pools = load_world("personal").pools["train"]
    years = sorted({option.raw for key in _CALLED for option in pools[key]})
    minutes = [option.raw for option in pools["commute_min"]]
    out = []
    for kind in rng.choices(list(_DRILLS), list(_DRILLS.values()), k=count):
        if kind == "years":
            early = rng.choice(years)
            late = rng.choice([year for year in rng.choice((years, _LATER)) if year >= early])
            out.append(_drill(f"{late} minus {early}", f"is {late - early}", str(late - early)))
        elif kind == "decades":
            early = rng.choice(years) // 10 * 10  # a round number, whoever has that year
            late = rng.randrange(early, 2050, 10)
            out.append((f"{late} minus {early}", f"{late} minus {early} is {late - early}.", str(late - early)))
        elif kind == "ones":
            number, change = rng.randint(10, 99), rng.randint(1, 9)
            out.append((f"{number} minus {change}", f"{number} minus {change} is {number - change}.", str(number - change)))
        elif kind == "clock":
            now, change, sign = 60 * rng.randint(5, 11) + rng.randrange(60), rng.choice(minutes), rng.choice(("minus", "plus"))
            then = _time(now - change if sign == "minus" else now + change)
            out.append(_drill(f"{_time(now)} {sign} {change} minutes", f"is {then}", then))
        elif kind == "double":
            change = rng.choice(minutes)
            out.append(_drill(f"2 times {change}", f"is {2 * change}", str(2 * change)))
        elif kind == "week":
            days, change = rng.randint(2, 6), rng.choice(minutes)
            total = str(2 * days * change)
            out.append(_drill(f"{days} days with 2 trips of {change} minutes", f"make {total}", total))
        elif kind == "order":
            asked = dict(zip(rng.sample(list(_CALLED.values()), 3), rng.sample(years, 3), strict=True))
            what, pick = rng.choice((("earliest", min), ("latest", max)))
            answer = pick(asked, key=asked.get)
            text = f"the {what} of {', '.join(f'{year} of {name}' for name, year in asked.items())}"
            out.append((text, _ordered(asked, answer).lstrip(), answer))
        elif kind in ("among", "both"):
            day, work, lessons = rng.choice(_DAYS), _some_days(rng), _some_days(rng)
            among = [day in work, kind == "both" and day in lessons]
            asked, holds = (f"; {_listed(lessons)}", all(among)) if kind == "both" else ("", among[0])
            where = f"{'' if holds else 'not '}{'in both lists' if kind == 'both' else 'among these days'}"
            steps = _about_days(f"{day} is", work, lessons if kind == "both" else []).lstrip()
            line = f"{steps} {day} is {where}, so the answer is {_yes(holds)}."
            out.append((f"{day} among {_listed(work)}{asked}", line, _yes(holds).capitalize()))
        else:
            one, other = rng.sample(years, 2)
            is_, answer = ("is", "yes") if one < other else ("is not", "no")
            out.append((f"{one} before {other}", f"{one} {is_} before {other}, so the answer is {answer}.", answer.capitalize()))
    return out


def _drill(asked: str, is_: str, answer: str) -> tuple[str, str, str]:
    return asked, worked(f"{asked} {is_}."), answer


def _time(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _some_days(rng: random.Random) -> list[str]:
    return sorted(rng.sample(_DAYS, rng.randint(2, 5)), key=_DAYS.index)


def _listed(days: list[str]) -> str:
    return f"{', '.join(days[:-1])} and {days[-1]}"


def _days_in(value: str) -> list[str]:
    return [word for word in re.findall(r"\w+", value) if word in _DAYS]


def _about_days(line: str, *lists: list[str]) -> str:
    """What is to be looked up or counted in lists of days before `line` can be said: "" where that is nothing."""
    lists = [days for days in lists if days]
    if not lists or not line:
        return ""
    if re.search(r"That makes \d+ days|\d+ days with 2 trips", line):
        return f" {', '.join(f'{day} {at}' for at, day in enumerate(lists[0], 1))}."
    if "in both lists is" in line:
        work, lessons = lists
        return "".join(f" {day} at work: {_sought(day, work)}." for day in lessons)
    day = line.split()[0]
    if len(lists) == 1:
        return f" {day}: {_sought(day, lists[0])}."
    work, lessons = lists
    found = f"{day}: work {_yes(day in work)}, class {_yes(day in lessons)}"
    return f" {day} at work: {_sought(day, work)}. {day} in class: {_sought(day, lessons)}. {found}."


def _sought(day: str, days: list[str]) -> str:
    """A list of days compared with one of them, up to where it is found."""
    upto = days[: days.index(day) + 1] if day in days else days
    return ", ".join(f"{other} {_yes(other == day)}" for other in upto)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _ordered(years: dict[str, int], answer: str) -> str:
    """Names and their years, and the one of them that is the answer: the earliest, or else the latest."""
    listed = ", ".join(f"{year}: {name}" for name, year in years.items())
    what = "earliest" if years[answer] == min(years.values()) else "latest"
    return f" {listed}. The {what} is {years[answer]}: {answer}."


def worked(reasoning: str) -> str:
    """A line of reasoning with each difference of years, time of day and product in steps; all else as it was.

    "2026 minus 1974 is 52" becomes "2026 minus 1974: 2020 minus 1970 is 50, 50 plus 6 is 56, 56 minus 4 is 52".
    """
    for pattern, rule in _RULES:
        reasoning = pattern.sub(rule, reasoning)
    return reasoning


def _years(found: re.Match) -> str:
    late, early = int(found[1]), int(found[2])
    decades = late // 10 * 10 - early // 10 * 10
    steps = [f"{late // 10 * 10} minus {early // 10 * 10} is {decades}"]
    steps += [f"{decades} plus {late % 10} is {decades + late % 10}"]
    steps += [f"{decades + late % 10} minus {early % 10} is {late - early}"]
    return f"{late} minus {early}: {', '.join(steps)}"


def _turned(found: re.Match) -> str:
    age, year = int(found[1]), int(found[2])
    born = year - age
    tens = born // 10 * 10 + age // 10 * 10
    steps = [f"{born // 10 * 10} plus {age // 10 * 10} is {tens}"]
    for part in (born % 10, age % 10):
        steps.append(f"{tens} plus {part} is {tens + part}")
        tens += part
    return f"{born} plus {age}: {', '.join(steps)}. I turn {age} in {year}"


def _clock(found: re.Match) -> str:
    hour, minute, sign, minutes, result = int(found[1]), int(found[2]), found[3], int(found[4]), found[5]
    steps = []
    if sign == "minus" and minute < minutes:
        steps.append(f"{hour}:{minute:02d} is {hour - 1}:{minute + 60}")
        minute += 60
    total, more = _in_tens(minute, minutes, sign)
    steps += more
    if total >= 60:
        steps.append(f"{total} minus 60 is {total - 60}")
    return f"{found[1]}:{found[2]} {sign} {minutes} minutes: {', '.join(steps)}, so it is {result}"


def _double(found: re.Match) -> str:
    return f"Both ways: {', '.join(_in_tens(int(found[1]), int(found[1]), 'plus')[1])}"


def _week(found: re.Match) -> str:
    days, minutes = int(found[1]), int(found[2])
    both, steps = _in_tens(minutes, minutes, "plus")
    tens, ones = both // 10 * 10, both % 10
    steps += [f"{days} times {tens} is {days * tens}", f"{days} times {ones} is {days * ones}"]
    steps += _in_tens(days * tens, days * ones, "plus")[1]
    return f"{days} days with 2 trips of {minutes} minutes: {', '.join(steps)}"


def _in_tens(start: int, change: int, sign: str) -> tuple[int, list[str]]:
    """`start` plus or minus `change`, tens first, then ones: (result, the steps)."""
    total, steps = start, []
    for part in (change // 10 * 10, change % 10):
        if part or not change:
            then = total + part if sign == "plus" else total - part
            steps.append(f"{total} {sign} {part} is {then}")
            total = then
            if not change:
                break
    return total, steps


_RULES = (
    (re.compile(r"I turn (\d+) in (\d{4})"), _turned),
    (re.compile(r"(\d{4}) minus (\d{4}) is (\d+)"), _years),
    (re.compile(r"(\d+):(\d\d) (minus|plus) (\d+) minutes is (\d+:\d\d)"), _clock),
    (re.compile(r"\b2 times (\d+) is (\d+)"), _double),
    (re.compile(r"(\d+) days with 2 trips of (\d+) minutes make (\d+)"), _week),
)
