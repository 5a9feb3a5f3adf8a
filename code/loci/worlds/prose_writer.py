"""From facts to sentences: who is named and who is a pronoun, tense, openings, and the triplets beside each sentence.

An entity is a pronoun only where the sentence before was about it and named nobody else whom the pronoun could mean; "I" and
"you" follow who speaks to whom. So every pronoun can be resolved from the text before it.
"""

import random

from loci.worlds.chance import pick
from loci.worlds.prose_grammar import NOMINATIVE, OBJECTIVE, PRONOUNS, Mention, Template, compiled, noun_mention
from loci.worlds.prose_lexicon import Entity, Relation, frames, nouns
from loci.worlds.prose_records import Sentence, Triplet
from loci.worlds.prose_world import World

_PRONOUN_RATE = 0.75  # where a pronoun is possible
_NOUN_RATE = 0.3  # "the town", where possible
_SHORT_RATE = 0.75  # the given name alone, once the full name is known
_LONG_AGO = 1000
PARAGRAPH, LINE = "\n\n", "\n"
_NOBODY: tuple[Mention, Mention] = (PRONOUNS["it"], PRONOUNS["it"])

Slots = tuple[Entity | None, Entity | None, Entity | None]  # subject, object, previous object


class Writer:
    """Sentences of one document, in the order in which they are written.

    `held` picks the side of the split for wordings, `tense` is PRESENT or PAST. `speaker` and `listener` are "I" and "you"; None
    in a narrative. With `formal`, everybody has the full name; with `copied`, short answers begin as the object does in the text.
    """

    def __init__(self, world: World, rng: random.Random, held: bool, tense: int):
        self.world, self.rng, self.held, self.tense = world, rng, held, tense
        self.sentences: list[Sentence] = []
        self.speaker: Entity | None = None
        self.listener: Entity | None = None
        self.formal = False
        self.copied = False  # whether short answers are spelt as the object is in the text
        self.recent: Entity | None = None  # the last one named that has facts of its own, for a text to move on to
        self._label = ""  # in front of the next sentence and part of it: who speaks
        self._lead = ""  # between the next sentence and the one before
        self._known: set[str] = set()  # who was named in full
        self._topic: Entity | None = None  # what the sentence before was about
        self._others: list[Entity] = []  # whom else it named
        self._stated: dict[tuple[str, str, str], int] = {}  # number of the last sentence that says or denies a fact
        self._last: dict[str, Entity] = {}  # the last one named, of each kind

    def separate(self, lead: str, label: str = "") -> None:
        """Put `lead` in front of the next sentence, and begin that with `label`; after an empty line, names come anew."""
        self._lead = lead if self.sentences else ""
        self._label = label
        if lead == PARAGRAPH:
            self._topic, self._others, self._last = None, [], {}

    def wording(self, relation: Relation, form: str, without: str = "", opened: bool = False) -> Template:
        """A random wording that lacks the word `without` and, if there is one, fits behind an opening for `opened`."""
        wordings = relation.wordings(form, self.held)
        if without:
            wordings = [wording for wording in wordings if without not in wording.source]
        if opened:
            wordings = [wording for wording in wordings if wording.takes_opening] or wordings
        return pick(self.rng, wordings)

    def since(self, subject: Entity, relation: Relation, target: Entity) -> int:
        """How many sentences ago this was last stated or denied; very many where it never was."""
        return len(self.sentences) - self._stated.get((subject.name, relation.id, target.name), -_LONG_AGO)

    def frame(self, name: str, rate: float = 1.0) -> str:
        """With the chance `rate`, one of the authored openings of that name in the right tense; otherwise ""."""
        return self._render(compiled(pick(self.rng, frames()[name])).parts, ()) if self.rng.random() < rate else ""

    def fact(
        self, wording: Template, slots: Slots, triplets: tuple[Triplet, ...], opening: str = "", year: int | None = None
    ) -> None:
        """One sentence about slots[0]; `year` fills {Y}."""
        text = self._render(wording.parts, self._mentions(slots, wording.subject_case))
        self.add(opening + (text if year is None else text.replace("{Y}", str(year))), triplets)
        self._note(slots)

    def pair(self, first: tuple, second: tuple, subject: Entity, opening: str = "") -> None:
        """Two facts about one subject in one sentence; each is (wording with a tail, object, triplets)."""
        (wording, target, triplets), (other, other_target, more) = first, second
        who, main, aside = self._mentions((subject, target, other_target))
        text = self._render(wording.parts, (who, main, _NOBODY))
        rest = self._render(other.tail, (who, aside, _NOBODY))
        if who[0] is not who[1] and self.rng.random() < 0.4:
            relative = "who" if subject.kind == "person" else "which"
            text = f"{who[0][NOMINATIVE]}, {relative} {rest[:-1]}, {self._render(wording.tail, (who, main, _NOBODY))}"
        else:
            text = f"{text[:-1]} and {rest}"
        self.add(opening + text, triplets + more)
        self._note((subject, target, other_target))

    def short(self, relation: Relation, slots: Slots, triplets: tuple[Triplet, ...], stop: str = "") -> None:
        """An answer that is no sentence: the object alone."""
        self.add(self._render(relation.short.parts, self._mentions(slots)) + stop, triplets, self.copied)
        self._note(slots)

    def plain(self, source: str, subject: Entity | None = None, opening: str = "", **values: object) -> None:
        """A sentence without facts, about `subject` or nobody; `values` fill {A}, {Y} and the like."""
        text = self._render(compiled(source).parts, self._mentions((subject, None, None)))
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        self.add(opening + text, ())
        self._note((subject, None, None))

    def introduce(self, *people: Entity) -> None:
        """Note that these have been named in full."""
        self._known.update(entity.name for entity in people)

    def add(self, text: str, triplets: tuple[Triplet, ...], as_it_is: bool = False) -> None:
        """Append a finished sentence, with a capital unless it stays as it is."""
        text = text if as_it_is else f"{text[0].upper()}{text[1:]}"
        self.sentences.append(Sentence(f"{self._label}{text}", triplets, self._lead))
        self._label, self._lead = "", " "
        for triplet in triplets:
            self._stated[triplet.subject, triplet.relation, triplet.object] = len(self.sentences)

    def claim(self, subject: Entity, relation: Relation, target: Entity, polarity: str, lasting: bool = False) -> Triplet:
        """The triplet of a statement for the story's present year, or without time for what is `lasting` or never changes."""
        time = self.world.clock if relation.changes and not lasting else None
        return Triplet(subject.name, relation.id, target.name, polarity, time)

    def _render(self, parts: tuple, mentions: tuple) -> str:
        out = []
        for part in parts:
            if part.__class__ is str:
                out.append(part)
                continue
            slot, what, repeated = part
            if slot < 0:
                out.append(what[self.tense])
                continue
            mention = mentions[slot][repeated]
            out.append(mention[what] if what.__class__ is int else what[3 * self.tense + mention[4]])
        return "".join(out)

    def _mentions(self, slots: Slots, subject_case: int = NOMINATIVE) -> tuple[tuple[Mention, Mention], ...]:
        """For each slot the first and any later mention within the sentence."""
        # "The captain of it" would be right, but nobody speaks like that.
        it_reads_well = subject_case != OBJECTIVE or (slots[0] is not None and slots[0].kind == "person")
        subject, *others = slots
        first = self._mention(subject, slots, True, it_reads_well) if subject else _NOBODY
        return first, *(self._mention(entity, slots) if entity else _NOBODY for entity in others)

    def _mention(
        self, entity: Entity, slots: Slots, is_topic: bool = False, may_be_pronoun: bool = False
    ) -> tuple[Mention, Mention]:
        if entity is self.speaker or entity is self.listener:
            person = PRONOUNS["I" if entity is self.speaker else "you"]
            return person, person
        later, known = PRONOUNS[entity.pronoun], entity.name in self._known
        self._known.add(entity.name)
        if self.formal or not known:
            return entity.full, later
        chance = self.rng.random
        if may_be_pronoun and entity is self._topic and not self._rivals(entity) and chance() < _PRONOUN_RATE:
            return later, later
        if is_topic and nouns(entity.kind) and self._is_clear(entity, slots) and chance() < _NOUN_RATE:
            return noun_mention(pick(self.rng, nouns(entity.kind))), later
        return (entity.short if chance() < _SHORT_RATE else entity.full), later

    def _rivals(self, entity: Entity) -> bool:
        """Whether the sentence before named somebody else of the same pronoun, or something else of the same kind."""
        return any(other.kind == entity.kind and other.pronoun == entity.pronoun for other in self._others)

    def _is_clear(self, entity: Entity, slots: Slots) -> bool:
        """Whether "the town" can mean this one only: it was the last town named, and no other one is in the sentence."""
        return self._last.get(entity.kind) is entity and not any(
            other and other is not entity and other.kind == entity.kind for other in slots
        )

    def _note(self, slots: Slots) -> None:
        named = [entity for entity in slots if entity is not None and self.world.relations_of(entity.kind)]
        self._topic, self._others = slots[0], named[1:]
        for entity in named:
            self._last[entity.kind] = entity
        if named:
            self.recent = named[-1]
