"""Documents read through a window, and what is remembered of the text that has left it.

A window is T tokens of one document. Everything before it is evicted: its sentences' triplets (of sentences that ended before the
window began) can stand in the memory zone, or its tokens can. Each token of a document is the target of one window.
"""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer

from loci.errors import UserError
from loci.memories.triplet_store import TripletStore
from loci.models.bpe import BOS, TRIPLETS
from loci.models.packed import Batch
from loci.models.zones import NOTHING, OldTokens, TripletIds
from loci.worlds.prose_exams import ANSWER
from loci.worlds.prose_records import Document, Triplet


@dataclass(frozen=True)
class ReadDocument:
    """ids: token ids, <|bos|> first. ends: for each sentence, the number of tokens up to its end. triplets: of each sentence.
    mentions: (first token, number of tokens, gold triplet) wherever a sentence names the object of a fact that holds. answers:
    (first token, number of tokens) of what is answered in an exam, the line break behind it included, or of triplets that a model
    is to say, their end included."""

    doc_id: str
    ids: tuple[int, ...]
    ends: tuple[int, ...]
    triplets: tuple[tuple[Triplet, ...], ...]
    mentions: tuple[tuple[int, int, Triplet], ...]
    answers: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Window:
    """Tokens start to start + T of a document, and what stood when it began, the latest last."""

    document: ReadDocument
    start: int
    standing: tuple[Triplet, ...]


def read(document: Document, tokenizer: Tokenizer, extracted: Sequence[Sequence[Triplet]] | None = None) -> ReadDocument:
    """A document as tokens, with its gold triplets, or with `extracted` ones, a list for each sentence."""
    encoded = tokenizer.encode(document.text, add_special_tokens=False)
    offsets = encoded.offsets  # the package makes a new list each time
    ends, at = [], 0
    for _, end in document.spans():
        while at < len(offsets) and offsets[at][1] <= end:
            at += 1
        ends.append(at + 1)  # <|bos|> stands before
    triplets = [sentence.triplets for sentence in document.sentences] if extracted is None else extracted
    if len(triplets) != len(ends):
        raise UserError(document.doc_id, f"has {len(ends)} sentences, extracted are {len(triplets)}", "extract again")
    ids = (tokenizer.token_to_id(BOS), *encoded.ids)
    found = tuple(_mentions(document, offsets))
    firsts = [first for first, _ in offsets]
    answers = []
    for sentence, (start, _), end in zip(document.sentences, document.spans(), ends, strict=True):
        # <|bos|> stands before all tokens. The first one begins with the blank behind the label, or behind the mark.
        if sentence.text.startswith(ANSWER):
            first = bisect_right(firsts, start + len(ANSWER) - 1)
            answers.append((first, min(end + 1, len(ids)) - first))
        elif sentence.text.startswith(TRIPLETS[0]):
            first = bisect_right(firsts, start + len(TRIPLETS[0]))
            answers.append((first, end - first))
    return ReadDocument(document.doc_id, ids, tuple(ends), tuple(tuple(part) for part in triplets), found, tuple(answers))


def _mentions(document: Document, offsets: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, Triplet]]:
    """Tokens that name the object of a fact, by the longest of its names that the sentence holds; the last one counts."""
    firsts = [first for first, _ in offsets]
    for sentence, (start, end) in zip(document.sentences, document.spans(), strict=True):
        text = document.text[start:end].casefold()
        for triplet in sentence.triplets:
            names = (triplet.object, triplet.object.removeprefix("the "), triplet.object.split()[0])
            at, name = next(((text.rfind(name.casefold()), name) for name in names if name.casefold() in text), (-1, ""))
            if triplet.polarity == "yes" and at >= 0:
                # A token begins with the blank before its word: <|bos|> stands before all of them.
                first = bisect_right(firsts, start + at)
                last = bisect_left(firsts, start + at + len(name))
                yield first, last - first + 1, triplet


def fact_targets(window: Window, length: int) -> torch.Tensor:
    """Targets of a window that name the object of a fact which stood when the window began: bool [T]."""
    marked, standing = torch.zeros(length, dtype=torch.bool), {(one.subject, one.relation, one.object) for one in window.standing}
    for first, count, triplet in window.document.mentions:
        if (triplet.subject, triplet.relation, triplet.object) in standing:
            begin = first - 1 - window.start  # the target at position t is token t + 1
            marked[max(0, begin) : max(0, min(length, begin + count))] = True
    return marked


def answer_targets(window: Window, length: int) -> torch.Tensor:
    """Targets of a window that answer a question of an exam: bool [T]."""
    marked = torch.zeros(length, dtype=torch.bool)
    for first, count in window.document.answers:
        begin = first - 1 - window.start
        marked[max(0, begin) : max(0, min(length, begin + count))] = True
    return marked


class _Past:
    """What stands of a document that is read on and on."""

    def __init__(self, document: ReadDocument, many: Collection[str]):
        self.document, self.store, self._sentence = document, TripletStore(many), 0
        self._told: dict[Triplet, tuple[int, int]] = {}  # where each was said last: sentence, place in it

    def before(self, start: int) -> tuple[Triplet, ...]:
        """What stands of the sentences that ended before token `start`, the latest last; `start` never falls."""
        while self._sentence < len(self.document.ends) and self.document.ends[self._sentence] <= start:
            for place, triplet in enumerate(self.document.triplets[self._sentence]):
                self.store.add(triplet)
                self._told[self.store.canonical(triplet)] = self._sentence, place
            self._sentence += 1
        return tuple(sorted(self.store, key=self._told.__getitem__))


def standing_before(document: ReadDocument, start: int, many: Collection[str]) -> tuple[Triplet, ...]:
    """What stands of the sentences that ended before token `start`, the latest last."""
    return _Past(document, many).before(start)


def windows(documents: Iterable[ReadDocument], length: int, many: Collection[str]) -> list[Window]:
    """All windows of documents, each T = `length` tokens on; the last of a document may be shorter."""
    out = []
    for document in documents:
        past = _Past(document, many)
        out += [Window(document, start, past.before(start)) for start in range(0, len(document.ids) - 1, length)]
    return out


class Parts:
    """Triplets as token ids of their parts, each made once."""

    def __init__(self, tokenizer: Tokenizer, longest: int):
        self.tokenizer, self.longest = tokenizer, longest
        self._known: dict[str, list[int]] = {}

    def of(self, triplet: Triplet) -> list[list[int]]:
        """Ids of subject, relation and object, NOTHING behind their ends: [3][longest]. What is longer is cut off."""
        return [self._ids(text) for text in (triplet.subject, triplet.relation.replace("_", " "), triplet.object)]

    def _ids(self, text: str) -> list[int]:
        if text not in self._known:
            ids = self.tokenizer.encode(f" {text}", add_special_tokens=False).ids[: self.longest]
            self._known[text] = ids + [NOTHING] * (self.longest - len(ids))
        return self._known[text]


@dataclass(frozen=True)
class Remembered:
    """How what has left the window is remembered.

    what: "nothing", "triplets" or "tokens". most: triplets that stand in the zone (the latest), or tokens that it is made of.
    dropped: share of windows that are trained without any triplet; lost: share of the others' triplets that are missing; foreign:
    share of windows that are trained with another document's triplets among their own, as far as there is room.
    """

    what: str
    most: int
    dropped: float = 0.0
    lost: float = 0.0
    foreign: float = 0.0

    def __post_init__(self) -> None:
        if self.what not in ("nothing", "triplets", "tokens"):
            raise UserError(f"remembered: {self.what}", "is not known", "use nothing, triplets or tokens")
        if self.what != "nothing" and self.most < 1:
            raise UserError("remembered.most", f"is {self.most}", "give at least 1")


def batch_of(chosen: Sequence[Window], length: int, how: Remembered, parts: Parts, rng: random.Random | None = None) -> Batch:
    """Windows as a batch. rng: for what training leaves out; None leaves nothing out."""
    tokens = torch.zeros(len(chosen), length, dtype=torch.int64)
    targets = torch.full((len(chosen), length), -1)
    for row, window in enumerate(chosen):
        ids = torch.tensor(window.document.ids[window.start : window.start + length + 1])
        tokens[row, : len(ids) - 1] = ids[:-1]
        targets[row, : len(ids) - 1] = ids[1:]
    if how.what == "nothing":
        return Batch(tokens, targets)
    if how.what == "tokens":
        return Batch(tokens, targets, old_tokens(chosen, how.most))
    kept = [_kept(window.standing, how, rng) for window in chosen]
    if rng is not None and how.foreign:
        kept = [_joined(own, window, chosen, how, rng) for own, window in zip(kept, chosen, strict=True)]
    return Batch(tokens, targets, triplet_ids(kept, parts))


def old_tokens(chosen: Sequence[Window], most: int) -> OldTokens:
    """The latest evicted tokens of each window."""
    ids = torch.full((len(chosen), most), NOTHING)
    for row, window in enumerate(chosen):
        old = window.document.ids[max(0, window.start - most) : window.start]
        if old:
            ids[row, -len(old) :] = torch.tensor(old)
    return OldTokens(ids)


def triplet_ids(kept: Sequence[Sequence[Triplet]], parts: Parts) -> TripletIds:
    """Triplets of each window, the latest last, as ids for the zone."""
    most = max(map(len, kept), default=0)
    ids = torch.full((len(kept), most, 3, parts.longest), NOTHING)
    denied = torch.zeros(len(kept), most, dtype=torch.bool)
    age = torch.zeros(len(kept), most, dtype=torch.int64)
    for row, triplets in enumerate(kept):
        for at, triplet in enumerate(triplets):
            ids[row, at] = torch.tensor(parts.of(triplet))
            denied[row, at] = triplet.polarity == "no"
            age[row, at] = len(triplets) - 1 - at
    return TripletIds(ids, denied, age)


def _kept(standing: Sequence[Triplet], how: Remembered, rng: random.Random | None) -> Sequence[Triplet]:
    latest = standing[-how.most :]
    if rng is None:
        return latest
    if rng.random() < how.dropped:
        return ()
    return [triplet for triplet in latest if rng.random() >= how.lost]


def _joined(
    own: Sequence[Triplet], window: Window, chosen: Sequence[Window], how: Remembered, rng: random.Random
) -> Sequence[Triplet]:
    """A window's triplets and, in a share of windows, the latest of another document's, in any order of both: which are its own
    can then be told from the names alone."""
    others = [other.standing for other in chosen if other.document.doc_id != window.document.doc_id and other.standing]
    room = how.most - len(own)
    if not own or not others or not room or rng.random() >= how.foreign:
        return own
    subjects = {one.subject for one in window.standing}
    foreign = [one for one in rng.choice(others) if one.subject not in subjects][-room:]
    queues, out = [list(own), foreign], []
    while any(queues):
        at = rng.choices((0, 1), [len(queue) for queue in queues])[0]
        out.append(queues[at].pop(0))
    return out


class Windows:
    """Windows as training batches, in a new order each epoch (a `Source`). size: windows a batch. answers: share of the loss that
    answers have together; None: all tokens count alike, as they do in a batch without answers."""

    def __init__(
        self,
        found: list[Window],
        length: int,
        size: int,
        how: Remembered,
        parts: Parts,
        seed: int,
        answers: float | None = None,
    ):
        if len(found) < size:
            raise UserError("corpus", f"has {len(found)} windows, a batch takes {size}", "make it with more words")
        self.found, self.length, self.size = found, length, size
        self.how, self.parts, self.seed, self.answers = how, parts, seed, answers
        self.position = {"epoch": 0, "batch": 0}
        self._order: tuple[int, list[int]] = (-1, [])

    def next(self) -> Batch:
        """The next windows; what is left of an epoch that no longer fills a batch is left out."""
        epoch, at = self.position["epoch"], self.position["batch"]
        if (at + 1) * self.size > len(self.found):
            epoch, at = epoch + 1, 0
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(1_000_003 * self.seed + epoch)
            self._order = epoch, torch.randperm(len(self.found), generator=generator).tolist()
        self.position = {"epoch": epoch, "batch": at + 1}
        chosen = [self.found[one] for one in self._order[1][at * self.size : (at + 1) * self.size]]
        batch = batch_of(chosen, self.length, self.how, self.parts, random.Random(f"left out:{self.seed}:{epoch}:{at}"))
        return batch if self.answers is None else replace(batch, weights=self._weights(chosen, batch.targets >= 0))

    def _weights(self, chosen: Sequence[Window], learnt: torch.Tensor) -> torch.Tensor | None:
        """Weights [B, T] that give all answers of a batch their share; None where it has none, or nothing else."""
        answers = torch.stack([answer_targets(window, self.length) for window in chosen]) & learnt
        others = learnt & ~answers
        if not answers.any() or not others.any():
            return None
        return answers * (self.answers / answers.sum()) + others * ((1 - self.answers) / others.sum())
