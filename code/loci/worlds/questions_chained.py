"""Chained questions: one stored fact tells which other fact is meant.

A name is asked about that is the spouse's for one twin and the sibling's for the other, or a medicine that is the main
one for one twin and the second one for the other. Whoever has no memory cannot even tell which fact to look for.
"""

import random
from collections.abc import Callable

from loci.worlds.variants import LATER, MILLIGRAMS, NOW_YEAR, YEARS, Facts, Pools, Slots, Solved, Variant, number, two, yes_no

Roles = dict[str, tuple[str, str]]  # what the name can be -> (key of the name, key of what is asked about it)
_RELATIVES: Roles = {"spouse": ("spouse_name", "spouse_year"), "sibling": ("sibling_name", "sibling_year")}
_TREATED: Roles = {"main": ("condition", "medicine"), "second": ("second_condition", "second_medicine")}
_DOSED: Roles = {"main": ("medicine", "dose"), "second": ("second_medicine", "second_dose")}
_DAYS = (5, 6, 8, 9, 12, 15, 20)


def relatives() -> tuple[Variant, ...]:
    """Birth years and ages of a person who is named."""
    return (
        _chained("chained.birth_year", _RELATIVES, _value),
        _chained("chained.age", _RELATIVES, _age),
        _chained("chained.age_then", _RELATIVES, _age, lambda _low, _high, rng: {"year": rng.choice(LATER)}),
        _chained("chained.before", _RELATIVES, _before, lambda low, high, rng: {"year": rng.randrange(low, high) + 1}, two),
    )


def treatments() -> tuple[Variant, ...]:
    """The medicine for a condition, and the dose of a medicine, that are named."""
    return (
        _chained("chained.medicine", _TREATED, _value),
        _chained("chained.dose", _DOSED, _value),
        _chained("chained.total", _DOSED, _total, lambda _low, _high, rng: {"n": rng.choice(_DAYS)}),
        _chained("chained.limit", _DOSED, _above, lambda low, high, rng: {"limit": rng.randrange(low, high)}, two),
    )


def _chained(
    name: str,
    roles: Roles,
    solve: Callable[[Facts, Slots, tuple[str, str], str], Solved],
    more: Callable[..., Slots] | None = None,
    answers: Callable[[Pools], int] | None = None,
) -> Variant:
    """`solve` gets the keys and the role of the name; `more` draws further slots from the two values asked about."""

    def slots(one: Facts, other: Facts, rng: random.Random) -> Slots:
        known = {other[key].raw for key, _ in roles.values()}
        chosen = {"name": rng.choice([one[key].raw for key, _ in roles.values() if one[key].raw in known])}
        if more is None:
            return chosen
        low, high = sorted(facts[roles[_role(roles, facts, chosen["name"])][1]].raw for facts in (one, other))
        return chosen | more(low, high, rng)

    def solve_for(facts: Facts, slots: Slots) -> Solved:
        role = _role(roles, facts, slots["name"])
        return solve(facts, slots, roles[role], role)

    asked = next(iter(roles.values()))[1]
    touches = tuple(key for keys in roles.values() for key in keys)
    return Variant(name, touches, solve_for, answers or (lambda pools: len(pools[asked])), slots)


def _role(roles: Roles, facts: Facts, name: object) -> str:
    return next(role for role, (key, _) in roles.items() if facts[key].raw == name)


def _value(facts: Facts, _slots: Slots, keys: tuple[str, str], role: str) -> Solved:
    asked = facts[keys[1]]
    return Solved(asked.answer, keys, asked.accepted, fields={"role": role})


def _age(facts: Facts, slots: Slots, keys: tuple[str, str], role: str) -> Solved:
    born = facts[keys[1]].raw
    return number(slots.get("year", NOW_YEAR) - born, keys, YEARS, born=born, role=role)


def _before(facts: Facts, slots: Slots, keys: tuple[str, str], role: str) -> Solved:
    born = facts[keys[1]].raw
    return yes_no(born < slots["year"], keys, born=born, role=role)


def _total(facts: Facts, slots: Slots, keys: tuple[str, str], role: str) -> Solved:
    dose = facts[keys[1]].raw
    return number(slots["n"] * dose, keys, MILLIGRAMS, dose=dose, role=role)


def _above(facts: Facts, slots: Slots, keys: tuple[str, str], role: str) -> Solved:
    dose = facts[keys[1]].raw
    return yes_no(dose > slots["limit"], keys, value=dose, role=role)
