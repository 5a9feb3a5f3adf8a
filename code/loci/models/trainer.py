"""One trainer for every model that is trained from scratch.

A step: a batch, the mean loss of its targets (weighted, if the batch says so), gradients clipped, one move of the optimisers. The
rates warm up, stay, and cool down in a line. On a CPU the same seed gives the same bytes, also when the run was killed and goes
on from its last checkpoint. The model trains where it stands; batches come to it.
Under torchrun every process takes its share of a batch and gradients are averaged.
"""

import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn import functional as F

from loci.errors import UserError
from loci.models.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from loci.models.float8 import to_float8
from loci.models.gpt import GPT
from loci.models.optimisers import Optimisers
from loci.models.packed import Batch, Source
from loci.models.running import PRECISIONS

_CLIP = 1.0
_DIVERGED = 2.0  # times the loss of a model that knows nothing


@dataclass(frozen=True)
class Schedule:
    """steps: how many. warm, cool: shares of them in which the rates rise to their highest, and fall to `last` of it."""

    steps: int
    warm: float = 0.02
    cool: float = 0.5
    last: float = 0.05

    def share(self, step: int) -> float:
        """Share of the highest rates at step 0, 1, ..."""
        warm, cool = max(1, round(self.warm * self.steps)), max(1, round(self.cool * self.steps))
        if step < warm:
            return (step + 1) / warm
        left = self.steps - step
        return 1.0 if left >= cool else self.last + (1 - self.last) * left / cool


@dataclass(frozen=True)
class Told:
    """What is known after a step: its number from 1, the loss in nats a token, the norm of the gradient, and the seconds of all
    steps so far, those before a restart too."""

    step: int
    loss: float
    gradient: float
    seconds: float


def line_of(told: Told, schedule: Schedule, tokens: int) -> str:
    """What is known after a step of `tokens` tokens, on one line."""
    each = told.seconds / told.step
    return (
        f"step {told.step}/{schedule.steps} ({told.step / schedule.steps:.1%}) | loss {told.loss:.4f} | "
        f"gradient {told.gradient:.2f} | rate {schedule.share(told.step - 1):.2f} | {1000 * each:.0f} ms | "
        f"{tokens / each:,.0f} tokens/s | {each * (schedule.steps - told.step):.0f} s left"
    )


class Trainer:
    """A model, where its batches come from, and what moves its weights.

    about: what a checkpoint belongs to. precision: of the forward pass; weights stay float32. compile_: compile the loss.
    """

    def __init__(
        self, model: GPT, source: Source, optimisers: Optimisers, about: dict, precision: str = "float32", compile_: bool = False
    ):
        if precision not in PRECISIONS:
            raise UserError(f"precision: {precision}", "is not known", f"use one of {', '.join(PRECISIONS)}")
        self.device = next(model.parameters()).device
        if precision == "float8":
            to_float8(model)
        self.model, self.source, self.optimisers, self.about = model, source, optimisers, about
        self.precision = precision
        self._loss: Callable[..., torch.Tensor] = self._whole_loss if self.device.type == "cuda" else self._mean_loss
        if compile_:
            self._loss = torch.compile(self._loss)

    def train(
        self, schedule: Schedule, checkpoint: Path | None = None, every: int = 100, watch: Callable[[Told], None] | None = None
    ) -> list[float]:
        """Take all steps that are left; the loss of each. checkpoint: written after every `every` steps, and taken up."""
        losses, seconds = self._resume(checkpoint) if checkpoint and checkpoint.exists() else ([], 0.0)
        blank = math.log(self.model.shape.vocabulary)
        for step in range(len(losses), schedule.steps):
            start = time.perf_counter()
            mean = self.learn()
            if not math.isfinite(mean) or mean > _DIVERGED * blank:
                raise UserError(f"step {step + 1}", f"the loss is {mean:.3f}", "lower the rates; the last checkpoint is unharmed")
            gradient = self.move(schedule.share(step))
            losses.append(mean)
            seconds += time.perf_counter() - start
            if watch is not None:
                watch(Told(step + 1, mean, gradient.item(), seconds))
            if checkpoint and (step + 1) % every == 0:
                self.keep(checkpoint, losses, seconds)
        return losses

    def learn(self) -> float:
        """Gradients of the next batch, averaged over all processes; its loss in nats a token."""
        batch = self.source.next().to(self.device)
        loss = self._loss(batch.tokens, batch.targets, batch.memory, batch.weights)
        loss.backward()
        return self._averaged(loss.detach())

    def move(self, share: float) -> torch.Tensor:
        """Move all weights by their gradients, clipped, at `share` of the highest rates; the gradients' norm before."""
        gradient = nn.utils.clip_grad_norm_(self.model.parameters(), _CLIP)
        self.optimisers.step(share)
        return gradient

    def keep(self, path: Path, losses: list[float], seconds: float) -> None:
        """Write a checkpoint of what has been trained so far; the first process does it for all."""
        if _rank() == 0:
            state = self.model.state_dict()
            kept = Checkpoint(losses, seconds, self.source.position, state, self.optimisers.tensors())
            write_checkpoint(path, kept, self.about)

    def _resume(self, path: Path) -> tuple[list[float], float]:
        kept = read_checkpoint(path, self.about)
        self.model.load_state_dict(kept.weights)
        self.optimisers.load(kept.optimiser)
        self.source.position = kept.position
        return kept.losses, kept.seconds

    def _mean_loss(self, tokens: torch.Tensor, targets: torch.Tensor, memory, weights: torch.Tensor | None) -> torch.Tensor:
        with autocast(self.model, self.precision):
            losses = self.model.loss(tokens, targets, memory)
            if weights is None:
                return losses.mean()
            counted = weights[targets >= 0]
            return (losses * counted).sum() / counted.sum()

    def _whole_loss(self, tokens: torch.Tensor, targets: torch.Tensor, memory, weights: torch.Tensor | None) -> torch.Tensor:
        """As `_mean_loss`, with the logits of padding too: a GPU would have to wait for the number of the others."""
        with autocast(self.model, self.precision):
            logits = self.model.logits(self.model(tokens, memory))
            losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="none")
            counted = (targets >= 0).float() if weights is None else weights
            return (losses * counted.flatten()).sum() / counted.sum()

    def _averaged(self, loss: torch.Tensor) -> float:
        """Average gradients and the loss over all processes."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return loss.item()
        world = distributed.get_world_size()
        weights = [weight for weight in self.model.parameters() if weight.grad is not None]
        flat = torch.cat([loss.view(1), *(weight.grad.flatten() for weight in weights)])
        distributed.all_reduce(flat)
        flat /= world
        for weight, grad in zip(weights, flat[1:].split([weight.numel() for weight in weights]), strict=True):
            weight.grad.copy_(grad.view_as(weight))
        return flat[0].item()


def autocast(model: nn.Module, precision: str) -> AbstractContextManager:
    """The forward pass in bfloat16 where that, or float8 for some of it, is asked for."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(next(model.parameters()).device.type, torch.bfloat16)


@torch.no_grad()
def bits_per_byte(model: GPT, batches: Iterable[Batch], token_bytes: torch.Tensor, precision: str = "float32") -> float:
    """Cross-entropy of all targets that stand for text, over the bytes they stand for. token_bytes: int64 [V]."""
    nats = size = 0.0
    device = next(model.parameters()).device
    for batch in batches:
        batch = batch.to(device)
        learnt = batch.targets[batch.targets >= 0]
        counted = token_bytes.to(device)[learnt]
        with autocast(model, precision):
            losses = model.loss(batch.tokens, batch.targets, batch.memory).double()
        nats += losses[counted > 0].sum().item()
        size += counted.sum().item()
    return nats / math.log(2) / size


def _rank() -> int:
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0
