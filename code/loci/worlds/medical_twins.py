"""Twins of the medical world: two patients whose values make the same questions have different answers."""

import random
from itertools import product

from loci.worlds.balance import Coupling, Law, same, uniform_law
from loci.worlds.plans import World
from loci.worlds.pools import Option
from loci.worlds.years import TwinYears

Pair = tuple[Option, Option]
BODY_MASS = range(21, 31)  # kilograms a square meter, rounded
HIGH = (140, 90)  # systolic, diastolic: either of them makes blood pressure high
_PULSE = range(25, 76)  # systolic minus diastolic, in mmHg
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def body_mass(kilograms: int, centimeters: int) -> float:
    """Body mass index: kilograms a square meter."""
    return kilograms / (centimeters / 100) ** 2


def month_after(month: str, months: int) -> str:
    """The month so many months later (earlier where negative)."""
    return MONTHS[(MONTHS.index(month) + months) % 12]


def is_high(systolic: int, diastolic: int) -> bool:
    """Whether blood pressure is high by the limits that the question states."""
    return systolic >= HIGH[0] or diastolic >= HIGH[1]


class MedicalTwins:
    """Draws the values of twins of one split. Each twin on its own is drawn uniformly from every pool."""

    def __init__(self, world: World, split: str):
        self._pools = world.pools[split]
        self._option = {key: {option.raw: option for option in pool} for key, pool in self._pools.items()}
        self._years = TwinYears(world, split, ("birth_year", "spouse_year"), ("child_year", "diagnosis_year"))
        self._tied = {
            keys: coupling(f"{world.where}: keys {', '.join(keys)}", self._raw(keys)) for keys, coupling in _TIED.items()
        }

    def draw(self, rng: random.Random) -> dict[str, Pair]:
        """(value of one twin, value of the other) by key."""
        raw = self._years.draw(rng)
        for keys, coupling in self._tied.items():
            raw |= dict(zip(keys, zip(*coupling.draw(rng), strict=True), strict=True))
        pairs = {key: (self._option[key][one], self._option[key][other]) for key, (one, other) in raw.items()}
        pairs |= self._treatment(rng)
        return {key: pairs.get(key) or tuple(rng.sample(pool, 2)) for key, pool in self._pools.items()}

    def _raw(self, keys: tuple[str, str]) -> list[tuple]:
        return list(product(*([option.raw for option in self._pools[key]] for key in keys)))

    def _treatment(self, rng: random.Random) -> dict[str, Pair]:
        """One twin's main condition is the other's second; with medicines it is the other way round."""
        shared, own, theirs = rng.sample(self._pools["condition"], 3)
        shared_drug, own_drug, their_drug = rng.sample(self._pools["medicine"], 3)
        one = {"condition": shared, "second_condition": own, "medicine": own_drug, "second_medicine": shared_drug}
        other = {"condition": theirs, "second_condition": shared, "medicine": shared_drug, "second_medicine": their_drug}
        if rng.random() < 0.5:
            one, other = other, one
        return {key: (one[key], other[key]) for key in one}


def _doses(where: str, cells: list[tuple[int, int]]) -> Coupling:
    """The larger dose of one twin is the smaller of the other; a medicine that they share is dosed differently."""
    law = Law(cells := [cell for cell in cells if cell[0] != cell[1]], [1] * len(cells))
    unlike = [*same(_first, _second), (_first, _second), (_second, _first)]
    return Coupling(where, law, law, unlike, [lambda cell: (cell[0] < cell[1],)])


def _body(where: str, cells: list[tuple[int, int]]) -> Coupling:
    """Weight and height, with a body mass that is uniform once rounded, and a whole number between those of the twins."""
    law = uniform_law(where, [cell for cell in cells if _is_clear(body_mass(*cell))], [_first, _second, _rounded_mass])
    return Coupling(where, law, law, same(_first, _second, _rounded_mass, lambda cell: int(body_mass(*cell))))


def _blood_pressure(where: str, cells: list[tuple[int, int]]) -> Coupling:
    """High for half of all users, and for one of each two twins."""
    cells = [cell for cell in cells if cell[0] - cell[1] in _PULSE]
    law = uniform_law(where, cells, [_first, _second, lambda cell: is_high(*cell)])
    return Coupling(where, law, law, same(_first, _second), [lambda cell: (is_high(*cell),)])


def _check_ups(where: str, cells: list[tuple[str, int]]) -> Coupling:
    """The month of the next check-up and the months between two: the next but one and the last are in different months."""
    law = Law(cells, [1] * len(cells))
    return Coupling(
        where,
        law,
        law,
        same(_first, _second, *(lambda cell, sign=sign: month_after(cell[0], sign * cell[1]) for sign in (1, -1))),
    )


_TIED = {
    ("dose", "second_dose"): _doses,
    ("weight", "height"): _body,
    ("systolic", "diastolic"): _blood_pressure,
    ("next_visit", "follow_up_months"): _check_ups,
}


def _first(cell: tuple) -> object:
    return cell[0]


def _second(cell: tuple) -> object:
    return cell[1]


def _rounded_mass(cell: tuple[int, int]) -> int:
    return round(body_mass(*cell))


def _is_clear(mass: float) -> bool:
    """Whether it is in the range of BODY_MASS, and one decimal is enough to round it and to compare it to a whole number."""
    return round(mass) in BODY_MASS and abs(mass % 1 - 0.5) > 0.05 and 0.05 < mass % 1 < 0.95
