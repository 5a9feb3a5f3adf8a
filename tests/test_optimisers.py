"""Muon against the library's, which weight is moved by what, and a state that goes on."""

import pytest
import torch

from loci.errors import UserError
from loci.models.gpt import GPT, Shape
from loci.models.ngram_table import NgramTable, TableSpec
from loci.models.optimisers import RATES, Muon, Optimisers, orthogonal

SHAPE = Shape(depth=2, width=32, heads=2, vocabulary=40, sequence=16)
SPEC = TableSpec(layers=(0,), heads=2, slots=50, row_dim=4)


def model_of(engram: bool = False) -> GPT:
    torch.manual_seed(0)
    model = GPT(SHAPE)
    if engram:
        model.attached["0"] = NgramTable(SPEC, 0, SHAPE.width, torch.arange(40), 0)
    return model


def train(model: GPT, optimisers: Optimisers, steps: range) -> list[float]:
    losses = []
    for step in steps:
        drawn = torch.randint(40, (2, 9), generator=torch.Generator().manual_seed(step))
        loss = model.loss(drawn[:, :-1], drawn[:, 1:]).mean()
        loss.backward()
        optimisers.step(1.0)
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("shape", [(6, 6), (12, 6), (6, 12)])
def test_muon_is_the_librarys(shape):
    """Two matrices of a shape together, in float32, against one by one in bfloat16."""
    generator = torch.Generator().manual_seed(1)
    ours, theirs = ([torch.nn.Parameter(torch.ones(shape)) for _ in range(2)] for _ in range(2))
    optimisers = Muon(ours, 0.1), torch.optim.Muon(theirs, lr=0.1, weight_decay=0.0, momentum=0.95)
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(shape, generator=generator)
            other.grad = one.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=0.02) and not torch.allclose(one, torch.ones(shape), atol=0.05)


def test_updates_are_nearly_orthogonal():
    drawn = torch.randn(3, 8, 20, generator=torch.Generator().manual_seed(2))
    values = torch.linalg.svdvals(orthogonal(drawn))
    assert values.min() > 0.5 and values.max() < 1.3
    alone = torch.stack([orthogonal(one[None])[0] for one in drawn])
    assert torch.allclose(alone, orthogonal(drawn), atol=1e-5)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_every_weight_has_one_rate(kind):
    model = model_of(engram=True)
    optimisers = Optimisers(model, kind)
    rates = {
        optimisers.names[weight]: group["lr"]
        for one in optimisers.all
        for group in one.param_groups
        for weight in group["params"]
    }
    assert rates.keys() == dict(model.named_parameters()).keys()
    narrow = (SHAPE.width / 768) ** -0.5
    assert rates["blocks.1.up.weight"] == rates["attached.0.value.weight"] == RATES[kind].matrices
    assert rates["embedding.weight"] == pytest.approx(RATES[kind].embedding * narrow)
    assert rates["attached.0.rows.weight"] == pytest.approx(5 * rates["embedding.weight"])
    assert rates["attached.0.taps"] == pytest.approx(RATES[kind].scalars * narrow)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_state_that_was_kept_goes_on_bit_for_bit(kind):
    model = model_of(engram=True)
    optimisers = Optimisers(model, kind)
    train(model, optimisers, range(4))
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    kept, wanted = optimisers.tensors(), train(model, optimisers, range(4, 8))
    other = model_of(engram=True)
    other.load_state_dict(weights)
    resumed = Optimisers(other, kind)
    resumed.load(kept)
    assert train(other, resumed, range(4, 8)) == wanted
    assert all(torch.equal(one, other.state_dict()[name]) for name, one in model.state_dict().items())


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_losses_fall(kind):
    model = model_of()
    optimisers = Optimisers(model, kind)
    drawn = torch.randint(40, (4, 13), generator=torch.Generator().manual_seed(3))
    losses = []
    for _ in range(30):
        loss = model.loss(drawn[:, :-1], drawn[:, 1:]).mean()
        loss.backward()
        optimisers.step(0.3)
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(UserError, match=r"optimiser: sgd: is not known; use one of muon, adamw"):
        Optimisers(model_of(), "sgd")
