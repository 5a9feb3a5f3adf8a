"""How the side model learns: documents with gold triplets, cut into windows, read a few times.

In most windows the words of names are hidden, behind pieces drawn at random that are the same wherever the word stands in that
window. So the model learns what stands around names and that equal ones belong together, and does not learn who exists.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loci.errors import UserError
from loci.memories.prose_words import words_of
from loci.memories.side_model import MARK, SideModel, SideSettings
from loci.memories.side_network import NOTHING
from loci.memories.side_words import (
    BUCKETS,
    CAPITAL,
    OUTSIDE,
    PIECES,
    SEPARATOR,
    TONES,
    UNKNOWN,
    Places,
    anchors_of,
    segments_of,
)
from loci.models.checkpoints import Checkpoint, read_checkpoint, remembered, take_up, write_checkpoint
from loci.models.trainer import Schedule
from loci.worlds.prose_records import Document

_RARE = 3  # words of fewer occurrences are unknown
_HIDE_ALL, _HIDE_NAME, _HIDE_WORD = 0.6, 0.15, 0.05
_DECAY, _CLIP = 0.01, 1.0
_WITHOUT = -100  # a target that does not count


@dataclass(frozen=True)
class Example:
    """A window to learn from. inputs: [T, 2 + PIECES]. tags: [T]. new: the first word that may state a fact. names: [T], the name
    that a word is part of, or -1. anchors: (place, fact, places of the subject, places of the object), in words of the window."""

    inputs: np.ndarray
    tags: np.ndarray
    new: int
    anchors: tuple[tuple[int, int, np.ndarray, np.ndarray], ...]
    names: np.ndarray


def begin(documents: Sequence[Document], settings: SideSettings, seed: int) -> SideModel:
    """An untrained model that knows the words, names and relations of documents with gold triplets; UserError without any."""
    gold = [one for document in documents for sentence in document.sentences for one in sentence.triplets]
    if not gold:
        raise UserError("documents to learn from", "hold no triplets", "give documents with gold triplets")
    counts = Counter(word.casefold() for document in documents for word in words_of(document.text).words)
    words = [MARK, *sorted(word for word, count in counts.items() if count >= _RARE and word != MARK)]
    timed = sorted({one.relation for one in gold if one.time is not None})
    names = sorted({name for one in gold for name in (one.subject, one.object)})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SideModel(settings, words, sorted({one.relation for one in gold}), timed, names)


def examples_of(model: SideModel, document: Document) -> Iterator[Example]:
    """The windows of a document, as the model will see them, with what it is to say."""
    words = words_of(document.text)
    places = Places(words, model.names.values())
    owner = np.full(len(words.words), -1)
    for number, (_, spans) in enumerate(sorted(places.spans.items())):
        for first, last in spans:
            owner[first:last] = number
    for number, (_, found) in enumerate(sorted(places.short.items()), len(places.spans)):
        owner[found] = number
    for segment in segments_of(document, words, model.settings.least):
        order = np.array(model.window(segment, places.last_before(segment.first)))
        inside = order != SEPARATOR
        anchors = []
        for one in anchors_of(document, places, segment):
            fact = 1 + model.relations.index(one.relation) * TONES + one.tone
            where = [np.flatnonzero(np.isin(order, of)) for of in (one.subjects, one.objects)]
            anchors.append((int(np.flatnonzero(order == one.at)[-1]), fact, *where))
        yield Example(
            model.inputs(words, order).numpy(),
            np.where(inside, places.tags[order], OUTSIDE),
            len(order) - (segment.last - segment.first),
            tuple(anchors),
            np.where(inside, owner[order], -1),
        )


def train(
    model: SideModel,
    examples: Sequence[Example],
    seed: int,
    checkpoint: Path | None = None,
    watch: Callable[[int, int, float], None] = lambda _done, _all, _loss: None,
) -> list[float]:
    """Train a model in place; the mean loss of each epoch. A killed training goes on after the last whole epoch.

    checkpoint: where that is kept; its folder belongs to this training alone. watch: called after each batch with how many are
    done, of how many, and the loss.
    """
    how, network = model.settings, model.network
    optimiser = torch.optim.AdamW(network.parameters(), lr=how.rate, weight_decay=_DECAY)
    batches = -(-len(examples) // how.batch)
    schedule, losses = Schedule(how.epochs * batches, warm=0.1, cool=0.9, last=0.0), []
    if checkpoint and checkpoint.exists():
        kept = read_checkpoint(checkpoint, {"seed": seed})
        network.load_state_dict(kept.weights)
        take_up(optimiser, kept.optimiser)
        losses = kept.losses
    network.train()
    with torch.random.fork_rng(devices=[]):
        for epoch in range(len(losses), how.epochs):
            torch.manual_seed(1_000_003 * seed + epoch)
            rng, sums = np.random.default_rng([seed, epoch]), 0.0
            # Windows of about one length together, the batches in random order.
            order = sorted(range(len(examples)), key=lambda at: len(examples[at].tags) + 8 * rng.random())
            for done, part in enumerate(rng.permutation(batches)):
                step = epoch * batches + done
                for group in optimiser.param_groups:
                    group["lr"] = how.rate * schedule.share(step)
                loss = loss_of(model, [examples[at] for at in order[part * how.batch : (part + 1) * how.batch]], rng)
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
                optimiser.step()
                sums += loss.item()
                watch(step + 1, how.epochs * batches, loss.item())
            losses.append(sums / batches)
            if checkpoint:
                write_checkpoint(
                    checkpoint, Checkpoint(losses, 0.0, {}, network.state_dict(), remembered(optimiser)), {"seed": seed}
                )
    network.eval()
    return losses


def loss_of(model: SideModel, batch: Sequence[Example], rng: np.random.Generator) -> Tensor:
    """Mean loss of tags, plus that of the facts of new words, plus that of the pointers of words that state one."""
    inputs = _padded([hidden(one, rng) for one in batch])
    said = model.network(inputs)
    tags = _padded([one.tags[:, None] for one in batch], _WITHOUT)[..., 0]
    facts = torch.full(tags.shape, _WITHOUT)
    rows, at, wanted = [], [], []
    for row, one in enumerate(batch):
        facts[row, one.new : len(one.tags)] = NOTHING
        for place, fact, *targets in one.anchors:
            facts[row, place] = fact
            rows.append(row)
            at.append(place)
            wanted.append(targets)
    loss = F.cross_entropy(said.tags.flatten(0, 1), tags.flatten(), ignore_index=_WITHOUT)
    loss = loss + F.cross_entropy(said.facts.flatten(0, 1), facts.flatten(), ignore_index=_WITHOUT)
    scores = model.network.pointers(said.states, inputs[..., 0] != 0, torch.tensor(rows).long(), torch.tensor(at).long())
    right = torch.zeros(scores.shape, dtype=torch.bool)
    for number, targets in enumerate(wanted):
        for pointer, of in enumerate(targets):
            right[number, pointer, of] = True
    known = right.any(-1)  # a name that is out of sight cannot be pointed at
    if not bool(known.any()):
        return loss
    return loss - scores.masked_fill(~right, -torch.inf)[known].logsumexp(-1).mean()


def hidden(example: Example, rng: np.random.Generator) -> np.ndarray:
    """The inputs of a window with some names and some other words hidden, each word of a name alike wherever it stands."""
    out = example.inputs.copy()
    whole = rng.random() < _HIDE_ALL
    for name in np.unique(example.names[example.names >= 0]):
        if not whole and rng.random() >= _HIDE_NAME:
            continue
        mine = example.names == name
        for known in np.unique(out[mine], axis=0):
            # The first word of a name stands alone, too.
            same = (out == known).all(-1) & (mine | (known[1] == CAPITAL))
            out[same, 0] = UNKNOWN
            out[same, 2:] = rng.integers(1, BUCKETS, size=PIECES) * (known[2:] != 0)
    lost = (example.names < 0) & (rng.random(len(out)) < _HIDE_WORD)
    out[lost, 0] = UNKNOWN
    return out


def _padded(parts: Sequence[np.ndarray], fill: int = 0) -> Tensor:
    """[B, longest, columns]."""
    out = np.full((len(parts), max(map(len, parts)), parts[0].shape[1]), fill, parts[0].dtype)
    for row, part in enumerate(parts):
        out[row, : len(part)] = part
    return torch.from_numpy(out)
