"""Teach a zone of triplets to a frozen language model: other users' facts stand in the zone, their questions behind it.

A step is one pupil: the facts that the pupil told, some left out, and a sample of questions with their answers, each behind the
same zone. Who asks for what was left out, or was never told, is to hear "not known".
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from loci.bench.lessons import NOT_KNOWN, Piece, asked, encoded, teachable
from loci.models.base import Base
from loci.models.checkpoints import Checkpoint, read_checkpoint, remembered, take_up, write_checkpoint
from loci.models.frozen_zone import FrozenZone, triplet_ids
from loci.models.trainer import Schedule
from loci.models.tuning import CLIP, Example, Layers, marked_logits
from loci.worlds.records import Fact, User

OWNER = "me"  # subject of what an owner tells
_EVERY = 20  # steps between checkpoints


@dataclass(frozen=True)
class ZoneSettings:
    """longest: tokens of a part. users, epochs, rate: pupils, passes over them, highest learning rate. missing: share of facts
    that are left out in training. lessons: questions of a kind in a step. statements: and sentences to be completed."""

    longest: int
    users: int
    epochs: int
    rate: float
    missing: float
    lessons: dict[str, int]
    statements: int


def layers_of(zone: FrozenZone, base: Base, facts: Sequence[Fact]) -> Layers:
    """Keys and values of the zone of these facts; what comes before the value is their relation. At least one fact."""
    triplets = [(OWNER, fact.trigger, fact.answer) for fact in facts]
    return zone.layers(triplet_ids(triplets, base.tokenizer, zone.longest), base.model)


def step_of(user: User, how: ZoneSettings, rng: random.Random, tokenizer) -> tuple[list[Fact], list[Example]]:
    """What stands in the zone in one step, and what is asked behind it."""
    facts = user.final_facts()
    told = [fact for fact in facts if rng.random() >= how.missing] or [facts[0]]
    there = {fact.key for fact in told}
    lessons = []
    for question, _ in teachable(user, {fact.key: fact for fact in facts}, how.lessons, (), rng):
        known = bool(question.required_fact_keys) and there >= set(question.required_fact_keys)
        answer = question.answer if known else NOT_KNOWN
        lessons.append([Piece(asked(question.text, (), recited=False), learnt=False), Piece(f" {answer}\n", learnt=True)])
    for fact in rng.sample(told, min(how.statements, len(told))):
        lessons.append([Piece(fact.trigger, learnt=False), Piece(f" {fact.answer}.\n", learnt=True)])
    return told, [encoded(pieces, tokenizer) for pieces in lessons]


def loss_of(zone: FrozenZone, base: Base, told: Sequence[Fact], lessons: list[Example]) -> torch.Tensor:
    """Mean nats of the answers' tokens."""
    return F.cross_entropy(*marked_logits(base.model, lessons, base.tokenizer.pad_token_id, layers_of(zone, base, told)))


def train_zone(
    zone: FrozenZone,
    base: Base,
    pupils: Sequence[User],
    how: ZoneSettings,
    seed: int,
    checkpoint: Path | None = None,
    watch: Callable[[int, int, float], None] = lambda _done, _all, _loss: None,
) -> list[float]:
    """Train a zone in place; the loss of each step (nats a token). A killed training goes on after its last checkpoint.

    checkpoint: where that is kept; its folder belongs to this training alone. watch: told (step, steps, loss) after each step.
    """
    plan = []
    for epoch in range(how.epochs):
        generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
        plan += [(epoch, at) for at in torch.randperm(len(pupils), generator=generator).tolist()]
    optimiser = torch.optim.AdamW(zone.parameters(), lr=how.rate, weight_decay=0.0)
    schedule, losses = Schedule(len(plan), warm=0.05, cool=0.7, last=0.0), []
    if checkpoint and checkpoint.exists():
        kept = read_checkpoint(checkpoint, {"seed": seed})
        zone.load_state_dict(kept.weights)
        take_up(optimiser, kept.optimiser)
        losses = kept.losses
    for step in range(len(losses), len(plan)):
        epoch, at = plan[step]
        rng = random.Random(f"zone:{seed}:{epoch}:{pupils[at].uid}")
        optimiser.param_groups[0]["lr"] = how.rate * schedule.share(step)
        optimiser.zero_grad(set_to_none=True)
        loss = loss_of(zone, base, *step_of(pupils[at], how, rng, base.tokenizer))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(zone.parameters(), CLIP)
        optimiser.step()
        losses.append(loss.item())
        watch(step + 1, len(plan), losses[-1])
        if checkpoint and (step + 1) % _EVERY == 0:
            write_checkpoint(checkpoint, Checkpoint(losses, 0.0, {}, zone.state_dict(), remembered(optimiser)), {"seed": seed})
    return losses
