"""The part of a model above a grafted layer, fed with hidden states.

While rows change, everything below the Engram layer is constant, and so is everything to the left of the first
position that hits a row: its residual stream, hence its keys and values, at every layer. `lower_pass` computes both
once; `UpperStack.forward` then redoes only the positions from the first hit on, through the upper layers. The result
equals the full forward (a test holds it to 1e-4 at three layers).

The upper stack is a shallow copy of the model's decoder whose lower blocks are replaced by pass-throughs, so that the
model's own code still builds rotary positions and calls the upper blocks; the weights are the same tensors.
"""

import copy
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import DynamicCache

from loci.errors import UserError
from loci.models.engram import Graft, decoder_layers, positions_of


@dataclass(frozen=True)
class LowerPass:
    """What does not depend on rows, for B sequences of T tokens.

    hidden: [B, T, d], input of the grafted block. upper: per upper layer, keys and values [B, H, T, head].
    """

    hidden: torch.Tensor
    upper: list[tuple[torch.Tensor, torch.Tensor]]


class FixedPrefix:
    """A key-value cache that is read but never grows: `update` returns prefix and new keys, and keeps nothing.

    parts: per upper layer, the (keys, values) pairs [B, H, length, head] that stand one after the other.
    """

    is_compileable = False

    def __init__(self, parts: list[list[tuple[torch.Tensor, torch.Tensor]]], first_layer: int):
        self._parts, self._first = parts, first_layer

    def update(self, key, value, layer_idx, *_args, **_kwargs):
        parts = self._parts[layer_idx - self._first]
        return torch.cat([*(keys for keys, _ in parts), key], 2), torch.cat([*(values for _, values in parts), value], 2)

    def get_seq_length(self, *_args) -> int:
        return sum(keys.shape[2] for keys, _ in self._parts[0])


class UpperStack:
    """Blocks `graft.spec.layer` and above of the grafted model, then its final norm: hidden states in and out."""

    def __init__(self, graft: Graft):
        if graft.conv is not None:
            raise UserError("short convolution", "rows cannot be written through it yet", "graft without `conv`")
        self.graft = graft
        decoder = graft.model.get_decoder()
        layers = decoder_layers(graft.model)
        name = next(name for name, module in decoder.named_children() if module is layers)
        self.first_layer = graft.spec.layer
        self.depth = len(layers) - self.first_layer
        self._entry = _Entry(layers[self.first_layer])
        lower = [_PassThrough() for _ in range(self.first_layer)]
        self._decoder = copy.copy(decoder)
        self._decoder._modules = dict(decoder._modules)
        self._decoder._modules[name] = torch.nn.ModuleList([*lower, self._entry, *layers[self.first_layer + 1 :]])

    def forward(self, hidden: torch.Tensor, prefix: FixedPrefix, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Final hidden states of A active positions after a fixed prefix of P positions.

        hidden: [B, A, d], input of the grafted block with rows already added. mask: bool [B, 1, A, P + A].
        positions: int64 [B, A]. Returns [B, A, d] after the final norm.
        """
        self._entry.hidden = hidden
        try:
            output = self._decoder(
                inputs_embeds=hidden,
                attention_mask=self._masks(mask, positions),
                position_ids=positions,
                past_key_values=prefix,
                use_cache=True,
            )
        finally:
            self._entry.hidden = None
        return output.last_hidden_state

    def _masks(self, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        """The mask of `forward` for models whose blocks all see everything; else one for each kind of block, by its name."""
        config = self.graft.model.config.get_text_config()
        if "sliding_attention" not in (getattr(config, "layer_types", None) or ()):
            return mask
        before = torch.arange(mask.shape[-1] - positions.shape[1]).expand(len(positions), -1)
        seen = torch.cat([before, positions], 1)  # [B, P + A]
        near = positions[:, None, :, None] - seen[:, None, None, :] < config.sliding_window
        return {"full_attention": mask, "sliding_attention": mask & near}

    def final_gain(self) -> torch.Tensor:
        """Gain of the final norm, float [d], told from what the norm does: families store it as it is or less one.

        The norm is the last module of the decoder that has a weight of the stream's width.
        """
        width = self.graft.width
        norms = [one for one in self._decoder.children() if getattr(getattr(one, "weight", None), "shape", None) == (width,)]
        unit = torch.ones(width)
        unit[1::2] = -1  # mean 0, mean square 1
        return (norms[-1](unit) - norms[-1](-unit)) / (2 * unit)

    @torch.no_grad()
    def lower_pass(self, input_ids: torch.Tensor, valid: torch.Tensor, context: "Context | None" = None) -> LowerPass:
        """One full forward without rows: the stream below the grafted layer, and all keys and values above it.

        input_ids: int64 [B, T]; valid: bool [B, T], False at padding. context: what stands before all of them.
        """
        batch = len(input_ids)
        cache = context.expand(batch) if context else DynamicCache()
        before = context.length if context else 0
        whole = torch.cat([valid.new_ones(batch, before), valid], 1)
        positions = positions_of(whole)[:, before:]
        with _captured_input(decoder_layers(self.graft.model)[self.first_layer]) as captured:
            self.graft.model.get_decoder()(
                input_ids=input_ids, attention_mask=whole.long(), position_ids=positions, past_key_values=cache, use_cache=True
            )
        upper = [(layer.keys[:, :, before:], layer.values[:, :, before:]) for layer in cache.layers[self.first_layer :]]
        return LowerPass(captured["hidden"], upper)


class Context:
    """Keys and values, at every layer, of one sequence of P tokens that stands before many others."""

    @torch.no_grad()
    def __init__(self, upper: UpperStack, input_ids: torch.Tensor):
        """input_ids: int64 [1, P]; read once, without rows."""
        cache = DynamicCache()
        with _captured_input(decoder_layers(upper.graft.model)[upper.first_layer]) as captured:
            upper.graft.model.get_decoder()(input_ids=input_ids, past_key_values=cache, use_cache=True)
        self.hidden = captured["hidden"]  # [1, P, d], input of the grafted block
        self.layers = [(layer.keys, layer.values) for layer in cache.layers]  # [1, H, P, head] each
        self.length = input_ids.shape[1]

    def expand(self, batch: int) -> DynamicCache:
        """A fresh cache for `batch` sequences; the tensors are shared until the model appends to them."""
        cache = DynamicCache()
        for index, (keys, values) in enumerate(self.layers):
            cache.update(keys.expand(batch, -1, -1, -1), values.expand(batch, -1, -1, -1), index)
        return cache


@contextmanager
def _captured_input(block: torch.nn.Module):
    """Within the block of code, remember what the decoder block is called with: {"hidden": [B, T, d]}."""
    captured: dict[str, torch.Tensor] = {}
    handle = block.register_forward_pre_hook(lambda _block, args: captured.update(hidden=args[0]))
    try:
        yield captured
    finally:
        handle.remove()


class _Entry(torch.nn.Module):
    """Stands in for the grafted block: drops what came from below and runs the block on the given hidden states."""

    def __init__(self, block: torch.nn.Module):
        super().__init__()
        self.block = block
        self.hidden: torch.Tensor | None = None

    def forward(self, _below, *args, **kwargs):
        return self.block(self.hidden, *args, **kwargs)


class _PassThrough(torch.nn.Module):
    def forward(self, hidden, *_args, **_kwargs):
        return hidden
