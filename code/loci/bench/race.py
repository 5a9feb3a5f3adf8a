"""Timing a row writer until it knows its facts: the check of what it knows, and a clock that leaves the checks out."""

import time
from dataclasses import dataclass

import torch

from loci.memories.row_examples import EncodedSentence, Sentence
from loci.memories.row_strategies import Writer
from loci.models.engram import Graft
from loci.models.rows import RowBatch, RowMap

TARGET = 0.90  # first-token recall at which a run has arrived
_CHECK_BATCH = 64


@dataclass(frozen=True)
class Task:
    """Facts to be written into one graft."""

    graft: Graft
    writer: Writer
    sentences: list[Sentence]
    encoded: list[EncodedSentence]
    seed: int


@torch.no_grad()
def recall(task: Task, rows: RowMap, whole: bool = False) -> float:
    """Share of facts whose first answer token, or whole answer with its stop, is the model's greedy choice.

    Full forward of left-padded batches: independent of the cached path by which ours is written.
    """
    right = 0
    for at in range(0, len(task.encoded), _CHECK_BATCH):
        part = task.encoded[at : at + _CHECK_BATCH]
        read = [item.ids if whole else item.ids[: item.answer_start] for item in part]
        targets = [item.following if whole else [item.ids[item.answer_start]] for item in part]
        longest, kept = max(map(len, read)), max(map(len, targets))
        ids = torch.tensor([[0] * (longest - len(tokens)) + tokens for tokens in read])
        mask = torch.tensor([[0] * (longest - len(tokens)) + [1] * len(tokens) for tokens in read])
        session = task.graft.session(RowBatch.shared(rows, len(part)))
        said = session.forward(ids, mask, use_cache=False, logits_to_keep=kept).logits.argmax(-1)
        right += sum(found[-len(wanted) :].tolist() == wanted for found, wanted in zip(said, targets, strict=True))
    return right / len(task.encoded)


class Race:
    """The clock of one run, and the watch that its writer calls with the rows after each step.

    every: steps between checks. limit: seconds after which the run is stopped. go_on: do not stop at the target.
    """

    def __init__(self, task: Task, every: int, limit: float, go_on: bool = False):
        self._task, self._every, self._limit, self._go_on = task, every, limit, go_on
        self.reached, self.expired, self.steps, self.trace = False, False, 0, []
        self._checking, self._start = 0.0, time.perf_counter()

    def seconds(self) -> float:
        """Seconds since the start without those of the checks."""
        return time.perf_counter() - self._start - self._checking

    def check(self, rows: RowMap) -> None:
        seconds, start = self.seconds(), time.perf_counter()
        self.trace.append((seconds, recall(self._task, rows)))
        self.reached = self.trace[-1][1] >= TARGET
        self._checking += time.perf_counter() - start

    def __call__(self, rows: RowMap) -> bool:
        self.expired = self.seconds() >= self._limit
        if not self.reached:  # from then on, steps and trace stay as they were at arrival
            self.steps += 1
            if self.expired or self.steps % self._every == 0:
                self.check(rows)
        return self.expired or (self.reached and not self._go_on)

    def record(self, rows: RowMap, limited_by: str = "cap") -> dict:
        """Steps, seconds and recall at arrival, or at the last check of a run that did not arrive."""
        seconds, share = self.trace[-1] if self.trace else (self.seconds(), 0.0)
        ended = "reached" if self.reached else limited_by if self.expired else "own stopping rule"
        found = {"reached": self.reached, "ended": ended, "steps": self.steps, "seconds": seconds, "recall": share}
        return {**found, "rows": len(rows), "trace": self.trace}
