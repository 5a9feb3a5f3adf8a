"""Draws for generators that draw millions of times: a third of the time of `random.choice` and `random.sample`."""

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")


def pick(rng: random.Random, items: Sequence[_T]) -> _T:
    """One of the items, all equally likely."""
    return items[int(rng.random() * len(items))]


def between(rng: random.Random, least: int, most: int) -> int:
    """A whole number from `least` to `most`, both included."""
    return least + int(rng.random() * (most - least + 1))


def weighted(rng: random.Random, items: Sequence[_T], cumulative: Sequence[float]) -> _T:
    """One of the items by their cumulative weights."""
    return items[bisect_right(cumulative, rng.random() * cumulative[-1], hi=len(items) - 1)]


def shuffled(rng: random.Random, items: Sequence[_T]) -> Iterator[_T]:
    """All items in random order, drawn one by one: whoever stops early pays for what was taken."""
    left = list(items)
    while left:
        place = int(rng.random() * len(left))
        left[place], left[-1] = left[-1], left[place]
        yield left.pop()
