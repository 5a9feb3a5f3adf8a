"""Keys and values of many requests, each in a slot of its own, and attention over them.

One forward takes N rows of one token each: the next token of every slot that decodes, then prompt tokens of new requests.
All layers but attention treat a row by itself. Attention reads the slot of a row and nothing else, in shapes that follow
from the row's own request: what it computes cannot depend on who else is served. That the products treat a row by itself
to the last bit, however many rows there are, is measured when the engine starts (`exact.py`).

Shapes: S slots, C columns of a slot, N rows, D decoding rows, K key-value heads, G query heads each, E numbers of a head.
"""

from dataclasses import dataclass

import torch
from transformers import AttentionInterface

from loci.errors import UserError

NAME = "loci_slots"
_BLOCK = 64  # columns are read in whole blocks: a sum over further, masked columns keeps its bits


@dataclass(frozen=True)
class Chunk:
    """`length` prompt tokens of `slot`, from position `start` on, in the rows from `row` on."""

    slot: int
    start: int
    row: int
    length: int


class SlotCache:
    """Keys and values [S, K, C, E] of every layer, of up to `positions` tokens a slot.

    Idle rows write into the last column, which no mask ever shows. Zeroed memory is given out only where it is written.
    """

    def __init__(self, config, slots: int, positions: int):
        config = config.get_text_config()
        if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
            raise UserError("model", "has layers that see only the latest tokens", "serve a model whose layers see everything")
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (slots, heads, _whole_blocks(positions + 1), width)
        self.slots, self.positions, self.columns = slots, positions, shape[2]
        self.layers = [(torch.zeros(shape), torch.zeros(shape)) for _ in range(config.num_hidden_layers)]
        self._fewer = _masked_columns_change_nothing(config.num_attention_heads, shape)

    def read(self, positions: int) -> int:
        """How many columns are read where up to `positions` are in use: whole blocks, or all where sums over them differ."""
        return _whole_blocks(positions) if self._fewer else self.columns

    @property
    def bytes_per_token(self) -> int:
        """Bytes of one position of one slot, over all layers."""
        keys = self.layers[0][0]
        return 2 * len(self.layers) * keys.shape[1] * keys.shape[3] * keys.element_size()


class Step:
    """Which slot and position each of the N rows of one forward belongs to.

    positions: int64 [D], where slots 0 to D-1 decode; -1 for one that does not. chunks: in the rows behind those.
    """

    def __init__(self, cache: SlotCache, positions: list[int], chunks: list[Chunk], rows: int):
        self.cache, self.chunks, self.decoding = cache, chunks, len(positions)
        at = torch.tensor(positions, dtype=torch.int64)
        idle = at < 0
        at = at.clamp_min(0)
        self.write_at = torch.where(idle, cache.columns - 1, at)
        columns = torch.arange(cache.read(max(positions, default=0) + 1))
        self.unseen = (columns > at[:, None])[:, None, None]  # [D, 1, 1, C']
        self.chunk_unseen = []
        ids = torch.zeros(rows, dtype=torch.int64)
        ids[: len(at)] = at
        for chunk in chunks:
            own = torch.arange(chunk.start, chunk.start + chunk.length)
            ids[chunk.row : chunk.row + chunk.length] = own
            columns = torch.arange(_whole_blocks(chunk.start + chunk.length))  # follows from the request alone
            self.chunk_unseen.append(columns > own[:, None])  # [T, C']
        self.position_ids = ids[:, None]  # [N, 1]; 0 for idle rows and padding


def attend(module, query, key, value, _mask, scaling: float, step: Step, **_options):
    """Attention of N rows of one token: query [N, H, 1, E], key and value [N, K, 1, E] -> [N, 1, H, E], for transformers."""
    keys, values = step.cache.layers[module.layer_idx]
    _, heads, _, width = query.shape
    kv_heads = key.shape[1]
    query, key, value = query[:, :, 0], key[:, :, 0], value[:, :, 0]
    out = torch.zeros_like(query)
    decoding = step.decoding
    if decoding:
        at = (torch.arange(decoding), slice(None), step.write_at)
        keys[at], values[at] = key[:decoding], value[:decoding]
        out[:decoding] = _attend_one(query[:decoding], keys[:decoding], values[:decoding], step.unseen, scaling)
    for chunk, unseen in zip(step.chunks, step.chunk_unseen, strict=True):
        of_chunk, end = slice(chunk.row, chunk.row + chunk.length), chunk.start + chunk.length
        for store, new in ((keys, key), (values, value)):
            store[chunk.slot, :, chunk.start : end] = new[of_chunk].transpose(0, 1)
        seen = unseen.shape[-1]
        grouped = query[of_chunk].view(chunk.length, kv_heads, -1, width).permute(1, 2, 0, 3)  # [K, G, T, E]
        scores = torch.bmm(grouped.reshape(kv_heads, -1, width), keys[chunk.slot, :, :seen].transpose(1, 2)) * scaling
        weights = scores.view(kv_heads, -1, chunk.length, seen).masked_fill_(unseen, -torch.inf).softmax(-1)
        found = torch.bmm(weights.view(kv_heads, -1, seen), values[chunk.slot, :, :seen])
        out[of_chunk] = found.view(kv_heads, -1, chunk.length, width).permute(2, 0, 1, 3).reshape(chunk.length, heads, width)
    return out[:, None], None


def _attend_one(query, keys, values, unseen, scaling: float) -> torch.Tensor:
    """One query a slot: [D, H, E] over keys and values [D, K, C, E], of which `unseen` [D, 1, 1, C'] shows some: [D, H, E]."""
    slots, kv_heads, _, width = keys.shape
    seen = unseen.shape[-1]
    grouped = query.reshape(slots * kv_heads, -1, width)  # [D*K, G, E]
    keys, values = (part[:, :, :seen].flatten(0, 1) for part in (keys, values))
    scores = torch.bmm(grouped, keys.transpose(1, 2)).view(slots, kv_heads, -1, seen) * scaling
    weights = scores.masked_fill_(unseen, -torch.inf).softmax(-1).view(slots * kv_heads, -1, seen)
    return torch.bmm(weights, values).view(slots, -1, width)


def _masked_columns_change_nothing(heads: int, shape: tuple[int, ...]) -> bool:
    """Whether attention has the same bits when it also reads blocks of masked columns: tried on random numbers, two slots."""
    slots, kv_heads, columns, width = 2, *shape[1:]
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(slots, heads, width, generator=generator)
    keys, values = (torch.randn(slots, kv_heads, columns, width, generator=generator) for _ in range(2))
    found = []
    for seen in range(_BLOCK, columns + 1, _BLOCK):
        unseen = (torch.arange(seen) > torch.tensor([[7], [_BLOCK - 2]]))[:, None, None]
        found.append(_attend_one(query, keys, values, unseen, width**-0.5))
    return all(torch.equal(one, found[0]) for one in found)


AttentionInterface.register(NAME, attend)


def _whole_blocks(columns: int) -> int:
    return -(-columns // _BLOCK) * _BLOCK
