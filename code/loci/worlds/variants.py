"""Questions that need a computation: what every one of them consists of, and the parts that both worlds share.

A question is put to twins: two users who are asked the same text and have different answers. So its slots (a day, a
dish, a limit) are chosen from the values of both, treating them alike. The text then tells nothing about which of the
two is asked: a yes-no question is answered with yes by one and with no by the other, whatever stands in its slots.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loci.worlds.pools import Option

NOW_YEAR = 2026
LATER = range(2027, 2046)  # years of questions about the future
Facts = dict[str, Option]  # one user's values by key
Slots = dict[str, object]
Pools = dict[str, tuple[Option, ...]]
YEARS, MILLIGRAMS = ("years", "years old"), ("milligrams", "mg")
_CALLED = {  # who or what has a name of its own, and the key of that name
    "my spouse": "spouse_name",
    "my sibling": "sibling_name",
    "my child": "child_name",
    "my car": "car",
    "my main medicine": "medicine",
    "my second medicine": "second_medicine",
}
_WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven")


@dataclass(frozen=True, slots=True)
class Solved:
    """The answer for one user, the facts that it needs in the order in which they are recited, and the reasoning.

    `case` picks the line of reasoning where there are several; `fields` fill its gaps, with the slots and the answer.
    """

    answer: str
    needs: tuple[str, ...]
    accepted: tuple[str, ...] = ()  # further ways to say the answer
    case: str = ""
    fields: dict[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Variant:
    """One computation: "age.spouse". `touches` are all fact keys that it can need; `answers` counts what can come out."""

    name: str
    touches: tuple[str, ...]
    solve: Callable[[Facts, Slots], Solved]
    answers: Callable[[Pools], int]
    slots: Callable[[Facts, Facts, random.Random], Slots] = lambda one, other, rng: {}


def two(_pools: Pools) -> int:
    """Answers of a question with two ways to go."""
    return 2


def yes_no(holds: bool, needs: tuple[str, ...], **fields: object) -> Solved:
    """The answer "Yes" or "No"."""
    answer = "Yes" if holds else "No"
    return Solved(answer, needs, case=answer, fields=fields)


def number(value: int, needs: tuple[str, ...], units: tuple[str, ...] = (), **fields: object) -> Solved:
    """A whole number as the answer; one of `units` ("minutes") may follow it, and a small number may be a word."""
    said = [str(value)] + ([_WORDS[value]] if 0 <= value < len(_WORDS) else [])
    accepted = [f"{text} {unit}" for text in said for unit in units] + said[1:]
    return Solved(str(value), needs, tuple(accepted), fields=fields)


def lookup(name: str, key: str) -> Variant:
    """One stored value, asked for by a situation in which it is needed."""

    def solve(facts: Facts, _slots: Slots) -> Solved:
        return Solved(facts[key].answer, (key,), facts[key].accepted)

    return Variant(name, (key,), solve, lambda pools: len(pools[key]))


def age(name: str, key: str, later: range = range(0)) -> Variant:
    """Years from a stored year to the end of this year, or of a year in `later`."""

    def slots(_one: Facts, _other: Facts, rng: random.Random) -> Slots:
        return {"year": rng.choice(later)} if later else {}

    def solve(facts: Facts, slots: Slots) -> Solved:
        born = facts[key].raw
        return number(slots.get("year", NOW_YEAR) - born, (key,), YEARS, born=born)

    return Variant(name, (key,), solve, lambda pools: len(pools[key]), slots)


def gap(name: str, keys: tuple[str, str], answers: range) -> Variant:
    """Years between two stored years; their joint law makes each of `answers` equally likely."""

    def solve(facts: Facts, _slots: Slots) -> Solved:
        early, late = sorted(facts[key].raw for key in keys)
        return number(late - early, keys, ("years",), early=early, late=late)

    return Variant(name, keys, solve, lambda _pools: len(answers))


def first_of(name: str, phrases: dict[str, str], pick: Callable = min) -> Variant:
    """Which of two or three has the least (or, with `pick` max, the greatest) value. `phrases`: how it is called -> key."""
    keys = tuple(phrases.values())
    places = ("first", "second", "third")

    def slots(_one: Facts, _other: Facts, rng: random.Random) -> Slots:
        return dict(zip(places, rng.sample(list(phrases), len(phrases)), strict=False))

    def solve(facts: Facts, _slots: Slots) -> Solved:
        values = {phrase: facts[key].raw for phrase, key in phrases.items()}
        answer = pick(values, key=values.get)
        low, high = min(values.values()), max(values.values())
        fields = {"early": low, "late": high, "least": low, "most": high}
        return Solved(answer, keys, _names_of(answer, facts), fields=fields)

    return Variant(name, keys, solve, lambda _pools: len(phrases), slots)


def above(name: str, key: str) -> Variant:
    """Whether a stored number lies above a limit; the limit falls between the twins' numbers."""

    def slots(one: Facts, other: Facts, rng: random.Random) -> Slots:
        low, high = sorted((one[key].raw, other[key].raw))
        return {"limit": rng.randrange(low, high)}

    def solve(facts: Facts, slots: Slots) -> Solved:
        return yes_no(facts[key].raw > slots["limit"], (key,), value=facts[key].raw)

    return Variant(name, (key,), solve, two, slots)


def exposure(name: str, key: str, things: dict[str, Sequence[str]], allowed: bool) -> Variant:
    """Whether a thing is fine with an allergy (`allowed`) or ruled out by it; the thing belongs to one twin's allergy."""
    group_of = {thing: group for group, members in things.items() for thing in members}

    def slots(one: Facts, other: Facts, rng: random.Random) -> Slots:
        return {"thing": rng.choice(things[rng.choice((one, other))[key].raw])}

    def solve(facts: Facts, slots: Slots) -> Solved:
        group, mine = group_of[slots["thing"]], facts[key].raw
        return yes_no((group == mine) != allowed, (key,), ingredient=group, group=mine)

    return Variant(name, (key,), solve, two, slots)


def _names_of(answer: str, facts: Facts) -> tuple[str, ...]:
    """Further ways to say who or what is meant."""
    if answer == "me":
        return ("I", "I am", "myself")
    if answer not in _CALLED:
        return (answer.removeprefix("my "),)
    name = facts[_CALLED[answer]].answer
    return (answer.removeprefix("my "), name, f"{answer} {name}")
