"""Exams put to an arm: greedy answers, and nats of the tokens that name facts.

What stands in a zone of triplets can be other than it should be (contents):

    right     what stands of the evicted text
    other     what stands of another document's
    none      nothing
    merged    both: the union of what stands of two documents
    noisy     right, a share of the objects exchanged for other objects of the same relation
    latestN   the latest N of what is right
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from tokenizers import Tokenizer

from loci.bench.arms import Arm, parts_of
from loci.bench.evicted import ReadDocument, Window, batch_of, fact_targets, read, standing_before, windows
from loci.bench.exams import Posed
from loci.errors import UserError
from loci.memories.triplet_store import TripletStore
from loci.models.gpt import GPT
from loci.worlds.prose_lexicon import many_valued
from loci.worlds.prose_records import Document, Triplet

_BATCH = 64
_NOISE = 0.3  # of the triplets


@dataclass(frozen=True)
class Contents:
    """What stands in the zone. others: document -> what stands of it, by which right triplets are exchanged."""

    name: str
    others: Mapping[str, tuple[Triplet, ...]]

    def of(self, window: Window, at: int) -> Window:
        """A window with its contents; `at` numbers the windows."""
        right = window.standing
        if self.name == "right":
            return window
        if self.name == "none":
            return replace(window, standing=())
        if self.name in ("other", "merged"):
            names = [name for name in self.others if name != window.document.doc_id]
            other = self.others[names[at % len(names)]]
            return replace(window, standing=other if self.name == "other" else _merged(other, right))
        if self.name == "noisy":
            rng = random.Random(f"noise:{window.document.doc_id}:{at}")
            return replace(window, standing=tuple(self._exchanged(one, rng) for one in right))
        if self.name.startswith("latest") and self.name[6:].isdigit() and int(self.name[6:]):
            return replace(window, standing=right[-int(self.name[6:]) :])
        raise UserError(f"contents {self.name}", "are not known", "use right, other, none, merged, noisy or latest4")

    def _exchanged(self, triplet: Triplet, rng: random.Random) -> Triplet:
        if rng.random() >= _NOISE:
            return triplet
        same = [one.object for other in self.others.values() for one in other if one.relation == triplet.relation]
        same = [name for name in same if name != triplet.object]
        return replace(triplet, object=rng.choice(same)) if same else triplet


def other_documents(
    exams: Iterable[Document], extracted: dict, tokenizer: Tokenizer, window: int
) -> dict[str, tuple[Triplet, ...]]:
    """What stands of each document when only its last window is left, of documents that have any."""
    found = {}
    for document in exams:
        made = read(document, tokenizer, extracted[document.doc_id])
        if standing := standing_before(made, len(made.ids) - window, many_valued()):
            found[document.doc_id] = standing
    if len(found) < 2:
        raise UserError("exams", f"hold {len(found)} documents with evicted triplets", "make more of them")
    return found


def _merged(first: Sequence[Triplet], second: Sequence[Triplet]) -> tuple[Triplet, ...]:
    """The union of the stores of two conversations, in the order of telling."""
    stores = [TripletStore(many_valued()) for _ in range(2)]
    for store, triplets in zip(stores, (first, second), strict=True):
        store.update(triplets)
    union = set(stores[0].merged(stores[1]))
    return tuple(one for one in dict.fromkeys((*first, *second)) if one in union)


@torch.no_grad()
def answers(
    model: GPT, arm: Arm, asked: Sequence[Posed], contents: Contents, tokenizer: Tokenizer, most: int
) -> list[tuple[str, int]]:
    """What is said to each question, to the first line break or `most` tokens, and the positions that its zone took."""
    seen = [contents.of(one.seen(arm.window, many_valued()), at) for at, one in enumerate(asked)]
    lengths = [len(window.document.ids) - window.start for window in seen]
    parts, how, out = parts_of(tokenizer), arm.remembered(False), [("", 0)] * len(asked)
    for _, alike in groupby(sorted(range(len(asked)), key=lengths.__getitem__), key=lengths.__getitem__):
        chosen = list(alike)
        for start in range(0, len(chosen), _BATCH):
            part = chosen[start : start + _BATCH]
            memory = batch_of([seen[at] for at in part], arm.window, how, parts).memory
            tokens = torch.tensor([seen[at].document.ids[seen[at].start :] for at in part])
            taken = positions_of(model, memory, len(part))
            for at, ids, count in zip(part, model.generate(tokens, most, memory).tolist(), taken, strict=True):
                out[at] = tokenizer.decode(ids).strip(" ").split("\n")[0].strip(), count
    return out


@torch.no_grad()
def positions_of(model: GPT, memory, windows_: int) -> list[int]:
    """Positions that what is remembered takes in the zone of each of so many windows."""
    if memory is None:
        return [0] * windows_
    made = model.zone(memory, model.embedding)
    return [made.vectors.shape[1]] * windows_ if made.present is None else made.present.sum(-1).tolist()


@torch.no_grad()
def nats_by_token(
    model: GPT,
    arm: Arm,
    documents: Sequence[ReadDocument],
    stated: Sequence[ReadDocument],
    contents: Contents,
    tokenizer: Tokenizer,
) -> Iterator[dict]:
    """For each document: nats and number of the tokens that name facts which stood when their window began, and of all others.

    stated: the same documents with gold triplets; they say which facts stand of the text before a window of `arm.window` tokens,
    whatever was extracted.
    """
    parts, how = parts_of(tokenizer), arm.remembered(False)
    for number, (document, gold) in enumerate(zip(documents, stated, strict=True)):
        found = windows([document], arm.window, many_valued())
        given = batch_of([contents.of(window, number + at) for at, window in enumerate(found)], arm.window, how, parts)
        learnt = given.targets >= 0
        named = torch.stack([fact_targets(one, arm.window) for one in windows([gold], arm.window, many_valued())])[learnt]
        losses = model.loss(given.tokens, given.targets, given.memory)
        facts, others = losses[named], losses[~named]
        yield {
            "doc_id": document.doc_id,
            "fact_nats": facts.sum().item(),
            "fact_tokens": len(facts),
            "other_nats": others.sum().item(),
            "other_tokens": len(others),
        }
