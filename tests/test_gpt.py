"""The decoder that is trained from scratch: its two zones, its cache, and what must not leak."""

import pytest
import torch

from loci.errors import UserError
from loci.models.attention import backend_of, flash, sdpa
from loci.models.gpt import GPT, Cache, Memory, Shape, offset
from loci.models.optimisers import Optimisers, Rates

SHAPE = Shape(depth=3, width=32, heads=2, vocabulary=40, sequence=24)


@pytest.fixture(scope="module")
def model() -> GPT:
    """A model in float64 whose every weight counts: what starts at zero is drawn too."""
    torch.manual_seed(0)
    model = GPT(SHAPE).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.15)
        model.embedding.weight.normal_(0, 1)
    return model


def tokens_of(batch: int, length: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(SHAPE.vocabulary, (batch, length), generator=torch.Generator().manual_seed(seed))


def memory_of(batch: int, size: int, present: list[list[bool]] | None = None, seed: int = 2) -> Memory:
    vectors = torch.randn(batch, size, SHAPE.width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Memory(vectors, None if present is None else torch.tensor(present))


MEMORIES = {
    "none": None,
    "all there": memory_of(3, 4),
    "padded": memory_of(3, 4, [[True] * 4, [True, False, True, False], [False] * 4]),
}


def dense(query, key, value, seen):
    """Attention written out: softmax of scaled products where `seen` allows, zeros where it allows nothing."""
    scores = (query @ key.transpose(-1, -2)) / query.shape[-1] ** 0.5
    weights = torch.where(seen, scores, -torch.inf).softmax(-1)
    return torch.where(seen.any(-1, keepdim=True), weights.nan_to_num(0.0), 0.0) @ value


@pytest.mark.parametrize(("length", "keys"), [(5, 5), (5, 9), (1, 7)])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("padded", [False, True])
def test_attention_is_what_it_says(length, keys, causal, padded):
    generator = torch.Generator().manual_seed(3)
    query, key, value = (torch.randn(2, 2, size, 8, generator=generator, dtype=torch.float64) for size in (length, keys, keys))
    seen = torch.ones(2, 1, length, keys, dtype=torch.bool)
    for at in range(length) if causal else ():
        seen[:, :, at, keys - length + at + 1 :] = False
    present = None
    if padded:
        present = torch.arange(keys).expand(2, keys) >= torch.tensor([[0], [2]])
        seen &= present[:, None, None]
    assert torch.allclose(sdpa(query, key, value, causal, present), dense(query, key, value, seen), atol=1e-12)


def test_two_zones_are_one_attention_under_a_mask(model):
    memory, tokens = MEMORIES["padded"], tokens_of(3, 6)
    size = memory.vectors.shape[1]
    seen = torch.ones(3, 1, size + 6, size + 6, dtype=torch.bool)
    seen[:, :, :size, size:] = False
    seen[:, :, size:, size:] = torch.ones(6, 6, dtype=torch.bool).tril()
    seen[:, :, :, :size] &= memory.present[:, None, None]
    calls = []

    def split(query, key, value, causal, present=None):
        calls.append((query, key, value))
        return sdpa(query, key, value, causal, present)

    model.attend = split
    try:
        model(tokens, memory)
    finally:
        model.attend = sdpa
    for (asked, keys, values), (zone, zone_keys, zone_values) in zip(calls[::2], calls[1::2], strict=True):
        assert torch.equal(zone_keys, keys[:, :, :size]) and torch.equal(zone_values, values[:, :, :size])
        whole = dense(torch.cat([zone, asked], 2), keys, values, seen)
        assert torch.allclose(
            sdpa(asked, keys, values, True, torch.cat([memory.present, torch.ones(3, 6).bool()], 1)), whole[:, :, size:]
        )
        assert torch.allclose(sdpa(zone, zone_keys, zone_values, False, memory.present), whole[:, :, :size])


def test_half_of_a_key_is_that_of_the_token_before():
    keys = torch.arange(24.0).view(1, 1, 3, 8)
    found = offset(keys, None)
    assert torch.equal(found[..., :4], keys[..., :4]) and not found[0, 0, 0, 4:].any()
    assert torch.equal(found[:, :, 1:, 4:], keys[:, :, :-1, 4:])
    assert torch.equal(offset(keys[:, :, 1:], keys[:, :, :1]), found[:, :, 1:])


def test_one_layer_learns_to_repeat():
    """Random tokens said again after a random while: without the offset one layer can only guess among what it has seen."""
    torch.manual_seed(0)
    model = GPT(Shape(depth=1, width=64, heads=1, vocabulary=40, sequence=32))
    optimiser = Optimisers(model, "muon", Rates(0.02, 0.005, 0.003, 0.02))
    for _ in range(200):
        length = int(torch.randint(8, 20, ()))
        tokens = torch.stack([torch.randperm(40)[:length] for _ in range(32)]).repeat(1, 4)[:, :33]
        targets = tokens[:, 1:].clone()
        targets[:, : length - 1] = -1  # what is said the first time cannot be known
        loss = model.loss(tokens[:, :-1], targets).mean()
        loss.backward()
        optimiser.step(1.0)
    assert loss < 0.5, "guessing among eight tokens or more costs 2.1"


@pytest.mark.parametrize("memory", MEMORIES.values(), ids=MEMORIES)
@pytest.mark.parametrize("cuts", [(7,), (1, 1, 5), (3, 4)])
def test_reading_in_pieces_is_reading_at_once(model, memory, cuts):
    tokens, cache = tokens_of(3, 7), Cache()
    whole, found = model(tokens, memory), []
    for piece in tokens.split(list(cuts), 1):
        found.append(model(piece, None if found else memory, cache))
    assert torch.allclose(torch.cat(found, 1), whole, atol=1e-12) and cache.length == 7


@pytest.mark.parametrize("memory", MEMORIES.values(), ids=MEMORIES)
def test_generation_is_the_argmax_of_full_forwards(model, memory):
    tokens = tokens_of(3, 4)
    said, grown = model.generate(tokens, 5, memory), tokens
    for _ in range(5):
        grown = torch.cat([grown, model.logits(model(grown, memory)[:, -1]).argmax(-1, keepdim=True)], 1)
    assert torch.equal(said, grown[:, 4:])


def test_no_memory_is_the_plain_model_bit_for_bit(model):
    tokens = tokens_of(3, 6)
    nothing = Memory(torch.zeros(3, 0, SHAPE.width, dtype=torch.float64))
    assert torch.equal(model(tokens, nothing), model(tokens))


def test_an_element_without_memory_among_others_is_the_plain_model(model):
    tokens = tokens_of(3, 6)
    assert torch.allclose(model(tokens, MEMORIES["padded"])[2], model(tokens)[2], atol=1e-12)


def test_nothing_leaks_from_later_tokens_or_from_padding(model):
    tokens, memory = tokens_of(3, 6), MEMORIES["padded"]
    before = model(tokens, memory)
    later = tokens.clone()
    later[:, 4] = (later[:, 4] + 1) % SHAPE.vocabulary
    after = model(later, memory)
    assert torch.equal(after[:, :4], before[:, :4]) and not torch.allclose(after[:, 4:], before[:, 4:])
    moved = memory.vectors.clone()
    moved[~memory.present] += 5.0
    assert torch.equal(model(tokens, Memory(moved, memory.present)), before)
    moved[0, 3] += 1.0
    found = model(tokens, Memory(moved, memory.present))
    assert not torch.allclose(found[0], before[0]) and torch.equal(found[1:], before[1:])


def test_padding_has_finite_gradients(model):
    memory = MEMORIES["padded"]
    vectors = memory.vectors.clone().requires_grad_(True)
    model.loss(tokens_of(3, 6), tokens_of(3, 6, 5), Memory(vectors, memory.present)).sum().backward()
    assert vectors.grad.isfinite().all() and all(weight.grad.isfinite().all() for weight in model.parameters())
    assert not vectors.grad[~memory.present].any() and vectors.grad[memory.present].any()
    model.zero_grad()


def test_loss_counts_targets_and_nothing_else(model):
    tokens, targets = tokens_of(2, 5), tokens_of(2, 5, 4)
    targets[0, :3] = -1
    logits = model.logits(model(tokens)).double()
    wanted = -logits.log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0][targets >= 0]
    assert torch.allclose(model.loss(tokens, targets).double(), wanted) and len(wanted) == 7
    assert logits.abs().max() < 15


def test_depth_gives_the_other_sizes():
    assert Shape.of_depth(4, 4096, 256) == Shape(depth=4, width=256, heads=4, vocabulary=4096, sequence=256)
    counts = GPT(Shape.of_depth(2, 100, 16)).parameters_by_kind()
    assert counts == {"embedding": 100 * 128, "blocks": 2 * 12 * 128**2, "head": 100 * 128, "attached": 0, "zone": 0}


def test_at_the_start_every_token_is_as_likely():
    torch.manual_seed(0)
    model = GPT(SHAPE)
    loss = model.loss(tokens_of(4, 20), tokens_of(4, 20, 5)).mean()
    assert loss.item() == pytest.approx(torch.tensor(float(SHAPE.vocabulary)).log().item(), abs=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shape(0, 32, 2, 10, 8), r"model\.depth: is 0; give at least 1"),
        (lambda: Shape(2, 30, 4, 10, 8), r"model\.heads: 4 heads do not share width 30 in fours"),
        (lambda: GPT(SHAPE, {5: torch.nn.Identity()}), r"model layers: 5 is outside the model; choose 0 to 2"),
        (lambda: backend_of("xformers"), r"attention: xformers: is not known; use one of sdpa, flash"),
    ],
)
def test_bad_sizes_are_named(make, message):
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.skipif(torch.cuda.is_available(), reason="flash-attn can run here")
def test_a_back_end_that_cannot_run_is_refused():
    with pytest.raises(
        UserError, match=r"attention: flash: (no package flash-attn or flash-attn-4 is installed|needs a CUDA device)"
    ):
        backend_of("flash")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device and flash-attn")
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("padded", [False, True])
def test_back_ends_agree(causal, padded):
    pytest.importorskip("flash_attn")
    torch.manual_seed(0)
    drawn = [torch.randn(2, 4, size, 64, device="cuda", dtype=torch.bfloat16) for size in (16, 24, 24)]
    present = torch.arange(24, device="cuda").expand(2, 24) >= torch.tensor([[0], [5]], device="cuda") if padded else None
    outs, gradients = [], []
    for attend in (flash, sdpa):
        parts = [part.clone().requires_grad_(True) for part in drawn]
        out = attend(*parts, causal, present)
        out.float().square().sum().backward()
        outs.append(out.float())
        gradients.append([part.grad.float() for part in parts])
    assert torch.allclose(*outs, atol=2e-2)
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=0.1) and other.abs().max() > 0.5
