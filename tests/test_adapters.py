"""Adapters: an empty slot is the base bit for bit, swapping gives the same bytes, files are refused for another base or rank."""

import pytest
import torch

from loci.errors import UserError
from loci.models.adapters import LoraSlot, LoraSpec, LoraWeights
from loci.models.base import Base, load_base

IDS = torch.tensor([[5, 9, 40, 7, 12, 33]])


@pytest.fixture
def fresh(tiny_root, base) -> Base:
    """A model of its own: a slot stays in it."""
    return load_base(base.name, tiny_root / base.name)


def logits(base: Base) -> torch.Tensor:
    with torch.no_grad():
        return base.model(input_ids=IDS).logits


def filled(slot: LoraSlot, seed: int) -> LoraWeights:
    """Weights that change something."""
    generator = torch.Generator().manual_seed(seed)
    return LoraWeights({key: torch.randn(one.shape, generator=generator) * 0.1 for key, one in slot.parameters.items()})


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_an_empty_slot_is_the_base_and_swaps_give_the_same_bytes(fresh, targets):
    before = logits(fresh)
    slot = LoraSlot(fresh, LoraSpec(2, targets))
    assert torch.equal(logits(fresh), before)
    slot.put(slot.new(seed=0))
    assert torch.equal(logits(fresh), before), "a new adapter changes nothing"
    users = {name: filled(slot, seed) for seed, name in enumerate("AB")}
    seen = []
    for name in "ABA":
        slot.put(users[name])
        seen.append(logits(fresh))
    slot.put(None)
    assert torch.equal(logits(fresh), before)
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], before)
    assert not any(weight.requires_grad for weight in fresh.model.parameters())


def test_new_adapters_follow_their_seed(fresh):
    slot = LoraSlot(fresh, LoraSpec(2))
    one, same, other = (slot.new(seed).tensors for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_save_load_and_refusals(fresh, tmp_path):
    slot, path = LoraSlot(fresh, LoraSpec(2)), tmp_path / "a.safetensors"
    weights = filled(slot, 1)
    slot.save(weights, path)
    slot.put(slot.load(path))
    again = slot.get()
    assert all(torch.equal(again.tensors[key], weights.tensors[key]) for key in weights.tensors)
    slot.save(again, tmp_path / "b.safetensors")
    assert path.read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert weights.nbytes == 4 * sum(one.numel() for one in slot.parameters.values())
    for spec, message in ((LoraSpec(3), "rank: is '2', not '3'"), (LoraSpec(2, "all"), "targets: is 'attention', not 'all'")):
        slot.spec = spec
        with pytest.raises(UserError, match=message):
            slot.load(path)
    slot.spec, slot.base = LoraSpec(2), Base(fresh.name, fresh.model, fresh.tokenizer, "0" * 64)
    with pytest.raises(UserError, match=f"base: is '{fresh.model_sha256}'"):
        slot.load(path)
    slot.base = fresh
    (tmp_path / "c.safetensors").write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UserError, match="truncated or not an adapter"):
        slot.load(tmp_path / "c.safetensors")
    with pytest.raises(UserError, match="no such file"):
        slot.load(tmp_path / "d.safetensors")


def test_bad_specs_and_a_second_slot_are_refused(fresh):
    with pytest.raises(UserError, match="adapter rank: is 0"):
        LoraSpec(0)
    with pytest.raises(UserError, match="'mlp' is not known"):
        LoraSpec(2, "mlp")
    LoraSlot(fresh, LoraSpec(1))
    with pytest.raises(UserError, match="has a slot already"):
        LoraSlot(fresh, LoraSpec(1))
