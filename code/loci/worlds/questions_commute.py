"""Questions about the way to work. Times are minutes since midnight inside, and "7:05" in questions and answers.

The pools see to it that every answer is reached in one way only. Shifts start on the hour or half past, and no two commutes
are half an hour apart, so each time to leave belongs to one start and one commute. No commute is a multiple of four
minutes, so three days of travel never take as long as four days of a shorter way.
"""

import random

from loci.worlds.pools import clock, clock_units, time_variants
from loci.worlds.variants import Facts, Slots, Solved, Variant, number, two, yes_no

_START, _WAY = "work_start", "commute_min"
_MINUTES = ("minutes", "min")
_SET_OUT = range(5 * 60, 16 * 60, 5)


def commute_variants() -> tuple[Variant, ...]:
    """The family commute."""
    return (
        Variant("commute.leave", (_START, _WAY), _leave, lambda pools: len(pools[_START]) * len(pools[_WAY])),
        Variant("commute.round_trip", (_WAY,), _round_trip, lambda pools: len(pools[_WAY])),
        Variant("commute.week", ("workdays", _WAY), _week, lambda pools: 2 * len(pools[_WAY])),
        Variant("commute.on_time", (_START, _WAY), _on_time, two, _time_between),
        Variant("commute.arrive", (_WAY,), _arrive, lambda pools: len(pools[_WAY]), _any_time),
    )


def _minutes(facts: Facts) -> tuple[int, int]:
    return clock_units(facts[_START].raw), facts[_WAY].raw


def _time(time: int, needs: tuple[str, ...], **fields: object) -> Solved:
    text = clock(time)
    return Solved(text, needs, time_variants(text), fields=fields)


def _leave(facts: Facts, _slots: Slots) -> Solved:
    start, way = _minutes(facts)
    return _time(start - way, (_START, _WAY), start=clock(start), minutes=way)


def _round_trip(facts: Facts, _slots: Slots) -> Solved:
    return number(2 * facts[_WAY].raw, (_WAY,), _MINUTES, minutes=facts[_WAY].raw)


def _week(facts: Facts, _slots: Slots) -> Solved:
    way, count = facts[_WAY].raw, len(facts["workdays"].raw)
    return number(2 * count * way, ("workdays", _WAY), _MINUTES, minutes=way, count=count)


def _time_between(one: Facts, other: Facts, rng: random.Random) -> Slots:
    low, high = sorted(start - way for start, way in map(_minutes, (one, other)))
    return {"time": clock(rng.randrange(low + 1, high))}


def _on_time(facts: Facts, slots: Slots) -> Solved:
    start, way = _minutes(facts)
    arrival = clock_units(slots["time"]) + way
    return yes_no(arrival < start, (_START, _WAY), arrival=clock(arrival), start=clock(start), minutes=way)


def _any_time(_one: Facts, _other: Facts, rng: random.Random) -> Slots:
    return {"time": clock(rng.choice(_SET_OUT))}


def _arrive(facts: Facts, slots: Slots) -> Solved:
    return _time(clock_units(slots["time"]) + facts[_WAY].raw, (_WAY,), minutes=facts[_WAY].raw)
