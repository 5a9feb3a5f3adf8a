"""When something was, as texts say it: "7 May 2023", "May, 2023", "the Friday before 15 July 2023", "10 years ago".

A text names spans of days. An answer is right where everything it names lies in the span that the gold answer names: a finer
date is as right, a coarser one is not, a date without its year is not unless gold has none. What is said relative to the day of
speaking ("yesterday") names nothing, since an answer has no such day.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

from loci.bench.numbers import WORDS
from loci.worlds.locomo import MONTHS

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = {word: at for at, word in enumerate(WORDS, 1)} | {"a": 1, "an": 1}
_MONTH = rf"(?P<month>{'|'.join(f'{name}|{name[:3]}' for name in MONTHS)}|sept)\.?"
_DAY, _YEAR = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?", r"(?P<year>(?:19|20)\d\d)"
_FORMS = (  # the longest first: what one has taken is not read again
    rf"(?P<year>(?:19|20)\d\d)-(?P<number>\d{{1,2}})-{_DAY}",
    rf"{_DAY}(?: of)? ?{_MONTH},? ?{_YEAR}",  # LOCOMO has "6October, 2022"
    rf"{_MONTH} {_DAY},? ?{_YEAR}",
    rf"{_MONTH},?(?: of)? {_YEAR}",
    rf"{_DAY}(?: of)? ?{_MONTH}",
    rf"{_MONTH} {_DAY}",
    _YEAR,
    _MONTH,
)
_UNITS = (*_WEEKDAYS, "weekend", "week", "day", "month", "year")
_BEFORE = re.compile(
    rf"(?:(?P<count>the|{'|'.join(_NUMBERS)}|\d{{1,2}}) )?(?P<unit>{'|'.join(_UNITS)})s?"
    r" (?P<way>before|after|of|prior to) (?:the )?$",
    re.IGNORECASE,
)
_LASTING = re.compile(rf"\b(?P<count>\d+|(?:a )?few|several|{'|'.join(_NUMBERS)}) (?P<unit>day|week|month|year|hour|minute)s?\b")


@dataclass(frozen=True)
class Span:
    """Days from `first` to `last`. yearless: the text named no year, and both lie in the leap year 2000."""

    first: date
    last: date
    yearless: bool = False

    def holds(self, other: "Span") -> bool:
        """Whether another span lies in this one; one with a year may lie in one without."""
        if self.yearless:
            other = Span(*(day.replace(year=self.first.year) for day in (other.first, other.last)), yearless=True)
        return self.yearless == other.yearless and self.first <= other.first and other.last <= self.last


def spans(text: str) -> list[Span]:
    """Every span of days that a text names, in no order."""
    return [span for span, _, _ in _located(text)]


def dated(text: str) -> str:
    """A text with every date in one form: "20230507" for a day, "20230501 to 20230531" for a month. A date without a year
    stays."""
    for span, begins, ends in sorted(_located(text), key=lambda found: -found[1]):
        if not span.yearless:
            days = dict.fromkeys(f"{day:%Y%m%d}" for day in (span.first, span.last))
            text = text[:begins] + " to ".join(days) + text[ends:]
    return text


def _located(text: str) -> list[tuple[Span, int, int]]:
    """(span, where its words begin, where they end) of every date in a text."""
    found, taken = [], [False] * len(text)
    for form in _FORMS:
        for match in re.finditer(rf"(?<![\w/]){form}(?![\w/])", text, re.IGNORECASE):
            begins, ends = match.span()
            alone = form == _MONTH and not match["month"][0].isupper()  # "it may be"
            if any(taken[begins:ends]) or alone or (span := _span(match.groupdict())) is None:
                continue
            taken[begins:ends] = [True] * (ends - begins)
            relative = None if span.yearless else _BEFORE.search(text[:begins])
            found.append((_moved(span, relative), relative.start(), ends) if relative else (span, begins, ends))
    return found


def lasting(text: str) -> set[tuple[str, str]]:
    """(how many, of what) of every length of time: {("10", "year")} of "ten years ago"."""
    said = re.sub(r"[^\w ]", " ", text.lower())
    return {(_counted(match["count"]), match["unit"]) for match in _LASTING.finditer(said)}


def same_time(prediction: str, gold: str) -> bool | None:
    """Whether an answer says when it was as the gold answer does; None where gold names neither date nor length of time."""
    wanted, said = spans(gold), spans(prediction)
    if wanted:
        held = all(any(one.holds(other) for one in wanted) for other in said)
        return bool(said) and held and all(any(one.holds(other) for other in said) for one in wanted)
    lengths = lasting(gold)
    return lasting(prediction) == lengths if lengths else None


def _span(parts: dict[str, str | None]) -> Span | None:
    """The days of a matched date; None where there is no such day."""
    year = int(parts["year"]) if parts.get("year") else 2000
    yearless = not parts.get("year")
    month = int(parts["number"]) if parts.get("number") else _month(parts.get("month"))
    try:
        if month is None:
            return Span(date(year, 1, 1), date(year, 12, 31))
        if parts.get("day"):
            day = date(year, month, int(parts["day"]))
            return Span(day, day, yearless)
        return Span(date(year, month, 1), date(year, month, monthrange(year, month)[1]), yearless)
    except ValueError:
        return None


def _month(name: str | None) -> int | None:
    return next((at for at, month in enumerate(MONTHS, 1) if month.startswith(name[:3].capitalize())), None) if name else None


def _moved(span: Span, relative: re.Match) -> Span:
    """ "Two weekends before" a span: the span that this names."""
    unit, way = relative["unit"].lower(), relative["way"].lower()
    count = int(_counted((relative["count"] or "one").lower().replace("the", "one")))
    if way == "of":
        monday = span.first - timedelta(span.first.weekday())
        return Span(monday, monday + timedelta(6)) if unit == "week" else span
    sign = 1 if way == "after" else -1
    edge = span.last if sign > 0 else span.first
    if unit in ("month", "year"):
        months = edge.year * 12 + edge.month - 1 + sign * count * (12 if unit == "year" else 1)
        year, month = months // 12, months % 12 + 1
        first, last = (month, month) if unit == "month" else (1, 12)
        return Span(date(year, first, 1), date(year, last, monthrange(year, last)[1]))
    if unit == "week":
        near, far = edge + timedelta(sign * (7 * (count - 1) + 1)), edge + timedelta(sign * 7 * count)
        return Span(min(near, far), max(near, far))
    if unit == "day":
        return Span(*2 * (edge + timedelta(sign * count),))
    return _weekday(edge, unit, sign, count)


def _weekday(edge: date, unit: str, sign: int, count: int) -> Span:
    """The `count`-th such day of the week, or weekend, before or after a day."""
    wanted = {"weekend": 6 if sign < 0 else 5}.get(unit, _WEEKDAYS.index(unit) if unit in _WEEKDAYS else 0)
    away = (sign * (wanted - edge.weekday()) - 1) % 7 + 1  # 1 to 7 days
    day = edge + timedelta(sign * (away + 7 * (count - 1)))
    if unit != "weekend":
        return Span(day, day)
    return Span(day - timedelta(1), day) if sign < 0 else Span(day, day + timedelta(1))


def _counted(word: str) -> str:
    return str(_NUMBERS.get(word.lower(), word.lower().removeprefix("a ")))
