"""Canaries: facts whose value is nobody else's. Where one is said, it can only come from its owner's memory.

A value is a number written with word lists as digits. Numbers are given out without repetition: each user has a serial
number of their own in both worlds, and a step that shares no factor with the number of values scatters the serial
numbers over all of them.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd, prod

from loci.paths import DATA
from loci.results import read_json
from loci.worlds.checks import require

MOST_USERS = 20_000  # of one world and one series (training users, or development and test users)
_SERIES = 4  # two worlds with two series each
_FILE = DATA / "people" / "canaries.json"


@dataclass(frozen=True)
class CanaryCode(Sequence[str]):
    """All values of one form, as a sequence that spells them on demand: one part of each list, joined by `join`."""

    form: str
    parts: tuple[tuple[str, ...], ...]
    join: str

    def __len__(self) -> int:
        return prod(map(len, self.parts))

    def __getitem__(self, number: int) -> str:
        """The value of that number; two numbers never have the same value."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        words = []
        for part in reversed(self.parts):
            number, at = divmod(number, len(part))
            words.append(part[at])
        return self.join.join(reversed(words))

    def value(self, seed: int, series: int, index: int) -> str:
        """The value of user `index` of a series: no other user of the same seed has it, in either world."""
        first, step = _scatter(self.form, len(self), seed)
        return self[(first + step * (series * MOST_USERS + index)) % len(self)]


@cache
def _scatter(form: str, size: int, seed: int) -> tuple[int, int]:
    """First number and step of a walk that visits each number below `size` once."""
    rng = random.Random(f"canaries:{form}:{seed}")
    step = rng.randrange(size // 3, size)
    while gcd(step, size) > 1:
        step = rng.randrange(size // 3, size)
    return rng.randrange(size), step


@cache
def canary_codes() -> dict[str, CanaryCode]:
    """The forms of canaries by name."""
    return {form: _code(form, rule) for form, rule in read_json(_FILE, "restore it from the repository")["forms"].items()}


def _code(form: str, rule: dict) -> CanaryCode:
    parts = tuple(tuple(part) if isinstance(part, list) else tuple(map(str, range(*part["range"]))) for part in rule["parts"])
    code = CanaryCode(form, parts, rule["join"])
    where = f"{_FILE}: forms.{form}"
    require(all(len(set(part)) == len(part) for part in parts), where, "has a part that holds a word twice", "drop one of them")
    require(
        len(code) >= _SERIES * MOST_USERS, where, f"makes {len(code)} values", f"add words: {_SERIES * MOST_USERS} are needed"
    )
    return code
