"""Sums written out in steps that a small model can take: never more than one digit is added or taken away in a step.

A model of 135M parameters does not learn "2026 minus 1974 is 52" as one step (it has to know the borrow before it has said a
digit). Tens first, then ones, and each step says its result, so that the next one starts from a number that stands there.
"""

import re


def worked(reasoning: str) -> str:
    """A line of reasoning with each difference of years, time of day and product in steps; all else as it was.

    "2026 minus 1974 is 52" becomes "2020 minus 1970 is 50, 50 plus 6 is 56, 56 minus 4 is 52".
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
    return ", ".join(steps)


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
    return f"{', '.join(steps)}, so it is {result}"


def _double(found: re.Match) -> str:
    return ", ".join(_in_tens(int(found[1]), int(found[1]), "plus")[1])


def _week(found: re.Match) -> str:
    days, minutes = int(found[1]), int(found[2])
    both, steps = _in_tens(minutes, minutes, "plus")
    tens, ones = both // 10 * 10, both % 10
    steps += [f"{days} times {tens} is {days * tens}", f"{days} times {ones} is {days * ones}"]
    return ", ".join(steps + _in_tens(days * tens, days * ones, "plus")[1])


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
    (re.compile(r"(\d{4}) minus (\d{4}) is (\d+)"), _years),
    (re.compile(r"(\d+):(\d\d) (minus|plus) (\d+) minutes is (\d+:\d\d)"), _clock),
    (re.compile(r"\b2 times (\d+) is (\d+)"), _double),
    (re.compile(r"(\d+) days with 2 trips of (\d+) minutes make (\d+)"), _week),
)
