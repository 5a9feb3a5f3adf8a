"""An Engram table to be trained with its model: hashed n-gram rows, gated into the residual stream.

DeepSeek Engram (arXiv 2601.07372) as its demonstration code has it: tokens made canonical; for each order n the last n of them
multiplied by odd numbers and mixed by exclusive or; each head takes the result modulo a prime of its own; the rows of all orders
and heads stand side by side as e, and

    v = gate * W_V e,   gate = sigmoid(sign(s) sqrt|s|),   s = RMSNorm(W_K e) . RMSNorm(h) / sqrt(d)
    added = v + SiLU(conv(RMSNorm(v)))

with a depthwise causal convolution of four taps, dilated by the longest order, that starts at zero as the paper says. A graft
with an empty table onto a finished model is `loci.models.engram`; it has no collisions and no training of the table.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from loci.errors import UserError
from loci.models.gpt import Cache, norm
from loci.models.products import Linear

_TAPS = 4
_STRIDE = 10_007  # between the seeds of two layers, as published
PRESETS = {  # slots an order and head, numbers a row; the published capacities divide these widths among eight heads
    "tiny": (5_000, 8),
    "small": (20_000, 16),
    "medium": (50_000, 16),
    "large": (50_000, 32),
    "xlarge": (100_000, 32),
}


@dataclass(frozen=True)
class TableSpec:
    """What addresses and shapes follow from. slots: least rows a head; each takes the next prime that no other has."""

    layers: tuple[int, ...]
    orders: tuple[int, ...] = (2, 3)
    heads: int = 8
    slots: int = 5_000
    row_dim: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("heads", "slots", "row_dim"):
            if getattr(self, name) < 1:
                raise UserError(f"engram.{name}", f"is {getattr(self, name)}", "give at least 1")
        for name in ("layers", "orders"):
            values = getattr(self, name)
            if not values or list(values) != sorted(set(values)) or values[0] < (name == "orders"):
                raise UserError(f"engram.{name}", f"{list(values)} do not increase", "give for example 2 3")

    @classmethod
    def of(cls, settings: dict) -> "TableSpec":
        """From settings {preset, layers, orders, heads, seed}."""
        if settings["preset"] not in PRESETS:
            raise UserError(f"engram.preset: {settings['preset']}", "is not known", f"use one of {', '.join(PRESETS)}")
        slots, row_dim = PRESETS[settings["preset"]]
        layers, orders = tuple(settings["layers"]), tuple(settings["orders"])
        return cls(layers, orders, settings["heads"], slots, row_dim, settings["seed"])

    def primes(self) -> dict[int, list[list[int]]]:
        """Table sizes by layer: [order][head], all different."""
        out, prime = {}, self.slots - 1
        for layer in self.layers:
            out[layer] = []
            for _ in self.orders:
                row = []
                for _ in range(self.heads):
                    prime = next_prime(prime)
                    row.append(prime)
                out[layer].append(row)
        return out


def next_prime(number: int) -> int:
    """The smallest prime above `number`."""
    number += 1
    while number < 2 or any(number % factor == 0 for factor in range(2, int(number**0.5) + 1)):
        number += 1
    return number


def multipliers(spec: TableSpec, layer: int, vocabulary: int) -> np.ndarray:
    """Odd int64 multipliers of the last max(orders) tokens, as published: drawn so that a product with an id fits int64."""
    half = max(1, int(np.iinfo(np.int64).max // vocabulary) // 2)
    rng = np.random.default_rng(spec.seed + _STRIDE * layer)
    return rng.integers(0, half, size=max(spec.orders), dtype=np.int64) * 2 + 1


class NgramTable(nn.Module):
    """The table of one layer. canonical: int64 [V], for each token id the smallest one with the same canonical text.

    Canonical ids are counted through, so that the hash sees a dense vocabulary; n-grams that begin before the text see `pad`.
    """

    def __init__(self, spec: TableSpec, layer: int, width: int, canonical: torch.Tensor, pad: int):
        super().__init__()
        self.spec, self.layer = spec, layer
        dense = torch.unique(canonical, return_inverse=True)[1]
        sizes = torch.tensor(spec.primes()[layer])  # [O, heads]
        starts = sizes.flatten().cumsum(0) - sizes.flatten()
        drawn = torch.from_numpy(multipliers(spec, layer, int(dense.max()) + 1))
        for name, value in {"dense": dense, "sizes": sizes, "starts": starts.view_as(sizes), "drawn": drawn}.items():
            self.register_buffer(name, value, persistent=False)
        self.pad = int(dense[pad])
        self.rows = nn.Embedding(int(sizes.sum()), spec.row_dim)
        joined = sizes.numel() * spec.row_dim
        self.key = Linear(joined, width, bias=False)
        self.value = Linear(joined, width, bias=False)
        self.taps = nn.Parameter(torch.zeros(width, 1, _TAPS))
        self.silenced = False
        bound = (3 / joined) ** 0.5
        with torch.no_grad():
            self.rows.weight.normal_(0, 1)
            self.key.weight.uniform_(-bound, bound)
            self.value.weight.zero_()  # the model starts as its dense twin

    def addresses(self, tokens: torch.Tensor) -> torch.Tensor:
        """Row of every order and head at every position: int64 [B, T] -> [B, T, O, heads]."""
        ids, mixed, out = self.dense[tokens], None, []
        for back in range(max(self.spec.orders)):
            earlier = F.pad(ids, (back, 0), value=self.pad)[:, : ids.shape[1]]
            mixed = earlier * self.drawn[back] if mixed is None else mixed ^ (earlier * self.drawn[back])
            if back + 1 in self.spec.orders:
                at = self.spec.orders.index(back + 1)
                out.append(mixed[..., None] % self.sizes[at] + self.starts[at])
        return torch.stack(out, 2)

    def forward(self, stream: torch.Tensor, tokens: torch.Tensor, cache: Cache | None) -> torch.Tensor:
        """What is added to the stream [B, T, width] of tokens [B, T]; zeros while silenced."""
        if self.silenced:
            return torch.zeros_like(stream)
        known = cache.tokens[:, -(max(self.spec.orders) - 1) :] if cache and cache.length else tokens[:, :0]
        where = self.addresses(torch.cat([known, tokens], 1))[:, known.shape[1] :]
        joined = self.rows(where).flatten(2)  # [B, T, O * heads * row_dim]
        score = (norm(self.key(joined)) * norm(stream)).sum(-1, keepdim=True) / stream.shape[-1] ** 0.5
        gate = torch.sigmoid(score.sign() * score.abs().clamp_min(1e-6).sqrt())
        value = gate * self.value(joined)
        return value + F.silu(self._convolved(norm(value), cache))

    def _convolved(self, value: torch.Tensor, cache: Cache | None) -> torch.Tensor:
        """Depthwise causal convolution over time of [B, T, width], with the values of earlier calls."""
        reach = (_TAPS - 1) * max(self.spec.orders)
        before = cache.kept.get(self.layer) if cache and cache.length else None
        whole = F.pad(value, (0, 0, reach, 0)) if before is None else torch.cat([before, value], 1)
        if cache is not None:
            cache.kept[self.layer] = whole[:, -reach:]
        # Written out: a grouped convolution of four taps is several times slower on CPUs.
        steps = (whole[:, at * max(self.spec.orders) :][:, : value.shape[1]] for at in range(_TAPS))
        return sum(step * self.taps[:, 0, at] for at, step in enumerate(steps))

    def sizes_by_part(self) -> dict[str, int]:
        """Parameters of the rows, and of the projections and taps."""
        rows = self.rows.weight.numel()
        return {"rows": rows, "projections": sum(weight.numel() for weight in self.parameters()) - rows}

    def extra_repr(self) -> str:
        return str(asdict(self.spec))
