"""The facts of one document: drawn when the text first needs them, and consistent from then on.

A document is a small world of its own, so that a fact can only be known from the document; what is stable (where a town lies,
what it is known for) is the same in all of them. Nothing is stated that was denied before, and the reverse.
"""

import random

from loci.worlds.chance import between, pick
from loci.worlds.prose_lexicon import Entity, Relation, pool, relations_of, stable_object, year

_REUSE = 0.55  # chance that an object comes from the document's own cast
_MOST = {"person": 10}  # members of the cast by kind
_MOST_OTHERS = 5
_TRIES = 12
_YEARS = (1950, 2015)
_PAST_YEARS = 25  # founding years lie at most so far before the story


class World:
    """Entities and facts of one document at its present time `clock` (a year). `held` picks the side of the split; `about` are
    the ids of the relations that there are, None for all."""

    def __init__(self, rng: random.Random, held: bool, about: frozenset[str] | None = None):
        self.rng, self.held, self.about = rng, held, about
        self.clock = self.start = between(rng, *_YEARS)
        self.avoid: Entity | None = None  # nobody to draw as an object: whom one talks to
        self.cast: dict[str, list[Entity]] = {}
        self.known: dict[tuple[str, str], tuple[Entity, Relation]] = {}  # everything that was stated, in order
        self.history: dict[tuple[str, str], list[tuple[int, Entity]]] = {}  # (year, object) of a functional relation
        self._values: dict[tuple[str, str], list[Entity]] = {}  # what holds now
        self._ever: dict[tuple[str, str], list[Entity]] = {}  # what held at any time
        self._touched: dict[tuple[str, str], int] = {}  # year of the last statement
        # Sets are only ever asked for membership: their order differs from run to run.
        self._began_changing: set[tuple[str, str]] = set()  # facts whose first statement was a change
        self._denied: set[tuple[str, str, str]] = set()
        self._kin: set[str] = set()
        self._duty: dict[str, str] = {}

    def relations_of(self, kind: str) -> tuple[Relation, ...]:
        """The relations that this world has of subjects of that kind."""
        every = relations_of(kind)
        return every if self.about is None else tuple(relation for relation in every if relation.id in self.about)

    def draw(self, kind: str) -> Entity | None:
        """A new member of the cast, or None when nobody fits: given names in a document are all different."""
        members = self.cast.setdefault(kind, [])
        for _ in range(_TRIES):
            entity = pool(kind, self.held).draw(self.rng)
            if all(entity.name != other.name and entity.short[0] != other.short[0] for other in members):
                members.append(entity)
                return entity
        return None

    def values(self, subject: Entity, relation: Relation) -> list[Entity]:
        """What holds now."""
        return self._values.get((subject.name, relation.id), [])

    def state(self, subject: Entity, relation: Relation) -> Entity | None:
        """Make a new fact true from the present on, and return its object; None where there is nothing to add."""
        if self.values(subject, relation) and not relation.many:
            return None
        target = self._object(subject, relation)
        if target is not None:
            self._add(subject, relation, target)
        return target

    def change(self, subject: Entity, relation: Relation) -> tuple[Entity | None, Entity] | None:
        """Let a changing fact change now; the previous object (None for many-valued relations) and the new one.

        A previous object that was never stated is made up: a story may begin with a change. A fact changes once a year at
        most, and not in a year for which it was stated before, so that every year has one value.
        """
        key = (subject.name, relation.id)
        if not relation.changes or self._touched.get(key) == self.clock:
            return None
        old = None
        if not relation.many:
            now = self._values.get(key)
            old = now[0] if now else self._object(subject, relation)
            if old is None:
                return None
        target = self._object(subject, relation, old)
        if target is None:
            return None
        if old is not None:
            if key not in self._values:
                self._began_changing.add(key)
            self._take(subject, relation, old)
            self._values.pop(key, None)
        self._add(subject, relation, target)
        return old, target

    def touch(self, subject: Entity, relation: Relation) -> None:
        """Note that the present value was stated for the present year."""
        self._touched[subject.name, relation.id] = self.clock

    def wrong(self, subject: Entity, relation: Relation) -> Entity | None:
        """Something that has held at no time so far."""
        true = self._ever.get((subject.name, relation.id), [])
        if relation.stable:
            true = [stable_object(relation, subject, self.held)]
        for _ in range(_TRIES):
            target = self._candidate(relation.object)
            if target not in (None, self.avoid, subject) and target not in true:
                return target
        return None

    def deny(self, subject: Entity, relation: Relation) -> Entity | None:
        """Something that never holds in this document, and from now on never will."""
        target = self.wrong(subject, relation)
        if target is not None:
            self._denied.add((subject.name, relation.id, target.name))
            if relation.symmetric:
                self._denied.add((target.name, relation.id, subject.name))
        return target

    def former(self, subject: Entity, relation: Relation) -> list[Entity]:
        """What held and does not hold now; of a many-valued relation without such, what may stop holding now."""
        key, now = (subject.name, relation.id), self.values(subject, relation)
        past = [entity for entity in self._ever.get(key, []) if entity not in now]
        if relation.many and not past and self._touched.get(key) != self.clock:
            past = now
        return [entity for entity in past if entity is not self.avoid]

    def stop(self, subject: Entity, relation: Relation, target: Entity) -> None:
        """Let one of `former` hold no longer, if it still does."""
        if target in self.values(subject, relation):
            self._values[subject.name, relation.id].remove(target)
            self.touch(subject, relation)

    def spans(self, subject: Entity, relation: Relation) -> list[tuple[int, int, Entity]]:
        """First and last year, and the object, wherever a past statement settles what held; years of a change are left out."""
        key = (subject.name, relation.id)
        history = self.history.get(key, [])
        ends = [year - 1 for year, _ in history[1:]] + [self.clock] * bool(history)
        # A first statement says what held in its year; a change, also a story's first, leaves open what of the year is meant.
        starts = [year + (number > 0 or key in self._began_changing) for number, (year, _) in enumerate(history)]
        return [(start, end, target) for start, end, (_, target) in zip(starts, ends, history, strict=True) if start <= end]

    def is_open(self, subject: Entity, relation: Relation) -> bool:
        """Whether nothing is known that could answer a question."""
        return not relation.stable and (subject.name, relation.id) not in self._ever

    def _object(self, subject: Entity, relation: Relation, other_than: Entity | None = None) -> Entity | None:
        """An object that may become true, from the cast or new to it."""
        if relation.stable:
            return stable_object(relation, subject, self.held)
        for _ in range(_TRIES):
            target = self._candidate(relation.object)
            if target not in (None, self.avoid, other_than) and self._fits(subject, relation, target):
                return target
        return None

    def _candidate(self, kind: str) -> Entity | None:
        if kind == "year":
            return year(self.start - between(self.rng, 1, _PAST_YEARS))
        if not self.relations_of(kind):
            return pool(kind, self.held).draw(self.rng)
        members = self.cast.get(kind, ())
        if members and (len(members) >= _MOST.get(kind, _MOST_OTHERS) or self.rng.random() < _REUSE):
            return pick(self.rng, members)
        return self.draw(kind)

    def _fits(self, subject: Entity, relation: Relation, target: Entity) -> bool:
        name, other = subject.name, target.name
        if target is subject or (name, relation.id, other) in self._denied or target in self._ever.get((name, relation.id), ()):
            return False
        if relation.subject == relation.object and not relation.symmetric and subject in self._ever.get((other, relation.id), ()):
            return False  # nobody teaches their own teacher
        if relation.kin and (name in self._kin or other in self._kin):
            return False
        duty = self._duty_of(subject, relation)
        return not relation.duty or self._duty.get(self._on_duty(subject, relation, target), duty) == duty

    def _add(self, subject: Entity, relation: Relation, target: Entity) -> None:
        key = (subject.name, relation.id)
        self.known[key] = (subject, relation)
        self._take(subject, relation, target)
        self._values.setdefault(key, []).append(target)
        if relation.symmetric:
            self._take(target, relation, subject)
            self._values.setdefault((target.name, relation.id), []).append(subject)
        if relation.changes and not relation.many:
            self.history.setdefault(key, []).append((self.clock, target))
        self.touch(subject, relation)

    def _take(self, subject: Entity, relation: Relation, target: Entity) -> None:
        """Note that something held at some time, with all that follows from it."""
        self._ever.setdefault((subject.name, relation.id), []).append(target)
        if relation.kin:
            self._kin.update((subject.name, target.name))
        if relation.duty:
            self._duty[self._on_duty(subject, relation, target)] = self._duty_of(subject, relation)

    @staticmethod
    def _on_duty(subject: Entity, relation: Relation, target: Entity) -> str:
        return subject.name if relation.duty == "job" else target.name

    @staticmethod
    def _duty_of(subject: Entity, relation: Relation) -> str:
        # Somebody with a post has this one only; a job is an employer and a trade together.
        return "job" if relation.duty == "job" else f"{relation.id} {subject.name}"
