"""Text as training batches: documents packed end to end, read in an order that a seed fixes and a position continues."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import torch
from tokenizers import Tokenizer

from loci.errors import UserError
from loci.models.bpe import BOS

_CHUNK = 1000  # documents given to the tokenizer at once


@dataclass(frozen=True)
class Batch:
    """tokens int64 [B, T]; targets int64 [B, T], -1 for what is not learnt; what is remembered in front of the tokens, as the
    model's zone takes it, or None; how much each target counts, float [B, T], or None where all count alike."""

    tokens: torch.Tensor
    targets: torch.Tensor
    memory: object = None
    weights: torch.Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return _moved(self, device)


class Source(Protocol):
    """Where batches come from. position: all that is needed to go on from here, as JSON."""

    position: dict

    def next(self) -> Batch:
        """The next batch; the position moves on."""


def _moved(value, device: torch.device):
    """A tensor, or what is made of tensors, on a device."""
    if value is None or isinstance(value, torch.Tensor):
        return value if value is None else value.to(device)
    return type(value)(**{field.name: _moved(getattr(value, field.name), device) for field in fields(value)})


def pack(texts: Iterable[str], tokenizer: Tokenizer) -> torch.Tensor:
    """All texts as one stream of token ids, each begun by <|bos|>: int32 [N]. UserError where there is no text."""
    bos, parts = tokenizer.token_to_id(BOS), []
    for chunk in _chunks(texts):
        for encoded in tokenizer.encode_batch_fast(chunk, add_special_tokens=False):
            parts.append(np.array([bos, *encoded.ids], np.int32))
    if not parts:
        raise UserError("corpus", "holds no document", "make it with more words")
    return torch.from_numpy(np.concatenate(parts))


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class Packed:
    """Windows of `length` tokens of a packed stream [N], in a new order each epoch; `rank` of `world` processes takes its share
    of each batch of `size` windows."""

    def __init__(self, stream: torch.Tensor, length: int, size: int, seed: int, rank: int = 0, world: int = 1):
        self.windows = (len(stream) - 1) // length
        if self.windows < size:
            what = f"has {self.windows} windows of {length} tokens, a batch takes {size}"
            raise UserError("corpus", what, "make it with more words, or take smaller batches")
        if size % world:
            raise UserError("training.batch", f"{size} windows do not share evenly among {world} processes", "change either")
        self.stream, self.length, self.size, self.seed = stream, length, size, seed
        self.mine = slice(rank * size // world, (rank + 1) * size // world)
        self.position = {"epoch": 0, "batch": 0}
        self._order: tuple[int, torch.Tensor] = (-1, torch.empty(0))

    def next(self) -> Batch:
        """The next windows; what is left of an epoch that no longer fills a batch is left out."""
        epoch, at = self.position["epoch"], self.position["batch"]
        if (at + 1) * self.size > self.windows:
            epoch, at = epoch + 1, 0
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(1_000_003 * self.seed + epoch)
            self._order = epoch, torch.randperm(self.windows, generator=generator)
        chosen = self._order[1][at * self.size : (at + 1) * self.size][self.mine]
        self.position = {"epoch": epoch, "batch": at + 1}
        found = self.stream[chosen[:, None] * self.length + torch.arange(self.length + 1)].long()  # [B, T + 1]
        return Batch(found[:, :-1].contiguous(), found[:, 1:].contiguous())


def windows_of(stream: torch.Tensor, length: int, size: int, limit: int) -> Iterator[Batch]:
    """The first `limit` windows of a stream [N] in batches of `size`, for measuring."""
    count = min((len(stream) - 1) // length, limit)
    for at in range(0, count, size):
        starts = torch.arange(at, min(at + size, count))[:, None] * length
        found = stream[starts + torch.arange(length + 1)].long()
        yield Batch(found[:, :-1].contiguous(), found[:, 1:].contiguous())
