"""Questions and the short answers to them: a name, or yes or no, states what the question asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loci.memories.prose_discourse import Mention
from loci.memories.prose_facts import NAMING, Schema
from loci.memories.prose_judge import RelationModel, View
from loci.memories.prose_names import Customs
from loci.memories.prose_words import Words
from loci.worlds.prose_records import Triplet

_SHORT_ANSWER = 6  # words
_POINTING = frozenset({"i", "you", "he", "she", "it", "they", "that", "this"})
_YES_OR_NO = {"yes": "yes", "no": "no", "not": "no"}  # the first word of answers that were never seen
_ARTICLES = frozenset({"the", "a", "an"})


def short_text(body: Words) -> str:
    """An answer as a key: without its full stop, in small letters."""
    return body.text.rstrip(".").casefold()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: what it mentions, the year it asks about, and the log-probability of each relation."""

    mentions: tuple[Mention, ...]
    year: int | None
    relations: Mapping[str, float]


class Answers:
    """Reads questions with their answers. said: known answers that name nothing, each "yes", "no" or "none"."""

    def __init__(self, schema: Schema, customs: Customs, model: RelationModel, said: Mapping[str, str]):
        self.schema, self.customs, self.model, self.said = schema, customs, model, said

    def asked(self, view: View, mentions: Sequence[Mention], year: int | None) -> Asked:
        """A question, read."""
        return Asked(tuple(mentions), year, self.model.scores(view))

    def topic(self, asked: Asked) -> tuple[str, str] | None:
        """Entity and kind of what a question is about; None where it is about nothing known."""
        for _, subject, relation, _ in self._ranked(asked, None) or self._ranked(asked, None, named=False):
            return subject, self.schema.relations[relation].subject
        return None

    def triplets(self, asked: Asked, body: Words, mentions: Sequence[Mention], now: int | None) -> list[Triplet] | None:
        """What a short answer states; None where the answer is a sentence of its own."""
        says = self.said.get(short_text(body)) or _YES_OR_NO.get(body.words[0].casefold())
        if says == "none":
            return []
        if says:
            ranked = self._ranked(asked, None)
            if not ranked:
                return []
            _, subject, relation, target = ranked[0]
            if target is None:
                return []
            return [self._claim(subject, relation, target, says, asked.year, now)]
        words = [word.casefold() for word in body.words]
        named = [mention for mention in mentions if mention.form in NAMING]
        rest = [word for i, word in enumerate(words) if not any(m.first <= i < m.last for m in named)]
        if len(named) == 1 and set(rest) <= _ARTICLES | {"."}:
            kinds = {named[0].kind: 0.0, **dict(named[0].others)}
            fitting = [(score + doubt, *rest) for kind, doubt in kinds.items() for score, *rest in self._ranked(asked, kind)]
            for _, subject, relation, _ in sorted(fitting, key=lambda one: -one[0]):
                if subject != named[0].entity:
                    return [self._claim(subject, relation, named[0].entity, "yes", asked.year, now)]
        # Who repeats what the question is about answers in a sentence.
        about = {mention.entity for mention in asked.mentions}
        if (
            len(words) > _SHORT_ANSWER
            or not _POINTING.isdisjoint(words)
            or any(mention.form != "name" or mention.entity in about for mention in mentions)
        ):
            return None
        # A name that was not recognised: the whole answer, as what the question asks for.
        for _, subject, relation, _ in self._ranked(asked, None, named=False):
            target = self._as_name(body, self.schema.relations[relation].object)
            return [self._claim(subject, relation, target, "yes", asked.year, now)] if target else None
        return None

    def _as_name(self, body: Words, kind: str) -> str:
        """A whole answer as a name of that kind: "The Ruddle." -> "the Ruddle", "An engraver." -> "engraver"."""
        first, last = 0, len(body.words) - (body.words[-1] == ".")
        if kind not in self.customs.articled and body.words[0].casefold() in _ARTICLES:
            first = 1
        if first >= last:
            return ""
        name = body.between(first, last)
        return name[0].lower() + name[1:] if kind in self.customs.small else name

    def _claim(self, subject: str, relation: str, target: str, says: str, asked: int | None, now: int | None) -> Triplet:
        changes = self.schema.relations[relation].changes
        return Triplet(subject, relation, target, says, (asked or now) if changes else None)

    def _ranked(self, asked: Asked, answer: str | None, named: bool = True) -> list[tuple[float, str, str, str | None]]:
        """What a question may ask, the likeliest first: score, subject, relation, object.

        `answer`: kind of the answer; None where it is not known. With `named` and no such kind the question names the object, as
        its answer is yes or no.
        """
        # Nobody asks about themselves: "tell me, …".
        entities = list(dict.fromkeys((m.entity, m.kind) for m in asked.mentions if m.form != "me"))
        objects = list(dict.fromkeys((m.entity, m.kind) for m in asked.mentions if m.form in NAMING))
        found = []
        for relation, (kind, other, *_) in self.schema.relations.items():
            for subject, subject_kind in entities:
                if subject_kind != kind or (answer and other != answer):
                    continue
                score = asked.relations[relation]
                if answer or not named:
                    found.append((score, subject, relation, None))
                else:
                    found += [(score, subject, relation, e) for e, k in objects if k == other and e != subject]
        return sorted(found, key=lambda one: -one[0])
