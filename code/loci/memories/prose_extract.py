"""Triplets out of prose, by rules and small models over a frozen sentence encoder, fitted once on documents with gold.

Reading: names are found and classed (`prose_mentions`), everything that points at them is resolved (`prose_discourse`), and
each pair of mentions whose kinds some relation joins (`prose_facts`) is judged by the vectors of the sentence (`prose_judge`).
Questions state nothing; a short answer, or a yes or no, states what the question asked (`prose_answers`). Only text is read,
never the gold triplets of the document.

What was used for what: the models are fitted on documents of split "train" with their gold triplets. Rules and settings were
chosen on an inner hold-out (tests/inner_prose.py): lists without their held-out items, of which a fourth was held out again.
Besides, the schema of the world is known (relations with the kinds that they join, "the town" for a town) and the frames that
both splits share (labels of speakers and questions, spans of time). Neither names nor wordings of split "heldout" were looked at;
each version stated in docs/LOG.md was measured on them once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from loci.errors import UserError
from loci.memories.prose_answers import Answers, short_text
from loci.memories.prose_discourse import LINE, PARAGRAPH, QUESTION, Discourse, Mention, Pronouns, parted
from loci.memories.prose_facts import ENDED, HOLDS, NEVER, YEAR, Candidate, Schema, candidates_of, first_of, is_year
from loci.memories.prose_judge import Judge, Label, RelationModel, Verdict, View, views_of
from loci.memories.prose_mentions import Tagger
from loci.memories.prose_names import Customs, agreed
from loci.memories.prose_words import NameList, Span, Words, words_of
from loci.models.encoder import Encoder
from loci.worlds.prose_records import Document, Triplet

_STATED = 0.5  # least probability that some relation of a pair is stated
_POSSIBLE = 0.2  # the same, where a name would have no other part in the sentence
_MOSTLY = 0.9  # share of the places where a listed name must be one, to be taken for one

_Labelled = tuple[Words, list[Span]]  # a sentence and its names
_Topic = tuple[str, str]  # entity and kind


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
        self.answers: Answers | None = None

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
                asked = self.answers.asked(view, mentions, _year_in(body) if discourse.label == QUESTION else None)
                discourse.note(body, mentions, self.answers.topic(asked) or first_of(mentions, self.schema))
                yield []
                continue
            triplets = self.answers.triplets(answering, body, mentions, discourse.year) if answering else None
            if triplets is None:
                triplets, topic = self._statement(view, mentions, discourse)
            else:
                topic = next(((t.subject, self.schema.relations[t.relation].subject) for t in triplets), None)
            discourse.note(body, mentions, topic or first_of(mentions, self.schema))
            yield triplets

    def _statement(self, view: View, mentions: list[Mention], discourse: Discourse) -> tuple[list[Triplet], _Topic | None]:
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
            if one.form == "name" and one.kind != YEAR and not any(one.entity in pair for pair in chosen):
                chosen += [pair for pair in likely if one.entity in pair and total[pair] > _POSSIBLE][:1]
        facts = [best[pair] for pair in chosen]
        triplets = [self._triplet(*of, discourse.year) for of in zip(facts, self._tones(facts), strict=True)]
        topic = best[likely[0]].candidate
        return triplets, (topic.subject, topic.kind)

    def _tones(self, facts: Sequence[_Judged]) -> list[int]:
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

    def _learn(self, documents: Sequence[Document], labelled: Sequence[Sequence[_Labelled]], seed: int) -> None:
        """Fit the models of statements, questions and answers, with gold names and gold topics."""
        cases: list[tuple[View, Candidate, Label | None]] = []
        bodies, names = zip(*(part for of in labelled for part in of), strict=True)
        views = views_of(bodies, names, self.tagger.encoder)
        about: list[tuple[View, str]] = []  # a question or a statement, and its relation
        said: dict[str, Counter] = defaultdict(Counter)
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
                    asked = view
                elif answering and len(gold) <= 1 and not _has_subject(mentions, sentence.triplets):
                    named = {m.entity for m in mentions}
                    says = next(iter(sentence.triplets)).polarity if gold else "none"
                    if not gold or sentence.triplets[0].object not in named:
                        said[short_text(body)][says] += 1
                    if gold:
                        about.append((answering, sentence.triplets[0].relation))
                else:
                    for candidate in candidates_of(mentions, self.schema, discourse.topic):
                        one = gold.get((candidate.subject, candidate.target))
                        cases.append((view, candidate, (one.relation, _says(one)) if one else None))
                    if len(gold) == 1:
                        about.append((view, sentence.triplets[0].relation))
                discourse.note(body, mentions, topic or first_of(mentions, self.schema))
        self.judge = Judge.fit(cases, self.schema, seed)
        known = {text: counts.most_common(1)[0][0] for text, counts in said.items()}
        self.answers = Answers(self.schema, self.customs, RelationModel.fit(about, self.schema, seed), known)


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
    years = [Mention(word, YEAR, i, i + 1, "name") for i, word in enumerate(body.words) if is_year(word) and i not in inside]
    return sorted(discourse.mentions(body, spans) + years, key=lambda one: one.first)


def _year_in(body: Words) -> int | None:
    return next((int(word) for word in body.words if is_year(word)), None)


def _has_subject(mentions: Sequence[Mention], triplets: Sequence[Triplet]) -> bool:
    return any(mention.entity == triplet.subject for mention in mentions for triplet in triplets)


def _names_of(documents: Iterable[Document], schema: Schema) -> dict[str, str]:
    """Kind of every name in the gold triplets."""
    names = {}
    for document in documents:
        for triplet in (one for sentence in document.sentences for one in sentence.triplets):
            subject, target, *_ = schema.relations[triplet.relation]
            names[triplet.subject] = subject
            if target != YEAR:
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
