"""Teaching an adapter: only marked tokens count, it learns, the base stays, and a killed run ends at the same bytes."""

import pytest
import torch
from torch.nn import functional as F

from loci.errors import UserError
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import Base, load_base
from loci.models.tuning import Example, TuneSettings, batches, loss_of, mean_loss, tune

EXAMPLES = [Example((5, 9, 40, 7 + at, 12), (False, False, False, True, True)) for at in range(6)]
EXAMPLES += [Example((6, 9, 30 + at), (False, True, True)) for at in range(3)]
SETTINGS = TuneSettings(rate=0.02, epochs=10, tokens=20)


@pytest.fixture
def fresh(tiny_root) -> Base:
    return load_base("tiny", tiny_root / "tiny")


def test_the_loss_is_that_of_the_marked_tokens_alone(fresh):
    batch = [EXAMPLES[0], EXAMPLES[6]]
    parts = []
    for example in batch:
        ids = torch.tensor([example.ids])
        logits = fresh.model(input_ids=ids).logits[0, :-1]
        losses = F.cross_entropy(logits, ids[0, 1:], reduction="none")
        parts += [loss for loss, marked in zip(losses, example.marked[1:], strict=True) if marked]
    assert loss_of(fresh.model, batch, 0).item() == pytest.approx(float(torch.stack(parts).mean()), abs=1e-5)


def test_the_mean_loss_weighs_tokens_alike(fresh):
    apart = [(sum(one.marked[1:]), loss_of(fresh.model, [one], 0).item()) for one in EXAMPLES]
    wanted = sum(count * loss for count, loss in apart) / sum(count for count, _ in apart)
    assert mean_loss(fresh.model, EXAMPLES, 20, 0) == pytest.approx(wanted, abs=1e-5)


def test_batches_hold_every_example_once_and_fit():
    for epoch in range(3):
        found = list(batches(EXAMPLES, 20, 0, epoch))
        assert sorted(at for batch in found for at in batch) == list(range(len(EXAMPLES)))
        assert all(len(batch) * max(len(EXAMPLES[at].ids) for at in batch) <= 20 for batch in found)
    assert list(batches(EXAMPLES, 20, 0, 0)) == list(batches(EXAMPLES, 20, 0, 0)) != list(batches(EXAMPLES, 20, 0, 1))


def test_an_adapter_learns_and_leaves_the_base_as_it_was(fresh):
    weights = {name: weight.clone() for name, weight in fresh.model.named_parameters()}
    slot = LoraSlot(fresh, LoraSpec(4))
    learnt, losses = tune(slot, EXAMPLES, SETTINGS, 0, 0)
    assert mean_loss(fresh.model, EXAMPLES, 20, 0) < losses[-1] + 0.5 < losses[0]
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])
    named = dict(fresh.model.named_parameters())
    assert all(
        torch.equal(named.get(name, named.get(name.replace(".weight", ".base_layer.weight"))), one)
        for name, one in weights.items()
    )
    assert not any(weight.requires_grad for weight in fresh.model.parameters())
    again, _ = tune(slot, EXAMPLES, SETTINGS, 0, 0)
    assert all(torch.equal(again.tensors[key], learnt.tensors[key]) for key in learnt.tensors)


def test_a_killed_run_ends_at_the_same_bytes(fresh, tmp_path):
    slot, path = LoraSlot(fresh, LoraSpec(2)), tmp_path / "half.safetensors"
    whole, all_losses = tune(slot, EXAMPLES, SETTINGS, 0, 0)

    def kill(step: int, _steps: int, _loss: float) -> None:
        if step == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(slot, EXAMPLES, SETTINGS, 0, 0, path, kill)
    assert path.exists()
    first = []
    resumed, losses = tune(slot, EXAMPLES, SETTINGS, 0, 0, path, lambda step, _steps, _loss: first.append(step))
    assert first[0] == 21 and not path.exists() and losses == all_losses
    assert all(torch.equal(resumed.tensors[key], whole.tensors[key]) for key in whole.tensors)
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="is no checkpoint"):
        tune(slot, EXAMPLES, SETTINGS, 0, 0, path)


def test_bad_examples_are_refused(fresh):
    with pytest.raises(UserError, match="there are none"):
        tune(LoraSlot(fresh, LoraSpec(1)), [], SETTINGS, 0, 0)
    for marked in ((True, False), (False, False), (True,)):
        with pytest.raises(UserError, match="has no marked token"):
            Example((1, 2), marked)
