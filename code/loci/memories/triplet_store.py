"""What is known of an old context, as triplets: (subject, relation, object), whether it holds, and since when.

The latest word on each fact counts. Of a relation with one value at a time the latest value stands alone (upsert on subject and
relation) unless it was denied later; its denials are shown where no value stands. Two conversations are merged by the union of
their triplets: whatever the order, the same triplets stand.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from loci.errors import UserError
from loci.worlds.prose_records import Triplet

_BEFORE = -(10**9)  # the time of what holds throughout


class TripletStore:
    """Triplets by fact. Iterating gives what stands, the oldest first.

    many: relations that can have several objects at a time. same: other names of relations, for the schema. aliases: other
    names of entities; what stands in neither is kept as it is.
    """

    def __init__(
        self, many: Collection[str] = (), same: Mapping[str, str] | None = None, aliases: Mapping[str, str] | None = None
    ):
        self.many, self.same, self.aliases = frozenset(many), dict(same or {}), dict(aliases or {})
        # The latest word for and against each object, by subject and relation.
        self._words: dict[tuple[str, str], dict[tuple[str, str], Triplet]] = {}

    def __iter__(self) -> Iterator[Triplet]:
        found = [triplet for words in self._words.values() for triplet in self._standing(list(words.values()))]
        return iter(sorted(found, key=_order))

    def add(self, triplet: Triplet) -> None:
        """Take in one triplet."""
        new = self.canonical(triplet)
        words = self._words.setdefault((new.subject, new.relation), {})
        known = words.get((new.object, new.polarity))
        if known is None or _time(known) < _time(new):
            words[new.object, new.polarity] = new

    def update(self, triplets: Iterable[Triplet]) -> None:
        """Take in all triplets."""
        for triplet in triplets:
            self.add(triplet)

    def merged(self, other: "TripletStore") -> "TripletStore":
        """A store of both; neither is changed. UserError where their schemas differ."""
        for name in ("many", "same", "aliases"):
            if getattr(self, name) != getattr(other, name):
                raise UserError(f"triplets.{name}", "differ between the two stores", "merge stores of one schema")
        out = TripletStore(self.many, self.same, self.aliases)
        for store in (self, other):
            for words in store._words.values():
                out.update(words.values())
        return out

    def canonical(self, triplet: Triplet) -> Triplet:
        """The triplet in the names of the schema."""
        return replace(
            triplet,
            subject=self.aliases.get(triplet.subject, triplet.subject),
            relation=self.same.get(triplet.relation, triplet.relation),
            object=self.aliases.get(triplet.object, triplet.object),
        )

    def _standing(self, words: list[Triplet]) -> list[Triplet]:
        """Of all words on one subject and relation, those that still stand."""
        denied = {word.object: _time(word) for word in words if word.polarity == "no"}
        held = [word for word in words if word.polarity == "yes"]
        if held and words[0].relation not in self.many:
            held = [max(held, key=_rank)]
        held = [word for word in held if denied.get(word.object, _BEFORE - 1) <= _time(word)]
        if held and words[0].relation not in self.many:
            return held
        # At one time a value stands against its denial.
        values = {word.object for word in held}
        return held + [word for word in words if word.polarity == "no" and word.object not in values]


def text_of(triplet: Triplet) -> str:
    """One line for readers: "Ada Lovelace | lives_in | Ulm", "not" before a denied relation, "(1991)" behind it for a time."""
    denied = "not " if triplet.polarity == "no" else ""
    since = "" if triplet.time is None else f" ({triplet.time})"
    return f"{triplet.subject} | {denied}{triplet.relation} | {triplet.object}{since}"


def parse(line: str) -> Triplet:
    """The triplet of a line; UserError for another line."""
    parts = line.split(" | ")
    if len(parts) != 3 or not all(part.strip() for part in parts):
        raise UserError(f"triplet '{line}'", "is not 'subject | relation | object'", "write three parts with ' | ' between them")
    subject, relation, object_ = parts
    time = None
    if object_.endswith(")") and object_.rpartition(" (")[2][:-1].isdigit():
        object_, _, year = object_.rpartition(" (")
        time = int(year[:-1])
    polarity = "no" if relation.startswith("not ") else "yes"
    return Triplet(subject, relation.removeprefix("not "), object_, polarity, time)


def _time(triplet: Triplet) -> int:
    return _BEFORE if triplet.time is None else triplet.time


def _order(triplet: Triplet) -> tuple:
    return _time(triplet), triplet.subject, triplet.relation, triplet.object, triplet.polarity


def _rank(triplet: Triplet) -> tuple:
    """Of two values of one time the first in the alphabet stands: which came first must not matter."""
    return _time(triplet), [-ord(character) for character in triplet.object]
