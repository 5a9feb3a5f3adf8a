"""Where and how a model is trained from scratch: device, precision, attention back-end, compiled or not; options of every step
that trains one. Nothing stands in for what was asked for and is absent."""

import argparse

import torch

from loci.errors import UserError
from loci.models.attention import BACKENDS

DEVICES = ("cpu", "cuda")
PRECISIONS = ("float32", "bfloat16", "float8")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that a profile sets under `training`."""
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="what trains: the processor, or a CUDA device")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of the forward pass; weights stay float32. float8: products of blocks, the rest in bfloat16",
    )
    parser.add_argument(
        "--attention", choices=BACKENDS, default="sdpa", help="back-end; flash needs a CUDA device and its package"
    )
    parser.add_argument("--compile", choices=("off", "on"), default="off", help="compile the loss before the first step")


def device_of(name: str) -> torch.device:
    """The device of that name; under torchrun each process of a machine has its own. UserError where there is none."""
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(f"device: {name}", "is not there, or this torch was built without it", "use --device cpu")
    return torch.device("cuda", torch.cuda.current_device())
