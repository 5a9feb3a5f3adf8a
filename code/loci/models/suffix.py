"""Recomputing only what rows change: the active suffix of each sequence, through the upper layers.

`CachedSequences` holds everything that does not depend on rows and is computed once. `ActiveSuffix` adds a table of
addresses: it knows from which position on each sequence can differ from the base model, and `forward` runs just those
positions for any values of the rows. Writing rows and measuring their side effects are both built on it.

Shapes: F sequences, P tokens of a context that all share, S own tokens, A active positions, O orders, d width.
"""

import torch
from torch.nn import functional as F

from loci.models.engram import Graft
from loci.models.rows import RowMap
from loci.models.upper import Context, FixedPrefix, LowerPass, UpperStack

_PAD = 0
_CHUNK = 16  # sequences of a lower pass


class CachedSequences:
    """Token sequences whose common prefix is read once; residual stream, keys and values without rows."""

    def __init__(self, upper: UpperStack, sequences: list[list[int]]):
        self.upper, self.sequences = upper, sequences
        shortest = min(map(len, sequences))
        self.shared = min(common_prefix(sequences), shortest - 1) if len(sequences) > 1 else 0
        self.lengths = torch.tensor([len(ids) for ids in sequences])
        self.context = Context(upper, torch.tensor([sequences[0][: self.shared]])) if self.shared else None
        self._low = self._lower_pass()

    def _lower_pass(self) -> LowerPass:
        """The lower pass of all sequences, those of like length together, so that little is padding."""
        own = self.lengths - self.shared
        whole: list[torch.Tensor] = []  # hidden, then keys and values of each upper layer; zeros behind each sequence
        for chosen in own.argsort(stable=True).split(_CHUNK):
            width = int(own[chosen].max())
            members = [self.sequences[at][self.shared :] for at in chosen]
            ids = torch.tensor([tokens + [_PAD] * (width - len(tokens)) for tokens in members])
            low = self.upper.lower_pass(ids, torch.arange(width) < own[chosen, None], self.context)
            parts = [low.hidden, *(part for pair in low.upper for part in pair)]
            if not whole:
                room = (len(own), int(own.max()))
                whole = [part.new_zeros(room[0], *part.shape[1:-2], room[1], part.shape[-1]) for part in parts]
            for store, part in zip(whole, parts, strict=True):
                store[chosen, ..., :width, :] = part
        return LowerPass(whole[0], list(zip(whole[1::2], whole[2::2], strict=True)))

    def hidden(self, chosen: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
        """Input of the grafted block at positions `window` [B, A] of the chosen sequences: [B, A, d]."""
        whole = self._low.hidden[chosen]
        if self.context:
            whole = torch.cat([self.context.hidden.expand(len(chosen), -1, -1), whole], 1)
        return whole.gather(1, window[..., None].expand(-1, -1, whole.shape[-1]))

    def prefix(self, chosen: torch.Tensor, length: int) -> FixedPrefix:
        """Keys and values of the first `length` positions of the chosen sequences, for the upper layers."""
        first, own = self.upper.first_layer, max(length - self.shared, 0)
        parts = []
        for at, (keys, values) in enumerate(self._low.upper):
            part = [(keys[chosen, :, :own], values[chosen, :, :own])]
            if self.context:
                kept = min(length, self.shared)
                before = self.context.layers[first + at]
                part.insert(0, tuple(cached[:, :, :kept].expand(len(chosen), -1, -1, -1) for cached in before))
            parts.append(part)
        return FixedPrefix(parts, first)


class ActiveSuffix:
    """Where a table of addresses is read in cached sequences, and the forward from there on.

    latest_start: int64 [F]; the suffix begins there, or at the first position that reads a row if that is earlier.
    """

    def __init__(self, cached: CachedSequences, table: RowMap, latest_start: torch.Tensor):
        self._cached = cached
        found = [find_rows(cached.upper.graft, table, ids) for ids in cached.sequences]
        first_hit = torch.tensor([_first(hits) for hits in found])
        self.start = torch.minimum(latest_start, first_hit)  # [F]
        self.active = cached.lengths - self.start  # [F]
        offsets = torch.arange(int(self.active.max()))
        inside = offsets < self.active[:, None]
        self.window = torch.minimum(self.start[:, None] + offsets, cached.lengths[:, None] - 1)  # [F, A]
        index = torch.stack([hits[at] for hits, at in zip(found, self.window, strict=True)])
        self.index = torch.where(inside[..., None], index, -1)  # [F, A, O]

    def forward(self, values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Final hidden states [B, A, d] of the chosen sequences [B] with rows `values` [R, D]; A is their longest suffix.

        Position a of sequence f is token `window[f, a]`; beyond `active[f]` it is padding.
        """
        graft = self._cached.upper.graft
        active = int(self.active[chosen].max())
        index, window = self.index[chosen, :active], self.window[chosen, :active]
        hidden = self._cached.hidden(chosen, window)
        if not len(values):  # nothing to look up, yet a lookup needs something to look in
            values = values.new_zeros(1, values.shape[1])
        rows = F.embedding(index.clamp_min(0), values, sparse=values.requires_grad) * (index >= 0).unsqueeze(-1)
        hidden = hidden + graft.gated_value(hidden, rows.flatten(-2))  # adds zero where no row is read
        longest = int(self.start[chosen].max())
        seen = torch.arange(longest) < self.start[chosen, None]  # [B, longest]
        causal = torch.ones(active, active, dtype=torch.bool).tril()
        mask = torch.cat([seen[:, None, None].expand(-1, 1, active, -1), causal.expand(len(chosen), 1, -1, -1)], -1)
        return self._cached.upper.forward(hidden, self._cached.prefix(chosen, longest), mask, window)


def find_rows(graft: Graft, table: RowMap, ids: list[int]) -> torch.Tensor:
    """Index of the row that each order reads at each position of one sequence, -1 where none: int64 [T, O]."""
    tokens = torch.tensor([ids])
    keys, exists = graft.addressing.addresses(graft.canonicalise(tokens), torch.ones_like(tokens, dtype=torch.bool))
    return torch.where(exists, table.find(keys), -1)[0]


def _first(hits: torch.Tensor) -> int:
    """First position with a hit, or the length when there is none: hits int64 [T, O]."""
    positions = (hits >= 0).any(-1).nonzero()
    return int(positions[0]) if len(positions) else len(hits)


def common_prefix(sequences: list[list[int]]) -> int:
    """Number of tokens with which all sequences begin."""
    length = 0
    for tokens in zip(*sequences, strict=False):
        if len(set(tokens)) > 1:
            break
        length += 1
    return length
