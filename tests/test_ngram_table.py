"""The Engram table that is trained with its model: addresses as published, one reading for all ways to read."""

import numpy as np
import pytest
import torch

from loci.errors import UserError
from loci.models.gpt import GPT, Cache, Memory, Shape
from loci.models.ngram_table import PRESETS, NgramTable, TableSpec, multipliers, next_prime

SHAPE = Shape(depth=3, width=32, heads=2, vocabulary=40, sequence=24)
SPEC = TableSpec(layers=(0, 2), orders=(2, 3), heads=3, slots=50, row_dim=4)
CANONICAL = torch.tensor([at if at % 5 else max(at - 1, 0) for at in range(40)])  # 5 is 4, 10 is 9, ...
PAD = 1


def tokens_of(batch: int, length: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(SHAPE.vocabulary, (batch, length), generator=torch.Generator().manual_seed(seed))


def engram(drawn: bool = True, seed: int = 0) -> GPT:
    """A decoder in float64 with two tables; `drawn`: what starts at zero is drawn too."""
    torch.manual_seed(seed)
    model = GPT(SHAPE).double()
    model.attached.update({str(at): NgramTable(SPEC, at, SHAPE.width, CANONICAL, PAD).double() for at in SPEC.layers})
    if drawn:
        with torch.no_grad():
            for weight in model.parameters():
                weight.normal_(0, 0.2)
    return model


def test_addresses_are_those_of_the_published_hash():
    """Worked out position by position: canonical ids counted through, odd multipliers, exclusive or, a prime a head."""
    table, tokens = NgramTable(SPEC, 2, SHAPE.width, CANONICAL, PAD), tokens_of(2, 7)
    found = table.addresses(tokens)
    kept = sorted(set(CANONICAL.tolist()))
    ids = {token: kept.index(int(CANONICAL[token])) for token in range(40)}
    drawn = multipliers(SPEC, 2, len(kept))
    assert all(number % 2 == 1 for number in drawn.tolist()) and int(drawn.max()) * (len(kept) - 1) <= np.iinfo(np.int64).max
    primes = SPEC.primes()[2]
    start = 0
    for at, order in enumerate(SPEC.orders):
        for head, prime in enumerate(primes[at]):
            for row in range(2):
                for place in range(7):
                    mixed = 0
                    for back in range(order):
                        token = int(tokens[row, place - back]) if place >= back else PAD
                        mixed ^= ids[token] * int(drawn[back])
                    assert int(found[row, place, at, head]) == start + mixed % prime
            start += prime
    assert start == table.rows.num_embeddings


def test_every_head_has_a_prime_of_its_own():
    primes = [prime for orders in SPEC.primes().values() for heads in orders for prime in heads]
    assert len(set(primes)) == 2 * 2 * 3 and min(primes) >= SPEC.slots
    assert all(prime % factor for prime in primes for factor in range(2, prime))
    assert [next_prime(number) for number in (-3, 2, 3, 13, 4999)] == [2, 3, 5, 17, 5003]


def test_tokens_with_the_same_canonical_text_address_alike():
    table = NgramTable(SPEC, 0, SHAPE.width, CANONICAL, PAD)
    one, other = torch.tensor([[7, 4, 9]]), torch.tensor([[7, 5, 10]])
    assert torch.equal(table.addresses(one), table.addresses(other))
    assert not torch.equal(table.addresses(one), table.addresses(torch.tensor([[7, 4, 11]])))


def test_a_new_table_changes_nothing_and_then_learns():
    torch.manual_seed(0)
    plain, tokens = GPT(SHAPE).double(), tokens_of(3, 9)
    model = engram(drawn=False)
    assert torch.equal(model(tokens), plain(tokens))
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        model.loss(tokens, tokens_of(3, 9, 2)).mean().backward()
        optimiser.step()
    assert all(bool(model.attached["0"].rows.weight.grad.abs().sum() > 0) for _ in range(1))


@pytest.mark.parametrize("cuts", [(9,), (1,) * 9, (2, 6, 1)])
def test_reading_in_pieces_is_reading_at_once(cuts):
    model, tokens, cache = engram(), tokens_of(3, 9), Cache()
    whole = model(tokens)
    found = torch.cat([model(piece, None, cache) for piece in tokens.split(list(cuts), 1)], 1)
    assert torch.allclose(found, whole, atol=1e-12)


def test_a_memory_zone_has_no_addresses():
    model, tokens = engram(), tokens_of(3, 9)
    vectors = torch.randn(3, 4, SHAPE.width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    seen = []
    handle = model.attached["0"].register_forward_hook(lambda _module, args, out: seen.append((args[0].shape, out)))
    model(tokens, Memory(vectors))
    model(tokens)
    handle.remove()
    assert [shape for shape, _ in seen] == [(3, 9, SHAPE.width)] * 2 and torch.equal(seen[0][1], seen[1][1])


def test_nothing_leaks_from_later_tokens():
    model, tokens = engram(), tokens_of(3, 9)
    later = tokens.clone()
    later[:, 5] = (later[:, 5] + 7) % SHAPE.vocabulary
    before, after = model(tokens), model(later)
    assert torch.equal(before[:, :5], after[:, :5]) and not torch.allclose(before[:, 5:], after[:, 5:])


def test_a_silenced_table_adds_nothing():
    torch.manual_seed(0)
    model, tokens = engram(), tokens_of(3, 9)
    spoken = model(tokens)
    for table in model.attached.values():
        table.silenced = True
    plain = GPT(SHAPE).double()
    plain.load_state_dict({name: weight for name, weight in model.state_dict().items() if not name.startswith("attached")})
    assert torch.equal(model(tokens), plain(tokens)) and not torch.allclose(model(tokens), spoken)


def test_the_convolution_is_the_one_of_the_library():
    table = engram().attached["2"]
    value = torch.randn(2, 11, SHAPE.width, dtype=torch.float64)
    dilation = max(SPEC.orders)
    padded = torch.nn.functional.pad(value.transpose(1, 2), (3 * dilation, 0))
    wanted = torch.nn.functional.conv1d(padded, table.taps, dilation=dilation, groups=SHAPE.width).transpose(1, 2)
    assert torch.allclose(table._convolved(value, None), wanted)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_the_published_capacity(name):
    spec = TableSpec.of({"preset": name, "layers": [1], "orders": [2, 3], "heads": 8, "seed": 0})
    published = {"tiny": 640_000, "small": 5_120_000, "medium": 12_800_000, "large": 25_600_000, "xlarge": 51_200_000}
    rows = sum(prime for heads in spec.primes()[1] for prime in heads)
    assert rows * spec.row_dim == pytest.approx(published[name], rel=0.05)  # two of them are what the paper states for two layers


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"orders": (3, 2)}, r"engram\.orders: \[3, 2\] do not increase"),
        ({"orders": (0, 1)}, r"engram\.orders: \[0, 1\] do not increase"),
        ({"layers": ()}, r"engram\.layers: \[\] do not increase"),
        ({"heads": 0}, r"engram\.heads: is 0; give at least 1"),
    ],
)
def test_bad_settings_are_named(fields, message):
    with pytest.raises(UserError, match=message):
        TableSpec(**{"layers": (0,), **fields})


def test_an_unknown_preset_is_refused():
    with pytest.raises(UserError, match=r"engram\.preset: huge: is not known; use one of tiny, small"):
        TableSpec.of({"preset": "huge", "layers": [1], "orders": [2, 3], "heads": 8, "seed": 0})
