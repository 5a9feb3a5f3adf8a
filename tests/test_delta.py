"""The delta rule: chunks equal the recurrence, states go on, nothing comes back from later tokens, values are replaced."""

import pytest
import torch
from torch.nn import functional as F

from loci.models.delta import CHUNK, chunked, recurrent

CLOSE = {torch.float32: 1e-5, torch.float64: 1e-12}


def inputs(length: int, dtype=torch.float64, batch=2, heads=3, width=8, out=5, strong=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    query, key = (F.normalize(drawn(batch, heads, length, width), dim=-1) for _ in range(2))
    decay = -strong * F.softplus(drawn(batch, heads, length, width))
    parts = (query, key, drawn(batch, heads, length, out), decay, drawn(batch, heads, length).sigmoid())
    return tuple(part.to(dtype) for part in (*parts, drawn(batch, heads, width, out)))


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("length", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 3])
def test_chunks_are_the_recurrence(length, dtype):
    given = inputs(length, dtype)
    for one, other in zip(chunked(*given), recurrent(*given), strict=True):
        assert one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=CLOSE[dtype])


@pytest.mark.parametrize("strong", [1e-3, 20.0])
def test_hardly_any_and_very_strong_decay(strong):
    given = inputs(3 * CHUNK + 5, torch.float32, strong=strong)
    for one, other in zip(chunked(*given), recurrent(*given), strict=True):
        assert bool(one.isfinite().all()) and torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 4, 7, 64])
def test_the_size_of_a_chunk_does_not_matter(chunk):
    given = inputs(50)
    for one, other in zip(chunked(*given, chunk=chunk), recurrent(*given), strict=True):
        assert (one - other).abs().amax().item() <= 1e-12


def test_gradients_are_those_of_the_recurrence():
    found = []
    for run in (chunked, recurrent):
        given = [part.requires_grad_() for part in inputs(CHUNK + 5)]
        read, state = run(*given)
        (read.square().sum() + state.sin().sum()).backward()
        found.append([part.grad for part in given])
    assert all((one - other).abs().amax().item() <= 1e-10 for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("run", [chunked, recurrent])
def test_a_state_goes_on_where_it_stopped(run):
    given = inputs(40)
    whole, end = run(*given)
    first, state = run(*(part[:, :, :23] for part in given[:5]), given[5])
    second, again = run(*(part[:, :, 23:] for part in given[:5]), state)
    assert torch.allclose(torch.cat([first, second], 2), whole, atol=1e-12) and torch.allclose(again, end, atol=1e-12)


@pytest.mark.parametrize("run", [chunked, recurrent])
def test_nothing_comes_back_from_later_tokens(run):
    given, at = inputs(40), 21
    before = run(*given)[0]
    for which in range(5):
        changed = [part.clone() for part in given]
        changed[which][:, :, at] += 0.3
        after = run(*changed)[0]
        assert torch.equal(after[:, :, :at], before[:, :, :at]), which
        assert not torch.equal(after[:, :, at:], before[:, :, at:])


def test_a_value_is_replaced_and_not_added():
    """Two values under one key, written in full, no decay: the second is what is read; of another key nothing is lost."""
    key = torch.eye(4, dtype=torch.float64)[[0, 1, 0]][None, None]  # keys 0, 1, 0
    value = torch.tensor([[1.0, 0.0], [0.0, 5.0], [7.0, 2.0]], dtype=torch.float64)[None, None]
    query = 2 * torch.eye(4, dtype=torch.float64)[[0, 1, 0]][None, None]  # sqrt(K) = 2
    nothing, full = torch.zeros(1, 1, 3, 4, dtype=torch.float64), torch.ones(1, 1, 3, dtype=torch.float64)
    for run in (chunked, recurrent):
        read, state = run(query, key, value, nothing, full, torch.zeros(1, 1, 4, 2, dtype=torch.float64))
        assert torch.allclose(read[0, 0, 2], value[0, 0, 2]) and torch.allclose(state[0, 0, 1], value[0, 0, 1])
