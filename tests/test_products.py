"""Matrix products: oneDNN's against torch's own, values and gradients, and where each is used."""

import importlib.util

import pytest
import torch
from torch import nn

from loci.models import products
from loci.paths import CONFIG, ROOT
from loci.results import read_result

SHAPES = [((5, 7), 3, False), ((2, 9, 16), 24, True), ((1, 1, 8), 4, False), ((33, 64), 5, True)]


@pytest.fixture
def onednn(monkeypatch):
    """The product of oneDNN, whichever processor runs the test."""
    if not torch.backends.mkldnn.is_available():
        pytest.skip("torch was built without oneDNN")
    monkeypatch.setattr(products, "library", lambda: "onednn")


def _made(shape: tuple[int, ...], out: int, bias: bool):
    torch.manual_seed(0)
    values = torch.randn(shape, dtype=torch.float64)
    weight = torch.randn(out, shape[-1], dtype=torch.float64)
    return values, weight, torch.randn(out, dtype=torch.float64) if bias else None


@pytest.mark.parametrize(("shape", "out", "bias"), SHAPES)
def test_values_and_gradients_equal_float64(onednn, shape, out, bias):
    exact = [None if one is None else one.requires_grad_(True) for one in _made(shape, out, bias)]
    ours = [None if one is None else one.detach().float().requires_grad_(True) for one in exact]
    wanted, found = torch.nn.functional.linear(*exact), products.linear(*ours)
    assert found.shape == wanted.shape and type(found.grad_fn).__name__ == "_ProductBackward"
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)
    wanted.square().sum().backward()
    found.square().sum().backward()
    for one, other in zip(exact, ours, strict=True):
        if one is not None:
            torch.testing.assert_close(other.grad.double(), one.grad, rtol=1e-4, atol=1e-4)


def test_frozen_weights_get_no_gradient_and_keep_no_input(onednn):
    values, weight = torch.randn(4, 6, requires_grad=True), torch.randn(3, 6)
    out = products.linear(values, weight)
    assert out.grad_fn.saved_tensors[0] is None
    out.sum().backward()
    torch.testing.assert_close(values.grad, weight.sum(0).expand(4, -1))


@pytest.mark.parametrize(
    "values", [torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.bfloat16), torch.empty(0, 3)]
)
def test_other_types_and_empty_batches_are_torchs(onednn, values):
    weight = torch.randn(4, 3, dtype=values.dtype)
    assert torch.equal(products.linear(values, weight), torch.nn.functional.linear(values, weight))


def test_quicken_keeps_weights_and_names():
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2, bias=False))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    values = torch.randn(3, 4)
    wanted = model(values)
    products.quicken(model)
    assert all(type(layer) is not nn.Linear for layer in model)
    assert before.keys() == model.state_dict().keys()
    torch.testing.assert_close(model(values), wanted)


@pytest.mark.parametrize(
    ("vendor", "capability", "chosen"),
    [("AuthenticAMD", "AVX512", "onednn"), ("GenuineIntel", "AVX512", "torch"), ("AuthenticAMD", "AVX2", "torch")],
)
def test_the_processor_alone_decides(monkeypatch, vendor, capability, chosen):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(products.Path, "read_text", lambda *_args, **_kwargs: f"processor\t: 0\nvendor_id\t: {vendor}\n")
    products.library.cache_clear()
    assert products.library() == chosen
    products.library.cache_clear()


def test_the_benchmark_on_a_tiny_model(tiny_folder, tmp_path):
    spec = importlib.util.spec_from_file_location("bench_products", ROOT / "benchmarks" / "products.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = tmp_path / "products.json"
    module.main(["--config", str(CONFIG / "smoke.yaml"), "--model", str(tiny_folder), "--repeats", "2", "--out", str(out)])
    found = read_result(out)
    assert found["metrics"]["onednn_over_torch"] > 0
    assert {item["rows"] for item in found["items"]} == {32, 256}  # a batch of answers and one of training in this profile
