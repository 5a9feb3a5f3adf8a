"""The model of live memory: causal in every layer, a state that goes on bit for bit, an indexer that learns what to choose."""

import subprocess
import sys

import pytest
import torch
from test_delta import CLOSE, inputs

from loci.errors import UserError
from loci.models.architectures import build
from loci.models.delta import CHUNK, STRONGEST, chunked, recurrent
from loci.models.gpt import Cache, Shape
from loci.models.kda import DeltaAttention
from loci.models.live import LiveGPT, LiveSpec, State
from loci.models.live_state import Store, read_state, write_state
from loci.models.optimisers import Muon, Optimisers
from loci.models.pooled_traces import PublishedTraces, Traces
from loci.models.sparse import Indexing, SparseAttention, divergence, highest

SHAPE = Shape(depth=4, width=32, heads=2, vocabulary=40, sequence=64)
SPEC = LiveSpec(Indexing(bank=12, chosen=5, heads=2, width=8))


@pytest.fixture
def model() -> LiveGPT:
    """A model in float64 whose every weight counts: what starts at zero is drawn too."""
    torch.manual_seed(0)
    model = LiveGPT(SHAPE, SPEC).double()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("out.weight", "down.weight", "head.weight")):
                weight.normal_(0, 0.2)
    return model


def tokens_of(batch: int, length: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(SHAPE.vocabulary, (batch, length), generator=torch.Generator().manual_seed(seed))


def same(one: State, other: State, close: float = 0.0) -> bool:
    return one.seen == other.seen and all(
        (a[name] - b[name]).abs().amax().item() <= close for a, b in zip(one.layers, other.layers, strict=True) for name in a
    )


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("correct", [True, False])
def test_bounded_chunks_are_the_recurrence_also_at_the_strongest_decay(dtype, correct):
    for length in (1, CHUNK + 1, 5 * CHUNK + 3):
        for strong in (1e-3, 1.0, 100.0):
            given = list(inputs(length, dtype, strong=strong))
            given[3] = given[3].clamp(min=STRONGEST)
            fast, slow = chunked(*given, bounded=True, correct=correct), recurrent(*given, correct=correct)
            for one, other in zip(fast, slow, strict=True):
                assert torch.allclose(one, other, rtol=0, atol=CLOSE[dtype])
    given[3] = torch.full_like(given[3], STRONGEST).requires_grad_()
    chunked(*given, bounded=True)[0].sum().backward()
    assert bool(given[3].grad.isfinite().all())


def test_adding_is_not_correcting():
    given = inputs(20)
    assert not torch.allclose(recurrent(*given)[0], recurrent(*given, correct=False)[0])


@pytest.mark.parametrize("cuts", [(40,), (1, 39), (17, 23), (3, 20, 17)])
def test_reading_in_pieces_is_reading_at_once(model, cuts):
    tokens, state, found = tokens_of(3, 40), None, []
    whole, end = model.read(tokens)
    for piece in tokens.split(list(cuts), 1):
        hidden, state = model.read(piece, state)
        found.append(hidden)
    assert torch.allclose(torch.cat(found, 1), whole, atol=1e-10) and same(state, end, 1e-10)


@pytest.mark.parametrize("layer", range(4))
def test_nothing_leaks_from_later_tokens_in_any_layer(model, layer):
    mixer = model.blocks[layer].mixer
    assert isinstance(mixer, SparseAttention if layer == 3 else DeltaAttention)
    normed, at = torch.randn(2, 40, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(5)), 21
    more = (0,) if layer == 3 else ()
    before, _ = mixer(normed, mixer.empty(2), *more)
    later = normed.clone()
    later[:, at] += 1.0
    after, _ = mixer(later, mixer.empty(2), *more)
    assert torch.equal(after[:, :at], before[:, :at]) and not torch.equal(after[:, at:], before[:, at:])


def test_nothing_leaks_from_later_tokens_in_the_model(model):
    tokens = tokens_of(2, 40)
    before, later = model(tokens), tokens.clone()
    later[:, 21] = (later[:, 21] + 1) % SHAPE.vocabulary
    after = model(later)
    assert torch.equal(after[:, :21], before[:, :21]) and not torch.allclose(after[:, 21:], before[:, 21:])


def test_the_published_traces_leak_from_later_tokens():
    """Of one pass of 16 tokens through three writing layers and one that reads: what is said at token 4 depends on token 12."""
    torch.manual_seed(0)
    module, stream = PublishedTraces(8), torch.randn(16, 8)

    def through(given: torch.Tensor) -> torch.Tensor:
        state = Traces()
        for layer in range(4):
            given = module(given, layer, state)
        return given

    later = stream.clone()
    later[12] += 1.0
    before, after = through(stream), through(later)
    assert not torch.allclose(before[:12], after[:12]), "earlier tokens read of a later one"
    state = Traces()
    for layer in range(3):
        module(stream[:8], layer, state)
    assert len(state.traces) == 1 and len(state.buffer) == 8, "a trace mixes the vectors of two layers"


def test_a_value_can_be_read_back_from_the_published_traces_before_it_is_said():
    """The answer stands at token 12 and is read at token 4 by a fixed linear map: the control without a state sees it too."""
    torch.manual_seed(0)
    module, values = PublishedTraces(16), torch.randn(4, 16)
    contexts = torch.randn(200, 16, 16)
    answers = torch.randint(4, (200,))
    contexts[:, 12] = 8 * values[answers]
    seen = []
    for context in contexts:
        state, given = Traces(), context
        for layer in range(4):
            given = module(given, layer, state)
        seen.append(given[4])
    features = torch.cat([torch.stack(seen).detach(), torch.ones(200, 1)], 1)
    fitted = torch.linalg.lstsq(features[:100], torch.nn.functional.one_hot(answers[:100], 4).float()).solution
    assert ((features[100:] @ fitted).argmax(-1) == answers[100:]).float().mean() > 0.6, "chance is 0.25"


def test_the_bank_keeps_the_latest_tokens_and_its_size(model):
    sizes = {model.empty(1).bytes_each}
    for length in (1, 5, 12, 13, 60):
        _, state = model.read(tokens_of(2, length))
        sizes.add(state.bytes_each)
        assert state.layers[3]["keys"].shape == (2, 12, 32)
    assert len(sizes) == 1
    mixer = model.blocks[3].mixer
    normed = torch.randn(1, 30, 32, dtype=torch.float64)
    before, _ = mixer(normed, mixer.empty(1), 0)
    old = normed.clone()
    old[:, 10] += 3.0
    after, _ = mixer(old, mixer.empty(1), 0)
    assert torch.equal(after[:, 22:], before[:, 22:]), "token 10 is out of a bank of 12 at token 22"
    assert not torch.equal(after[:, 10:22], before[:, 10:22])


def test_only_chosen_tokens_are_attended_to(model):
    """Against attention written out over the tokens with the highest scores."""
    mixer = model.blocks[3].mixer
    normed = torch.randn(2, 30, 32, dtype=torch.float64)
    found, _ = mixer(normed, mixer.empty(2), 0)
    index = torch.nn.functional.layer_norm(mixer.index_key(normed), (8,))
    scores = mixer.scores(normed, index)
    for row, at in ((0, 3), (1, 29), (0, 17)):
        first = max(0, at - 11)
        chosen = first + scores[row, at, first : at + 1].topk(min(5, at + 1 - first)).indices
        query = torch.nn.functional.rms_norm(mixer.query(normed[row, at]).view(2, 16), (16,))
        keys = torch.nn.functional.rms_norm(mixer.key(normed[row, chosen]).view(-1, 2, 16), (16,))
        weights = (torch.einsum("hd,shd->hs", query, keys) / 4).softmax(-1)
        values = mixer.value(normed[row, chosen]).view(-1, 2, 16)
        wanted = mixer.out(torch.einsum("hs,shd->hd", weights, values).flatten())
        assert torch.allclose(found[row, at], wanted, atol=1e-12)


def test_the_indexer_learns_what_is_attended_to_and_nothing_else_learns_from_it():
    """One channel is constant and gives the queries, one marks four tokens of 24 and gives the keys."""
    torch.manual_seed(0)
    mixer = SparseAttention(16, 2, Indexing(bank=24, chosen=4, heads=2, width=16))
    with torch.no_grad():
        for weight, channel in ((mixer.query.weight, 0), (mixer.key.weight, 1)):
            weight.zero_()
            weight[:, channel] = 1.0

    def drawn(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        marked = torch.rand(count, 24).argsort(-1) < 4
        normed = torch.randn(count, 24, 16)
        normed[..., 0], normed[..., 1] = 1.0, 2.0 * marked - 1.0
        return normed, marked

    normed = drawn(16)[0].requires_grad_()
    added, _ = mixer(normed, mixer.empty(16), 0)
    (0.0 * added).sum().backward()
    assert not mixer.query.weight.grad.any() and not normed.grad.any() and mixer.index_query.weight.grad.any()

    def found() -> float:
        """Share of the marked tokens among those chosen at the last token."""
        normed, marked = drawn(64)
        with torch.no_grad():
            index = torch.nn.functional.layer_norm(mixer.index_key(normed), (16,))
            chosen = highest(mixer.scores(normed, index)[:, -1], 4)
        return (chosen & marked).sum().item() / chosen.sum().item()

    before = found()
    optimiser = torch.optim.Adam([mixer.index_query.weight, mixer.index_key.weight, mixer.index_weight.weight], lr=0.01)
    for _ in range(150):
        optimiser.zero_grad()
        (0.0 * mixer(drawn(16)[0], mixer.empty(16), 0)[0]).sum().backward()
        optimiser.step()
    assert before < 0.5 and found() > 0.9


def test_divergence_is_that_of_kullback_and_leibler():
    target = torch.tensor([[[0.5, 0.5, 0.0]]])
    scores = torch.tensor([[[0.0, 0.0, -torch.inf]]])
    assert divergence(target, scores).item() == pytest.approx(0.0)
    wanted = 0.5 * torch.tensor([0.5 / 0.25, 0.5 / 0.75]).log().sum().item()
    assert divergence(target, torch.tensor([[[0.25, 0.75, 0.0]]]).log()).item() == pytest.approx(wanted)


def test_generation_is_the_argmax_of_full_forwards(model):
    tokens = tokens_of(3, 20)
    said, grown = model.generate(tokens, 5), tokens
    for _ in range(5):
        grown = torch.cat([grown, model.logits(model(grown)[:, -1]).argmax(-1, keepdim=True)], 1)
    assert torch.equal(said, grown[:, 20:])
    cache = Cache()
    model(tokens, None, cache)
    assert cache.length == 20
    with pytest.raises(ValueError, match="no memory zone"):
        model(tokens, object())


def test_a_back_end_that_would_not_be_used_is_refused(monkeypatch):
    monkeypatch.setattr("loci.models.architectures.backend_of", lambda name: None)
    with pytest.raises(UserError, match="attention: flash: does not apply to a delta model"):
        build("delta", SHAPE, {}, torch.arange(40), 0, 0, "flash")


def test_weights_are_moved_by_what_suits_them():
    model = build("delta", SHAPE, {}, torch.arange(40), 0, 0)
    optimisers = Optimisers(model, "muon")
    names = {weight: name for name, weight in model.named_parameters()}
    for one in optimisers.all:
        for group in one.param_groups:
            for weight in group["params"]:
                scalar = names[weight].endswith(("decay_rate", "decay_bias", "taps", "scale"))
                assert not (isinstance(one, Muon) and (scalar or weight.dim() != 2)), names[weight]
                assert group.get("weight_decay", 0.0) == 0.0 or not scalar
    assert sum(len(group["params"]) for one in optimisers.all for group in one.param_groups) == len(names)
    mixer = model.blocks[0].mixer
    times = torch.nn.functional.softplus(mixer.decay_bias)
    assert times.min() >= 0.99e-3 and times.max() <= 0.101
    assert mixer.decay_rate.exp().min() >= 1 and mixer.decay_rate.exp().max() <= 16 and not mixer.out.weight.any()


def test_a_state_goes_on_in_another_process_to_the_last_bit(tmp_path):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = LiveGPT(SHAPE, SPEC)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.1)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    first, second = tokens_of(1, 30), tokens_of(1, 25, 2)
    _, state = model.read(first)
    write_state(tmp_path / "s.safetensors", state, model)
    wanted, end = model.read(second, state)
    program = (
        "import sys, torch\nfrom loci.models.gpt import Shape\nfrom loci.models.live import LiveGPT, LiveSpec\n"
        "from loci.models.live_state import read_state, write_state\nfrom loci.models.sparse import Indexing\n"
        "torch.set_num_threads(1)\n"
        "model = LiveGPT(Shape(4, 32, 2, 40, 64), LiveSpec(Indexing(12, 5, 2, 8)))\n"
        "model.load_state_dict(torch.load(sys.argv[1] + '/weights.pt'))\n"
        "tokens = torch.randint(40, (1, 25), generator=torch.Generator().manual_seed(2))\n"
        "hidden, state = model.read(tokens, read_state(sys.argv[1] + '/s.safetensors', model))\n"
        "torch.save(hidden, sys.argv[1] + '/hidden.pt')\nwrite_state(sys.argv[1] + '/t.safetensors', state, model)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)
    assert torch.equal(torch.load(tmp_path / "hidden.pt"), wanted)
    assert same(read_state(tmp_path / "t.safetensors", model), end)


def test_states_that_do_not_fit_are_refused_and_the_store_is_unharmed(tmp_path):
    torch.manual_seed(0)
    model, other = LiveGPT(SHAPE, SPEC), LiveGPT(SHAPE, SPEC)
    store = Store(tmp_path, model)
    _, state = model.read(tokens_of(1, 9))
    path = store.put("ann", state)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"belongs to model [0-9a-f]{12}, not to [0-9a-f]{12}; give the model that ingested it"):
        Store(tmp_path, other).get("ann")
    (tmp_path / "cut.safetensors").write_bytes(before[: len(before) // 2])
    (tmp_path / "old.safetensors").write_bytes(before.replace(b"loci-live-1", b"loci-live-0"))
    for name, message in (
        ("cut", "is no state, or was cut short"),
        ("old", "is of format loci-live-0, not loci-live-1"),
        ("bob", "bob: unknown id; ingest a text under it first"),
        ("../ann", "cannot name a state"),
        ("", "cannot name a state"),
    ):
        with pytest.raises(UserError, match=message):
            store.get(name)
    assert path.read_bytes() == before and same(store.get("ann"), state)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["ann.safetensors", "cut.safetensors", "old.safetensors"]
