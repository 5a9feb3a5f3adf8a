"""Kimi Delta Attention as a layer (arXiv 2510.26692): what a token writes into the matrices of heads, and reads of them.

Queries, keys and values pass a causal convolution over four tokens and SiLU, queries and keys are normalised to length 1. How
much of each channel stays is exp(-exp(rate) softplus(low-rank map + bias)), at least e^-5; how much is written is a sigmoid. What
is read is normalised head by head, gated and projected. Everything that the layer remembers is a matrix a head and the last three
inputs of the convolution: as many bytes after ten tokens as after a million.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from loci.models.delta import CHUNK, STRONGEST, chunked, recurrent
from loci.models.products import Linear

TAPS = 4  # tokens that the convolution sees, the present one included
_RATES = (1.0, 16.0)  # of decay, drawn uniformly; its logarithm is learnt
_TINY = 1e-5

Kept = dict[str, torch.Tensor]  # what a layer remembers, by name


class DeltaAttention(nn.Module):
    """The layer. times: smallest and greatest softplus(bias) of the decay at the start, drawn log-uniformly. correct: False for
    linear attention with the same decay, which adds where the delta rule corrects."""

    def __init__(self, width: int, heads: int, times: tuple[float, float], correct: bool = True):
        super().__init__()
        head = width // heads
        self.heads, self.times, self.correct = heads, times, correct
        self.query = Linear(width, width, bias=False)
        self.key = Linear(width, width, bias=False)
        self.value = Linear(width, width, bias=False)
        self.taps = nn.Parameter(torch.empty(TAPS, 3 * width))  # the latest token's last
        self.write = Linear(width, heads, bias=False)
        self.decay_down, self.decay_up = Linear(width, head, bias=False), Linear(head, width, bias=False)
        self.decay_rate = nn.Parameter(torch.empty(heads))
        self.decay_bias = nn.Parameter(torch.empty(width))
        self.gate_down, self.gate_up = Linear(width, head, bias=False), Linear(head, width, bias=False)
        self.scale = nn.Parameter(torch.empty(head))
        self.out = Linear(width, width, bias=False)
        self.draw()

    @torch.no_grad()
    def draw(self) -> None:
        """Draw the initial weights; what the layer adds to the stream starts at zero."""
        for linear in self.children():
            linear.weight.uniform_(-((3 / linear.in_features) ** 0.5), (3 / linear.in_features) ** 0.5)
        self.out.weight.zero_()
        self.taps.uniform_(-(TAPS**-0.5), TAPS**-0.5)
        self.decay_rate.uniform_(*_RATES).log_()
        time = self.decay_bias.uniform_(*map(math.log, self.times)).exp()
        self.decay_bias.copy_(time + torch.log(-torch.expm1(-time)))  # so that softplus gives the time back
        self.scale.fill_(1.0)

    def empty(self, batch: int) -> Kept:
        """What the layer remembers before the first token."""
        head = self.scale.shape[0]
        return {
            "memory": self.scale.new_zeros(batch, self.heads, head, head),
            "tail": self.scale.new_zeros(batch, TAPS - 1, self.taps.shape[1]),
        }

    def forward(self, normed: torch.Tensor, kept: Kept) -> tuple[torch.Tensor, Kept]:
        """(what is added to the stream [B, T, width], what the layer remembers then) of normalised inputs [B, T, width]."""
        projected = torch.cat([self.query(normed), self.key(normed), self.value(normed)], -1)
        lined = torch.cat([kept["tail"].to(projected.dtype), projected], 1)
        length = normed.shape[1]
        mixed = F.silu(sum(lined[:, at : at + length] * tap for at, tap in enumerate(self.taps)))
        query, key, value = (self._split(part) for part in mixed.chunk(3, -1))
        decay = F.softplus(self._split(self.decay_up(self.decay_down(normed)) + self.decay_bias))
        decay = (-self.decay_rate.exp()[:, None, None] * decay).clamp(min=STRONGEST)
        write = self.write(normed).sigmoid().transpose(1, 2)  # [B, H, T]
        parts = (F.normalize(query, dim=-1), F.normalize(key, dim=-1), value, decay, write)
        read, memory = self._remember(parts, kept["memory"])
        read = F.rms_norm(read, (read.shape[-1],), self.scale.to(read.dtype), _TINY)
        gate = self.gate_up(self.gate_down(normed)).sigmoid()
        return self.out(gate * read.transpose(1, 2).flatten(2)), {"memory": memory, "tail": lined[:, length:]}

    def _remember(self, parts: tuple[torch.Tensor, ...], memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The delta rule in at least float32, whatever the precision around it: a state adds up over the whole text."""
        exact = [part.to(torch.promote_types(part.dtype, torch.float32)) for part in parts]
        with torch.autocast(memory.device.type, enabled=False):
            if exact[0].shape[2] > CHUNK:
                return chunked(*exact, memory.to(exact[0].dtype), bounded=True, correct=self.correct)
            return recurrent(*exact, memory.to(exact[0].dtype), correct=self.correct)

    def _split(self, values: torch.Tensor) -> torch.Tensor:
        """[B, T, width] -> [B, H, T, D]."""
        return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)
