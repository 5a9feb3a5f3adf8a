"""Adapters of many users served by peft, to be measured beside rows: swapped in and out, or mixed in one batch.

The adapters are drawn, not trained: what they cost does not depend on what they say. Their hooks are set once, not at each
forward as peft's own entry does, which is to the adapters' advantage.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer

from loci.models.adapters import TARGETS, LoraSlot, LoraSpec, LoraWeights
from loci.models.base import Base
from loci.models.products import quicken

_BASE = "__base__"  # peft's name for rows without an adapter


class MixedAdapters:
    """One adapter a user, all attached; `around` chooses for each row of a forward the adapter of its user."""

    def __init__(self, base: Base, rank: int, users: list[str], seed: int):
        linear = {key.rpartition(".")[2] for key, module in base.model.named_modules() if isinstance(module, torch.nn.Linear)}
        config = LoraConfig(r=rank, target_modules=[name for name in TARGETS["all"] if name in linear], bias="none")
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several adapters are what is wanted
            torch.manual_seed(seed)
            for user in users:
                inject_adapter_in_model(config, base.model, adapter_name=user)
            for name, weight in base.model.named_parameters():
                if ".lora_B." in name:
                    torch.nn.init.normal_(weight.data, std=0.01)
        base.model.requires_grad_(False)
        quicken(base.model)
        self._users, self._names = set(users), None
        for layer in base.model.modules():
            if isinstance(layer, BaseTunerLayer):
                layer.register_forward_pre_hook(self._name, with_kwargs=True)
        parts = [weight for name, weight in base.model.named_parameters() if f".{users[0]}." in name]
        self.bytes_per_user = sum(part.numel() * part.element_size() for part in parts)

    def _name(self, _layer, args, options):
        return (args, options) if self._names is None else (args, {**options, "adapter_names": self._names})

    @contextmanager
    def around(self, owners: list[str]) -> Iterator[None]:
        """For one forward: owners of its rows."""
        self._names = [user if user in self._users else _BASE for user in owners]
        try:
            yield
        finally:
            self._names = None


def drawn_adapters(base: Base, rank: int, count: int) -> tuple[LoraSlot, list[LoraWeights]]:
    """A slot on the model and so many adapters to put into it."""
    slot = LoraSlot(base, LoraSpec(rank, "all"))
    return slot, [slot.new(seed) for seed in range(count)]
