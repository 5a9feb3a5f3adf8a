"""Sentences as words, and the list of names that are known, with others made of the same parts."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_WORD = re.compile(r"\d+|\w+(?:-\w+)*|'s\b|[^\w\s]")
_LONGEST_NAME = 6  # words
_ENDS_WITH_S = frozenset({"weekday"})  # kinds that stand in the plural: "on Tuesdays"


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence cut into words and marks, with the place of each (characters)."""

    text: str
    words: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def between(self, first: int, last: int) -> str:
        """The text from word `first` up to, and without, word `last`."""
        return self.text[self.starts[first] : self.ends[last - 1]]


def words_of(text: str) -> Words:
    """The words of a sentence; "'s" is one of its own."""
    found = list(_WORD.finditer(text))
    return Words(text, tuple(one[0] for one in found), tuple(one.start() for one in found), tuple(one.end() for one in found))


@dataclass(frozen=True, slots=True)
class Span:
    """Words `first` to `last` (excluded) name something.

    scores: log-probability of each kind, in the order of the tagger. others: other kinds that are likely, with theirs. name: as
    in the list of names; '' where it is not listed.
    """

    first: int
    last: int
    kind: str
    scores: tuple[float, ...] = ()
    others: tuple[tuple[str, float], ...] = ()
    name: str = ""


class NameList:
    """Names with their kinds, found in a sentence from left to right, the longest first; case is ignored.

    A name is also one that begins like two known names of a kind and ends like two of them: "Amberline Mills", "Aldwick".
    """

    def __init__(self, names: Mapping[str, str]):
        self._kinds = {words_of(name.casefold()).words: kind for name, kind in names.items()}
        self.doubtful: frozenset[str] = frozenset()  # those that may be other words, in small letters
        self._names = {words_of(name.casefold()).words: name for name in names}
        begins: dict[tuple, set] = defaultdict(set)
        ends: dict[tuple, set] = defaultdict(set)
        for name, kind in names.items():
            for first, second in _cuts(words_of(name.casefold()).words, name[0].isupper()):
                begins[kind, first].add(second)
                ends[kind, second].add(first)
        self._begins: dict[tuple, list[str]] = defaultdict(list)
        for (kind, words), others in begins.items():
            if len(others) > 1:
                self._begins[words].append(kind)
        self._ends = {key for key, others in ends.items() if len(others) > 1}
        self._kinds |= {(*words[:-1], f"{words[-1]}s"): kind for words, kind in self._kinds.items() if kind in _ENDS_WITH_S}

    def spans(self, sentence: Words) -> list[Span]:
        """All names in the sentence; none overlap."""
        folded = [word.casefold() for word in sentence.words]
        found, at = [], 0
        while at < len(folded):
            for size in range(min(_LONGEST_NAME, len(folded) - at), 0, -1):
                kind = self._kind(tuple(folded[at : at + size]), sentence.words[at][0].isupper())
                if kind is not None:
                    found.append(Span(at, at + size, kind, name=self._names.get(tuple(folded[at : at + size]), "")))
                    at += size
                    break
            else:
                at += 1
        return found

    def _kind(self, words: tuple[str, ...], is_capital: bool) -> str | None:
        if kind := self._kinds.get(words):
            return kind
        for first, second in _cuts(words, is_capital):
            for kind in self._begins.get(first, ()):
                if (kind, second) in self._ends:
                    return kind
        return None


def _cuts(words: tuple[str, ...], is_capital: bool) -> Iterator[tuple]:
    """All ways to cut a name in two: between words, or a single one with a capital behind 3 letters or more, 2 or more left."""
    if len(words) > 1:
        for cut in range(1, len(words)):
            yield words[:cut], words[cut:]
    elif is_capital:
        for cut in range(3, len(words[0]) - 1):
            yield words[0][:cut], words[0][cut:]
