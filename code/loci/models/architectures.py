"""The models that are trained from scratch, by name: one shape, and what stands beside it."""

import torch

from loci.errors import UserError
from loci.models.attention import backend_of
from loci.models.gpt import GPT, Shape
from loci.models.live import LiveGPT, LiveSpec
from loci.models.ngram_table import NgramTable, TableSpec
from loci.models.sparse import Indexing

NAMES = ("dense", "wide", "engram", "delta")
LIVE = LiveSpec(Indexing(bank=128, chosen=32, heads=2, width=32))  # of a delta model on prose


def build(name: str, shape: Shape, engram: dict, canonical: torch.Tensor, pad: int, seed: int, attention: str = "sdpa") -> GPT:
    """A new model. dense: the plain decoder. engram: with trained tables. wide: dense, its MLPs widened until it has as many
    parameters as the Engram model. delta: three layers of Kimi Delta Attention, then one of sparse attention; without a back-end.

    engram: settings of the tables. canonical: int64 [V]. pad: token id before the text. The weights that two models share
    are drawn alike.
    """
    if name not in NAMES:
        raise UserError(f"model: {name}", "is not known", f"use one of {', '.join(NAMES)}")
    torch.manual_seed(seed)
    attend = backend_of(attention)
    if name == "dense":
        return GPT(shape, attend=attend)
    if name == "delta":
        if attention != "sdpa":
            raise UserError(f"attention: {attention}", "does not apply to a delta model", "give sdpa; it calls none")
        return LiveGPT(shape, LIVE)
    spec = TableSpec.of(engram)
    tables = {at: NgramTable(spec, at, shape.width, canonical, pad) for at in spec.layers}
    if name == "engram":
        torch.manual_seed(seed)
        return GPT(shape, tables, attend=attend)
    extra = sum(weight.numel() for table in tables.values() for weight in table.parameters())
    torch.manual_seed(seed)
    return GPT(shape, attend=attend, hidden=4 * shape.width + round(extra / (2 * shape.width * shape.depth)))
