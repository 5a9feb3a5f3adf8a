"""Whether two mentions of a sentence state a fact, which one, and with which polarity: log-linear models over words around them.

A candidate is a subject and an object whose kinds some relation joins; which relation it is follows from the kinds, or from the
words of the sentence where several fit. Names never enter its features, only their kinds and
the words of the sentence, so that the model knows nothing of single names. In training a random share of the features with
words, from none to nearly all, is dropped from each example: no decision may hang on the one word that a new wording lacks, and
where all words are new, the order and the number of the mentions decide.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from loci.memories.prose_discourse import Mention
from loci.memories.prose_mentions import Words
from loci.worlds.prose_lexicon import kinds, nouns, relations

HOLDS, ENDED, NEVER = range(3)  # what a sentence says of a fact: that it is so, is so no longer, is so at no time
_STEM = 5  # characters
_EPOCHS, _BATCH, _RATE, _DECAY = 6, 256, 2e-2, 1e-3
_MIXED = 0.05  # part of the share in all sentences
_LEAST_STEMS, _ALIKE = 3, 0.85  # of a sentence that states nothing, and the share of them that must come again
_SPECIFIC = 3  # relations with which a stem has its full weight
_KEPT = "="  # begins the name of a feature without words, which is never dropped


# Words that say that something does not hold, ends, passes from one to another, or begins. Those of a line look alike.
_CUES = {
    "not": "not never no nobody none nothing nowhere neither nor cannot without hardly",
    "ended": "quit left leave leaves gave given give dropped drop drops abandoned resigned retired lost lose loses sold parted "
    "stopped stop ceased ended end closed finished tired dismissed gone went away",
    "passed": "replaced handed passed switched changed turned exchanged transferred moved swapped traded succeeded relocated",
    "began": "became become began begun started joined elected bought won found took taken hired settled discovered",
}
# And words that say little alone, but much in their places.
_PLACED = """
    longer anymore any more over past former formerly once ex up off out instead place after again favour new still but
    to in of for from with by as at on and also have has had been was were is are be ever
"""
CUES = {word: word for word in _PLACED.split()} | {word: f"<{name}" for name, line in _CUES.items() for word in line.split()}


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
    """A subject and an object of which a sentence may state a fact, with the relations that fit."""

    subject: str
    kind: str  # of the subject
    target: str
    relations: tuple[str, ...]
    features: tuple[str, ...]  # for whether it is stated
    tone: tuple[str, ...]  # for what is said of it
    doubt: float  # logarithm of how likely the object is of the kind that the relation wants


def candidates_of(
    sentence: Words, mentions: Sequence[Mention], schema: Schema, topic: tuple[str, str] | None, common: Mapping[str, str]
) -> list[Candidate]:
    """All facts that the kinds of the mentions allow. An object is named, or is one who speaks or listens.

    `common`: words that go with many relations, as the features show them; of others they say only that there is one.
    """
    groups: dict[tuple[str, str], list[Mention]] = {}
    for mention in mentions:
        groups.setdefault((mention.entity, mention.kind), []).append(mention)
    found = []
    for (subject, kind), of in groups.items():
        if kind not in schema.subjects:
            continue
        for (target, other), to in groups.items():
            named = [mention for mention in to if mention.form in ("name", "me", "you")]
            if target == subject or not named:
                continue
            fitting = [(k, doubt, schema.between(kind, k)) for k, doubt in ((other, 0.0), *named[0].others)]
            if not any(names for *_, names in fitting):
                continue
            mine = min(of, key=lambda one: (one.first > named[0].first, abs(one.first - named[0].first)))
            marked = _marked(sentence, mentions, mine, named[0])
            bare = _bare_features(mentions, marked, mine, named[0], topic == (subject, kind))
            always = tuple(f"={one}" for one in bare)
            local = _word_features(marked, common, bare[1])
            tone = (*always, *_word_features(marked, CUES, bare[1]))
            for other_kind, doubt, names in fitting:
                if names:
                    both = f"{kind}>{other_kind}"
                    crossed = (f"={both}", *(f"={both}|{one}" for one in bare), *(f"{both}|{one}" for one in local))
                    found.append(Candidate(subject, kind, target, tuple(names), (*always, *local, *crossed), tone, doubt))
    return found


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


class EmptySayings:
    """Sentences that name two things and state nothing of them ("somebody asked whether …"), known again by their words."""

    def __init__(self):
        self._known: dict[frozenset[str], None] = {}

    def read(self, sentence: Words, mentions: Sequence[Mention]) -> None:
        """Remember a sentence."""
        stems = frozenset(_stems(sentence, mentions))
        if len(stems) >= _LEAST_STEMS:
            self._known[stems] = None

    def has(self, sentence: Words, mentions: Sequence[Mention]) -> bool:
        """Whether nearly all words of one that is remembered are in this sentence."""
        stems = _stems(sentence, mentions)
        return any(len(known & stems) >= _ALIKE * len(known) for known in self._known)


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


class LinearModel:
    """Multinomial logistic regression over sets of named features."""

    def __init__(self, classes: int):
        self.classes = classes
        self._ids: dict[str, int] = {}
        self._weights = np.zeros((0, classes), dtype=np.float32)

    @classmethod
    def fit(cls, features: Sequence[Sequence[str]], targets: Sequence[int], classes: int, seed: int) -> "LinearModel":
        """Learn from sets of features with their classes. The same seed gives the same model."""
        made = cls(classes)
        counts: dict[str, int] = {}
        for of in features:
            for one in of:
                counts[one] = counts.get(one, 0) + 1
        made._ids = {name: i for i, name in enumerate(sorted(name for name, count in counts.items() if count > 1))}
        rows = [np.array([made._ids[one] for one in of if one in made._ids], dtype=np.int64) for of in features]
        kept = np.array([name.startswith(_KEPT) for name in made._ids])
        rng = np.random.default_rng(seed)
        wanted = torch.tensor(targets)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            table = nn.EmbeddingBag(len(made._ids), classes, mode="sum")
            nn.init.zeros_(table.weight)
            optimizer = torch.optim.AdamW(table.parameters(), lr=_RATE, weight_decay=_DECAY)
            for _ in range(_EPOCHS):
                for batch in torch.randperm(len(rows)).split(_BATCH):
                    loss = nn.functional.cross_entropy(table(*_bag([rows[i] for i in batch], kept, rng)), wanted[batch])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
        made._weights = table.weight.detach().numpy()
        return made

    def scores(self, features: Iterable[str]) -> np.ndarray:
        """Log-probability of each class."""
        ids = [self._ids[one] for one in features if one in self._ids]
        total = self._weights[ids].sum(0) if ids else np.zeros(self.classes, dtype=np.float32)
        return total - np.logaddexp.reduce(total)


def _bag(rows: Sequence[np.ndarray], kept: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Feature ids of a batch, of which some are dropped, and where each row begins."""
    ids = np.concatenate(rows)
    share = np.repeat(rng.random(len(rows)), [len(row) for row in rows])
    stays = kept[ids] | (rng.random(len(ids)) >= share)
    of_row = np.repeat(np.arange(len(rows)), [len(row) for row in rows])[stays]
    starts = np.searchsorted(of_row, np.arange(len(rows)))
    return torch.from_numpy(ids[stays]), torch.from_numpy(starts)


@dataclass(frozen=True, slots=True)
class _Marked:
    """A sentence with S and O for the mentions of subject and object, <kind> for others, ^ and $ at its ends."""

    words: tuple[str, ...]
    subject: int  # where they stand
    target: int

    def is_mark(self, at: int) -> bool:
        return self.words[at][0] in "<^$" or self.words[at] in "SO"


def _marked(sentence: Words, mentions: Sequence[Mention], subject: Mention, target: Mention) -> _Marked:
    words, place, at = ["^"], {}, 0
    starts = {mention.first: mention for mention in mentions}
    while at < len(sentence.words):
        mention = starts.get(at)
        if mention is None:
            words.append(sentence.words[at].casefold())
            at += 1
            continue
        if mention is target:
            place["O"] = len(words)
        if mention is subject:
            place["S"] = len(words)
        mine = mention.entity == subject.entity
        words.append("S" if mine else "O" if mention.entity == target.entity else f"<{mention.kind}>")
        at = mention.last
    return _Marked((*words, "$"), place["S"], place["O"])


def _bare_features(mentions: Sequence[Mention], marked: _Marked, subject: Mention, target: Mention, is_topic: bool) -> list[str]:
    """What needs no words: order, number and kinds of the mentions."""
    same = [mention.entity for mention in mentions if mention.kind == target.kind and mention.form in ("name", "me", "you")]
    rank = f"{list(dict.fromkeys(same)).index(target.entity)}of{len(set(same))}"
    order = "SO" if marked.subject < marked.target else "OS"
    marks = [at for at in range(len(marked.words)) if marked.is_mark(at)]
    place = marks.index(marked.target)
    return [
        f"order {order}",
        f"rank {rank}",
        f"form {subject.form} {order}",
        f"to {target.form}",
        f"topic {is_topic}",
        f"marks {len(marks) - 2}",
        f"near {marked.words[marks[place - 1]]} {marked.words[marks[place + 1]]}",
    ]


def _word_features(marked: _Marked, known: Mapping[str, str], rank: str) -> list[str]:
    """The words in their places; as `known` has them; those that it lacks look all alike."""
    words = [
        word if marked.is_mark(at) or word in known or not word[0].isalpha() else "~" for at, word in enumerate(marked.words)
    ]
    s, o = marked.subject, marked.target
    before = next(at for at in range(o - 1, -1, -1) if marked.is_mark(at))
    after = next(at for at in range(o + 1, len(words)) if marked.is_mark(at))
    plain = [word for at, word in enumerate(words) if not marked.is_mark(at)]
    return [
        f"o {words[o - 1]} O",
        f"o {' '.join(words[max(0, o - 2) : o])} O",
        f"o O {words[o + 1]}",
        f"o O {' '.join(words[o + 1 : o + 3])}",
        f"s {words[s - 1]} S",
        f"s S {words[s + 1]}",
        f"s S {' '.join(words[s + 1 : s + 3])}",
        *(f"b {word}" for word in words[before + 1 : o]),
        *(f"a {word}" for word in words[o + 1 : after]),
        *(f"m {word}" for word in words[min(s, o) + 1 : max(s, o)]),
        *(f"w {word}" for word in plain),
        *(f"w2 {one} {two}" for one, two in pairwise(words)),
        *(f"{rank} {word}" for word in words[before + 1 : o]),
        f"{rank} {'from' in plain} {'to' in plain}",
    ]
