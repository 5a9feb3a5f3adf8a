"""What stands in the memory zone: order inside a name, who denies what, padding, and each arm's own vectors."""

import pytest
import torch

from loci.errors import UserError
from loci.models.gpt import GPT, Cache, Shape, norm
from loci.models.optimisers import RATES, Optimisers
from loci.models.zones import (
    NOTHING,
    ClosedTriplets,
    OldTokens,
    OpenTriplets,
    Pooled,
    SpeltTriplets,
    Summary,
    TripletIds,
    Vocabulary,
)

SHAPE = Shape(depth=2, width=32, heads=2, vocabulary=40, sequence=24)
LONGEST = 3


def drawn(module: torch.nn.Module) -> torch.nn.Module:
    """In float64, and what starts at zero drawn too."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in module.double().parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float64) * 0.3)
    return module


ZONES = {
    "open": lambda: drawn(OpenTriplets(SHAPE.width, LONGEST)),
    "spelt": lambda: drawn(SpeltTriplets(SHAPE.width, LONGEST)),
    "closed": lambda: drawn(ClosedTriplets(SHAPE.width, 7, 4)),
    "pooled": lambda: drawn(Pooled(SHAPE.width, 3)),
    "summary": lambda: drawn(Summary(SHAPE.width, 3)),
}


def triplets(closed: bool = False, seed: int = 1) -> TripletIds:
    """Two windows with four triplets each, of which the second has two."""
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randint(4 if closed else 40, (2, 4, 3, 1 if closed else LONGEST), generator=generator)
    if not closed:
        parts[0, 1, 2, 1:] = NOTHING  # an object of one token
    parts[1, 2:] = NOTHING
    return TripletIds(parts, torch.tensor([[False, True, False, False]] * 2), torch.arange(3, -1, -1).expand(2, 4))


def old_tokens() -> OldTokens:
    ids = torch.randint(40, (2, 10), generator=torch.Generator().manual_seed(2))
    ids[1, :5] = NOTHING
    return OldTokens(ids)


GIVEN = {
    "open": triplets(),
    "spelt": triplets(),
    "closed": triplets(closed=True),
    "pooled": old_tokens(),
    "summary": old_tokens(),
}


def model_with(zone: str) -> GPT:
    torch.manual_seed(0)
    return drawn(GPT(SHAPE, zone=ZONES[zone]()))


@pytest.mark.parametrize("zone", ZONES)
def test_a_zone_is_part_of_the_model(zone):
    """Padding counts for nothing, gradients reach the zone, reading in pieces is reading at once."""
    model, given = model_with(zone), GIVEN[zone]
    tokens = torch.randint(40, (2, 6), generator=torch.Generator().manual_seed(3))
    memory = model.zone(given, model.embedding)
    assert memory.vectors.shape == (2, memory.present.shape[1], SHAPE.width) and not memory.present[1].all()
    whole, cache = model(tokens, given), Cache()
    pieces = torch.cat([model(tokens[:, :2], given, cache), model(tokens[:, 2:], None, cache)], 1)
    assert torch.allclose(pieces, whole, atol=1e-12) and not torch.allclose(whole, model(tokens))
    model.loss(tokens, tokens, given).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.zone.parameters() if weight.ndim)


@pytest.mark.parametrize("zone", ZONES)
def test_every_weight_of_a_zone_is_moved_by_something(zone):
    model = GPT(SHAPE, zone=ZONES[zone]().float())
    optimisers = Optimisers(model, "muon")
    rates = {
        optimisers.names[weight]: group["lr"]
        for one in optimisers.all
        for group in one.param_groups
        for weight in group["params"]
    }
    assert rates.keys() == dict(model.named_parameters()).keys()
    if zone == "open":
        narrow = (SHAPE.width / 768) ** -0.5
        assert rates["zone.join.weight"] == RATES["muon"].matrices and rates["zone.place"] == RATES["muon"].scalars * narrow
        assert rates["zone.age.weight"] == RATES["muon"].embedding * narrow


def test_the_order_of_a_names_tokens_counts_and_so_does_the_part():
    zone, embedding = ZONES["open"](), torch.nn.Embedding(40, SHAPE.width).double()
    given = triplets()

    def vectors(parts: torch.Tensor) -> torch.Tensor:
        return zone(TripletIds(parts, given.denied, given.age), embedding).vectors

    base = vectors(given.parts)
    for part in (0, 2):
        turned = given.parts.clone()
        turned[0, 0, part] = turned[0, 0, part].flip(-1)
        assert not torch.allclose(vectors(turned)[0, 0], base[0, 0])
    swapped = given.parts.clone()
    swapped[0, 0] = swapped[0, 0, [2, 1, 0]]
    assert not torch.allclose(vectors(swapped)[0, 0], base[0, 0])
    assert torch.equal(vectors(swapped)[0, 1:], base[0, 1:])


def test_a_denial_and_an_age_change_their_triplet_alone():
    zone, embedding, given = ZONES["open"](), torch.nn.Embedding(40, SHAPE.width).double(), triplets()
    base = zone(given, embedding).vectors
    for name, value in (("denied", ~given.denied[0, 0]), ("age", given.age[0, 0] + 200)):
        changed = getattr(given, name).clone()
        changed[0, 0] = value
        found = zone(TripletIds(**{**vars(given), name: changed}), embedding).vectors
        assert not torch.allclose(found[0, 0], base[0, 0]) and torch.equal(found[0, 1:], base[0, 1:])


def test_a_spelt_triplet_is_its_object_token_by_token_and_an_end():
    zone, embedding, given = ZONES["spelt"](), torch.nn.Embedding(40, SHAPE.width).double(), triplets()
    found = zone(given, embedding)
    # Objects of 3, 1, 3 and 3 tokens, an end each; the second window has the first and the second triplet of its own.
    assert found.vectors.shape == (2, 14, SHAPE.width)
    assert found.present.tolist() == [[True] * 14, [False] * 6 + [True] * 8]
    assert torch.allclose(
        found.vectors[1, 6:], zone(TripletIds(*(part[1:, :2] for part in vars(given).values())), embedding).vectors[0]
    )

    def vector(at: int, parts: torch.Tensor) -> torch.Tensor:
        return zone(TripletIds(parts, given.denied, given.age), embedding).vectors[0, at]

    base = given.parts
    for part, place, moved in ((2, 0, {0, 1}), (2, 2, {2, 3}), (0, 0, {0, 1, 2, 3})):  # of the first triplet
        other = base.clone()
        other[0, 0, part, place] = (other[0, 0, part, place] + 1) % 40
        changed = {at for at in range(14) if not torch.allclose(vector(at, other), vector(at, base))}
        assert changed == moved, "a token of the object is seen where it is said and where it was just said"
    # What is said stands in the vector as the token's own embedding.
    said = norm(embedding(base[0, 0, 2, 1]))
    parts = torch.stack([*zone.about.vectors(given, embedding)[0, 0, :2], norm(embedding(base[0, 0, 2, 0]))])
    known = zone.about.joined(parts, given.denied[0, 0], given.age[0, 0])
    assert torch.allclose(found.vectors[0, 1], norm(said + known))


def test_pooled_vectors_are_means_of_the_last_full_groups():
    zone, embedding, given = Pooled(SHAPE.width, 3).double(), torch.nn.Embedding(40, SHAPE.width).double(), old_tokens()
    found = zone(given, embedding)
    assert found.present.tolist() == [[True, True, True], [False, False, True]]
    wanted = norm(norm(embedding(given.ids[0, 1:4])).mean(0))
    assert torch.allclose(found.vectors[0, 0], wanted)


def test_a_closed_vocabulary_refuses_what_it_does_not_hold():
    known = Vocabulary(["Ada", "Ulm"], ["lives_in"])
    assert known.ids("Ada", "lives_in", "Ulm") == [[0], [0], [1]]
    for wrong, message in (
        (("Ada", "born_in", "Ulm"), r"relation 'born_in': is not in the closed vocabulary; use the open encoder"),
        (("Bo", "lives_in", "Ulm"), r"entity 'Bo': is not in the closed vocabulary"),
        (("Ada", "lives_in", "Bern"), r"entity 'Bern': is not in the closed vocabulary"),
    ):
        with pytest.raises(UserError, match=message):
            known.ids(*wrong)
