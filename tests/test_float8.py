"""Products in eight bits: against the exact ones, in both directions, and what cannot be had."""

import pytest
import torch
from torch import nn

from loci.errors import UserError
from loci.models.float8 import Float8Linear, to_float8
from loci.models.gpt import GPT, Shape

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"))]


def _off(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Distance over size."""
    return ((found.double() - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_all_three_products_are_those_of_rounded_factors(device, size):
    torch.manual_seed(0)
    layer = Float8Linear(48, 64, bias=False, device=device)
    values = (size * torch.randn(2, 16, 48, device=device)).requires_grad_(True)
    gradient = torch.randn(2, 16, 64, device=device)
    out = layer(values)
    out.backward(gradient.to(out.dtype))
    exact, weight, given = values.detach().double(), layer.weight.detach().double(), gradient.double()
    assert out.dtype == torch.bfloat16 and values.grad.dtype == layer.weight.grad.dtype == torch.float32
    # Three bits of fraction are off by 1/32 at most and half of that on average; two, by twice as much.
    assert 0.005 < _off(out, exact @ weight.t()) < 0.05
    assert 0.005 < _off(values.grad, given @ weight) < 0.08
    assert 0.005 < _off(layer.weight.grad, given.flatten(0, 1).t() @ exact.flatten(0, 1)) < 0.08


def test_zeros_stay_zeros():
    layer = Float8Linear(16, 16, bias=False)
    out = layer(torch.zeros(16, 16))
    assert not out.any() and out.isfinite().all()


def test_blocks_change_and_nothing_else():
    torch.manual_seed(0)
    model = GPT(Shape(depth=2, width=64, heads=1, vocabulary=48, sequence=16))
    with torch.no_grad():
        for block in model.blocks:
            block.out.weight.normal_(0, 0.1)
            block.down.weight.normal_(0, 0.1)
    tokens, before = torch.arange(32).view(2, 16), {name: value.clone() for name, value in model.state_dict().items()}
    plain = model(tokens)
    to_float8(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert type(model.head) is not Float8Linear
    assert sum(isinstance(module, Float8Linear) for module in model.modules()) == 2 * 6
    with torch.autocast("cpu", torch.bfloat16):
        assert 0 < _off(model(tokens), plain.double()) < 0.15


def test_sizes_that_do_not_fit_are_refused():
    model = GPT(Shape(depth=1, width=40, heads=1, vocabulary=48, sequence=16))
    with pytest.raises(UserError, match=r"precision: float8: blocks.0.query has sizes 40 and 40, not multiples of 16; use bf"):
        to_float8(model)
    assert not any(type(module) is Float8Linear for module in model.modules() if isinstance(module, nn.Linear))
