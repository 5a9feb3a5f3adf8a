"""An Engram layer grafted onto any Hugging Face causal language model, with an empty table.

Before block `layer`, every position whose last n tokens (n in `orders`) are the address of a written row receives

    gate * W_V e,   gate = sigmoid(sign(s) sqrt|s|),   s = RMSNorm(h) . RMSNorm(W_K e) / sqrt(d)

where e is the concatenation of the rows that were found (zeros for the others), h the residual stream and d its width
(DeepSeek Engram, arXiv 2601.07372; the signed square root is in its code). W_K and W_V are random, drawn once from the
seed and shared by all users: only rows are ever written. Positions that hit no row are not touched at all, so a batch
without a hit runs the base model's own tensors, bit for bit. The optional short convolution (depthwise, causal, dilated
by the longest order) starts at zero, as in the paper, and is then skipped.

Nothing shared is mutated: the hook reads the rows of the current call from a thread-local slot that `Session.forward`
fills and empties.
"""

import threading
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from loci.errors import UserError
from loci.models.addressing import Addressing, canonical_ids
from loci.models.products import linear
from loci.models.rows import RowBatch, RowMap

_CONV_TAPS = 4
_EPS = 1e-6


@dataclass(frozen=True)
class EngramSpec:
    """What must be equal for rows to be readable: layer index, n-gram orders, heads, row width and seed."""

    layer: int
    orders: tuple[int, ...] = (2, 3, 4, 5)
    heads: int = 8
    row_dim: int = 32
    seed: int = 0

    @classmethod
    def of(cls, settings: dict) -> "EngramSpec":
        """The spec of a profile's `engram` section."""
        return cls(**{**settings, "orders": tuple(settings["orders"])})

    @property
    def row_width(self) -> int:
        """Values stored per address: heads x row_dim."""
        return self.heads * self.row_dim

    def about(self, base: str) -> dict[str, str]:
        """The identity that is stored with rows and checked when they are loaded."""
        numbers = {"layer": self.layer, "heads": self.heads, "row_dim": self.row_dim, "seed": self.seed}
        return {"base": base, "orders": ",".join(map(str, self.orders)), **{name: str(value) for name, value in numbers.items()}}


def decoder_layers(model) -> torch.nn.ModuleList:
    """The list of decoder blocks of a causal language model, whatever its family calls it."""
    count = model.config.get_text_config().num_hidden_layers
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module) == count]
    if not lists:
        raise UserError(type(model).__name__, "no list of decoder layers found", "graft onto a decoder-only model")
    return lists[0]


class Graft:
    """One Engram layer attached to `model`; `detach` removes it without a trace.

    conv: None, or depthwise kernels float [d, 4] of the short convolution.
    """

    def __init__(self, model, tokenizer, spec: EngramSpec, conv: torch.Tensor | None = None):
        layers = decoder_layers(model)
        if not 0 <= spec.layer < len(layers):
            raise UserError("engram layer", f"{spec.layer} is outside the model", f"choose 0 to {len(layers) - 1}")
        if not spec.orders or list(spec.orders) != sorted(set(spec.orders)) or spec.orders[0] < 1:
            raise UserError("engram orders", f"{spec.orders} are not increasing positive integers", "give for example 2 3 4 5")
        self.model, self.spec, self.conv = model, spec, conv
        self.width = model.config.get_text_config().hidden_size
        self.addressing = Addressing(spec.orders, spec.seed)
        self.canonical = canonical_ids(tokenizer)
        generator = torch.Generator().manual_seed(spec.seed)
        order_scale = spec.row_width**-0.5  # a row of unit variance alone adds unit variance to the stream
        shape = (self.width, len(spec.orders) * spec.row_width)
        self.w_key = torch.randn(shape, generator=generator) * order_scale
        self.w_value = torch.randn(shape, generator=generator) * order_scale
        self._call = threading.local()
        self._handle = layers[spec.layer].register_forward_pre_hook(self._add_residual)

    def detach(self) -> None:
        self._handle.remove()

    def empty_rows(self) -> RowMap:
        return RowMap.empty(self.spec.row_width)

    def canonicalise(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Canonical ids of token ids, same shape; ids beyond the tokenizer (padded vocabularies) keep themselves."""
        inside = token_ids < len(self.canonical)
        return torch.where(inside, self.canonical[token_ids.clamp(max=len(self.canonical) - 1)], token_ids)

    def gated_value(self, hidden: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """gate * W_V e for P positions: hidden [P, d], embedding e [P, O*D] -> [P, d]."""
        return self.gate(hidden, embedding).unsqueeze(-1) * linear(embedding, self.w_value)

    def gate(self, hidden: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Gate in (0, 1) for P positions: hidden [P, d], embedding e [P, O*D] -> [P]."""
        key = linear(embedding, self.w_key)
        score = (_rms_norm(hidden) * _rms_norm(key)).sum(-1) / self.width**0.5
        # sqrt has no gradient at 0, where an empty embedding lands; the floor leaves every other score as it is.
        return torch.sigmoid(score.sign() * score.abs().clamp_min(1e-12).sqrt())

    def session(self, rows: RowBatch) -> "Session":
        return Session(self, rows)

    def _add_residual(self, _layer, args):
        """Pre-hook of the grafted block: add the gated values at the positions of this call that hit a row."""
        plan = getattr(self._call, "plan", None)
        if plan is None:
            return None
        hidden, *rest = args
        added = plan(hidden)
        return None if added is None else (added, *rest)


class Session:
    """A conversation with one batch of users: remembers the last tokens, so that cached decoding finds its n-grams.

    Use one session for one batch of sequences; call `forward` with the new tokens each time, as with a KV cache.
    """

    def __init__(self, graft: Graft, rows: RowBatch):
        self._graft, self._rows = graft, rows
        self._tail: tuple[torch.Tensor, torch.Tensor] | None = None
        self._conv_history: torch.Tensor | None = None
        self.hits: list[torch.Tensor] = []

    def remember(self, input_ids: torch.Tensor, valid: torch.Tensor) -> None:
        """Take tokens as already read (their keys and values come from a cache): ids [B, T], valid bool [B, T]."""
        self._remember(self._graft.canonicalise(input_ids), valid)

    def select(self, chosen: torch.Tensor) -> None:
        """Go on with the batch elements `chosen` only."""
        self._rows = self._rows.select(chosen)
        if self._tail is not None:
            self._tail = self._tail[0][chosen], self._tail[1][chosen]
        if self._conv_history is not None:
            self._conv_history = self._conv_history[chosen]

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **model_arguments):
        """The base model's forward over the new tokens, rows added.

        input_ids: int64 [B, T] new tokens. attention_mask: [B, past + T], 0 at left padding. Other arguments go to the
        model as they are. Position ids follow the mask unless given. `hits` gets bool [B, T, O] of this call.
        """
        length = input_ids.shape[1]
        valid = attention_mask[:, -length:].bool()
        found = self.look_up(input_ids, valid)
        self.hits.append(found >= 0)
        if "position_ids" not in model_arguments:
            model_arguments["position_ids"] = positions_of(attention_mask)[:, -length:]
        call = self._graft._call
        call.plan = lambda hidden: self._with_rows(hidden, found)
        try:
            return self._graft.model(input_ids=input_ids, attention_mask=attention_mask, **model_arguments)
        finally:
            call.plan = None

    def look_up(self, input_ids: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Row index of every n-gram that ends in the new tokens, -1 where there is none: int64 [B, T, O]."""
        canonical = self._graft.canonicalise(input_ids)
        length = canonical.shape[1]
        whole, whole_valid = canonical, valid
        if self._tail is not None:
            whole, whole_valid = torch.cat([self._tail[0], canonical], 1), torch.cat([self._tail[1], valid], 1)
        keys, exists = self._graft.addressing.addresses(whole, whole_valid)
        self._remember(canonical, valid)
        return self._rows.find(keys[:, -length:], exists[:, -length:])

    def _remember(self, canonical: torch.Tensor, valid: torch.Tensor) -> None:
        keep = max(self._graft.spec.orders) - 1
        if self._tail is not None:
            canonical, valid = torch.cat([self._tail[0], canonical], 1), torch.cat([self._tail[1], valid], 1)
        start = max(canonical.shape[1] - keep, 0)
        self._tail = canonical[:, start:], valid[:, start:]

    def _with_rows(self, hidden: torch.Tensor, found: torch.Tensor) -> torch.Tensor | None:
        """hidden [B, T, d] plus the gated values; None when nothing changes."""
        at_batch, at_time = (found >= 0).any(-1).nonzero(as_tuple=True)
        if self._graft.conv is None and not len(at_batch):
            return None
        embedding = gather_rows(self._rows.values, found[at_batch, at_time])
        value = self._graft.gated_value(hidden[at_batch, at_time], embedding)
        if self._graft.conv is None:
            return hidden.index_put((at_batch, at_time), value, accumulate=True)
        dense = torch.zeros_like(hidden).index_put((at_batch, at_time), value)
        return hidden + dense + self._short_conv(dense)

    def _short_conv(self, value: torch.Tensor) -> torch.Tensor:
        """SiLU of the depthwise causal convolution of RMSNorm(value) [B, T, d], with the taps of earlier calls."""
        dilation = max(self._graft.spec.orders)
        reach = (_CONV_TAPS - 1) * dilation
        normed = _rms_norm(value).transpose(1, 2)  # [B, d, T]
        history = self._conv_history if self._conv_history is not None else normed.new_zeros(*normed.shape[:2], reach)
        padded = torch.cat([history, normed], -1)
        self._conv_history = padded[..., -reach:]
        taps = self._graft.conv.unsqueeze(1)
        return F.silu(F.conv1d(padded, taps, dilation=dilation, groups=self._graft.width)).transpose(1, 2)


def gather_rows(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Concatenated rows, zeros where the index is -1: values [R, D], index [P, O] -> [P, O*D]."""
    rows = values[index.clamp_min(0)] * (index >= 0).unsqueeze(-1).to(values.dtype)
    return rows.flatten(-2)


def positions_of(attention_mask: torch.Tensor) -> torch.Tensor:
    """Position ids [B, T] of a left-padded mask [B, T]: the first real token is 0."""
    return (attention_mask.long().cumsum(-1) - 1).clamp_min(0)


def _rms_norm(value: torch.Tensor) -> torch.Tensor:
    return value * torch.rsqrt(value.square().mean(-1, keepdim=True) + _EPS)
