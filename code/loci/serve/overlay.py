"""Rows of many users over the rows of one forward: which n-grams are read, and what they add, in shapes that do not matter.

A `RowBatch` copies the rows of a whole batch into one table. Here the batch changes with every token, so each request
keeps its own `RowMap`, and only its own is ever searched for it: no table holds two users.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from loci.models.engram import Graft, gather_rows
from loci.models.products import linear
from loci.models.rows import RowMap
from loci.models.suffix import find_rows

_FIXED = 64  # rows; a multiple of what any processor's vectors hold


@dataclass(frozen=True)
class Hits:
    """Rows of a forward that read something: their numbers, int64 [P], and what they read, float32 [P, O*D]."""

    rows: torch.Tensor
    embedding: torch.Tensor


class ServedGraft(Graft):
    """A graft that adds to chosen rows of one forward [N, 1, d], for rows that belong to different users."""

    def steady_value(self, hidden: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """`gated_value` for rows hidden [P, d], embedding [P, O*D] -> [P, d], gates in whole blocks of rows: torch computes a
        sigmoid in vectors and what is left over one by one, and the two differ in the last bit of one in twenty-five, so a gate's
        bits would depend on its place among all that are read."""
        count = len(hidden)
        padded = (torch.cat([part, part.new_zeros(-count % _FIXED, part.shape[1])]) for part in (hidden, embedding))
        return self.gate(*padded)[:count, None] * linear(embedding, self.w_value)

    def run(self, forward: Callable[[], torch.Tensor], hits: Hits | None, widths: list[int]) -> torch.Tensor:
        """What `forward` gives while the hits are added; with None the base model's own tensors go through untouched."""
        self._call.plan = None if hits is None else lambda hidden: self._added(hidden, hits, widths)
        try:
            return forward()
        finally:
            self._call.plan = None

    def _added(self, hidden: torch.Tensor, hits: Hits, widths: list[int]) -> torch.Tensor:
        """hidden [N, 1, d] plus the gated values, computed in one of the widths in which products treat a row by itself."""
        count = len(hits.rows)
        padding = width_of(count, widths) - count
        rows = torch.cat([hits.rows, hits.rows.new_zeros(padding)])
        embedding = torch.cat([hits.embedding, hits.embedding.new_zeros(padding, hits.embedding.shape[1])])
        value = self.steady_value(hidden[rows, 0], embedding)[:count]
        added = hidden.clone()
        added[hits.rows, 0] += value
        return added


class Reading:
    """What one request reads: its user's rows (None for nobody's), found in the prompt and then token by token."""

    def __init__(self, graft: Graft, rows: RowMap | None, ids: list[int]):
        self._graft = graft
        self._rows = rows if rows is not None and len(rows) else None
        self.hits = 0
        self._tail: list[int] = []
        if self._rows is not None:
            self._found = find_rows(graft, self._rows, ids)  # [T, O]
            keep = max(graft.spec.orders) - 1
            self._tail = graft.canonicalise(torch.tensor(ids[-keep:] if keep else [], dtype=torch.int64)).tolist()

    def of_prompt(self, start: int, length: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Offsets [P] of the prompt tokens from `start` on that read something, and what [P, O*D]; None for nothing."""
        if self._rows is None:
            return None
        return self._read(self._found[start : start + length])

    @property
    def reads(self) -> bool:
        """Whether there is anything to look up."""
        return self._rows is not None

    def window(self, token: int) -> list[int]:
        """The canonical tokens that an n-gram ending with the next token can hold, the token last; it is remembered."""
        window = [*self._tail, int(self._graft.canonical[token]) if token < len(self._graft.canonical) else token]
        self._tail = window[1:] if len(window) >= max(self._graft.spec.orders) else window
        return window

    def of_token(self, keys: torch.Tensor, exists: torch.Tensor) -> torch.Tensor | None:
        """What the next token reads, float32 [1, O*D], from the keys [O] that end with it; None for nothing."""
        read = self._read(torch.where(exists, self._rows.find(keys), -1)[None])
        return None if read is None else read[1]

    def _read(self, found: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """found: int64 [T, O], -1 where nothing is written."""
        at = (found >= 0).any(-1).nonzero().flatten()
        if not len(at):
            return None
        self.hits += int((found >= 0).sum())
        chosen = found[at]
        used = chosen.clamp_min(0).unique()  # of half precision only what is read is widened
        values = self._rows.values[used].float()
        return at, gather_rows(values, torch.where(chosen >= 0, torch.searchsorted(used, chosen.clamp_min(0)), -1))


def read_next(graft: Graft, readings: list[Reading], tokens: list[int]) -> list[torch.Tensor | None]:
    """What the next token of each request reads (see `Reading.of_token`); keys of all of them are computed at once."""
    out: list[torch.Tensor | None] = [None] * len(readings)
    looking = [at for at, reading in enumerate(readings) if reading.reads]
    if not looking:
        return out
    windows = [readings[at].window(tokens[at]) for at in looking]
    longest = max(map(len, windows))
    ids = torch.tensor([[0] * (longest - len(window)) + window for window in windows])
    valid = torch.tensor([[False] * (longest - len(window)) + [True] * len(window) for window in windows])
    keys, exists = (part[:, -1] for part in graft.addressing.addresses(ids, valid))
    for at, key, found in zip(looking, keys, exists, strict=True):
        out[at] = readings[at].of_token(key, found)
    return out


def width_of(count: int, widths: list[int]) -> int:
    """The least of the increasing widths that holds `count` rows."""
    return next(width for width in widths if width >= count)
