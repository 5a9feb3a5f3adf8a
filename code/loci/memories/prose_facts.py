"""What a sentence may state: relations with the kinds that they join, and the pairs of mentions whose kinds fit one.

Almost every pair of kinds (person, town; club, weekday; ...) has one relation or a few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from loci.memories.prose_discourse import Mention
from loci.worlds.prose_lexicon import kinds, nouns, relations

HOLDS, ENDED, NEVER = range(3)  # what a sentence says of a fact: that it is so, is so no longer, is so at no time
YEAR = "year"
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
        return cls(found, {noun: kind for kind in kinds() for noun in nouns(kind)}, (*kinds(), YEAR))

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


def first_of(mentions: Sequence[Mention], schema: Schema) -> tuple[str, str] | None:
    """Entity and kind of the first mention that facts can be about."""
    return next(((one.entity, one.kind) for one in mentions if one.kind in schema.subjects), None)
