"""Matrix products in eight bits, as Hopper and later GPUs make them at twice the rate of bfloat16.

Each tensor has one scale, taken from its own largest number at every step: values and weights as e4m3 (three bits of fraction),
gradients as e5m2 (more reach, one bit less), after Micikevicius et al., FP8 Formats for Deep Learning (arXiv 2209.05433). Sums
are made in float32 and given back in bfloat16. Weights stay float32 between steps; embedding, head and whatever is attached are
not touched.
"""

import torch
from torch import nn

from loci.errors import UserError
from loci.models.gpt import GPT

_VALUES, _GRADIENTS = torch.float8_e4m3fn, torch.float8_e5m2
_MULTIPLE = 16  # of both sizes of a matrix, as the hardware has it


class Float8Linear(nn.Linear):
    """A linear map without bias whose three products (forward, to values, to weights) are made in eight bits."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """[..., K] -> [..., N], bfloat16; all leading axes together a multiple of 16."""
        flat = values.reshape(-1, values.shape[-1])
        return _Product.apply(flat, self.weight).view(*values.shape[:-1], -1)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, weight):
        """values [P, K], weight [N, K] -> [P, N]."""
        (small, scale), (narrow, other) = _rounded(values, _VALUES), _rounded(weight, _VALUES)
        ctx.save_for_backward(small, scale, narrow, other)
        ctx.kinds = values.dtype, weight.dtype
        return _multiplied(small, scale, narrow.t(), other)

    @staticmethod
    def backward(ctx, gradient):
        small, scale, narrow, other = ctx.saved_tensors
        low, third = _rounded(gradient, _GRADIENTS)
        to_values = _multiplied(low, third, _by_column(narrow), other)  # [P, N] [N, K]
        to_weight = _multiplied(low.t().contiguous(), third, _by_column(small), scale)  # [N, P] [P, K]
        return to_values.to(ctx.kinds[0]), to_weight.to(ctx.kinds[1])


def _rounded(values: torch.Tensor, kind: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Values in eight bits, the largest of them at the end of the reach, and the float32 scale that gives them back."""
    reach = torch.finfo(kind).max
    scale = values.detach().abs().amax().float().clamp(min=1e-12) / reach
    return (values.float() / scale).clamp(-reach, reach).to(kind).contiguous(), scale


def _by_column(matrix: torch.Tensor) -> torch.Tensor:
    """The same matrix, its columns one behind the other in memory, as the second factor has to be."""
    return matrix.t().contiguous().t()


def _multiplied(left: torch.Tensor, scale: torch.Tensor, right: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return torch._scaled_mm(left, right, scale_a=scale, scale_b=other, out_dtype=torch.bfloat16)


def to_float8(model: GPT) -> None:
    """Have the blocks of a model multiply in eight bits; names and weights stay as they are."""
    for name, module in model.blocks.named_modules():
        if isinstance(module, nn.Linear):
            if module.in_features % _MULTIPLE or module.out_features % _MULTIPLE:
                sizes = f"{module.in_features} and {module.out_features}"
                raise UserError(
                    "precision: float8", f"blocks.{name} has sizes {sizes}, not multiples of {_MULTIPLE}", "use bfloat16"
                )
            module.__class__ = Float8Linear
