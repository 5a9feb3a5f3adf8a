"""Twins of the personal world: two users whose values make the same questions have different answers."""

import random
from itertools import combinations, permutations

from loci.worlds.balance import Coupling, Law, same
from loci.worlds.checks import require
from loci.worlds.plans import World
from loci.worlds.pools import DAYS, Option, clock_units
from loci.worlds.years import TwinYears

Pair = tuple[Option, Option]
_WEEKS = tuple(days for size in (3, 4) for days in combinations(DAYS, size))
_WAY = ("work_start", "commute_min")


class PersonalTwins:
    """Draws the values of twins of one split. Each twin on its own is drawn uniformly from every pool."""

    def __init__(self, world: World, split: str):
        self._pools = world.pools[split]
        self._option = {key: {option.raw: option for option in pool} for key, pool in self._pools.items()}
        same_size = len(self._pools["activity"]) == len(self._pools["hobby2"])
        what = "have pools of different sizes, so one of the two would be the better guess for an evening"
        require(same_size, f"{world.where}: keys activity, hobby2", what, "make them equally long")
        born = ("birth_year", "spouse_year", "sibling_year")
        self._years = TwinYears(world, split, born, ("child_year", "car_year"))
        self._way = self._way_to_work(f"{world.where}: keys {', '.join(_WAY)}")

    def draw(self, rng: random.Random) -> dict[str, Pair]:
        """(value of one twin, value of the other) by key."""
        way = dict(zip(_WAY, zip(*self._way.draw(rng), strict=True), strict=True))
        raw = {**self._years.draw(rng), **_days(rng), **self._names(rng), **way}
        pairs = {key: (self._option[key][one], self._option[key][other]) for key, (one, other) in raw.items()}
        return {key: pairs.get(key) or tuple(rng.sample(pool, 2)) for key, pool in self._pools.items()}

    def _names(self, rng: random.Random) -> dict[str, tuple[str, str]]:
        """One twin's spouse and the other's sibling have one name, and the other way round."""
        name, other = (option.raw for option in rng.sample(self._pools["spouse_name"], 2))
        return {"spouse_name": (name, other), "sibling_name": (other, name)}

    def _way_to_work(self, where: str) -> Coupling:
        starts, minutes = ([option.raw for option in self._pools[key]] for key in _WAY)
        cells = [(start, way) for start in starts for way in minutes]
        law = Law(cells, [1] * len(cells))
        unlike = same(lambda cell: cell[0], lambda cell: cell[1], _leave)
        # Two minutes or more apart, so that a time to set out lies between.
        unlike += [(_leave, lambda cell: _leave(cell) + 1), (lambda cell: _leave(cell) + 1, _leave)]
        return Coupling(where, law, law, unlike)


def _leave(cell: tuple[str, int]) -> int:
    """The latest minute at which to leave home."""
    return clock_units(cell[0]) - cell[1]


def _days(rng: random.Random) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Days of work and of class.

    Twins work on opposite days. Their classes share exactly one day, and differently many class days are working days:
    none, one or two, equally often. Renaming the days changes nothing about this law, so no day stands out in it.
    """
    work = rng.choice(_WEEKS)
    rest = tuple(day for day in DAYS if day not in work)
    doubles, doubles_too = rng.choice(tuple(permutations(range(3), 2)))
    # Of two different numbers the larger needs the shared day to be a working day of its twin, who works on `own`.
    own, off = (work, rest) if doubles > doubles_too else (rest, work)
    shared = rng.choice(own)
    own = tuple(day for day in own if day != shared)
    second = rng.choice(own if max(doubles, doubles_too) == 2 else off)
    second_too = rng.choice([day for day in (off if min(doubles, doubles_too) else own) if day != second])
    classes = [tuple(day for day in DAYS if day in (shared, extra)) for extra in (second, second_too)]
    return {"workdays": (work, rest), "activity_days": tuple(classes if doubles > doubles_too else reversed(classes))}
