"""Inside a forward: the residual stream before every block, with vectors added where a graft would add them.

What rows add is worked out first (`Probe.adds`) and then put in (`Probe.read`), so that it can be changed on the way: another
gate, another value, nothing at all. The same forward serves a model with an adapter in its slot. One sequence at a time,
without padding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn import functional as F

from loci.models.engram import Graft, decoder_layers, gather_rows
from loci.models.products import linear
from loci.models.rows import RowMap
from loci.models.suffix import find_rows


@dataclass(frozen=True)
class Streams:
    """stream: [L + 1, T, d], the input of each of L blocks, then the output of the last before the final norm; what is added
    before a block is not part of its own entry. logits: [T, V]."""

    stream: torch.Tensor
    logits: torch.Tensor

    @cached_property
    def log_probs(self) -> torch.Tensor:
        return F.log_softmax(self.logits, -1)


@dataclass(frozen=True)
class Added:
    """What rows add to one sequence. hit: bool [T]. gate: [T], 0 where nothing is read. value: W_V e, [T, d]."""

    hit: torch.Tensor
    gate: torch.Tensor
    value: torch.Tensor

    @property
    def vectors(self) -> torch.Tensor:
        """gate * W_V e, [T, d]."""
        return self.gate[:, None] * self.value


class Probe:
    """Reads a grafted model; rows are never attached, only what they add is."""

    def __init__(self, graft: Graft):
        self.graft, self.layer = graft, graft.spec.layer
        self._blocks = decoder_layers(graft.model)
        decoder, width = graft.model.get_decoder(), graft.width
        norms = [one for one in decoder.children() if getattr(getattr(one, "weight", None), "shape", None) == (width,)]
        self._norm, self._head = norms[-1], graft.model.get_output_embeddings()

    @torch.no_grad()
    def read(self, ids: list[int], added: torch.Tensor | None = None) -> Streams:
        """One forward over a sequence. added: [T, d], put onto the stream before the grafted block."""
        with _inputs_of(self._blocks, self.layer, added) as seen:
            logits = self.graft.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        return Streams(torch.stack(seen), logits)

    @torch.no_grad()
    def adds(self, rows: RowMap, ids: list[int], stream: torch.Tensor) -> Added:
        """What these rows add where `stream` [T, d] comes into the grafted block (no earlier block sees a row)."""
        found = find_rows(self.graft, rows, ids)  # [T, O]
        hit = (found >= 0).any(-1)
        gate, value = stream.new_zeros(len(ids)), torch.zeros_like(stream)
        if hit.any():
            embedding = gather_rows(rows.values, found[hit])
            gate[hit], value[hit] = self.graft.gate(stream[hit], embedding), linear(embedding, self.graft.w_value)
        return Added(hit, gate, value)

    def embedding(self, rows: RowMap, ids: list[int], at: int) -> torch.Tensor:
        """What one position reads, zeros where an order finds nothing: [O * D]."""
        return gather_rows(rows.values, find_rows(self.graft, rows, ids)[at : at + 1])[0]

    @torch.no_grad()
    def lens(self, stream: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [..., V] that the final norm and the head see in a stream [..., d] (logit lens)."""
        return F.log_softmax(self._head(self._norm(stream)), -1)


@contextmanager
def _inputs_of(blocks: torch.nn.ModuleList, layer: int, added: torch.Tensor | None) -> Iterator[list[torch.Tensor]]:
    """Within the block of code: the inputs [T, d] of all blocks as they run, then the output of the last one."""
    seen: list[torch.Tensor] = []

    def before(place):
        def hook(_block, args):
            seen.append(args[0][0])
            return (args[0] + added, *args[1:]) if added is not None and place == layer else None

        return hook

    def after(_block, _args, output):
        seen.append((output[0] if isinstance(output, tuple) else output)[0])

    handles = [block.register_forward_pre_hook(before(place)) for place, block in enumerate(blocks)]
    handles.append(blocks[-1].register_forward_hook(after))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def rank_of(scores: torch.Tensor, token: int) -> int:
    """Place of a token among scores [V], 1 for the highest; tokens that score the same share the better place."""
    return int((scores > scores[token]).sum()) + 1
