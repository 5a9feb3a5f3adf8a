"""Where a sentence of prose names something, and what kind of thing: a tagger that also finds names it has never seen.

Each word is tagged as outside, or as the beginning or the inside of a name of one kind (BIO). What the tagger sees of a word: the
word itself, its ending, whether it has capitals, what a list of the names of the training documents says, and its vectors of a
frozen sentence encoder, which knows an instrument from a food. For most of the training sentences the names, their endings and
that list are hidden, so that a name is found by its vectors and by what stands around it, and some of the other words are hidden
too. The network is two convolutions over five words each, with the mean of the sentence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from loci.memories.prose_words import NameList, Span, Words
from loci.models.encoder import Encoder

OUTSIDE = "O"
_HIDDEN, _PADDING = 1, 0
_ENDING = 3  # characters
_SHAPES = 12
_RARE = 2  # words of fewer occurrences are unknown
_HIDE_SENTENCE, _HIDE_NAME, _HIDE_WORD, _HIDE_ENDING = 0.65, 0.15, 0.1, 0.85
_NOT = -20.0  # log-probability of what a listed name is not
_FIRMLY = -0.1  # log-probability
_EPOCHS, _BATCH, _RATE = 8, 48, 4e-3


class Tagger:
    """Finds names in sentences. `fit` makes one from sentences with the spans of their names."""

    def __init__(self, kinds: Sequence[str], names: NameList, encoder: Encoder):
        self.kinds, self.names, self.encoder = tuple(kinds), names, encoder
        self._tags = {
            OUTSIDE: 0,
            **{f"{part}-{kind}": 1 + 2 * i + p for i, kind in enumerate(kinds) for p, part in enumerate("BI")},
        }
        self._vocabulary: dict[str, int] = {}
        self._endings: dict[str, int] = {}
        self._network: _Network | None = None

    @classmethod
    def fit(
        cls,
        sentences: Sequence[Words],
        spans: Sequence[Sequence[Span]],
        kinds: Sequence[str],
        names: NameList,
        encoder: Encoder,
        seed: int,
    ) -> "Tagger":
        """Learn from sentences and the spans of the names in them. The same seed gives the same tagger."""
        made = cls(kinds, names, encoder)
        counts = Counter(word.casefold() for sentence in sentences for word in sentence.words)
        made._vocabulary = {word: 2 + i for i, word in enumerate(sorted(word for word, n in counts.items() if n >= _RARE))}
        endings = Counter(word.casefold()[-_ENDING:] for sentence in sentences for word in sentence.words)
        made._endings = {ending: 2 + i for i, ending in enumerate(sorted(one for one, n in endings.items() if n >= _RARE))}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made._train(sentences, spans, np.random.default_rng(seed))
        return made

    def tag(self, sentences: Sequence[Words]) -> list[list[Span]]:
        """The names of each sentence."""
        order = sorted(range(len(sentences)), key=lambda i: len(sentences[i].words))
        found: list[list[Span]] = [[] for _ in sentences]
        for start in range(0, len(order), 256):
            batch = [i for i in order[start : start + 256] if sentences[i].words]
            if not batch:
                continue
            with torch.no_grad():
                inputs = _padded([self._inputs(sentences[i]) for i in batch])
                seen = _padded(self.encoder.words([sentences[i].words for i in batch]))
                scores = torch.log_softmax(self._network(inputs, seen.float()), dim=-1).numpy()
            for row, i in enumerate(batch):
                found[i] = self._joined(sentences[i], scores[row, : len(sentences[i].words)])
        return found

    def _joined(self, sentence: Words, scores: np.ndarray) -> list[Span]:
        """The tagger's spans and the listed names: where they overlap the longer one stands, the listed one among equals.

        `scores`: (words, tags). A doubtful name is none where the tagger firmly says so: "my teacher".
        """
        tagged, listed = self._decoded(scores), []
        for one in self.names.spans(sentence):
            if sentence.between(one.first, one.last).casefold() not in self.names.doubtful or scores[one.first, 0] < _FIRMLY:
                sure = tuple(0.0 if kind == one.kind else _NOT for kind in self.kinds)
                listed.append(replace(one, scores=sure))
        kept: list[Span] = []
        for span in sorted(listed + tagged, key=lambda one: one.first - one.last):  # stable: the list's come first
            if all(span.last <= other.first or other.last <= span.first for other in kept):
                kept.append(span)
        return [_whole_name(sentence, span) for span in joined_up(sorted(kept, key=lambda one: one.first))]

    def _inputs(self, sentence: Words) -> np.ndarray:
        """(words, 4): word, ending, shape, tag by the list of names."""
        out = np.zeros((len(sentence.words), 4), dtype=np.int64)
        for at, word in enumerate(sentence.words):
            folded = word.casefold()
            out[at] = (self._vocabulary.get(folded, _HIDDEN), self._endings.get(folded[-_ENDING:], _HIDDEN), _shape(word, at), 1)
        for span in self.names.spans(sentence):
            self._mark(out[:, 3], span, 1)
        return out

    def _mark(self, column: np.ndarray, span: Span, offset: int) -> None:
        column[span.first] = offset + self._tags[f"B-{span.kind}"]
        column[span.first + 1 : span.last] = offset + self._tags[f"I-{span.kind}"]

    def _train(self, sentences: Sequence[Words], spans: Sequence[Sequence[Span]], rng: np.random.Generator) -> None:
        self._network = _Network(len(self._vocabulary) + 2, len(self._endings) + 2, len(self._tags), 2 * self.encoder.width)
        vectors = self.encoder.words([one.words for one in sentences])
        inputs, targets = [], []
        for sentence, of in zip(sentences, spans, strict=True):
            inputs.append(self._inputs(sentence))
            target = np.zeros(len(sentence.words), dtype=np.int64)
            for span in of:
                self._mark(target, span, 0)
            targets.append(target)
        kept = [i for i, one in enumerate(inputs) if len(one)]
        optimizer = torch.optim.AdamW(self._network.parameters(), lr=_RATE, weight_decay=0.01)
        batches = -(-len(kept) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_EPOCHS * batches, pct_start=0.1)
        for _ in range(_EPOCHS):
            # Sentences of about one length together, the batches in random order.
            order = sorted(kept, key=lambda i: len(inputs[i]) + rng.random())
            for part in rng.permutation(batches):
                batch = order[part * _BATCH : (part + 1) * _BATCH]
                hidden = [_hidden(inputs[i], targets[i], spans[i], rng) for i in batch]
                scores = self._network(_padded(hidden), _padded([vectors[i] for i in batch]).float())
                target = _padded([targets[i][:, None] for i in batch], fill=-100)[..., 0]
                loss = nn.functional.cross_entropy(scores.flatten(0, 1), target.flatten(), ignore_index=-100)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        self._network.eval()

    def _decoded(self, scores: np.ndarray) -> list[Span]:
        """Spans by Viterbi: an inside follows a beginning or an inside of its kind. `scores`: (words, tags)."""
        outside, begin, inside = scores[:, 0], scores[:, 1::2], scores[:, 2::2]
        size, kinds = len(scores), begin.shape[1]
        best = np.concatenate([[outside[0]], begin[0], np.full(kinds, -1e9)])
        back = np.zeros((size, 1 + 2 * kinds), dtype=np.int64)
        for at in range(1, size):
            top = int(best.argmax())
            starts, goes_on = best[1 : 1 + kinds], best[1 + kinds :]
            back[at, : 1 + kinds] = top
            back[at, 1 + kinds :] = np.where(starts >= goes_on, np.arange(1, 1 + kinds), np.arange(1 + kinds, 1 + 2 * kinds))
            entered = np.maximum(starts, goes_on) + inside[at]
            best = np.concatenate([[best[top] + outside[at]], best[top] + begin[at], entered])
        path = [int(best.argmax())]
        for at in range(size - 1, 0, -1):
            path.append(int(back[at, path[-1]]))
        path.reverse()
        spans, at = [], 0
        while at < size:
            if 1 <= path[at] <= kinds:
                last = at + 1
                while last < size and path[last] > kinds:
                    last += 1
                total = begin[at] + inside[at + 1 : last].sum(0)
                spans.append(Span(at, last, self.kinds[path[at] - 1], tuple(total.tolist())))
                at = last
            else:
                at += 1
        return spans


class _Network(nn.Module):
    """Inputs (batch, words, 4) and word vectors (batch, words, vectors) to scores (batch, words, tags)."""

    def __init__(self, words: int, endings: int, tags: int, vectors: int, width: int = 96):
        super().__init__()
        self.word = nn.Embedding(words, 48, padding_idx=_PADDING)
        self.ending = nn.Embedding(endings, 16, padding_idx=_PADDING)
        self.shape = nn.Embedding(_SHAPES, 8, padding_idx=_PADDING)
        self.listed = nn.Embedding(tags + 1, 24, padding_idx=_PADDING)
        self.seen = nn.Linear(vectors, width)
        self.first = nn.Conv1d(96 + width, width, 5, padding=2)
        self.second = nn.Conv1d(width, width, 5, padding=2)
        self.out = nn.Linear(3 * width, tags)
        self.dropout = nn.Dropout(0.2)

    def forward(self, inputs: Tensor, vectors: Tensor) -> Tensor:
        tables = (self.word, self.ending, self.shape, self.listed)
        here = (inputs[..., 0] != _PADDING).unsqueeze(1)  # (batch, 1, words)
        seen = torch.cat([self.seen(vectors), *(table(inputs[..., column]) for column, table in enumerate(tables))], dim=-1)
        near = torch.relu(self.first(self.dropout(seen).transpose(1, 2))) * here
        far = torch.relu(self.second(self.dropout(near))) * here
        whole = (near.sum(2, keepdim=True) / here.sum(2, keepdim=True)).expand_as(near)
        return self.out(self.dropout(torch.cat([near, far, whole], dim=1).transpose(1, 2)))


def joined_up(spans: Sequence[Span]) -> list[Span]:
    """The spans, with two of one kind that have no word between them as one: "water polo"."""
    out: list[Span] = []
    for span in spans:
        if out and out[-1].last == span.first and out[-1].kind == span.kind:
            before = out.pop()
            scores = tuple(one + other for one, other in zip(before.scores, span.scores, strict=True))
            span = Span(before.first, span.last, span.kind, scores)
        out.append(span)
    return out


def _whole_name(sentence: Words, span: Span) -> Span:
    """A person's given name with the family name behind it, and nothing without a capital."""
    if span.kind != "person":
        return span
    last = span.last
    while last - span.first > 1 and sentence.words[last - 1].islower():
        last -= 1
    after = sentence.words[last] if last < len(sentence.words) else ""
    return replace(span, last=last + (last - span.first == 1 and after[:1].isupper()))


def _shape(word: str, at: int) -> int:
    """1 to 11: digits, marks, small letters, one capital first or more; apart at the beginning of a sentence."""
    if word.isdigit():
        kind = 0
    elif not word[0].isalnum():
        kind = 1
    elif word[0].isupper():
        kind = 2 if len(word) > 1 else 3
    else:
        kind = 4
    return 1 + kind + 5 * (at == 0)


def _hidden(inputs: np.ndarray, target: np.ndarray, spans: Sequence[Span], rng: np.random.Generator) -> np.ndarray:
    """A copy in which some names and some other words are hidden."""
    out = inputs.copy()
    whole = rng.random() < _HIDE_SENTENCE
    for span in spans:
        if whole or rng.random() < _HIDE_NAME:
            out[span.first : span.last, 0] = _HIDDEN
            out[span.first : span.last, 3] = 1
            if rng.random() < _HIDE_ENDING:
                out[span.first : span.last, 1] = _HIDDEN
    others = (target == 0) & (rng.random(len(target)) < _HIDE_WORD)
    out[others, 0] = _HIDDEN
    return out


def _padded(parts: Sequence[np.ndarray], fill: int = _PADDING) -> Tensor:
    """(batch, longest, columns)."""
    out = np.full((len(parts), max(map(len, parts)), parts[0].shape[1]), fill, dtype=parts[0].dtype)
    for row, part in enumerate(parts):
        out[row, : len(part)] = part
    return torch.from_numpy(out)
