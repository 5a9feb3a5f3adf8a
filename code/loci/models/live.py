"""A decoder that remembers in a state of constant size: three layers of Kimi Delta Attention, then one of sparse attention.

Everything that it knows of a text stands in a `State`; reading goes on from one wherever it stopped, in another process too
(loci.models.live_state). With frozen weights, reading is how it takes something in: nothing is trained. After the idea of Live
Memory, whose published mechanism is loci.models.pooled_traces; this design is ours, from published layers. Embedding, MLP, head
and norms are those of loci.models.gpt. There are no position encodings: the delta rule knows the order.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from loci.models.gpt import GPT, Cache, Shape, norm
from loci.models.kda import DeltaAttention, Kept
from loci.models.products import Linear
from loci.models.sparse import Indexing, SparseAttention

EACH = 4  # every fourth layer is sparse attention


@dataclass(frozen=True)
class LiveSpec:
    """indexing: of the sparse layers. times: of the decay at the start (loci.models.kda); the published range by default.
    correct: False for linear attention in the place of the delta rule."""

    indexing: Indexing
    times: tuple[float, float] = (1e-3, 1e-1)
    correct: bool = True

    @classmethod
    def of(cls, bank: int, chosen: int, index_heads: int, index_width: int, times: list[float]) -> "LiveSpec":
        """From the settings of a profile."""
        return cls(Indexing(bank, chosen, index_heads, index_width), (times[0], times[1]))


@dataclass(frozen=True)
class State:
    """What a batch of texts left: layer by layer, and the number of tokens read."""

    layers: tuple[Kept, ...]
    seen: int

    def each(self, change: Callable[[int, str, torch.Tensor], torch.Tensor]) -> "State":
        """The same state with every tensor changed: change(layer, name, tensor [B, ...])."""
        layers = ({name: change(at, name, part) for name, part in kept.items()} for at, kept in enumerate(self.layers))
        return State(tuple(layers), self.seen)

    def pick(self, rows: torch.Tensor) -> "State":
        """The states of some texts of the batch, in the order of rows [N]."""
        return self.each(lambda _at, _name, part: part[rows])

    @property
    def bytes_each(self) -> int:
        """Bytes of one text's state."""
        return sum(part[0].numel() * part.element_size() for kept in self.layers for part in kept.values())


class LiveBlock(nn.Module):
    """A mixer of tokens, then the MLP of the plain decoder, each added to the residual stream."""

    def __init__(self, mixer: nn.Module, width: int, hidden: int):
        super().__init__()
        self.mixer = mixer
        self.up, self.down = Linear(width, hidden, bias=False), Linear(hidden, width, bias=False)

    @torch.no_grad()
    def draw(self) -> None:
        """Draw the initial weights."""
        self.mixer.draw()
        self.up.weight.uniform_(-((3 / self.up.in_features) ** 0.5), (3 / self.up.in_features) ** 0.5)
        self.down.weight.zero_()

    def forward(self, stream: torch.Tensor, kept: Kept, seen: int) -> tuple[torch.Tensor, Kept]:
        more = (seen,) if isinstance(self.mixer, SparseAttention) else ()
        added, kept = self.mixer(norm(stream), kept, *more)
        stream = stream + added
        return stream + self.down(F.relu(self.up(norm(stream))).square()), kept


class LiveGPT(GPT):
    """The decoder. hidden: width of the MLPs, 0 for four times the model's."""

    def __init__(self, shape: Shape, spec: LiveSpec, hidden: int = 0):
        super().__init__(shape)
        self.spec = spec
        self.blocks = nn.ModuleList(
            LiveBlock(self._mixer(at, shape, spec), shape.width, hidden or 4 * shape.width) for at in range(shape.depth)
        )
        self.draw()

    @staticmethod
    def _mixer(at: int, shape: Shape, spec: LiveSpec) -> nn.Module:
        if at % EACH == EACH - 1:
            return SparseAttention(shape.width, shape.heads, spec.indexing)
        return DeltaAttention(shape.width, shape.heads, spec.times, spec.correct)

    @torch.no_grad()
    def draw(self) -> None:
        """Draw the initial weights: what is added to the stream starts at zero, the head near zero."""
        self.embedding.weight.normal_(0, 1)
        self.head.weight.normal_(0, 0.001)
        for block in self.blocks:
            if isinstance(block, LiveBlock):  # the plain decoder draws before its blocks are replaced
                block.draw()

    def empty(self, batch: int) -> State:
        """The state before the first token of a batch of texts."""
        return State(tuple(block.mixer.empty(batch) for block in self.blocks), 0)

    def read(self, tokens: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """(hidden states [B, T, width], the state after) of tokens [B, T] read after a state; None: nothing was read."""
        state = state or self.empty(tokens.shape[0])
        stream, layers = norm(self.embedding(tokens)), []
        for block, kept in zip(self.blocks, state.layers, strict=True):
            stream, kept = block(stream, kept, state.seen)
            layers.append(kept)
        return norm(stream), State(tuple(layers), state.seen + tokens.shape[1])

    def forward(self, tokens: torch.Tensor, memory=None, cache: Cache | None = None) -> torch.Tensor:
        """Hidden states [B, T, width], as of the plain decoder; a cache carries the state. There is no memory zone."""
        if memory is not None:
            raise ValueError("a live model has no memory zone")
        state = State(tuple(cache.layers), cache.length) if cache is not None and cache.length else None
        hidden, after = self.read(tokens, state)
        if cache is not None:
            cache.layers, cache.tokens = list(after.layers), torch.cat([cache.tokens, tokens], 1) if state else tokens
        return hidden
