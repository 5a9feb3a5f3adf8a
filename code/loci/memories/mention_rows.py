"""Rows at mentions, learnt by context distillation: the model without the facts learns to say what it says with them.

A row is written where a phrase for the fact ends ("my dentist"), wherever it stands: the n-grams of the phrase alone are its
addresses. The teacher is the same model with the fact in its prompt; the student has the rows. What is learnt are the teacher's
own answers to questions that hold the phrase, token by token its whole distribution (KL). As the rows fire in the question, what
they bring has to reach the answer through attention: nothing is recited on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from loci.memories.row_writer import initial_rows
from loci.models.engram import Graft
from loci.models.rows import RowMap
from loci.models.suffix import ActiveSuffix, CachedSequences
from loci.models.upper import UpperStack

_CHUNK = 16


@dataclass(frozen=True)
class Lesson:
    """One question with the teacher's answer to it. asked: prompt tokens without the facts; told: with them; answer: what the
    teacher says behind it, with the token that ends it."""

    asked: list[int]
    told: list[int]
    answer: list[int]


def mention_keys(graft: Graft, tokenizer, phrase: str) -> torch.Tensor:
    """Addresses of the n-grams within a phrase that end where it ends, [K]."""
    ids = torch.tensor([tokenizer(f" {phrase}", add_special_tokens=False).input_ids])
    keys, exists = graft.addressing.addresses(graft.canonicalise(ids), torch.ones_like(ids, dtype=torch.bool))
    return keys[0, -1][exists[0, -1]]


class Lessons:
    """Lessons made ready for the student: what stands before the first hit is read once, the teacher's distributions too."""

    def __init__(self, upper: UpperStack, lessons: Sequence[Lesson], table: RowMap):
        self._head = upper.graft.model.get_output_embeddings()
        self._answers = [len(one.answer) for one in lessons]
        starts = {name: [len(getattr(one, name)) - 1 for one in lessons] for name in ("asked", "told")}
        cached = {name: CachedSequences(upper, [[*getattr(one, name), *one.answer[:-1]] for one in lessons]) for name in starts}
        self._suffix = ActiveSuffix(cached["asked"], table, torch.tensor(starts["asked"]))
        self._first = torch.tensor(starts["asked"]) - self._suffix.start
        empty = ActiveSuffix(cached["told"], upper.graft.empty_rows(), torch.tensor(starts["told"]))
        self._taught: list[torch.Tensor] = []  # [A, V] of each lesson
        with torch.no_grad():
            for chosen in torch.arange(len(lessons)).split(_CHUNK):
                hidden = empty.forward(table.values[:0], chosen)
                self._taught += [
                    F.log_softmax(self._head(one[: self._answers[at]]), -1) for at, one in zip(chosen, hidden, strict=True)
                ]

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def reads(self) -> list[bool]:
        """Whether each lesson's question reads a row."""
        return (self._suffix.index >= 0).flatten(1).any(1).tolist()

    def divergence(self, values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """KL from the teacher to the student over the tokens of each chosen lesson's answer, nats a token: [B]."""
        hidden, out = self._suffix.forward(values, chosen), []
        for at, states in zip(chosen.tolist(), hidden, strict=True):
            first = int(self._first[at])
            said = F.log_softmax(self._head(states[first : first + self._answers[at]]), -1)
            out.append(F.kl_div(said, self._taught[at], log_target=True, reduction="batchmean"))
        return torch.stack(out)

    @torch.no_grad()
    def divergences(self, values: torch.Tensor) -> list[float]:
        """The same of all lessons."""
        parts = torch.arange(len(self)).split(_CHUNK)
        return torch.cat([self.divergence(values, chosen) for chosen in parts]).tolist()


@dataclass(frozen=True)
class DistilSettings:
    """rate: Adam's. batch: lessons a step. steps: all of them. scale: standard deviation of the rows as drawn."""

    rate: float
    batch: int
    steps: int
    scale: float


def first_table(graft: Graft, tokenizer, phrases: Sequence[str], settings: DistilSettings, seed: int) -> RowMap:
    """Rows of all phrases, as they are drawn."""
    keys = torch.cat([mention_keys(graft, tokenizer, phrase) for phrase in phrases]).unique()
    generator = torch.Generator().manual_seed(seed)
    return initial_rows(keys, graft.spec.row_width, settings.scale, generator)


def distil(lessons: Lessons, table: RowMap, settings: DistilSettings, seed: int) -> RowMap:
    """The table after all steps; lessons are taken in turn, in an order drawn anew for each pass."""
    generator = torch.Generator().manual_seed(seed)
    values = table.values.clone().requires_grad_(True)
    optimiser = torch.optim.SparseAdam([values], lr=settings.rate, betas=(0.9, 0.99))
    waiting: list[int] = []
    for _ in range(settings.steps):
        if len(waiting) < settings.batch:
            waiting += torch.randperm(len(lessons), generator=generator).tolist()
        chosen, waiting = torch.tensor(waiting[: settings.batch]), waiting[settings.batch :]
        loss = lessons.divergence(values, chosen).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return table.with_values(values.detach())
