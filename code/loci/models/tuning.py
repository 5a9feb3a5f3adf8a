"""Teach an adapter: teacher forcing on the marked tokens of examples, everything but the adapter frozen.

Logits are computed for marked tokens only. Examples of like length share a batch, so that little of it is padding; a batch
is as many examples as `tokens` allows. A run that is killed continues after its last checkpoint and ends at the same bytes.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch.nn import functional as F
from transformers import DynamicCache

from loci.errors import UserError
from loci.models.adapters import LoraSlot, LoraWeights
from loci.results import write_bytes

Layers = list[tuple[torch.Tensor, torch.Tensor]]  # keys and values [B, H, T, head] of each layer
_WARM_UP = 0.05  # of all steps; then the rate falls to zero along a cosine
CLIP = 1.0  # norm of the gradient
_EVERY = 20  # steps between checkpoints


@dataclass(frozen=True)
class Example:
    """One token sequence; `marked` says which of its tokens are learnt (the first one never is: nothing precedes it)."""

    ids: tuple[int, ...]
    marked: tuple[bool, ...]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.marked) or not any(self.marked[1:]):
            raise UserError("example", "has no marked token after the first", "mark what is to be learnt")


@dataclass(frozen=True)
class TuneSettings:
    """rate: AdamW's highest learning rate. epochs: passes over the examples. tokens: padded tokens a batch holds at most."""

    rate: float
    epochs: int
    tokens: int = 2048
    weight_decay: float = 0.0


def tune(
    slot: LoraSlot,
    examples: list[Example],
    settings: TuneSettings,
    seed: int,
    pad_id: int,
    checkpoint: Path | None = None,
    watch: Callable[[int, int, float], None] | None = None,
    start: LoraWeights | None = None,
) -> tuple[LoraWeights, list[float]]:
    """The adapter after all epochs, which the slot holds too, and the loss of each step (nats a marked token).

    checkpoint: file that keeps weights, moments and losses; it is deleted at the end. watch: told (step, steps, loss) after
    each step. start: weights to go on from; a new adapter, drawn by the seed, where there are none.
    """
    if not examples:
        raise UserError("examples", "there are none", "give at least one")
    plan = [batch for epoch in range(settings.epochs) for batch in batches(examples, settings.tokens, seed, epoch)]
    slot.put(start or slot.new(seed))
    names = list(slot.parameters)
    weights = [slot.parameters[name] for name in names]
    for weight in weights:
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(weights, lr=settings.rate, weight_decay=settings.weight_decay)
    losses = _resume(checkpoint, names, weights, optimiser) if checkpoint else []
    for step in range(len(losses), len(plan)):
        optimiser.param_groups[0]["lr"] = settings.rate * _schedule(step, len(plan))
        optimiser.zero_grad(set_to_none=True)
        loss = loss_of(slot.base.model, [examples[at] for at in plan[step]], pad_id)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, CLIP)
        optimiser.step()
        losses.append(loss.item())
        if watch is not None:
            watch(step + 1, len(plan), losses[-1])
        if checkpoint and (step + 1) % _EVERY == 0:
            _keep(checkpoint, losses, names, weights, optimiser)
    learnt = slot.get()
    slot.put(learnt)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return learnt, losses


@torch.no_grad()
def mean_loss(model, examples: list[Example], tokens: int, pad_id: int) -> float:
    """Mean cross-entropy of all marked tokens of the examples, nats."""
    total = count = 0.0
    for chosen in batches(examples, tokens, 0, 0):
        batch = [examples[at] for at in chosen]
        marked = sum(sum(example.marked[1:]) for example in batch)
        total, count = total + marked * loss_of(model, batch, pad_id).item(), count + marked
    return total / count


def batches(examples: list[Example], tokens: int, seed: int, epoch: int) -> Iterator[list[int]]:
    """Positions of the examples of each batch, like lengths together, batches in random order."""
    generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
    shuffled = torch.randperm(len(examples), generator=generator).tolist()
    shuffled.sort(key=lambda at: len(examples[at].ids))  # stable: equal lengths stay in random order
    groups: list[list[int]] = [[]]
    for at in shuffled:
        if groups[-1] and (len(groups[-1]) + 1) * len(examples[at].ids) > tokens:
            groups.append([])
        groups[-1].append(at)
    for place in torch.randperm(len(groups), generator=generator).tolist():
        yield groups[place]


def loss_of(model, batch: list[Example], pad_id: int) -> torch.Tensor:
    """Mean cross-entropy of the marked tokens of a batch."""
    return F.cross_entropy(*marked_logits(model, batch, pad_id))


def marked_logits(model, batch: list[Example], pad_id: int, behind: Layers | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [M, vocabulary] before the M marked tokens of B right-padded examples of up to T tokens, example by example,
    and these tokens [M]. No other logits are computed. behind: keys and values [1, H, P, head] of each layer, of P positions that
    stand before all examples."""
    width = max(len(example.ids) for example in batch)
    ids = torch.tensor([[*example.ids, *[pad_id] * (width - len(example.ids))] for example in batch])  # [B, T]
    marked = torch.tensor([[*example.marked, *[False] * (width - len(example.ids))] for example in batch])
    mask = torch.tensor([[1] * len(example.ids) + [0] * (width - len(example.ids)) for example in batch])
    read: dict = {"use_cache": False}
    if behind:
        cache = DynamicCache()
        for at, layer in enumerate(behind):
            cache.update(*(part.expand(len(batch), -1, -1, -1) for part in layer), at)
        before = behind[0][0].shape[2]
        mask = torch.cat([mask.new_ones(len(batch), before), mask], 1)
        read = {"past_key_values": cache, "position_ids": torch.arange(before, before + width)[None].expand(len(batch), -1)}
    hidden = model.get_decoder()(input_ids=ids, attention_mask=mask, **read).last_hidden_state
    learnt = marked[:, 1:]  # a token is predicted at the position before it
    return model.get_output_embeddings()(hidden[:, :-1][learnt]), ids[:, 1:][learnt]


def _schedule(step: int, steps: int) -> float:
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _keep(
    path: Path, losses: list[float], names: list[str], weights: list[torch.nn.Parameter], optimiser: torch.optim.AdamW
) -> None:
    tensors = {"losses": torch.tensor(losses, dtype=torch.float64)}
    for name, weight in zip(names, weights, strict=True):
        state = optimiser.state[weight]
        tensors |= {f"{name}.weight": weight.detach(), f"{name}.mean": state["exp_avg"], f"{name}.square": state["exp_avg_sq"]}
    write_bytes(path, to_safetensors(tensors))


def _resume(path: Path, names: list[str], weights: list[torch.nn.Parameter], optimiser: torch.optim.AdamW) -> list[float]:
    """Take up a checkpoint; the losses up to it, none where there is no file."""
    if not path.exists():
        return []
    try:
        with safe_open(path, "pt") as stream:
            tensors = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118, not a dict
    except SafetensorError:
        raise UserError(path, "is no checkpoint", "delete it and train again") from None
    losses = tensors["losses"].tolist()
    with torch.no_grad():
        for name, weight in zip(names, weights, strict=True):
            weight.copy_(tensors[f"{name}.weight"])
            moments = {"exp_avg": tensors[f"{name}.mean"], "exp_avg_sq": tensors[f"{name}.square"]}
            optimiser.state[weight] = {"step": torch.tensor(float(len(losses))), **moments}
    return losses
