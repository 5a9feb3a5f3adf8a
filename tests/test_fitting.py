"""An adapter of one's own: it stops when it recalls enough, stays near the base model when told to, and is served by copying."""

import pytest
import torch

from loci.errors import UserError
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import Base, load_base
from loci.models.fitting import FitSettings, fit, recall_of
from loci.models.tuning import Example, marked_logits

EXAMPLES = [Example((5, 9 + at, 40 + 9 * at, 7 + at, 12), (False, False, False, True, True)) for at in range(4)]
OTHERS = [Example(tuple(range(60 + at, 90 + at)), (False, *[True] * 29)) for at in range(4)]


@pytest.fixture
def fresh(tiny_root) -> Base:
    return load_base("tiny", tiny_root / "tiny")


def test_it_stops_when_enough_is_recalled(fresh):
    slot = LoraSlot(fresh, LoraSpec(16, "all"))
    assert recall_of(fresh.model, EXAMPLES, 40, 0) == 0
    weights, passes = fit(slot, EXAMPLES, FitSettings(0.02, 200, tokens=40), 0, 0)
    assert passes[-1].recall == 1 == recall_of(fresh.model, EXAMPLES, 40, 0) and len(passes) < 200
    assert all(one.recall < 1 for one in passes[:-1]) and all(one.steps == 1 for one in passes)
    enough = min(one.recall for one in passes if one.recall)  # which recalls there are on the way differs between machines
    half, earlier = fit(slot, EXAMPLES, FitSettings(0.02, 200, recall=enough, tokens=40), 0, 0)
    first = next(at for at, one in enumerate(passes) if one.recall >= enough)
    assert earlier == passes[: first + 1] and len(earlier) < len(passes)
    _, on = fit(slot, EXAMPLES, FitSettings(0.02, len(passes) + 3, recall=2, tokens=40), 0, 0)
    assert len(on) == len(passes) + 3, "more than everything is never recalled"
    again, _ = fit(slot, EXAMPLES, FitSettings(0.02, 200, tokens=40), 0, 0)
    assert all(torch.equal(again.tensors[name], one) for name, one in weights.tensors.items())
    assert any(not torch.equal(half.tensors[name], one) for name, one in weights.tensors.items())


def test_kept_texts_hold_it_near_the_base_model(fresh):
    slot = LoraSlot(fresh, LoraSpec(16, "all"))
    before = marked_logits(fresh.model, OTHERS, 0)[0].log_softmax(-1)
    moved = {}
    for keep in (0.0, 1.0):
        _, passes = fit(slot, EXAMPLES, FitSettings(0.01, 100, recall=2, tokens=40, keep=keep), 0, 0, OTHERS)
        after = marked_logits(fresh.model, OTHERS, 0)[0].log_softmax(-1)
        moved[keep] = float((before.exp() * (before - after)).sum(-1).mean())
        assert passes[-1].recall == 1
    assert moved[1.0] < 0.5 * moved[0.0]


def test_users_a_b_a_give_a_the_same_bytes(fresh):
    slot = LoraSlot(fresh, LoraSpec(16, "all"))
    ids = torch.tensor([[5, 9, 41, 8]])
    bare = fresh.model(input_ids=ids).logits
    ours, _ = fit(slot, EXAMPLES[:3], FitSettings(0.02, 10, tokens=40), 0, 0)
    first = fresh.model(input_ids=ids).logits
    theirs, _ = fit(slot, EXAMPLES[3:], FitSettings(0.02, 10, tokens=40), 0, 0)
    assert not torch.equal(fresh.model(input_ids=ids).logits, first)
    slot.put(ours)
    assert torch.equal(fresh.model(input_ids=ids).logits, first)
    slot.put(None)
    assert torch.equal(fresh.model(input_ids=ids).logits, bare)
    slot.put(theirs)
    slot.put(ours)
    assert torch.equal(fresh.model(input_ids=ids).logits, first)


def test_nothing_to_learn_is_refused(fresh):
    slot = LoraSlot(fresh, LoraSpec(1))
    for examples, keep in (([], 0.0), (EXAMPLES, 1.0)):
        with pytest.raises(UserError, match="there are none"):
            fit(slot, examples, FitSettings(0.1, 1, keep=keep), 0, 0)
