"""One attention function for all models made here, with two back-ends of the same signature.

A window of two zones needs no mask of its own: memory sees memory (one call, not causal), tokens see all memory and the tokens
before them (one call, causal, aligned at the bottom right: the last query sees every key). `sdpa` is the reference and runs
anywhere. `flash` is the flash-attn package (2.1 or newer aligns that way); it is imported where it is asked for, and nothing
else takes its place when it is absent.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch.nn import functional as F

from loci.errors import UserError

Attend = Callable[..., torch.Tensor]


def sdpa(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool, present: torch.Tensor | None = None
) -> torch.Tensor:
    """Attention of T queries over S keys: query [B, H, T, D], key and value [B, H, S, D] -> [B, H, T, D].

    causal: query t sees the keys up to S - T + t. present: bool [B, S], False for keys that are padding. A query that sees no
    key at all gets zeros.
    """
    length, keys = query.shape[2], key.shape[2]
    if present is None:
        if not causal or length == 1:
            return F.scaled_dot_product_attention(query, key, value)
        if length == keys:
            return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    seen = torch.ones(length, keys, dtype=torch.bool, device=query.device)
    if causal:
        seen = seen.tril(keys - length)
    if present is not None:
        seen = seen & present[:, None, None, :]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=seen)


def flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool, present: torch.Tensor | None = None
) -> torch.Tensor:
    """As `sdpa`, by flash-attn: float16 or bfloat16 on a CUDA device. With padding the sequences are packed."""
    package = _flash_attn()
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))  # [B, T or S, H, D]
    if present is None:
        return package.flash_attn_func(query, key, value, causal=causal).transpose(1, 2)
    batch, length, heads, width = query.shape
    counts = present.sum(1, dtype=torch.int32)
    ends = F.pad(counts.cumsum(0, dtype=torch.int32), (1, 0))
    starts = torch.arange(0, (batch + 1) * length, length, dtype=torch.int32, device=query.device)
    out = package.flash_attn_varlen_func(
        query.reshape(-1, heads, width), key[present], value[present], starts, ends, length, int(counts.max()), causal=causal
    )
    return out.view(batch, length, heads, width).transpose(1, 2)


BACKENDS = {"sdpa": sdpa, "flash": flash}


def backend_of(name: str) -> Attend:
    """The attention function of a back-end; UserError where it is not known, or cannot run here."""
    if name not in BACKENDS:
        raise UserError(f"attention: {name}", "is not known", f"use one of {', '.join(BACKENDS)}")
    if name == "flash":
        _flash_attn()
        if not torch.cuda.is_available():
            raise UserError("attention: flash", "needs a CUDA device", "use sdpa")
    return BACKENDS[name]


@cache
def _flash_attn():
    try:
        import flash_attn
    except ImportError:
        remedy = "install requirements-gpu.txt, or use sdpa"
        raise UserError("attention: flash", "the package flash-attn is not installed", remedy) from None
    return flash_attn
