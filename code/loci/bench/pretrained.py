"""What a trained table is for: probes whose answer stands in the weights or in the text before, parts of a model switched off,
and what each layer would say.

Factual probes name an object that every document gives a subject (which river a town lies on) and that the training text states,
where the document has not named it before: only the weights can know it. Reading probes name an object that the same document
has stated before. Both stand in documents that no model was trained on, of names and wordings that it was.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

from loci.bench.evicted import read
from loci.errors import UserError
from loci.models.gpt import GPT, norm
from loci.models.packed import Batch
from loci.worlds.prose_lexicon import relations
from loci.worlds.prose_records import Document

FACTUAL, READING = "factual", "reading"
_BATCH = 32  # probes read together
COUNTED = (
    ("new", 0, 0),
    ("rare", 1, 3),
    ("known", 4, 31),
    ("frequent", 32, None),
)  # occurrences of a trigram in the training text


@dataclass(frozen=True)
class Probe:
    """ids: token ids up to the end of an answer of `answer` tokens. source: the document, the unit of intervals."""

    kind: str
    ids: tuple[int, ...]
    answer: int
    source: str


def stable_facts(documents: Iterable[Document]) -> set[tuple[str, str, str]]:
    """(subject, relation, object) of what the documents state and is the same everywhere."""
    stable = _stable()
    return {
        (one.subject, one.relation, one.object)
        for document in documents
        for sentence in document.sentences
        for one in sentence.triplets
        if one.relation in stable and one.polarity == "yes"
    }


def probes_of(
    documents: Iterable[Document], tokenizer: Tokenizer, length: int, each: int, known: set[tuple[str, str, str]]
) -> list[Probe]:
    """`each` probes of both kinds, at most one of a kind from a document, with up to `length` tokens before the answer's end.

    known: facts that a factual probe may ask for. UserError where the documents end before.
    """
    found: dict[str, list[Probe]] = {FACTUAL: [], READING: []}
    for document in documents:
        for probe in _of_document(document, tokenizer, known, length):
            kept = found[probe.kind]
            if len(kept) < each and not (kept and kept[-1].source == probe.source):
                kept.append(probe)
        if all(len(kept) == each for kept in found.values()):
            return [*found[FACTUAL], *found[READING]]
    raise UserError("documents", f"hold {', '.join(f'{len(kept)} {kind}' for kind, kept in found.items())} probes", "give more")


def _stable() -> set[str]:
    return {relation.id for relation in relations().values() if relation.stable}


def _of_document(document: Document, tokenizer: Tokenizer, known: set[tuple[str, str, str]], length: int) -> Iterator[Probe]:
    """Candidates: factual where the document has not named the object yet, reading where what is left of it in the window has."""
    made, stable, told = read(document, tokenizer), _stable(), set()
    for first, count, triplet in made.mentions:
        end = first + count
        fact, name = (triplet.subject, triplet.relation, triplet.object), triplet.object.removeprefix("the ").casefold()
        ids = made.ids[max(0, end - length) : end]
        if fact in known and name not in _text(tokenizer, made.ids[:first]):
            yield Probe(FACTUAL, ids, count, document.doc_id)
        elif triplet.relation not in stable and fact in told and name in _text(tokenizer, ids[:-count]):
            yield Probe(READING, ids, count, document.doc_id)
        told.add(fact)


def _text(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    return tokenizer.decode(list(ids)).casefold()


@torch.no_grad()
def nats(model: GPT, probes: Sequence[Probe]) -> list[float]:
    """Mean negative log-likelihood of the tokens of each probe's answer."""
    out = [0.0] * len(probes)
    order = sorted(range(len(probes)), key=lambda at: len(probes[at].ids))
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        width = max(len(probes[at].ids) for at in chosen)
        tokens, targets = torch.zeros(len(chosen), width - 1, dtype=torch.int64), torch.full((len(chosen), width - 1), -1)
        for row, at in enumerate(chosen):
            ids, answer = torch.tensor(probes[at].ids), probes[at].answer
            tokens[row, : len(ids) - 1] = ids[:-1]
            targets[row, len(ids) - 1 - answer : len(ids) - 1] = ids[-answer:]
        losses = model.loss(tokens, targets).split([probes[at].answer for at in chosen])
        for at, part in zip(chosen, losses, strict=True):
            out[at] = part.mean().item()
    return out


@contextmanager
def silenced(*parts: nn.Module) -> Iterator[None]:
    """Within the block of code these parts add nothing to the stream: Engram tables, or the last matrix of an MLP."""
    handles = [part.register_forward_hook(lambda _part, _given, out: torch.zeros_like(out)) for part in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def lens(model: GPT, batches: Iterable[Batch]) -> list[float]:
    """Mean nats a token if the model ended after the embedding, block 1, 2, ..., each read through the final norm and head."""
    streams: list[torch.Tensor] = []
    handles = [model.blocks[0].register_forward_pre_hook(lambda _block, given: streams.append(given[0]))]
    handles += [block.register_forward_hook(lambda _block, _given, out: streams.append(out[0])) for block in model.blocks]
    totals, count = [0.0] * (len(model.blocks) + 1), 0
    try:
        for batch in batches:
            streams.clear()
            model(batch.tokens)
            learnt = batch.targets >= 0
            count += int(learnt.sum())
            for at, stream in enumerate(streams):
                logits = model.logits(norm(stream[learnt]))
                totals[at] += F.cross_entropy(logits, batch.targets[learnt], reduction="sum").item()
    finally:
        for handle in handles:
            handle.remove()
    return [total / count for total in totals]


class TrigramCounts:
    """How often three tokens stood next to each other in a stream of token ids [N]."""

    def __init__(self, stream: torch.Tensor):
        self._keys, self._counts = np.unique(_keys(stream.numpy().astype(np.int64)), return_counts=True)

    def bands(self, tokens: torch.Tensor, targets: torch.Tensor) -> list[str]:
        """The name of COUNTED for each target [B, T] that is no padding, from the trigram that it ends; the first target of a
        window, whose trigram begins before the window, is left out ("")."""
        names = []
        for given, wanted in zip(tokens.numpy(), targets.numpy(), strict=True):
            ids = np.concatenate([given[:1], wanted]).astype(np.int64)
            keys = _keys(ids)
            at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            counts = np.where(self._keys[at] == keys, self._counts[at], 0)
            names += ["", *(_band(int(count)) for count in counts)]
        return [name for name, wanted in zip(names, targets.flatten().tolist(), strict=True) if wanted >= 0]


def _keys(ids: np.ndarray) -> np.ndarray:
    """One number for each three ids that stand next to each other: [N] -> [N - 2]. Vocabularies are smaller than 2 ** 21."""
    return (ids[:-2] << 42) | (ids[1:-1] << 21) | ids[2:]


def _band(count: int) -> str:
    return next(name for name, low, high in COUNTED if count >= low and (high is None or count <= high))


@torch.no_grad()
def nats_by_band(model: GPT, batches: Iterable[Batch], counts: TrigramCounts) -> dict[str, list[float]]:
    """For each band the mean nats of its targets in each batch that has any: the batch is the unit of intervals."""
    out: dict[str, list[float]] = {name: [] for name, *_ in COUNTED}
    for batch in batches:
        losses, names = model.loss(batch.tokens, batch.targets), np.array(counts.bands(batch.tokens, batch.targets))
        for name in out:
            chosen = torch.from_numpy(names == name)
            if bool(chosen.any()):
                out[name].append(losses[chosen].mean().item())
    return out
