"""What a live memory is taught on: episodes of growing length, the share of the answers in the loss, two models."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from loci.errors import UserError
from loci.models.checkpoints import weights_of
from loci.models.gpt import GPT, Shape
from loci.models.live import LiveGPT, LiveSpec
from loci.models.packed import Batch
from loci.results import read_result
from loci.worlds.episodes import attribute_of, numbers, practice, vocabulary

MODELS = ("delta", "attention")
_SEEDS_APART = 1_000_000  # episodes of one step


@dataclass(frozen=True)
class Stage:
    """steps: how many, each of `batch` episodes of at most `length` words."""

    steps: int
    length: int
    batch: int


def stages_of(about: dict) -> list[Stage]:
    """The stages of a profile's training."""
    return [Stage(**one) for one in about["stages"]]


def build_live(name: str, about: dict, seed: int) -> GPT:
    """A new model. delta: with a state. attention: the plain decoder, its MLPs widened until it has as many parameters (to one
    column of a block)."""
    if name not in MODELS:
        raise UserError(f"model: {name}", "is not known", f"use one of {', '.join(MODELS)}")
    longest = max(stage.length for stage in stages_of(about))
    shape = Shape(about["depth"], about["width"], about["heads"], len(vocabulary()), longest)
    torch.manual_seed(seed)
    live = LiveGPT(shape, LiveSpec.of(**about["memory"]))
    if name == "delta":
        return live
    extra = sum(weight.numel() for weight in live.parameters()) - sum(weight.numel() for weight in GPT(shape).parameters())
    torch.manual_seed(seed)
    return GPT(shape, hidden=4 * shape.width + round(extra / (2 * shape.width * shape.depth)))


class Episodes:
    """Batches of practice episodes, stage after stage; the same step has the same ones whenever it is taken."""

    def __init__(self, stages: Sequence[Stage], seed: int, answers: float):
        self.stages, self.seed, self.answers = list(stages), seed, answers
        self.position = {"step": 0}

    def next(self) -> Batch:
        """The next batch. The text has 1 - answers of the loss, what is said after its questions `answers`."""
        step = self.position["step"]
        self.position = {"step": step + 1}
        stage = self._stage(step)
        tokens = torch.zeros(stage.batch, stage.length, dtype=torch.int64)
        targets, asked = torch.full_like(tokens, -1), torch.zeros_like(tokens, dtype=torch.bool)
        for row in range(stage.batch):
            one = practice("train", self.seed, step * _SEEDS_APART + row, stage.length)
            ids = torch.tensor(numbers(one.words))
            tokens[row, : len(ids)], targets[row, : len(ids) - 1] = ids, ids[1:]
            for at, answer in one.answers:
                targets[row, at], asked[row, at] = numbers((answer,))[0], True
        told = (targets >= 0) & ~asked
        weights = self.answers * asked / asked.sum().clamp(min=1) + (1 - self.answers) * told / told.sum()
        return Batch(tokens, targets, None, weights)

    def _stage(self, step: int) -> Stage:
        before = 0
        for stage in self.stages:
            if step < before + stage.steps:
                return stage
            before += stage.steps
        raise ValueError(f"step {step} is after the last stage")


def majority(stages: Sequence[Stage], seed: int) -> dict[str, str]:
    """The most frequent answer to the questions about each attribute in all that was learnt from: what a guesser says who has
    seen the training and sees the question alone."""
    counts: dict[str, Counter] = {}
    step = 0
    for stage in stages:
        for number in range(step, step + stage.steps):
            for row in range(stage.batch):
                for _, answer in practice("train", seed, number * _SEEDS_APART + row, stage.length).answers:
                    counts.setdefault(attribute_of(answer), Counter())[answer] += 1
        step += stage.steps
    return {key: min(found, key=lambda value: (-found[value], value)) for key, found in sorted(counts.items())}


def load_live(path: Path, name: str) -> GPT:
    """The frozen model of a result of pretrain_live.py; UserError where it is another model, or its weights are not
    those it names."""
    record = read_result(path)
    found = record["config"].get("model") if record["experiment"] == "pretrain_live" else record["experiment"]
    if found != name:
        raise UserError(f"{path}: model", f"is {found}, not {name}", "give a result of pretrain_live.py of that model")
    model = build_live(name, record["config"]["live"], record["seed"])
    model.load_state_dict(weights_of(path, record, len(vocabulary()), "pretrain_live.py"))
    return model.requires_grad_(False)
