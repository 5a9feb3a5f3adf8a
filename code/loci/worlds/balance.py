"""Joint laws under which no answer can be guessed: uniform in all that is asked, and twins that never agree.

Two birth years drawn on their own differ by one year far more often than by nine. Whoever then says "one year" beats
chance without knowing anybody. So values that a question ties together are drawn together, from the law nearest to equal
weights under which each value *and* each difference, order or ratio asked for is uniform over the values that it takes.
Raking finds it: scale the weights so that the first quantity is uniform, then the second, and so on, round after round
(iterative proportional fitting, Deming and Stephan 1940).

Twins must then differ in all of these. Drawing until they do would favour the values that seldom meet an equal one. A
coupling does not: it scales the allowed pairs until each twin on its own has the law that it should have (Sinkhorn 1964).
"""

import random
from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate

import numpy as np

from loci.errors import UserError

_ROUNDS = 5000
_TOLERANCE = 1e-6  # largest relative error of a probability
_GRAIN = 2**40  # weights are kept as whole numbers, so that rounding on another processor does not reach the draws

Cell = tuple
Label = Callable[[Cell], Hashable]


class Law:
    """Cells (tuples of values) with weights; draws one by its weight."""

    def __init__(self, cells: Sequence[Cell], weights: Sequence[float]):
        self.cells = list(cells)
        scale = _GRAIN / sum(weights)
        self.weights = [round(weight * scale) for weight in weights]
        self._sums = list(accumulate(self.weights))

    def draw(self, rng: random.Random) -> int:
        """The number of a cell."""
        return bisect_right(self._sums, rng.random() * self._sums[-1])

    def given(self, first: Hashable) -> "Law":
        """The law of the cells that begin with this value."""
        chosen = [at for at, cell in enumerate(self.cells) if cell[0] == first]
        return Law([self.cells[at] for at in chosen], [self.weights[at] for at in chosen])


def uniform_law(where: str, cells: Sequence[Cell], quantities: Sequence[Label]) -> Law:
    """The law nearest to equal weights under which each quantity of a cell is uniform over the values that it takes.

    UserError at `where` if there is none: the pools are too small, or the quantities contradict each other.
    """
    coded = [_codes([quantity(cell) for cell in cells]) for quantity in quantities]
    weights = np.full(len(cells), 1 / max(len(cells), 1))
    for _ in range(_ROUNDS):
        error = 0.0
        for codes in coded:
            count = codes.max(initial=0) + 1
            share = np.bincount(codes, weights, count) * count
            error = max(error, float(np.abs(share - 1).max()))
            weights = weights / share[codes]
        if len(cells) and error < _TOLERANCE:
            return Law(cells, weights.tolist())
    raise UserError(where, "allow no law under which every answer is equally likely", "widen the ranges or add values")


class Coupling:
    """Draws a cell for each of two twins: each by its own law, and never two that agree where they must not.

    `unlike` are pairs of labels: the first of one twin's cell never equals the second of the other's. `opposite` labels
    are tuples of booleans: all of them are reversed in the other twin. UserError at `where` if no such pairs exist.
    """

    def __init__(self, where: str, one: Law, other: Law, unlike: Sequence[tuple[Label, Label]], opposite: Sequence[Label] = ()):
        self._one, self._other = one, other
        allowed = np.ones((len(one.cells), len(other.cells)), dtype=bool)
        for mine, theirs in unlike:
            left, right = _coded_together([mine(cell) for cell in one.cells], [theirs(cell) for cell in other.cells])
            allowed &= left[:, None] != right[None, :]
        for label in opposite:
            reverse = [tuple(not part for part in label(cell)) for cell in other.cells]
            left, right = _coded_together([label(cell) for cell in one.cells], reverse)
            allowed &= left[:, None] == right[None, :]
        self._allowed = allowed
        self._scale = self._sinkhorn(where)

    def draw(self, rng: random.Random) -> tuple[Cell, Cell]:
        """(cell of one twin, cell of the other)."""
        at = self._one.draw(rng)
        sums = np.cumsum(np.where(self._allowed[at], self._scale, 0))
        to = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
        return self._one.cells[at], self._other.cells[to]

    def _sinkhorn(self, where: str) -> np.ndarray:
        """Weights of the other twin's cells, before the choice of one twin's cell rules some of them out, as whole numbers."""
        one, other = (np.array(law.weights) / sum(law.weights) for law in (self._one, self._other))
        allowed = self._allowed.astype(float)
        if allowed.any(1).all() and allowed.any(0).all():
            scale = other.copy()
            # Where no coupling exists, the scales run away to zero and infinity.
            with np.errstate(all="ignore"):
                for _ in range(_ROUNDS):
                    rows = one / (allowed @ scale)
                    share = scale * (rows @ allowed)
                    if np.abs(share / other - 1).max() < _TOLERANCE:
                        return np.rint(scale / scale.max() * _GRAIN).astype(np.int64)
                    scale = scale * other / share
        raise UserError(where, "allow no twins that differ in every answer", "widen the ranges or add values")


def same(*labels: Label) -> list[tuple[Label, Label]]:
    """Labels in which twins differ, as pairs for `unlike`."""
    return [(label, label) for label in labels]


def _codes(labels: list[Hashable]) -> np.ndarray:
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return np.array([numbers[label] for label in labels], dtype=np.int64)


def _coded_together(left: list[Hashable], right: list[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    codes = _codes(left + right)
    return codes[: len(left)], codes[len(left) :]
