"""A small decoder to be trained from scratch, plain enough to be changed.

Of the nanochat class (github.com/karpathy/nanochat): RMSNorm without weights, also behind the embedding; rotary positions;
queries and keys normalised (QK norm, arXiv 2010.04245); squared-ReLU MLP (arXiv 2109.08668); untied head; logits softly capped at
15 (arXiv 2408.00118). Depth is the one dial: width is 64 times the depth, a head is 64 wide.

Half of each head has no positions, and there a token's key is that of the token before it (partial key offset,
github.com/KellerJordan/modded-nanogpt, pull request 169): "what came after this token?" then takes one layer instead of two. A
model of two layers learns to repeat random tokens with it, and does not without, in 700,000 tokens (docs/LOG.md).

What is attached stands beside it: a module for a layer's input (an Engram table), a zone that makes vectors in front of the
tokens of what is remembered. Memory sees memory, tokens see memory and the tokens before them; only tokens have logits. Without
memory and modules the model is the plain one, bit for bit.
"""

from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional as F

from loci.errors import UserError
from loci.models.attention import Attend, sdpa
from loci.models.products import Linear

_HEAD = 64  # width of a head
_CAP = 15.0  # of logits
_THETA = 10_000.0


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder. sequence: most positions of tokens that it is trained on."""

    depth: int
    width: int
    heads: int
    vocabulary: int
    sequence: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise UserError(f"model.{name}", f"is {value}", "give at least 1")
        if self.width % (4 * self.heads):
            raise UserError("model.heads", f"{self.heads} heads do not share width {self.width} in fours", "change either")

    @classmethod
    def of_depth(cls, depth: int, vocabulary: int, sequence: int) -> "Shape":
        """The sizes that follow from the depth."""
        return cls(depth, _HEAD * depth, depth, vocabulary, sequence)


@dataclass(frozen=True)
class Memory:
    """Vectors in front of the tokens: [B, M, width], and which of them are there: bool [B, M], None for all."""

    vectors: torch.Tensor
    present: torch.Tensor | None = None


class Cache:
    """Keys and values of a batch, layer by layer: the memory zone's, then the tokens' so far."""

    def __init__(self) -> None:
        self.layers: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []  # keys, values, the last token's own key
        self.present: torch.Tensor | None = None  # bool [B, M] of the memory zone
        self.tokens = torch.empty(0, 0, dtype=torch.int64)  # [B, T] read so far
        self.kept: dict[int, torch.Tensor] = {}  # what attached modules keep, by layer

    @property
    def length(self) -> int:
        """Tokens read so far."""
        return self.tokens.shape[1]


def norm(values: torch.Tensor) -> torch.Tensor:
    """Root-mean-square normalisation of the last axis, without weights."""
    return F.rms_norm(values, (values.shape[-1],))


def rotary(first: int, length: int, head: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines [T, D / 4] of positions first, first + 1, ... (RoFormer, arXiv 2104.09864), of the type of `like`."""
    place = torch.arange(first, first + length, device=like.device, dtype=torch.float32)
    speed = _THETA ** (-torch.arange(head // 4, device=like.device, dtype=torch.float32) / (head // 4))
    angle = place[:, None] * speed
    return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


def rotated(values: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Positions laid on the first half of each head of values [B, H, T, D]."""
    (cos, sin), (turning, still) = turn, values.chunk(2, -1)
    left, right = turning.chunk(2, -1)
    return torch.cat([left * cos + right * sin, right * cos - left * sin, still], -1)


def offset(keys: torch.Tensor, before: torch.Tensor | None) -> torch.Tensor:
    """Keys [B, H, T, D] whose second half is that of the token before. before: key [B, H, 1, D] of the token before the first
    one, None where there is none (zeros then)."""
    turning, still = keys.chunk(2, -1)
    first = torch.zeros_like(still[:, :, :1]) if before is None else before.chunk(2, -1)[1]
    return torch.cat([turning, torch.cat([first, still[:, :, :-1]], 2)], -1)


class Block(nn.Module):
    """Attention, then the MLP, each added to the residual stream."""

    def __init__(self, shape: Shape, hidden: int):
        super().__init__()
        self.heads = shape.heads
        self.query = Linear(shape.width, shape.width, bias=False)  # apart: Muon makes each matrix orthogonal for itself
        self.key = Linear(shape.width, shape.width, bias=False)
        self.value = Linear(shape.width, shape.width, bias=False)
        self.out = Linear(shape.width, shape.width, bias=False)
        self.up = Linear(shape.width, hidden, bias=False)
        self.down = Linear(hidden, shape.width, bias=False)

    def forward(self, stream, memory: int, present, attend: Attend, past, turn):
        """stream [B, M + T, width], of which the first `memory` are the memory zone (0 once that has been read). past: keys and
        values [B, H, S, D] read before and the key of the last token as it was before positions, or None. turn: rotary positions
        of the tokens. Returns the stream and what is `past` from here."""
        normed = norm(stream)
        queries, keys, values = (self._split(project(normed)) for project in (self.query, self.key, self.value))
        queries, keys = norm(queries), norm(keys)
        last = keys[:, :, -1:]
        tokens = rotated(offset(keys[:, :, memory:], None if past is None else past[2]), turn)
        keys = torch.cat([keys[:, :, :memory], tokens], 2) if memory else tokens
        if past is not None:
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        seen = None if present is None else F.pad(present, (0, keys.shape[2] - present.shape[1]), value=True)
        found = attend(rotated(queries[:, :, memory:], turn), keys, values, True, seen)
        if memory:
            zone = attend(queries[:, :, :memory], keys[:, :, :memory], values[:, :, :memory], False, present)
            found = torch.cat([zone, found], 2)
        stream = stream + self.out(found.transpose(1, 2).flatten(2))
        return stream + self.down(F.relu(self.up(norm(stream))).square()), (keys, values, last)

    def _split(self, projected: torch.Tensor) -> torch.Tensor:
        """[B, T, width] -> [B, H, T, D]."""
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class GPT(nn.Module):
    """The decoder. attached: modules by layer index, called as module(stream, tokens, cache) before the block; what they return
    is added to the stream of the tokens. zone: called as zone(what is remembered, embedding), gives a `Memory`. attend: the
    attention back-end. hidden: width of the MLPs, 0 for four times the model's."""

    def __init__(
        self,
        shape: Shape,
        attached: dict[int, nn.Module] | None = None,
        zone: nn.Module | None = None,
        attend: Attend = sdpa,
        hidden: int = 0,
    ):
        super().__init__()
        self.shape, self.attend = shape, attend
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape, hidden or 4 * shape.width) for _ in range(shape.depth))
        self.head = Linear(shape.width, shape.vocabulary, bias=False)
        odd = [at for at in attached or {} if not 0 <= at < shape.depth]
        if odd:
            raise UserError("model layers", f"{odd[0]} is outside the model", f"choose 0 to {shape.depth - 1}")
        self.attached = nn.ModuleDict({str(at): module for at, module in (attached or {}).items()})
        self.zone = zone
        self.draw()

    @torch.no_grad()
    def draw(self) -> None:
        """Draw the initial weights: what is added to the stream starts at zero, the head near zero."""
        self.embedding.weight.normal_(0, 1)
        self.head.weight.normal_(0, 0.001)
        bound = (3 / self.shape.width) ** 0.5
        for block in self.blocks:
            for drawn in (block.query, block.key, block.value, block.up):
                drawn.weight.uniform_(-bound, bound)
            for zero in (block.out, block.down):
                zero.weight.zero_()

    def forward(self, tokens: torch.Tensor, memory=None, cache: Cache | None = None) -> torch.Tensor:
        """Hidden states [B, T, width] of tokens [B, T]. memory: a `Memory`, what the zone makes one of, or None; it goes in with
        the first tokens of a cache and stays in it."""
        if memory is not None and not isinstance(memory, Memory):
            memory = self.zone(memory, self.embedding)
        first = cache.length if cache else 0
        stream = norm(self.embedding(tokens))
        zone, present = 0, cache.present if cache else None
        if memory is not None and memory.vectors.shape[1]:
            if first:
                raise ValueError("memory goes in with the first tokens")
            zone, present = memory.vectors.shape[1], memory.present
            stream = torch.cat([memory.vectors, stream], 1)
        turn = rotary(first, tokens.shape[1], self.shape.width // self.shape.heads, stream)
        layers = []
        for at, block in enumerate(self.blocks):
            if str(at) in self.attached:
                added = self.attached[str(at)](stream[:, zone:], tokens, cache)
                stream = stream + (F.pad(added, (0, 0, zone, 0)) if zone else added)
            past = cache.layers[at] if first else None
            stream, kept = block(stream, zone, present, self.attend, past, turn)
            layers.append(kept)
        if cache is not None:
            cache.layers, cache.present = layers, present
            cache.tokens = torch.cat([cache.tokens, tokens], 1) if first else tokens
        return norm(stream[:, zone:])

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits [..., vocabulary] of hidden states [..., width], float32, softly capped."""
        return _CAP * torch.tanh(self.head(hidden).float() / _CAP)

    def loss(self, tokens: torch.Tensor, targets: torch.Tensor, memory=None) -> torch.Tensor:
        """Cross-entropy in nats of each target that is no padding (-1), flat: tokens and targets int64 [B, T]."""
        hidden, learnt = self(tokens, memory), targets >= 0
        return F.cross_entropy(self.logits(hidden[learnt]), targets[learnt], reduction="none")

    @torch.no_grad()
    def generate(self, tokens: torch.Tensor, steps: int, memory=None) -> torch.Tensor:
        """The most likely `steps` tokens [B, steps] after tokens [B, T], one at a time through the cache."""
        cache, out = Cache(), []
        for _ in range(steps):
            tokens = self.logits(self(tokens, memory, cache)[:, -1]).argmax(-1, keepdim=True)
            memory = None
            out.append(tokens)
        return torch.cat(out, 1)

    def parameters_by_kind(self) -> dict[str, int]:
        """How many parameters are embeddings, matrices of blocks, the head, and attached."""
        return {
            "embedding": self.embedding.weight.numel(),
            "blocks": sum(weight.numel() for weight in self.blocks.parameters()),
            "head": self.head.weight.numel(),
            "attached": sum(weight.numel() for weight in self.attached.parameters()),
            "zone": sum(weight.numel() for weight in self.zone.parameters()) if self.zone is not None else 0,
        }
