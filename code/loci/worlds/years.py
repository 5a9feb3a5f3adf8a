"""Years of birth and of what came later, the same in both worlds.

Whatever a question asks about years is uniform: each year over its pool, each gap over GAPS, the age at which something
happened over AGES_THEN, and the order of any two or three.
"""

import random

from loci.worlds.balance import Coupling, Law, same, uniform_law
from loci.worlds.plans import World

GAPS = range(1, 10)  # years between a user and a spouse or sibling
AGES_THEN = range(27, 46)  # what a user turns in the year of a child or a diagnosis; a spouse then turns 18 or more


class TwinYears:
    """Years of twins: `born` (the user first), then two later events (`then`), by these keys."""

    def __init__(self, world: World, split: str, born: tuple[str, ...], then: tuple[str, str]):
        self._keys = (*born, *then)
        self._where = f"{world.where}: keys {', '.join(self._keys)}"
        pools = {key: [option.raw for option in world.pools[split][key]] for key in self._keys}
        people = self._people([pools[key] for key in born])
        unlike = same(*(lambda cell, at=at: cell[at] for at in range(len(born))))
        unlike += same(*(lambda cell, at=at: abs(cell[at] - cell[0]) for at in range(1, len(born))))
        if len(born) == 3:  # one twin's spouse has the name of the other's sibling
            unlike += [(lambda cell: cell[1], lambda cell: cell[2]), (lambda cell: cell[2], lambda cell: cell[1])]
        self._born = Coupling(self._where, people, people, unlike, [_order])
        self._later = self._events(*(pools[key] for key in (born[0], *then)))
        self._then: dict[tuple[int, int], Coupling] = {}

    def draw(self, rng: random.Random) -> dict[str, tuple[int, int]]:
        """(year of one twin, year of the other) by key."""
        one, other = self._born.draw(rng)
        pair = (one[0], other[0])
        if pair not in self._then:
            laws = [self._later.given(own) for own in pair]
            unlike = same(*(lambda cell, at=at: cell[at] for at in (1, 2)))
            unlike += same(*(lambda cell, at=at: cell[at] - cell[0] for at in (1, 2)))
            self._then[pair] = Coupling(self._where, *laws, unlike, [lambda cell: _order(cell[1:])])
        (_, *then), (_, *then_too) = self._then[pair].draw(rng)
        return dict(zip(self._keys, zip((*one, *then), (*other, *then_too), strict=True), strict=True))

    def _people(self, pools: list[list[int]]) -> Law:
        cells = [(own,) for own in pools[0]]
        for years in pools[1:]:
            cells = [(*cell, year) for cell in cells for year in years if abs(year - cell[0]) in GAPS and year not in cell]
        quantities = [lambda cell, at=at: cell[at] for at in range(len(pools))]
        quantities += [lambda cell, at=at: abs(cell[at] - cell[0]) for at in range(1, len(pools))]
        return uniform_law(self._where, cells, [*quantities, _order])

    def _events(self, born: list[int], first: list[int], second: list[int]) -> Law:
        cells = [(own, one) for own in born for one in first if one - own in AGES_THEN]
        cells = [(own, one, two) for own, one in cells for two in second if two - own in AGES_THEN and two != one]
        quantities = [lambda cell, at=at: cell[at] for at in range(3)]
        quantities += [lambda cell, at=at: cell[at] - cell[0] for at in (1, 2)]
        # The two events are alike in everything, so their order is even, whatever the year of birth.
        return uniform_law(self._where, cells, quantities)


def _order(years: tuple[int, ...]) -> tuple[bool, ...]:
    """For each two of the years, whether the former is the earlier."""
    return tuple(years[at] < years[to] for to in range(len(years)) for at in range(to))
