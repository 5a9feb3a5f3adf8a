"""How much two texts end alike: longest shared suffixes, in whatever units an address is made of.

A memory that is addressed by the last n tokens cannot tell two triggers apart whose last n tokens are equal, and fires
on a question that happens to hold those tokens. Both are facts about texts and a tokenizer, so they are computed here
and never labelled by hand. Units are whatever `encode` returns for a text: token ids of a model, or words.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Encode = Callable[[str], Sequence[Hashable]]


def words(text: str) -> list[str]:
    """The units to use without a tokenizer: what stands between spaces, case folded."""
    return text.casefold().split()


def shared_suffix(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """Number of units at the end that two sequences have in common."""
    length = 0
    for one, other in zip(reversed(left), reversed(right), strict=False):
        if one != other:
            break
        length += 1
    return length


def sharing(sequences: Iterable[Sequence[Hashable]]) -> list[int]:
    """For each sequence, the longest suffix that any other one has too; equal sequences share their whole length."""
    sequences = [tuple(ids) for ids in sequences]
    # Sorted from their ends, one of a sequence's two neighbours is the one that agrees with it longest.
    codes = _codes(sequences)
    backwards = [[codes[unit] for unit in reversed(ids)] for ids in sequences]
    order = sorted(range(len(sequences)), key=lambda at: backwards[at])
    longest = [0] * len(sequences)
    for left, right in pairwise(order):
        length = shared_suffix(sequences[left], sequences[right])
        longest[left], longest[right] = max(longest[left], length), max(longest[right], length)
    return longest


@dataclass(frozen=True, slots=True)
class Endings:
    """How some texts end, in units. longest: {length: how many texts share a suffix of just that length with another}.
    distinct: {order: how many of them an address of the last `order` units can tell apart}.
    """

    longest: dict[int, int]
    distinct: dict[int, int]


def endings(texts: Iterable[str], encode: Encode, orders: Iterable[int]) -> Endings:
    """The endings of `texts` as `encode` cuts them; a text shorter than an order counts with what it has."""
    sequences = [tuple(encode(text)) for text in texts]
    longest = Counter(sharing(sequences))
    return Endings(dict(sorted(longest.items())), {order: len({ids[-order:] for ids in sequences}) for order in orders})


class SuffixIndex:
    """All suffixes of some sequences, to find the longest one that another sequence ends with or holds."""

    def __init__(self, sequences: Iterable[Sequence[Hashable]]):
        self._suffixes = {tuple(ids[-length:]) for ids in sequences for length in range(1, len(ids) + 1)}

    def at_end(self, ids: Sequence[Hashable]) -> int:
        """Longest suffix of `ids` that is a suffix of an indexed sequence too."""
        length = 0
        # A suffix of a suffix is indexed as well, so the first miss ends the search.
        while length < len(ids) and tuple(ids[-length - 1 :]) in self._suffixes:
            length += 1
        return length

    def anywhere(self, ids: Sequence[Hashable]) -> int:
        """Longest suffix of an indexed sequence that stands anywhere in `ids`: what an address could fire on."""
        return max((self.at_end(ids[:end]) for end in range(1, len(ids) + 1)), default=0)


def _codes(sequences: list[tuple[Hashable, ...]]) -> dict[Hashable, int]:
    """A number for each unit, by first occurrence: units need not be sortable among themselves."""
    codes: dict[Hashable, int] = {}
    for ids in sequences:
        for unit in ids:
            codes.setdefault(unit, len(codes))
    return codes
