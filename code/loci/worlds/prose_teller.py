"""What to say next: moves of a narrator, each of which makes one sentence and keeps world and text in step."""

import random
from collections.abc import Callable, Iterator
from itertools import accumulate, islice

from loci.worlds.chance import between, pick, shuffled, weighted
from loci.worlds.prose_grammar import Template
from loci.worlds.prose_lexicon import Entity, Relation, frames
from loci.worlds.prose_records import Triplet
from loci.worlds.prose_world import World
from loci.worlds.prose_writer import Writer

_OPENING_RATE = 0.2
FRESH = 8  # sentences for which a statement is not repeated
# What a text turns to: people have the most relations, and nothing else leads to an animal or a boat.
_SUBJECTS = ("person",) * 6 + ("company", "town", "club", "school") + ("animal", "work", "thing", "vessel") * 2


class Teller:
    """Tells about one world through one writer. A move returns whether it found something to say."""

    def __init__(self, world: World, writer: Writer, rng: random.Random):
        self.world, self.writer, self.rng = world, writer, rng
        self.subjects = tuple(kind for kind in _SUBJECTS if world.relations_of(kind))
        self.focus = world.draw(pick(rng, self.subjects))  # what the document is mostly about

    def next_subject(self) -> Entity:
        """What to talk about: what was just named, the document's main subject, one of its cast, or somebody new."""
        chance, subject = self.rng.random(), self.focus
        if chance < 0.45 and self.writer.recent is not None:
            subject = self.writer.recent
        elif chance >= 0.7:
            cast = [entity for members in self.world.cast.values() for entity in members]
            subject = pick(self.rng, cast) if chance < 0.92 else self.world.draw(pick(self.rng, self.subjects))
        # Nobody is told about themselves.
        return self.focus if subject is None or subject is self.writer.listener else subject

    def say(self, subject: Entity) -> bool:
        """One sentence of any kind about `subject`."""
        moves, weights = _TALK if self.writer.speaker else _NARRATION
        move = weighted(self.rng, moves, weights)
        return move(self, subject) or self.new(subject) or self.again(subject)

    def new(self, subject: Entity, relation: Relation | None = None) -> bool:
        """State a fact that was not known before, of that relation or of any."""
        made = self.new_fact(subject, relation)
        if made is None:
            return False
        self._state(subject, *made)
        return True

    def pair(self, subject: Entity) -> bool:
        """State two new facts in one sentence."""
        facts = []
        for relation in shuffled(self.rng, self.world.relations_of(subject.kind)):
            wordings = relation.wordings("joined", self.writer.held)
            if wordings and (target := self.world.state(subject, relation)):
                wording = pick(self.rng, wordings)
                facts.append((wording, target, self._holds(subject, relation, target)))
            if len(facts) == 2:
                self.writer.pair(*facts, subject, self._opening("starters"))
                return True
        for wording, target, triplets in facts:
            self.writer.fact(wording, (subject, target, None), triplets)
        return bool(facts)

    def again(self, subject: Entity, relation: Relation | None = None) -> bool:
        """State once more what is known and still holds, of that relation or of any."""
        about = (relation,) if relation else self.world.relations_of(subject.kind)
        known = [(one, target) for one in about for target in self.world.values(subject, one)]
        known = [fact for fact in known if fact[1] is not self.world.avoid and not self._is_fresh(subject, *fact)]
        if not known:
            return False
        relation, target = pick(self.rng, known)
        self.world.touch(subject, relation)
        self._state(subject, self.writer.wording(relation, "state"), relation, target)
        return True

    def change(self, subject: Entity, opening: str = "") -> bool:
        """Let something change, known things first."""
        drawn = tuple(shuffled(self.rng, self._changing_of(subject)))
        known = [relation for relation in drawn if self.world.values(subject, relation)]
        for relation in known or drawn:
            if changed := self.world.change(subject, relation):
                old, new = changed
                wording = self.writer.wording(relation, "change", opened=bool(opening))
                triplets = self._holds(subject, relation, new)
                if wording.names_previous:
                    triplets = (self.writer.claim(subject, relation, old, "no"), *triplets)
                else:
                    old = None
                self.writer.fact(wording, (subject, new, old), triplets, opening)
                return True
        return False

    def never(self, subject: Entity) -> bool:
        """Deny something that holds at no time."""
        relation = pick(self.rng, self.world.relations_of(subject.kind))
        target = self.world.deny(subject, relation)
        if target is None:
            return False
        wording = self.writer.wording(relation, "never")
        triplet = self.writer.claim(subject, relation, target, "no", lasting=True)
        opening = self._opening("deniers") if wording.takes_opening else ""
        self.writer.fact(wording, (subject, target, None), (triplet,), opening)
        return True

    def ended(self, subject: Entity) -> bool:
        """Say of something that held that it does not hold any more."""
        for relation in shuffled(self.rng, self._changing_of(subject)):
            former = [one for one in self.world.former(subject, relation) if not self._is_fresh(subject, relation, one)]
            if former:
                target = pick(self.rng, former)
                self.world.stop(subject, relation, target)
                wording = self.writer.wording(relation, "ended")
                self.writer.fact(wording, (subject, target, None), (self.writer.claim(subject, relation, target, "no"),))
                return True
        return False

    def doubt(self, subject: Entity) -> bool:
        """Name two entities together without stating a fact."""
        every = self.world.relations_of(subject.kind)
        doubtful = [relation for relation in every if relation.wordings("doubt", self.writer.held)]
        if not doubtful:
            return False
        relation = pick(self.rng, doubtful)
        target = self.world.wrong(subject, relation)
        if target is None:
            return False
        self.writer.fact(self.writer.wording(relation, "doubt"), (subject, target, None), ())
        return True

    def act(self, subject: Entity) -> bool:
        """Let a person do something that is no fact of this world."""
        if subject.kind != "person":
            return False
        self.writer.plain(pick(self.rng, frames()["actions"]), subject)
        return True

    def scene(self, _: Entity) -> bool:
        """Describe weather and surroundings."""
        clauses = shuffled(self.rng, (pick(self.rng, frames()["weather"]), pick(self.rng, frames()["scenery"])))
        self.writer.plain(pick(self.rng, frames()["joins"]).join(clauses) + ".")
        return True

    def muse(self, _: Entity) -> bool:
        """Say something general."""
        self.writer.plain(pick(self.rng, frames()["musings"]))
        return True

    def new_fact(
        self, subject: Entity, relation: Relation | None = None, changing: bool = False
    ) -> tuple[Template, Relation, Entity] | None:
        """Make a new fact true: a wording for it, its relation and its object; None where nothing could be found."""
        about = (relation,) if relation else (self._changing_of(subject) if changing else self.world.relations_of(subject.kind))
        for one in shuffled(self.rng, about):
            if target := self.world.state(subject, one):
                return self.writer.wording(one, "state", opened=changing), one, target
        return None

    def start_period(self, opening: str) -> None:
        """The first sentence of a part of a past narrative, dated by `opening`: a change or a fact that can change."""
        for subject in self._who_may_change():
            if self.change(subject, opening):
                return
        people = self.world.cast.get("person") or [self.world.draw("person")]
        for subject in (self.next_subject(), *people):
            if made := self.new_fact(subject, changing=True):
                wording, relation, target = made
                self.writer.fact(wording, (subject, target, None), self._holds(subject, relation, target), opening)
                return
        self.writer.plain(pick(self.rng, frames()["musings"]), opening=opening)

    def news(self, most: int) -> None:
        """Up to `most` changes of what is known."""
        for subject in islice(self._who_may_change(), between(self.rng, 1, most)):
            if subject is not self.writer.listener:
                self.change(subject)

    def _state(self, subject: Entity, wording: Template, relation: Relation, target: Entity) -> None:
        opening = self._opening("starters") if wording.takes_opening else ""
        self.writer.fact(wording, (subject, target, None), self._holds(subject, relation, target), opening)

    def _is_fresh(self, subject: Entity, relation: Relation, target: Entity) -> bool:
        return self.writer.since(subject, relation, target) < FRESH

    def _who_may_change(self) -> Iterator[Entity]:
        changing = dict.fromkeys(subject for subject, relation in self.world.known.values() if relation.changes)
        return shuffled(self.rng, tuple(changing))

    def _changing_of(self, subject: Entity) -> tuple[Relation, ...]:
        return tuple(relation for relation in self.world.relations_of(subject.kind) if relation.changes)

    def _holds(self, subject: Entity, relation: Relation, target: Entity) -> tuple[Triplet, ...]:
        return (self.writer.claim(subject, relation, target, "yes"),)

    def _opening(self, name: str) -> str:
        # In speech, people begin as people do when they talk.
        return self.writer.frame("speech" if self.writer.speaker else name, _OPENING_RATE)


def _weighted(weights: dict[Callable, int]) -> tuple[tuple[Callable, ...], tuple[int, ...]]:
    return tuple(weights), tuple(accumulate(weights.values()))


_STATING = {
    Teller.new: 36,
    Teller.pair: 14,
    Teller.again: 14,
    Teller.change: 9,
    Teller.never: 9,
    Teller.ended: 6,
    Teller.doubt: 4,
}
_NARRATION = _weighted({**_STATING, Teller.act: 6, Teller.scene: 4, Teller.muse: 2})
_TALK = _weighted(_STATING)
