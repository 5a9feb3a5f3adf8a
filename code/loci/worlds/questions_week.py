"""Questions about the days of the week: work, class, and what the evening is for.

Twins work on opposite days, so any day tells them apart; their classes share exactly one day.
"""

import random

from loci.worlds.pools import DAYS
from loci.worlds.variants import Facts, Pools, Slots, Solved, Variant, number, two, yes_no

_WORK, _CLASS = "workdays", "activity_days"
_DAYS = ("days", "days a week", "times", "times a week")


def week_variants(classes: int) -> tuple[Variant, ...]:
    """The families day_set and routine; `classes` is how many different classes a user can have."""
    return (
        Variant("day_set.work", (_WORK,), _works, two, _any_day),
        Variant("day_set.off", (_WORK,), _is_off, two, _any_day),
        Variant("day_set.class", (_CLASS,), _has_class, two, _class_day_of_one),
        Variant("day_set.both", (_WORK, _CLASS), _has_both, two, _double_day_of_one),
        Variant("day_set.count", (_WORK,), _count_workdays, two),
        Variant("routine.class_on", (_CLASS, "activity"), _class_on, lambda _pools: classes + 1, _day_for(classes + 1)),
        Variant("routine.evening", (_CLASS, "activity", "hobby2"), _evening, _evenings, _class_day_of_one),
        Variant("routine.free", (_WORK, _CLASS), _is_free, two, _free_day_of_one),
        Variant("routine.overlap", (_WORK, _CLASS), _overlap, lambda _pools: 3),
    )


def _days(facts: Facts, key: str) -> set[str]:
    return set(facts[key].raw)


def _day_in(days: set[str], rng: random.Random) -> Slots:
    return {"day": rng.choice([day for day in DAYS if day in days])}


def _any_day(_one: Facts, _other: Facts, rng: random.Random) -> Slots:
    return _day_in(set(DAYS), rng)


def _class_day_of_one(one: Facts, other: Facts, rng: random.Random) -> Slots:
    return _day_in(_days(one, _CLASS) ^ _days(other, _CLASS), rng)


def _double_day_of_one(one: Facts, other: Facts, rng: random.Random) -> Slots:
    return _day_in(set().union(*(_days(facts, _WORK) & _days(facts, _CLASS) for facts in (one, other))), rng)


def _free_day_of_one(one: Facts, other: Facts, rng: random.Random) -> Slots:
    busy = [_days(facts, _WORK) | _days(facts, _CLASS) for facts in (one, other)]
    return _day_in(set(DAYS) - (busy[0] & busy[1]), rng)


def _day_for(answers: int):
    """The day that both have class, or rarely a class day of one alone: "none" is as likely as each class is."""

    def slots(one: Facts, other: Facts, rng: random.Random) -> Slots:
        if rng.random() * answers < 2:  # then one of the two answers "none"
            return _class_day_of_one(one, other, rng)
        return _day_in(_days(one, _CLASS) & _days(other, _CLASS), rng)

    return slots


def _works(facts: Facts, slots: Slots) -> Solved:
    return yes_no(slots["day"] in facts[_WORK].raw, (_WORK,))


def _is_off(facts: Facts, slots: Slots) -> Solved:
    return yes_no(slots["day"] not in facts[_WORK].raw, (_WORK,))


def _has_class(facts: Facts, slots: Slots) -> Solved:
    return yes_no(slots["day"] in facts[_CLASS].raw, (_CLASS,))


def _has_both(facts: Facts, slots: Slots) -> Solved:
    return yes_no(slots["day"] in _days(facts, _WORK) & _days(facts, _CLASS), (_WORK, _CLASS))


def _is_free(facts: Facts, slots: Slots) -> Solved:
    return yes_no(slots["day"] not in _days(facts, _WORK) | _days(facts, _CLASS), (_WORK, _CLASS))


def _count_workdays(facts: Facts, _slots: Slots) -> Solved:
    return number(len(facts[_WORK].raw), (_WORK,), _DAYS)


def _overlap(facts: Facts, _slots: Slots) -> Solved:
    return number(len(_days(facts, _WORK) & _days(facts, _CLASS)), (_WORK, _CLASS), _DAYS)


def _class_on(facts: Facts, slots: Slots) -> Solved:
    if slots["day"] in facts[_CLASS].raw:
        return Solved(facts["activity"].answer, (_CLASS, "activity"), facts["activity"].accepted)
    return Solved("none", (_CLASS, "activity"), ("no class", "nothing", "no"), "none")


def _evening(facts: Facts, slots: Slots) -> Solved:
    case = "class" if slots["day"] in facts[_CLASS].raw else "quiet"
    doing = facts["activity" if case == "class" else "hobby2"]
    return Solved(doing.answer, (_CLASS, "activity", "hobby2"), doing.accepted, case)


def _evenings(pools: Pools) -> int:
    return len(pools["activity"]) + len(pools["hobby2"])
