"""The arms of the comparison of memories for evicted text: one decoder, a window of raw tokens, and what stands in front of it.

nothing    raw tokens alone
open       triplets, one vector each, made of the tokens of their parts
spelt      triplets, a vector for each token of their objects
pooled     the mean of every `each` evicted tokens
summary    a learnt vector for every `each` evicted tokens
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from loci.bench.evicted import Parts, Remembered
from loci.errors import UserError
from loci.models.attention import Attend, sdpa
from loci.models.checkpoints import weights_of
from loci.models.gpt import GPT, Shape
from loci.models.zones import OpenTriplets, Pooled, SpeltTriplets, Summary

TRIPLETS = {"open": OpenTriplets, "spelt": SpeltTriplets}
_TOKENS = {"pooled": Pooled, "summary": Summary}
ZONES = ("nothing", *TRIPLETS, *_TOKENS)
LONGEST = 8  # tokens of a triplet's part
_ALIKE = 0.12  # the head begins as so much of the embedding: what is attended to can be said from the start
_DROPPED = 0.1  # of the windows are trained without any triplet, and as many of the others' triplets are missing


@dataclass(frozen=True)
class Arm:
    """window: raw tokens. zone: one of `ZONES`. most: triplets, or evicted tokens, that it holds. each: tokens a vector. emits:
    it learns to say the triplets of passages instead of answers to questions about them. foreign: share of windows that are
    trained with another document's triplets among their own."""

    window: int
    zone: str = "nothing"
    most: int = 0
    each: int = 1
    emits: bool = False
    foreign: float = 0.0

    def __post_init__(self) -> None:
        if self.zone not in ZONES:
            raise UserError(f"arms: zone {self.zone}", "is not known", f"use one of {', '.join(ZONES)}")
        if self.window < 1 or self.each < 1 or (self.most < self.each) != (self.zone == "nothing"):
            what = f"window {self.window}, most {self.most}, each {self.each} of zone {self.zone}"
            raise UserError("arms", f"{what} do not fit", "give a window, and of a zone what it holds")

    @property
    def positions(self) -> int:
        """Positions of the attention window, the memory zone included."""
        return self.window + self.most // self.each

    def remembered(self, training: bool) -> Remembered:
        """What is remembered of evicted text; while training, triplets are left out at random."""
        if self.zone == "nothing":
            return Remembered("nothing", 0)
        if self.zone in _TOKENS:
            return Remembered("tokens", self.most)
        return Remembered("triplets", self.most, _DROPPED * training, _DROPPED * training, self.foreign * training)

    def model(self, depth: int, vocabulary: int, seed: int, attend: Attend = sdpa) -> GPT:
        """A new model; what arms share is drawn alike."""
        shape = Shape.of_depth(depth, vocabulary, self.window)
        torch.manual_seed(seed)
        zone: nn.Module | None = None
        if self.zone in TRIPLETS:
            zone = TRIPLETS[self.zone](shape.width, LONGEST)
        elif self.zone in _TOKENS:
            zone = _TOKENS[self.zone](shape.width, self.each)
        torch.manual_seed(seed)
        model = GPT(shape, zone=zone, attend=attend)
        with torch.no_grad():
            model.head.weight.copy_(_ALIKE * model.embedding.weight)
        return model


def parts_of(tokenizer) -> Parts:
    """Triplets as ids for the open encoder."""
    return Parts(tokenizer, LONGEST)


def load_arm(path: Path, record: dict, tokenizer: Tokenizer) -> tuple[Arm, GPT]:
    """The arm of a result of train_windowed.py at `path`, whose content is `record`; UserError where its weights are missing,
    altered, or of another vocabulary."""
    weights, config = weights_of(path, record, tokenizer.get_vocab_size(), "train_windowed.py"), record["config"]
    arm = Arm(**config["arm"])
    model = arm.model(config["depth"], tokenizer.get_vocab_size(), record["seed"])
    model.load_state_dict(weights)
    return arm, model.eval()
