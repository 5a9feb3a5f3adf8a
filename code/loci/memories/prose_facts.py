"""Whether two mentions of a sentence state a fact, which one, and with which polarity: log-linear models over words around them.

A candidate is a subject and an object whose kinds some relation joins; which relation it is follows from the kinds, or from the
words of the sentence where several fit. Names never enter its features, only their kinds and
the words of the sentence, so that the model knows nothing of single names. In training a random share of the features with
words, from none to nearly all, is dropped from each example: no decision may hang on the one word that a new wording lacks, and
where all words are new, the order and the number of the mentions decide.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from loci.memories.prose_discourse import Mention
from loci.memories.prose_mentions import Words
from loci.worlds.prose_lexicon import kinds, nouns, relations

HOLDS, ENDED, NEVER = range(3)  # what a sentence says of a fact: that it is so, is so no longer, is so at no time
_STEM = 5  # characters
_MIXED = 0.05  # part of the share in all sentences
_SPECIFIC = 3  # relations with which a stem has its full weight
NAMING = ("name", "me", "you")  # forms of mentions that can be an object


class Signature(NamedTuple):
    """What a relation joins: kinds of subject and object. changes: in time. many: several objects at a time."""

    subject: str
    object: str
    changes: bool
    many: bool


@dataclass(frozen=True)
class Schema:
    """Relations by id. nouns: kind by noun with article."""

    relations: dict[str, Signature]
    nouns: dict[str, str]
    kinds: tuple[str, ...]

    @classmethod
    def load(cls) -> "Schema":
        """Kinds and relations of the prose world, without any name or wording."""
        found = {one.id: Signature(one.subject, one.object, one.changes, one.many) for one in relations().values()}
        return cls(found, {noun: kind for kind in kinds() for noun in nouns(kind)}, (*kinds(), "year"))

    @property
    def subjects(self) -> frozenset[str]:
        """Kinds that facts are about."""
        return frozenset(one.subject for one in self.relations.values())

    def between(self, subject: str, target: str) -> list[str]:
        """The relations from one kind to another."""
        return [name for name, one in self.relations.items() if (one.subject, one.object) == (subject, target)]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A subject and an object of which a sentence may state a fact, with the relations that fit.

    first, last: the words that mention subject and object. counts: entities of the sentence, how many of them are of the kind of
    the object, and which of these the object is.
    """

    subject: str
    kind: str  # of the subject
    target: str
    target_kind: str
    relations: tuple[str, ...]
    first: int
    last: int
    forms: tuple[str, str]  # of both mentions
    is_topic: bool  # whether the sentence before was about the subject
    counts: tuple[int, int, int]
    doubt: float  # logarithm of how likely the object is of the kind that the relation wants


def candidates_of(mentions: Sequence[Mention], schema: Schema, topic: tuple[str, str] | None) -> list[Candidate]:
    """All facts that the kinds of the mentions allow. An object is named, or is one who speaks or listens."""
    groups: dict[tuple[str, str], list[Mention]] = {}
    for mention in mentions:
        groups.setdefault((mention.entity, mention.kind), []).append(mention)
    found = []
    for (subject, kind), of in groups.items():
        if kind not in schema.subjects:
            continue
        for (target, other), to in groups.items():
            named = next((mention for mention in to if mention.form in NAMING), None)
            if target == subject or named is None:
                continue
            mine = min(of, key=lambda one: (one.first > named.first, abs(one.first - named.first)))
            same = list(dict.fromkeys(one.entity for one in mentions if one.kind == other and one.form in NAMING))
            counts = (len({one.entity for one in mentions}), len(same), same.index(target))
            for target_kind, doubt in ((other, 0.0), *named.others):
                if relations := schema.between(kind, target_kind):
                    at, forms, is_topic = (mine.first, named.first), (mine.form, named.form), topic == (subject, kind)
                    found.append(
                        Candidate(subject, kind, target, target_kind, tuple(relations), *at, forms, is_topic, counts, doubt)
                    )
    return found


def is_year(word: str) -> bool:
    """Whether a word is a year in digits."""
    return word.isdigit() and len(word) == 4


class WordingModel:
    """Which relation a sentence or a question is about, by its words: naive Bayes over word stems, each counted once a sentence.

    A stem's share in the sentences of a relation is mixed with its share in all of them, so that a new word says little; one that
    goes with many relations weighs less.
    """

    def __init__(self):
        self._sentences: Counter = Counter()
        self._with: dict[str, Counter] = defaultdict(Counter)  # stem -> relations

    def read(self, sentence: Words, mentions: Sequence[Mention], relation: str) -> None:
        """Count a sentence about a relation."""
        self._sentences[relation] += 1
        for stem in _stems(sentence, mentions):
            self._with[stem][relation] += 1

    def score(self, sentence: Words, mentions: Sequence[Mention], relation: str, target: str = "") -> float:
        """Log-probability of the relation together with the words, up to a constant of the sentence.

        With `target`, only the clause counts that names this object.
        """
        count, everything = self._sentences[relation] + 1, self._sentences.total() + 1
        total = np.log(count / everything)
        for stem in _stems(sentence, mentions, *_clause(sentence, mentions, target)):
            if found := self._with.get(stem):
                share = (1 - _MIXED) * found[relation] / count + _MIXED * found.total() / everything
                total += min(1.0, _SPECIFIC / len(found)) * np.log(share)
        return float(total)


def _stems(sentence: Words, mentions: Sequence[Mention], first: int = 0, last: int | None = None) -> set[str]:
    """Stems of the words from `first` to `last` (excluded), without what is mentioned."""
    inside = {at for mention in mentions for at in range(mention.first, mention.last)}
    words = enumerate(sentence.words[:last])
    return {word.casefold()[:_STEM] for at, word in words if at >= first and at not in inside and word[0].isalpha()}


def _clause(sentence: Words, mentions: Sequence[Mention], target: str) -> tuple[int, int]:
    """First and last word (excluded) of the part between commas and "and" that names `target`; of the sentence without one."""
    at = next((one.first for one in mentions if one.entity == target and one.form != "pronoun"), None)
    if at is None:
        return 0, len(sentence.words)
    breaks = [-1, *(i for i, word in enumerate(sentence.words) if word in (",", "and", ";")), len(sentence.words)]
    breaks = [i for i in breaks if not any(one.first < i < one.last for one in mentions)]
    return max(i for i in breaks if i < at) + 1, min(i for i in breaks if i > at)
