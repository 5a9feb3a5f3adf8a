"""Matrix products of models on the CPU, through the library that is fast on the processor at hand.

torch multiplies float32 matrices on x86 with MKL, which takes a path of half the speed on processors with AVX-512 that are not
Intel's. There oneDNN, which torch ships too, does the same product in the same precision (`benchmarks/products.py`). Which of
the two is used follows from the processor alone, never from a timing, and stands in the provenance of each result.
"""

import os
from functools import cache
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

# oneDNN keeps the code that it makes for each shape, by default for 1,024 shapes, which come to gigabytes where every batch has
# a width of its own. All shapes of one step fit into 64. Read by oneDNN at its first product.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


@cache
def library() -> str:
    """Who multiplies float32 matrices on this machine's CPU: "onednn", or "torch" for what torch itself chooses."""
    if not torch.backends.mkldnn.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return "torch"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "torch"
    vendor = next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "GenuineIntel")
    return "torch" if vendor == "GenuineIntel" else "onednn"


def linear(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """values [..., K] times weight [N, K], plus bias [N]: [..., N], as torch.nn.functional.linear."""
    ours = library() == "onednn" and values.dtype == weight.dtype == torch.float32 and values.device.type == "cpu"
    if not ours or torch.compiler.is_compiling() or values.numel() == 0:
        return F.linear(values, weight, bias)
    return through_onednn(values, weight, bias)


def through_onednn(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """As `linear`, by oneDNN: float32 on the CPU, at least one value."""
    return _Product.apply(values, weight, bias)


class Linear(nn.Linear):
    """A linear map whose product is made by `linear`."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return linear(values, self.weight, self.bias)


def quicken(model: nn.Module) -> None:
    """Let every plain linear map of a model be multiplied by `linear`; weights and names stay as they are."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, weight, bias):
        ctx.save_for_backward(values if weight.requires_grad else None, weight)
        return _multiplied(values, weight, bias)

    @staticmethod
    def backward(ctx, gradient):
        values, weight = ctx.saved_tensors
        to_values = to_weight = to_bias = None
        flat = gradient.reshape(-1, gradient.shape[-1])  # [P, N]
        if ctx.needs_input_grad[0]:
            to_values = _multiplied(gradient, weight.t())
        if ctx.needs_input_grad[1]:
            to_weight = _multiplied(flat.t(), values.reshape(-1, values.shape[-1]).t())
        if ctx.needs_input_grad[2]:
            to_bias = flat.sum(0)
        return to_values, to_weight, to_bias


def _multiplied(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
