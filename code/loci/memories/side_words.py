"""Text as a small side model reads it: segments of whole sentences behind the words before them, and what each word is to say.

A triplet is said by one word of its sentence, its anchor: the first word of the object's name or, where the sentence does not
name it, the last word of the sentence. From there the model points at a word that begins the subject's name, and at one that
begins the object's, in the sentence or before. So a name is copied and never said, and may be new. The first word of a longer
name stands for the name where it stands alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from loci.memories.prose_facts import ENDED, HOLDS, NEVER
from loci.memories.prose_words import Words, words_of
from loci.worlds.prose_records import Document, Triplet

TONES = 3  # HOLDS, ENDED, NEVER
OUTSIDE, BEGINS, GOES_ON = range(3)  # tags of names
PADDING, UNKNOWN = range(2)
PIECES, BUCKETS = 8, 4096  # pieces of a word that are read, and numbers that they are hashed to
CAPITAL = 5  # the shape of a word with a capital letter and more behind it
SEPARATOR = -1  # in place of a word of the document
_LONGEST_NAME = 6  # words


@dataclass(frozen=True, slots=True)
class Segment:
    """Words first to last (excluded) of a document are new. sentences: (number, last word) of each sentence that ends in it."""

    first: int
    last: int
    sentences: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A word that says a triplet, what it says, and where subject and object may begin: words of the document."""

    at: int
    relation: str
    tone: int
    subjects: tuple[int, ...]
    objects: tuple[int, ...]


def segments_of(document: Document, words: Words, least: int) -> Iterator[Segment]:
    """A document cut into segments of whole sentences, of `least` words or more; the last one may have fewer."""
    ends = np.searchsorted(words.starts, [end for _, end in document.spans()])  # words of the sentences so far
    first, told = 0, []
    for number, end in enumerate(ends.tolist()):
        if end > (told[-1][1] + 1 if told else first):
            told.append((number, end - 1))
        if told and (end - first >= least or number == len(ends) - 1):
            yield Segment(first, end, tuple(told))
            first, told = end, []


def window_of(segment: Segment, names: Iterable[tuple[int, int]], context: int, most: int) -> list[int]:
    """What is read with a segment: the last `most` names before the text that is in sight, each behind SEPARATOR, then `context`
    words, then the segment. Words of the document by number.

    names: first and last word (excluded) of every name so far; of one that stands more than once give the last place.
    """
    begin = max(0, segment.first - context)
    earlier = sorted((first, last) for first, last in names if last <= begin)[-most:]
    told = [at for first, last in earlier for at in (SEPARATOR, *range(first, last))]
    return [*told, SEPARATOR, *range(begin, segment.last)]


def folded_name(name: str) -> tuple[str, ...]:
    """The words of a name as they are compared."""
    return tuple(word.casefold() for word in words_of(name).words)


class Places:
    """Where names stand in the words of one document."""

    def __init__(self, words: Words, names: Iterable[str]):
        self.folded = tuple(word.casefold() for word in words.words)
        wanted = {folded_name(name) for name in names}
        wanted |= {(*name[:-1], f"{name[-1]}s") for name in wanted}  # "on Tuesdays"
        self.spans: dict[tuple[str, ...], list[tuple[int, int]]] = {}
        self.tags = np.zeros(len(self.folded), np.int64)
        at = 0
        while at < len(self.folded):
            size = next((n for n in range(_LONGEST_NAME, 0, -1) if self.folded[at : at + n] in wanted), 0)
            if size:
                self.spans.setdefault(self.folded[at : at + size], []).append((at, at + size))
                self.tags[at], self.tags[at + 1 : at + size] = BEGINS, GOES_ON
            at += max(size, 1)
        shortened = {name[0] for name in self.spans if len(name) > 1}
        self.short: dict[str, list[int]] = {}
        for at, word in enumerate(self.folded):
            if self.tags[at] == OUTSIDE and word in shortened and shape_of(words.words[at]) == CAPITAL:
                self.short.setdefault(word, []).append(at)
                self.tags[at] = BEGINS

    def of(self, name: str) -> list[int]:
        """First words of all places where a name stands, whole or by its first word."""
        words = folded_name(name)
        found = self.spans.get(words, []) + self.spans.get((*words[:-1], f"{words[-1]}s"), [])
        return sorted([first for first, _ in found] + (self.short.get(words[0], []) if len(words) > 1 else []))

    def last_before(self, word: int) -> list[tuple[int, int]]:
        """The last place of every name that ends before a word."""
        return [max(of) for places in self.spans.values() if (of := [one for one in places if one[1] <= word])]


def anchors_of(document: Document, places: Places, segment: Segment) -> list[Anchor]:
    """What the words of a segment say; of several triplets with one anchor the first."""
    found: dict[int, Anchor] = {}
    begin = segment.first
    for number, last in segment.sentences:
        for triplet in document.sentences[number].triplets:
            objects = places.of(triplet.object)
            inside = [at for at in objects if begin <= at <= last]
            anchor = next((at for at in inside if at not in found), last)
            subjects = [at for at in places.of(triplet.subject) if at < segment.last]
            objects = [anchor] if anchor in inside else [at for at in objects if at < segment.last]
            said = Anchor(anchor, triplet.relation, tone_of(triplet), tuple(subjects), tuple(objects))
            found.setdefault(anchor, said)
        begin = last + 1
    return list(found.values())


def tone_of(triplet: Triplet) -> int:
    """What a triplet says of its fact: that it holds, holds no longer, or never held."""
    if triplet.polarity == "yes":
        return HOLDS
    return NEVER if triplet.time is None else ENDED


def pieces_of(word: str) -> list[int]:
    """Three letters each of a word, hashed to 1 .. BUCKETS - 1: at most PIECES numbers."""
    text = f"<{word}>"
    return [1 + crc32(text[at : at + 3].encode()) % (BUCKETS - 1) for at in range(max(1, len(text) - 2))][:PIECES]


def shape_of(word: str) -> int:
    """1 to 5: digits, marks, small letters, a single capital letter, a capital and more."""
    if word.isdigit():
        return 1
    if not word[0].isalnum():
        return 2
    return 3 if not word[0].isupper() else 4 if len(word) == 1 else CAPITAL


class Lexicon:
    """Numbers of known words; what is not known is UNKNOWN and is read by its pieces."""

    def __init__(self, words: Sequence[str]):
        self.words = {word: 2 + at for at, word in enumerate(words)}

    def inputs(self, words: Sequence[str]) -> np.ndarray:
        """int64 [T, 2 + PIECES]: the word, its shape, its pieces."""
        out = np.zeros((len(words), 2 + PIECES), np.int64)
        for at, word in enumerate(words):
            folded = word.casefold()
            pieces = pieces_of(folded)
            out[at, :2] = self.words.get(folded, UNKNOWN), shape_of(word)
            out[at, 2 : 2 + len(pieces)] = pieces
        return out
