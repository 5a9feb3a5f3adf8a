"""Checkpoints of a training: one safetensors file with weights, optimiser state and the losses so far, and what they belong to.

Written whole or not at all. A file of another architecture, vocabulary or training is refused, a truncated one too.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from loci.errors import UserError
from loci.results import sha256_file, write_bytes

_FORMAT = "1"


@dataclass(frozen=True)
class Checkpoint:
    """losses: nats a token, of each step so far. seconds: that they took. position: of the data."""

    losses: list[float]
    seconds: float
    position: dict
    weights: dict[str, torch.Tensor]
    optimiser: dict[str, torch.Tensor]


def write_checkpoint(path: Path, kept: Checkpoint, about: dict) -> None:
    """Write a checkpoint. about: what must be equal for it to be read again, as JSON."""
    tensors = {f"model.{name}": value.contiguous() for name, value in kept.weights.items()}
    tensors |= {f"optimiser.{name}": value.contiguous() for name, value in kept.optimiser.items()}
    tensors["losses"] = torch.tensor(kept.losses, dtype=torch.float64)
    stated = {"format": _FORMAT, "seconds": str(kept.seconds), "position": json.dumps(kept.position), "about": _text(about)}
    write_bytes(path, save(tensors, stated))


def read_checkpoint(path: Path, about: dict) -> Checkpoint:
    """Read a checkpoint; UserError for a file that is none, is cut short, or belongs to something else."""
    if not Path(path).is_file():
        raise UserError(path, "no such file", "train the model first")
    try:
        with safe_open(path, "pt") as stream:
            stated = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118, not a dict
    except SafetensorError:
        raise UserError(path, "is no checkpoint, or was cut short", "delete it and train again") from None
    if stated.get("format") != _FORMAT:
        raise UserError(path, "is no checkpoint of this version", "delete it and train again")
    _compare(path, json.loads(stated["about"]), json.loads(_text(about)))
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "optimiser": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        if part in parts:
            parts[part][rest] = value
    return Checkpoint(
        tensors["losses"].tolist(), float(stated["seconds"]), json.loads(stated["position"]), parts["model"], parts["optimiser"]
    )


def _compare(path: Path, found: dict, wanted: dict) -> None:
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            what = f"belongs to {name} {json.dumps(found.get(name))}, not to {json.dumps(wanted.get(name))}"
            raise UserError(path, what, "give the checkpoint of this training, or delete it and train again")


def _text(about: dict) -> str:
    return json.dumps(about, sort_keys=True)


def weights_beside(path: Path, record: dict, step: str) -> Path:
    """The file of weights beside the result of a training at `path`, whose content is `record`; UserError where it is missing or
    was altered. step: the script that makes it."""
    weights = path.with_suffix(".safetensors")
    if not weights.is_file() or sha256_file(weights) != record["metrics"]["weights_sha256"]:
        raise UserError(weights, "missing or not the weights that the result names", f"delete {path} and run {step}")
    return weights


def weights_of(path: Path, record: dict, vocabulary: int, step: str) -> dict[str, torch.Tensor]:
    """The weights beside the result of a training at `path`, whose content is `record`; UserError where they are missing, were
    altered, or are of a vocabulary of another size. step: the script that makes them."""
    weights = weights_beside(path, record, step)
    held = record["config"]["shape"]["vocabulary"]
    if held != vocabulary:
        raise UserError(
            f"{path}: shape.vocabulary", f"is {held}, the tokenizer's {vocabulary}", "give the tokenizer it was trained with"
        )
    return load_file(weights)


def remembered(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """What one optimiser remembers, by number of the weight and what it is."""
    state = optimiser.state_dict()["state"]
    return {f"{number}.{what}": torch.as_tensor(value) for number, of in state.items() for what, value in of.items()}


def take_up(optimiser: torch.optim.Optimizer, kept: dict[str, torch.Tensor]) -> None:
    """Have an optimiser remember what `remembered` gave of one like it."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in kept.items():
        number, _, what = name.partition(".")
        state.setdefault(int(number), {})[what] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
