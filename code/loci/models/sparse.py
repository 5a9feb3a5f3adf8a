"""Sparse attention over the latest tokens, after DeepSeek Sparse Attention (DeepSeek-V3.2): an indexer chooses what is seen.

The lightning indexer gives each earlier token a score, sum over its heads of w ReLU(q k), with one key a token for all heads; the
tokens with the highest scores are attended to, and only they. The bank is capped: what is older than its latest `bank` tokens is
gone, so what the layer remembers has the same bytes at any length. There are no positions; the layers of the delta rule below
know the order.

The choice itself has no gradient. As published, the indexer learns to predict the layer's own attention, summed over its heads:
the Kullback-Leibler divergence of its softmax from that, with the layer's input detached, over every token of the bank (the
published warm-up does so; its second stage looks at chosen tokens only). The divergence is put into the backward pass where the
layer stands, so that whatever loss is minimised trains the indexer too and no reported loss counts it.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from loci.models.kda import Kept
from loci.models.products import Linear


@dataclass(frozen=True)
class Indexing:
    """bank: latest tokens that are kept, the present one included. chosen: of them that are attended to. heads, width: of the
    indexer."""

    bank: int
    chosen: int
    heads: int
    width: int


class SparseAttention(nn.Module):
    """The layer, causal, over at most `how.bank` tokens."""

    def __init__(self, width: int, heads: int, how: Indexing):
        super().__init__()
        self.heads, self.how = heads, how
        self.query = Linear(width, width, bias=False)
        self.key = Linear(width, width, bias=False)
        self.value = Linear(width, width, bias=False)
        self.index_query = Linear(width, how.heads * how.width, bias=False)
        self.index_key = Linear(width, how.width, bias=False)
        self.index_weight = Linear(width, how.heads, bias=False)
        self.out = Linear(width, width, bias=False)
        self.draw()

    @torch.no_grad()
    def draw(self) -> None:
        """Draw the initial weights; what the layer adds to the stream starts at zero."""
        for linear in self.children():
            linear.weight.uniform_(-((3 / linear.in_features) ** 0.5), (3 / linear.in_features) ** 0.5)
        self.out.weight.zero_()

    def empty(self, batch: int) -> Kept:
        """What the layer remembers before the first token: an empty bank of full size."""
        weight, width = self.query.weight, self.query.in_features
        shapes = {"keys": width, "values": width, "index": self.how.width}
        return {name: weight.new_zeros(batch, self.how.bank, size) for name, size in shapes.items()}

    def forward(self, normed: torch.Tensor, kept: Kept, seen: int) -> tuple[torch.Tensor, Kept]:
        """(what is added to the stream [B, T, width], the bank then) of normalised inputs [B, T, width] after `seen` tokens."""
        length, bank = normed.shape[1], self.how.bank
        keys = F.rms_norm(self._split(self.key(normed)), (normed.shape[-1] // self.heads,)).transpose(1, 2).flatten(2)
        detached = normed.detach()
        index = F.layer_norm(self.index_key(detached), (self.how.width,))
        new = {"keys": keys, "values": self.value(normed), "index": index}
        # Entry j of what is joined is token j - bank + seen of the text; what stands before the text is cut off.
        empty = max(0, bank - seen)
        joined = {name: torch.cat([kept[name].to(part.dtype), part], 1) for name, part in new.items()}
        after = {name: part[:, -bank:] for name, part in joined.items()}
        keys, values, index = (joined[name][:, empty:] for name in ("keys", "values", "index"))
        at = torch.arange(length, device=normed.device)[:, None] + bank - empty
        other = torch.arange(keys.shape[1], device=normed.device)[None]
        visible = (other <= at) & (other > at - bank)  # [T, S]
        scores = self.scores(detached, index)  # [B, T, S]
        mine = scores.masked_fill(~visible, -torch.inf)
        chosen = highest(mine, self.how.chosen)
        query = F.rms_norm(self._split(self.query(normed)), (normed.shape[-1] // self.heads,))
        logits = query @ self._split(keys).transpose(-1, -2) * query.shape[-1] ** -0.5  # [B, H, T, S]
        weights = logits.masked_fill(~(chosen & visible)[:, None], -torch.inf).softmax(-1)
        added = self.out((weights @ self._split(values)).transpose(1, 2).flatten(2))
        if torch.is_grad_enabled() and self.index_key.weight.requires_grad:
            target = logits.detach().masked_fill(~visible, -torch.inf).softmax(-1).mean(1)  # [B, T, S]
            added = _WithLoss.apply(added, divergence(target, mine))
        return added, after

    def scores(self, normed: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """The indexer's score of each token: normalised inputs [B, T, width], keys [B, S, E] -> [B, T, S]."""
        query = self.index_query(normed).unflatten(-1, (self.how.heads, -1)).transpose(1, 2)  # [B, J, T, E]
        weight = self.index_weight(normed) * (self.how.heads * self.how.width) ** -0.5  # [B, T, J]
        return torch.einsum("btj,bjts->bts", weight, (query @ index[:, None].transpose(-1, -2)).relu())

    def _split(self, values: torch.Tensor) -> torch.Tensor:
        """[B, T, width] -> [B, H, T, D]."""
        return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def highest(scores: torch.Tensor, count: int) -> torch.Tensor:
    """Where the `count` highest of scores [..., S] stand; of equal ones the latest, for where nothing fits all scores are 0."""
    order = scores.flip(-1).sort(dim=-1, descending=True, stable=True).indices[..., :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, scores.shape[-1] - 1 - order, True)


def divergence(target: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Mean Kullback-Leibler divergence in nats of softmax(scores) from target, both [B, T, S]; -inf where nothing is visible."""
    told = scores.log_softmax(-1)
    return torch.where(target > 0, target * (target.clamp(min=1e-30).log() - told), 0.0).sum(-1).mean()


class _WithLoss(torch.autograd.Function):
    """A tensor as it is; whoever asks for its gradient minimises a loss beside it."""

    @staticmethod
    def forward(ctx, values, loss):
        ctx.save_for_backward(loss)
        return values.view_as(values)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, torch.ones_like(ctx.saved_tensors[0])
