"""Triplets out of prose, by rules and small models that were fitted once on documents with gold triplets.

Reading: names are found and classed (`prose_mentions`), everything that points at them is resolved (`prose_discourse`), and
each pair of mentions whose kinds some relation joins is judged by the words around it (`prose_facts`). Questions state nothing; a
short answer, or a yes or no, states what the question asked. Only text is read, never the gold triplets of the document.

What was used for what: the models are fitted on documents of split "train" with their gold triplets. Rules and settings were
chosen on an inner hold-out (tests/inner_prose.py): lists without their held-out items, of which a fourth was held out again.
Besides, the schema of the world is known (relations with the kinds that they join, "the town" for a town) and the frames that
both splits share (labels of speakers and questions, spans of time). Neither names nor wordings of split "heldout" were looked at;
it was measured once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from loci.errors import UserError
from loci.memories.prose_discourse import LINE, PARAGRAPH, QUESTION, Discourse, Mention, Pronouns, parted
from loci.memories.prose_facts import ENDED, HOLDS, NEVER, Candidate, Schema, WordingModel, candidates_of, is_year
from loci.memories.prose_judge import Judge, Label, Verdict, View, views_of
from loci.memories.prose_mentions import NameList, Span, Tagger, Words, words_of
from loci.memories.prose_names import Customs, agreed
from loci.models.encoder import Encoder
from loci.worlds.prose_records import Document, Triplet

_YEAR = "year"
_SHORT_ANSWER = 6  # words
_POINTING = frozenset({"i", "you", "he", "she", "it", "they", "that", "this"})
_YES_OR_NO = {"yes": "yes", "no": "no", "not": "no"}  # the first word of answers that were never seen
_ARTICLES = frozenset({"the", "a", "an"})
_STATED = 0.5  # least probability that some relation of a pair is stated
_POSSIBLE = 0.01  # the same, where a name would have no other part in the sentence
_MOSTLY = 0.9  # share of the places where a listed name must be one, to be taken for one


_Labelled = tuple[Words, list[Span]]  # a sentence and its names


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question: its words, what it mentions, and the year it asks about."""

    sentence: Words
    mentions: tuple[Mention, ...]
    year: int | None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A candidate with the verdict on it."""

    candidate: Candidate
    verdict: Verdict

    @property
    def stated(self) -> float:
        """Log-probability that it is stated."""
        return self.verdict.stated + self.candidate.doubt

    @property
    def relation(self) -> str:
        """The likeliest one."""
        return max(self.verdict.relations, key=self.verdict.relations.get)

    @property
    def likelihood(self) -> float:
        """Log-probability that it is stated with that relation."""
        return self.stated + self.verdict.relations[self.relation]


class Extractor:
    """Reads documents into triplets, a list for each sentence. `fit` makes one."""

    def __init__(self, schema: Schema, tagger: Tagger, pronouns: Pronouns, customs: Customs):
        self.schema, self.tagger, self.pronouns, self.customs = schema, tagger, pronouns, customs
        self.judge: Judge | None = None
        self.wordings = WordingModel()
        self.answers: dict[str, str] = {}  # answers that name nothing: "yes", "no" or "none"

    @classmethod
    def fit(cls, documents: Sequence[Document], encoder: Encoder, seed: int = 0) -> "Extractor":
        """Learn from documents with gold triplets. The same documents and seed give the same extractor."""
        schema = Schema.load()
        names = _names_of(documents, schema)
        if not names:
            raise UserError("documents to learn from", "hold no triplets", "give documents with gold triplets")
        customs = Customs.of(names)
        listed = NameList({**{name.split()[0]: kind for name, kind in names.items() if kind == "person"}, **names})
        labelled = [_labelled(document, listed, schema) for document in documents]
        pronouns = Pronouns()
        for body, spans in (part for of in labelled for part in of):
            pronouns.read(body, [body.words[span.first] for span in spans if span.kind == "person"])
        bodies, spans = zip(*(part for of in labelled for part in of), strict=True)
        listed.doubtful = _doubtful(documents, labelled, listed)
        made = cls(schema, Tagger.fit(bodies, spans, schema.kinds[:-1], listed, encoder, seed), pronouns, customs)
        made._learn(documents, labelled, seed)
        return made

    def extract(self, documents: Sequence[Document]) -> list[list[list[Triplet]]]:
        """For each document and each of its sentences the triplets that it states."""
        bodies = [_bodies(document) for document in documents]
        found = iter(self.tagger.tag([body for of in bodies for body in of]))
        spans = [agreed([next(found) for _ in of], of, self.tagger.kinds, self.customs) for of in bodies]
        views = views_of([body for of in bodies for body in of], [one for of in spans for one in of], self.tagger.encoder)
        return [list(self._read(*of, views)) for of in zip(documents, bodies, spans, strict=True)]

    def _discourse(self) -> Discourse:
        return Discourse(self.schema.nouns, self.customs.small, self.schema.subjects, self.pronouns)

    def _read(
        self, document: Document, bodies: Sequence[Words], spans: Sequence[list[Span]], views: Iterator[View]
    ) -> Iterator[list[Triplet]]:
        discourse, asked = self._discourse(), None
        for body, of in zip(bodies, spans, strict=True):
            discourse.people(body, of)
        for at, (sentence, body, of) in enumerate(zip(document.sentences, bodies, spans, strict=True)):
            view = next(views)
            discourse.enter(sentence.lead, sentence.text, at == 0)
            answering = asked if sentence.lead.startswith(LINE) else None
            if sentence.lead.startswith(LINE):
                asked = None
            mentions = _mentions(discourse, body, of, sentence.lead, at)
            if body.text.endswith("?"):
                asked = _Asked(body, tuple(mentions), _year_in(body) if discourse.label == QUESTION else None)
                topic = self._question_topic(asked)
                discourse.note(body, mentions, topic)
                yield []
                continue
            triplets = self._answer(answering, body, mentions, discourse) if answering else None
            if triplets is None:
                triplets, topic = self._statement(view, mentions, discourse)
            else:
                topic = next(((t.subject, self.schema.relations[t.relation].subject) for t in triplets), None)
            discourse.note(body, mentions, topic or _first(mentions, self.schema))
            yield triplets

    def _statement(
        self, view: View, mentions: list[Mention], discourse: Discourse
    ) -> tuple[list[Triplet], tuple[str, str] | None]:
        """What a sentence states, and what it is about."""
        pairs: dict[frozenset, list[_Judged]] = defaultdict(list)
        candidates = candidates_of(mentions, self.schema, discourse.topic)
        for one in zip(candidates, self.judge.judge(view, candidates), strict=True):
            pairs[frozenset((one[0].subject, one[0].target))].append(_Judged(*one))
        if not pairs:
            return [], None
        total = {pair: sum(np.exp(one.stated) for one in of) for pair, of in pairs.items()}
        likely = sorted(pairs, key=lambda pair: -total[pair])
        best = {pair: max(of, key=lambda one: one.likelihood) for pair, of in pairs.items()}
        chosen = [pair for pair in likely if total[pair] > _STATED]
        # A thing is named because something is said of it.
        for one in mentions:
            if one.form == "name" and one.kind != _YEAR and not any(one.entity in pair for pair in chosen):
                chosen += [pair for pair in likely if one.entity in pair and total[pair] > _POSSIBLE][:1]
        facts = [best[pair] for pair in chosen]
        triplets = [self._triplet(*of, discourse.year) for of in zip(facts, self._tones(facts, mentions), strict=True)]
        topic = best[likely[0]].candidate
        return triplets, (topic.subject, topic.kind)

    def _tones(self, facts: Sequence[_Judged], mentions: Sequence[Mention]) -> list[int]:
        """What is said of each fact. Of two values of which only one can hold at a time, one is the old one."""
        says = [int(one.verdict.says.argmax()) for one in facts]
        slots: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, one in enumerate(facts):
            if self.schema.relations[one.relation].changes and not self.schema.relations[one.relation].many:
                slots[one.candidate.subject, one.relation].append(number)
        for numbers in slots.values():
            if len(numbers) == 2:
                # The likelier to hold is the new one; where that is open, the later one.
                old, _ = sorted(numbers, key=lambda n: (round(float(facts[n].verdict.says[HOLDS])), facts[n].candidate.last))
                for number in numbers:
                    says[number] = ENDED if number == old else HOLDS
        return says

    def _triplet(self, fact: _Judged, says: int, year: int | None) -> Triplet:
        time = year if self.schema.relations[fact.relation].changes and says != NEVER else None
        return Triplet(fact.candidate.subject, fact.relation, fact.candidate.target, "yes" if says == HOLDS else "no", time)

    def _answer(self, asked: _Asked, body: Words, mentions: list[Mention], discourse: Discourse) -> list[Triplet] | None:
        """What a short answer states; None where the answer is a sentence of its own."""
        says = self.answers.get(body.text.rstrip(".").casefold()) or _YES_OR_NO.get(body.words[0].casefold())
        if says == "none":
            return []
        if says:
            ranked = self._asked(asked, None)
            if not ranked:
                return []
            _, subject, relation, target = ranked[0]
            if target is None:
                return []
            return [self._claim(subject, relation, target, says, asked.year, discourse.year)]
        words = [word.casefold() for word in body.words]
        named = [mention for mention in mentions if mention.form in ("name", "me", "you")]
        rest = [word for i, word in enumerate(words) if not any(m.first <= i < m.last for m in named)]
        if len(named) == 1 and set(rest) <= _ARTICLES | {"."}:
            kinds = {named[0].kind: 0.0, **dict(named[0].others)}
            fitting = [(score + doubt, *rest) for kind, doubt in kinds.items() for score, *rest in self._asked(asked, kind)]
            for _, subject, relation, _ in sorted(fitting, key=lambda one: -one[0]):
                if subject != named[0].entity:
                    return [self._claim(subject, relation, named[0].entity, "yes", asked.year, discourse.year)]
        # Who repeats what the question is about answers in a sentence.
        about = {mention.entity for mention in asked.mentions}
        if (
            len(words) > _SHORT_ANSWER
            or not _POINTING.isdisjoint(words)
            or any(mention.form != "name" or mention.entity in about for mention in mentions)
        ):
            return None
        # A name that was not recognised: the whole answer, as what the question asks for.
        for _, subject, relation, _ in self._asked(asked, None, named=False):
            target = self._as_name(body, self.schema.relations[relation].object)
            return [self._claim(subject, relation, target, "yes", asked.year, discourse.year)] if target else None
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

    def _asked(self, asked: _Asked, answer: str | None, named: bool = True) -> list[tuple[float, str, str, str | None]]:
        """What a question may ask, the likeliest first: score, subject, relation, object.

        `answer`: kind of the answer; None where it is not known. With `named` and no such kind the question names the object, as
        its answer is yes or no.
        """
        # Nobody asks about themselves: "tell me, …".
        entities = list(dict.fromkeys((m.entity, m.kind) for m in asked.mentions if m.form != "me"))
        objects = list(dict.fromkeys((m.entity, m.kind) for m in asked.mentions if m.form in ("name", "me", "you")))
        found = []
        for relation, (kind, other, *_) in self.schema.relations.items():
            for subject, subject_kind in entities:
                if subject_kind != kind or (answer and other != answer):
                    continue
                score = self.wordings.score(asked.sentence, asked.mentions, relation)
                if answer or not named:
                    found.append((score, subject, relation, None))
                else:
                    found += [(score, subject, relation, e) for e, k in objects if k == other and e != subject]
        return sorted(found, key=lambda one: -one[0])

    def _question_topic(self, asked: _Asked) -> tuple[str, str] | None:
        for _, subject, relation, _ in self._asked(asked, None) or self._asked(asked, None, named=False):
            return subject, self.schema.relations[relation].subject
        return _first(asked.mentions, self.schema)

    def _learn(self, documents: Sequence[Document], labelled: Sequence[Sequence[_Labelled]], seed: int) -> None:
        """Fit the models of statements, questions and answers, with gold names and gold topics."""
        cases: list[tuple[View, Candidate, Label | None]] = []
        bodies, names = zip(*(part for of in labelled for part in of), strict=True)
        views = views_of(bodies, names, self.tagger.encoder)
        answers: dict[str, Counter] = defaultdict(Counter)
        for document, parts in zip(documents, labelled, strict=True):
            discourse, asked = self._discourse(), None
            for at, (sentence, (body, spans)) in enumerate(zip(document.sentences, parts, strict=True)):
                view = next(views)
                discourse.enter(sentence.lead, sentence.text, at == 0)
                answering = asked if sentence.lead.startswith(LINE) else None
                mentions = _mentions(discourse, body, spans, sentence.lead, at)
                gold = {(one.subject, one.object): one for one in sentence.triplets}
                topic = next(((one.subject, self.schema.relations[one.relation].subject) for one in sentence.triplets), None)
                if sentence.lead.startswith(LINE):
                    asked = None
                if body.text.endswith("?"):
                    asked = _Asked(body, tuple(mentions), None)
                elif answering and len(gold) <= 1 and not _has_subject(mentions, sentence.triplets):
                    named = {m.entity for m in mentions}
                    says = next(iter(sentence.triplets)).polarity if gold else "none"
                    if not gold or sentence.triplets[0].object not in named:
                        answers[body.text.rstrip(".").casefold()][says] += 1
                    if gold:
                        self.wordings.read(answering.sentence, answering.mentions, sentence.triplets[0].relation)
                else:
                    for candidate in candidates_of(mentions, self.schema, discourse.topic):
                        one = gold.get((candidate.subject, candidate.target))
                        cases.append((view, candidate, (one.relation, _says(one)) if one else None))
                    for relation in {one.relation for one in gold.values()}:
                        self.wordings.read(body, mentions, relation)
                discourse.note(body, mentions, topic or _first(mentions, self.schema))
        self.judge = Judge.fit(cases, self.schema, seed)
        self.answers = {text: counts.most_common(1)[0][0] for text, counts in answers.items()}


def _doubtful(documents: Sequence[Document], labelled: Sequence[Sequence[_Labelled]], listed: NameList) -> frozenset:
    """Listed names that often stand in statements as other words: "my teacher"."""
    named, found = Counter(), Counter()
    for document, parts in zip(documents, labelled, strict=True):
        for sentence, (body, spans) in zip(document.sentences, parts, strict=True):
            if sentence.triplets:
                named.update(body.between(span.first, span.last).casefold() for span in spans)
                found.update(body.between(span.first, span.last).casefold() for span in listed.spans(body))
    return frozenset(name for name, count in found.items() if named[name] < _MOSTLY * count)


def _says(gold: Triplet) -> int:
    if gold.polarity == "yes":
        return HOLDS
    return NEVER if gold.time is None else ENDED


def _bodies(document: Document) -> list[Words]:
    """The words of each sentence, without the label of who speaks."""
    return [words_of(parted(one.lead, one.text, at == 0)[1]) for at, one in enumerate(document.sentences)]


def _mentions(discourse: Discourse, body: Words, spans: Sequence[Span], lead: str, at: int) -> list[Mention]:
    """Mentions of a sentence; the first one of a paragraph may say who talks or writes."""
    people = discourse.people(body, spans)
    if (at == 0 or lead == PARAGRAPH) and not discourse.label and len(set(people)) > 1:
        discourse.heading(people)
    inside = {i for span in spans for i in range(span.first, span.last)}
    years = [Mention(word, _YEAR, i, i + 1, "name") for i, word in enumerate(body.words) if is_year(word) and i not in inside]
    return sorted(discourse.mentions(body, spans) + years, key=lambda one: one.first)


def _year_in(body: Words) -> int | None:
    return next((int(word) for word in body.words if is_year(word)), None)


def _first(mentions: Sequence[Mention], schema: Schema) -> tuple[str, str] | None:
    return next(((one.entity, one.kind) for one in mentions if one.kind in schema.subjects), None)


def _has_subject(mentions: Sequence[Mention], triplets: Sequence[Triplet]) -> bool:
    return any(mention.entity == triplet.subject for mention in mentions for triplet in triplets)


def _names_of(documents: Iterable[Document], schema: Schema) -> dict[str, str]:
    """Kind of every name in the gold triplets."""
    names = {}
    for document in documents:
        for triplet in (one for sentence in document.sentences for one in sentence.triplets):
            subject, target, *_ = schema.relations[triplet.relation]
            names[triplet.subject] = subject
            if target != _YEAR:
                names[triplet.object] = target
    return names


def _labelled(document: Document, listed: NameList, schema: Schema) -> list[tuple[Words, list[Span]]]:
    """For each sentence its words and the spans of names: of its gold triplets, or of all names where it has none."""
    out = []
    for sentence, body in zip(document.sentences, _bodies(document), strict=True):
        own = _names_of([replace(document, sentences=(sentence,))], schema)
        own |= {name.split()[0]: kind for name, kind in own.items() if kind == "person"}
        out.append((body, (NameList(own) if own else listed).spans(body)))
    return out
