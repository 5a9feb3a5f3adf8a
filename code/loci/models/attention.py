"""One attention function for all models made here, with two back-ends of the same signature.

A window of two zones needs no mask of its own: memory sees memory (one call, not causal), tokens see all memory and the tokens
before them (one call, causal, aligned at the bottom right: the last query sees every key). `sdpa` is the reference and runs
anywhere. `flash` is one of the packages flash-attn (2.1 or newer aligns that way) and flash-attn-4 (Hopper and later); it is
imported where it is asked for, and nothing else takes its place when it is absent.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

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
    """As `sdpa`, by flash-attn on a CUDA device: in bfloat16, or float16 if values are. With padding the sequences are packed."""
    whole, packed = _flash_attn()
    kind = value.dtype if value.dtype == torch.float16 else torch.bfloat16
    query, key, value = (part.to(kind).transpose(1, 2) for part in (query, key, value))  # [B, T or S, H, D]
    if present is None:
        return _first(whole(query, key, value, causal=causal)).transpose(1, 2)
    batch, length, heads, width = query.shape
    counts = present.sum(1, dtype=torch.int32)
    ends = F.pad(counts.cumsum(0, dtype=torch.int32), (1, 0))
    starts = torch.arange(0, (batch + 1) * length, length, dtype=torch.int32, device=query.device)
    sizes = {"cu_seqlens_q": starts, "cu_seqlens_k": ends, "max_seqlen_q": length, "max_seqlen_k": int(counts.max())}
    out = _first(packed(query.reshape(-1, heads, width), key[present], value[present], **sizes, causal=causal))
    return out.view(batch, length, heads, width).transpose(1, 2)


def _first(found) -> torch.Tensor:
    """What was attended to; flash-attn-4 gives normalisers beside it."""
    return found[0] if isinstance(found, tuple) else found


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


def described(name: str) -> str:
    """A back-end and the version of what it runs, for a result's provenance."""
    if name == "sdpa":
        return f"sdpa of torch {torch.__version__}"
    package = "flash-attn-4" if _flash_attn()[0].__module__.startswith("flash_attn.cute") else "flash-attn"
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


@cache
def _flash_attn() -> tuple[Callable, Callable]:
    """The package's attention of whole batches and of packed sequences; flash-attn where both packages are there."""
    try:
        from flash_attn import flash_attn_func, flash_attn_varlen_func
    except ImportError:
        try:
            from flash_attn.cute import flash_attn_func, flash_attn_varlen_func
        except ImportError:
            remedy = "install requirements-gpu.txt, or use sdpa"
            raise UserError("attention: flash", "no package flash-attn or flash-attn-4 is installed", remedy) from None
    return flash_attn_func, flash_attn_varlen_func
