"""Fit an adapter to few examples until it knows them: constant rate, pass by pass, stopped when enough is recalled.

An adapter that learns on after it knows everything only moves away from the base model; so does a comparison at a fixed number
of steps. `keep` holds it near: the divergence from the base model on other texts is part of the loss.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from loci.errors import UserError
from loci.models.adapters import LoraSlot, LoraWeights
from loci.models.tuning import CLIP, Example, batches, marked_logits


@dataclass(frozen=True)
class FitSettings:
    """rate: AdamW's. passes: over the examples, at most. recall: share of examples whose marked tokens all have the highest
    logit, at which it stops. tokens: padded tokens a batch. keep: weight of the divergence on other texts, 0 for none."""

    rate: float
    passes: int
    recall: float = 1.0
    tokens: int = 512
    keep: float = 0.0


@dataclass(frozen=True)
class Pass:
    """One pass: mean loss over its steps (nats a marked token), and the recall after it."""

    steps: int
    loss: float
    recall: float


def fit(
    slot: LoraSlot,
    examples: list[Example],
    settings: FitSettings,
    seed: int,
    pad_id: int,
    others: list[Example] = (),
    watch: Callable[[Pass], None] | None = None,
) -> tuple[LoraWeights, list[Pass]]:
    """The adapter, which the slot holds too, and its passes. others: texts for `keep`; their marked tokens count. watch: told of
    each pass, while the slot holds what was learnt so far."""
    if not examples or (settings.keep and not others):
        raise UserError("examples", "there are none", "give at least one, and other texts where they are kept")
    plan = (
        [one for epoch in range(settings.passes) for one in batches(others, settings.tokens, seed, epoch)]
        if settings.keep
        else []
    )
    slot.put(None)
    model = slot.base.model
    with torch.no_grad():
        as_before = (
            {at: F.log_softmax(marked_logits(model, [one], pad_id)[0], -1) for at, one in enumerate(others)} if plan else {}
        )
    slot.put(slot.new(seed))
    weights = list(slot.parameters.values())
    for weight in weights:
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(weights, lr=settings.rate, weight_decay=0.0)
    passes: list[Pass] = []
    steps = 0
    for epoch in range(settings.passes):
        losses = []
        for chosen in batches(examples, settings.tokens, seed, epoch):
            logits, wanted = marked_logits(model, [examples[at] for at in chosen], pad_id)
            loss = F.cross_entropy(logits, wanted)
            losses.append(loss.item())
            if plan:
                kept = plan[steps % len(plan)]
                now = F.log_softmax(marked_logits(model, [others[at] for at in kept], pad_id)[0], -1)
                before = torch.cat([as_before[at] for at in kept])
                loss = loss + settings.keep * F.kl_div(now, before, log_target=True, reduction="batchmean")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, CLIP)
            optimiser.step()
            steps += 1
        recalled = recall_of(model, examples, settings.tokens, pad_id)
        passes.append(Pass(len(losses), sum(losses) / len(losses), recalled))
        if watch is not None:
            watch(passes[-1])
        if recalled >= settings.recall:
            break
    learnt = slot.get()
    slot.put(learnt)
    return learnt, passes


@torch.no_grad()
def recall_of(model, examples: list[Example], tokens: int, pad_id: int) -> float:
    """Share of the examples whose marked tokens all have the highest logit, given those before them."""
    right = 0
    for chosen in batches(examples, tokens, 0, 0):
        batch = [examples[at] for at in chosen]
        logits, wanted = marked_logits(model, batch, pad_id)
        hits = logits.argmax(-1).eq(wanted)
        right += sum(bool(part.all()) for part in hits.split([sum(one.marked[1:]) for one in batch]))
    return right / len(examples)
