"""What the Engram tests share: grafts that are always detached, rows at chosen places, plain and grafted logits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from loci.models.base import Base
from loci.models.engram import EngramSpec, Graft, positions_of
from loci.models.rows import RowBatch, RowMap

SPEC = EngramSpec(layer=2, orders=(2, 3, 4, 5), heads=4, row_dim=16, seed=5)
PAD = 258
CLOSE = 1e-4  # what recomputing in another order may change in a logit


@contextmanager
def grafted(base: Base, spec: EngramSpec = SPEC, conv: torch.Tensor | None = None) -> Iterator[Graft]:
    """A graft on the session's model, gone at the end of the block."""
    graft = Graft(base.model, base.tokenizer, spec, conv)
    try:
        yield graft
    finally:
        graft.detach()


def kernels(width: int = 64) -> torch.Tensor:
    """Non-zero depthwise kernels of a short convolution, [d, 4]."""
    return torch.randn(width, 4, generator=torch.Generator().manual_seed(11))


def token_ids(base: Base, text: str) -> list[int]:
    return base.tokenizer(text, add_special_tokens=False).input_ids


def keys_of(graft: Graft, ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and existence of every n-gram of one sequence, [T, O] each."""
    tokens = torch.tensor([ids])
    keys, exists = graft.addressing.addresses(graft.canonicalise(tokens), torch.ones_like(tokens, dtype=torch.bool))
    return keys[0], exists[0]


def rows_ending_at(graft: Graft, places: Sequence[tuple[list[int], Sequence[int]]], seed: int = 0) -> RowMap:
    """Large random rows for all n-grams that end at these positions of these sequences: [(ids, positions), ...]."""
    found = []
    for ids, positions in places:
        keys, exists = keys_of(graft, ids)
        found += [keys[position][exists[position]] for position in positions]
    addresses = torch.cat(found).unique()
    generator = torch.Generator().manual_seed(seed)
    return RowMap(addresses, 4 * torch.randn(len(addresses), graft.spec.row_width, generator=generator))


def left_padded(sequences: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, [B, T] each."""
    width = max(map(len, sequences))
    ids = torch.tensor([[PAD] * (width - len(sequence)) + sequence for sequence in sequences])
    mask = torch.tensor([[0] * (width - len(sequence)) + [1] * len(sequence) for sequence in sequences])
    return ids, mask


@torch.no_grad()
def plain_logits(base: Base, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Logits [B, T, V] of the model by itself."""
    return base.model(input_ids=ids, attention_mask=mask, position_ids=positions_of(mask)).logits


@torch.no_grad()
def rows_logits(graft: Graft, rows: RowBatch, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Logits [B, T, V] of one full forward through a fresh session."""
    return graft.session(rows).forward(ids, mask).logits


def single_logits(graft: Graft, rows: RowMap, ids: list[int]) -> torch.Tensor:
    """Logits [T, V] of one unpadded sequence of one user."""
    tokens = torch.tensor([ids])
    return rows_logits(graft, RowBatch.shared(rows, 1), tokens, torch.ones_like(tokens))[0]
