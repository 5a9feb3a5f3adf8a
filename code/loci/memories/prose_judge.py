"""Whether two mentions of a sentence state a fact, which one, and with which polarity, by vectors of a frozen sentence encoder.

Every name is first replaced by its kind ("the person drew her wages from the company"), so that nothing is known of single names.
What a small network sees of a candidate is the vectors of its two mentions, of the words between them and of the whole sentence,
with the order, the forms and the kinds of the mentions. The encoder has read much more English than the training documents: a
wording that they lack lies near others that say the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from loci.memories.prose_facts import HOLDS, Candidate, Schema, is_year
from loci.memories.prose_words import Span, Words
from loci.models.encoder import Encoder

_EPOCHS, _BATCH, _RATE, _DECAY = 8, 128, 1e-3, 1e-2
_HIDDEN = 256
_DROPPED = 0.3  # share of the inputs, and of the hidden units
_IMPOSSIBLE = -1e9
_FORMS = ("name", "pronoun", "noun", "me", "you")


@dataclass(frozen=True, slots=True)
class View:
    """A sentence with kinds for names. places: (words,), where each of its words stands there. vectors: (places, 2 D)."""

    text: tuple[str, ...]
    places: np.ndarray
    vectors: np.ndarray

    def between(self, one: int, other: int) -> np.ndarray:
        """(2 D,): the mean of what stands between two words; 0 where nothing does."""
        first, last = sorted((int(self.places[one]), int(self.places[other])))
        inside = self.vectors[first + 1 : last]
        return inside.mean(0, dtype=np.float32) if len(inside) else np.zeros(self.vectors.shape[1], np.float32)

    def whole(self) -> np.ndarray:
        """(2 D,): the mean of all; 0 of nothing."""
        return self.vectors.mean(0, dtype=np.float32) if len(self.vectors) else np.zeros(self.vectors.shape[1], np.float32)


def views_of(bodies: Sequence[Words], spans: Sequence[Sequence[Span]], encoder: Encoder) -> Iterator[View]:
    """The sentences as the network sees them; `spans` are their names."""
    masked = [_masked(body, of) for body, of in zip(bodies, spans, strict=True)]
    different = list(dict.fromkeys(words for words, _ in masked))
    vectors = dict(zip(different, encoder.words(different), strict=True))
    return (View(words, places, vectors[words]) for words, places in masked)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Log-probabilities: stated; relations, by relation, if it is stated; says (3,), of HOLDS, ENDED and NEVER, if it is."""

    stated: float
    relations: dict[str, float]
    says: np.ndarray


Label = tuple[str, int]  # relation, and what is said of it


class Judge:
    """Judges candidates. `fit` makes one."""

    def __init__(self, schema: Schema, network: nn.Module):
        self.schema, self._network = schema, network
        self._names = list(schema.relations)
        self._ids: Mapping[str, int] = {name: at for at, name in enumerate(self._names)}

    @classmethod
    def fit(cls, cases: Sequence[tuple[View, Candidate, Label | None]], schema: Schema, seed: int) -> "Judge":
        """Learn from candidates with what their sentences state of them; of those that look alike each counts once."""
        cases = list(
            {(view.text, *view.places[[of.first, of.last]], label): (view, of, label) for view, of, label in cases}.values()
        )
        inputs = np.stack([_inputs(view, of, schema) for view, of, _ in cases])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = cls(schema, _Network(inputs.shape[1], len(schema.relations)))
            possible = torch.from_numpy(np.stack([made._possible(of) for _, of, _ in cases]))
            relations = torch.tensor([made._ids[label[0]] if label else -1 for *_, label in cases])
            says = torch.tensor([label[1] if label else HOLDS for *_, label in cases])
            rows = torch.from_numpy(inputs)
            _train(made._network, len(cases), lambda of: _loss(made._network(rows[of]), possible[of], relations[of], says[of]))
        return made

    def judge(self, view: View, candidates: Sequence[Candidate]) -> list[Verdict]:
        """A verdict on each candidate of a sentence."""
        if not candidates:
            return []
        with torch.no_grad():
            inputs = torch.from_numpy(np.stack([_inputs(view, of, self.schema) for of in candidates]))
            possible = torch.from_numpy(np.stack([self._possible(of) for of in candidates]))
            stated, relations, says = self._network(inputs)
            relations = relations.masked_fill(~possible, _IMPOSSIBLE)
            scores = [torch.log_softmax(one, dim=-1).numpy() for one in (stated, relations, says)]
        return [
            Verdict(float(stated[1]), {name: float(which[self._ids[name]]) for name in of.relations}, tones)
            for of, stated, which, tones in zip(candidates, *scores, strict=True)
        ]

    def _possible(self, candidate: Candidate) -> np.ndarray:
        return np.isin(self._names, candidate.relations)


class _Network(nn.Module):
    """Inputs (batch, features) to scores: stated (batch, 2), relations (batch, relations), says (batch, 3)."""

    def __init__(self, features: int, relations: int):
        super().__init__()
        self.hidden = nn.Sequential(nn.Dropout(_DROPPED), nn.Linear(features, _HIDDEN), nn.ReLU(), nn.Dropout(_DROPPED))
        self.stated, self.relations, self.says = nn.Linear(_HIDDEN, 2), nn.Linear(_HIDDEN, relations), nn.Linear(_HIDDEN, 3)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = self.hidden(inputs)
        return self.stated(seen), self.relations(seen), self.says(seen)


class RelationModel:
    """Which relation a question asks for, by the mean of its vectors. `fit` makes one."""

    def __init__(self, relations: Sequence[str], network: nn.Module):
        self.relations, self._network = tuple(relations), network

    @classmethod
    def fit(cls, cases: Sequence[tuple[View, str]], schema: Schema, seed: int) -> "RelationModel":
        """Learn from questions with their relations; of those that look alike each counts once."""
        names = list(schema.relations)
        cases = list({(view.text, relation): (view, relation) for view, relation in cases}.values())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            inputs = torch.from_numpy(np.stack([_scaled(view.whole()) for view, _ in cases]))
            made = cls(names, nn.Sequential(nn.Dropout(_DROPPED), nn.Linear(inputs.shape[1], len(names))))
            wanted = torch.tensor([names.index(relation) for _, relation in cases])
            _train(made._network, len(cases), lambda of: nn.functional.cross_entropy(made._network(inputs[of]), wanted[of]))
        return made

    def scores(self, view: View) -> dict[str, float]:
        """Log-probability of each relation."""
        with torch.no_grad():
            scores = torch.log_softmax(self._network(torch.from_numpy(_scaled(view.whole()))), dim=-1)
        return dict(zip(self.relations, scores.tolist(), strict=True))


def _loss(scores: Sequence[Tensor], possible: Tensor, relations: Tensor, says: Tensor) -> Tensor:
    """Of all three answers; of relation and polarity where a fact is stated. A relation of -1: it is not."""
    stated, which, tones = scores
    is_stated, entropy = relations >= 0, nn.functional.cross_entropy
    loss = entropy(stated, is_stated.long())
    if is_stated.any():
        which = which.masked_fill(~possible, _IMPOSSIBLE)[is_stated]
        loss = loss + (entropy(which, relations[is_stated]) + entropy(tones[is_stated], says[is_stated])) / 2
    return loss


def _train(network: nn.Module, count: int, loss_of: Callable[[Tensor], Tensor]) -> None:
    """Fit to `count` examples; `loss_of` gives the loss of some, by their numbers."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_EPOCHS * -(-count // _BATCH), pct_start=0.1)
    for _ in range(_EPOCHS):
        for batch in torch.randperm(count).split(_BATCH):
            loss = loss_of(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()


def _scaled(vector: np.ndarray) -> np.ndarray:
    """Numbers of about 1 instead of a vector of about length 1."""
    return np.sqrt(len(vector), dtype=np.float32) * vector.astype(np.float32)


def _masked(body: Words, spans: Sequence[Span]) -> tuple[tuple[str, ...], np.ndarray]:
    """The words with a kind for each name, and where each word went."""
    words: list[str] = []
    places = np.zeros(len(body.words), dtype=np.int64)
    inside = {at: span for span in spans for at in range(span.first, span.last)}
    for at, word in enumerate(body.words):
        span = inside.get(at)
        if span is None:
            words.append("year" if is_year(word) else word.casefold())
        elif at == span.first:
            words.append(span.kind)
        places[at] = len(words) - 1
    return tuple(words), places


def _inputs(view: View, of: Candidate, schema: Schema) -> np.ndarray:
    """(features,): vectors of subject, object, what is between and all, then what needs no words."""
    vectors = [view.vectors[view.places[at]] for at in (of.first, of.last)]
    vectors += [view.between(of.first, of.last), view.whole()]
    kinds = [kind == one for one in (of.kind, of.target_kind) for kind in schema.kinds]
    forms = [form == one for one in of.forms for form in _FORMS]
    bare = [of.first < of.last, of.is_topic, abs(of.first - of.last) / 10, *(one / 3 for one in of.counts), *kinds, *forms]
    return np.concatenate([*map(_scaled, vectors), bare]).astype(np.float32)
