"""Low-rank adapters (LoRA, arXiv 2106.09685) on a frozen base model, through peft: attached, switched, saved, never merged.

Adapter modules stand beside the base weights; with no adapter active the model is the base model, bit for bit. A file says
which base it was trained on and how it is shaped, and is refused for another.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from loci.errors import UserError
from loci.models.base import Base
from loci.models.products import quicken
from loci.results import write_bytes

# By parts of a block, for the families that tests and profiles use.
TARGETS = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj", "query_key_value"),
    "all": (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
        "query_key_value",
        "dense_h_to_4h",
        "dense_4h_to_h",
    ),
}


@dataclass(frozen=True)
class LoraSpec:
    """rank: of each update. targets: "attention" (all its projections) or "all" (the MLP too). alpha: scale; twice the rank
    gives an update of B A times 2."""

    rank: int
    targets: str = "attention"
    alpha: float = 0.0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise UserError("adapter rank", f"is {self.rank}", "use at least 1")
        if self.targets not in TARGETS:
            raise UserError("adapter targets", f"'{self.targets}' is not known", f"use one of {', '.join(TARGETS)}")

    @property
    def scale(self) -> float:
        return (self.alpha or 2.0 * self.rank) / self.rank

    def about(self, base: Base) -> dict[str, str]:
        """The identity that is stored with the weights and checked when they are loaded."""
        return {"base": base.model_sha256, "rank": str(self.rank), "targets": self.targets, "scale": str(self.scale)}


@dataclass(frozen=True, eq=False)
class LoraWeights:
    """The weights of one adapter by layer and part, float32; a value that is saved, loaded, and put into a slot."""

    tensors: dict[str, torch.Tensor]

    @property
    def nbytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())


class LoraSlot:
    """Room for one adapter beside a base model's weights; which adapter is in it changes by copying, never by merging."""

    def __init__(self, base: Base, spec: LoraSpec):
        from peft import LoraConfig, inject_adapter_in_model  # late: it takes a second
        from peft.tuners.tuners_utils import BaseTunerLayer

        if any(isinstance(module, BaseTunerLayer) for module in base.model.modules()):
            raise UserError("adapter", "the model has a slot already", "load the base model anew")
        self.base, self.spec = base, spec
        linear = {key.rpartition(".")[2] for key, module in base.model.named_modules() if isinstance(module, torch.nn.Linear)}
        targets = [name for name in TARGETS[spec.targets] if name in linear]
        config = LoraConfig(r=spec.rank, lora_alpha=spec.scale * spec.rank, target_modules=targets, bias="none")
        with torch.random.fork_rng(devices=[]):
            inject_adapter_in_model(config, base.model, adapter_name="slot")
        quicken(base.model)
        self._layers = [module for module in base.model.modules() if isinstance(module, BaseTunerLayer)]
        self.parameters = {key.replace(".slot.", "."): weight for key, weight in base.model.named_parameters() if ".lora_" in key}
        self.put(None)

    def new(self, seed: int) -> LoraWeights:
        """An adapter that changes nothing yet: A uniform as in peft (Kaiming, a = sqrt 5), B zero."""
        generator = torch.Generator().manual_seed(seed)
        tensors = {}
        for key, weight in self.parameters.items():
            bound = weight.shape[1] ** -0.5 if ".lora_A." in key else 0.0
            tensors[key] = (torch.rand(weight.shape, generator=generator) * 2 - 1) * bound
        return LoraWeights(tensors)

    @torch.no_grad()
    def put(self, weights: LoraWeights | None) -> None:
        """Let the model run with this adapter; None: as the base model, bit for bit. Gradients stay off."""
        for layer in self._layers:
            layer.enable_adapters(weights is not None)
        self.base.model.requires_grad_(False)
        if weights is not None:
            for key, weight in self.parameters.items():
                weight.copy_(weights.tensors[key])

    def get(self) -> LoraWeights:
        """A copy of what is in the slot."""
        return LoraWeights({key: weight.detach().clone() for key, weight in self.parameters.items()})

    def save(self, weights: LoraWeights, path: Path) -> None:
        """Write an adapter, whole or not at all; the same weights give the same bytes."""
        about = json.dumps(self.spec.about(self.base), sort_keys=True)  # one entry: their order in the file is not fixed
        write_bytes(path, to_safetensors(dict(sorted(weights.tensors.items())), {"loci": about}))

    def load(self, path: Path) -> LoraWeights:
        """The adapter of a file; UserError where it is none, or of another base, rank or shape."""
        remedy = "train it again for this base and these settings"
        if not Path(path).is_file():
            raise UserError(path, "no such file", "train the adapter first")
        try:
            with safe_open(path, "pt") as stream:
                about = json.loads((stream.metadata() or {}).get("loci", "{}"))
                tensors = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118, not a dict
        except (SafetensorError, UnicodeDecodeError, json.JSONDecodeError):
            raise UserError(path, "truncated or not an adapter", remedy) from None
        for field, value in self.spec.about(self.base).items():
            if about.get(field) != value:
                raise UserError(f"{path}: {field}", f"is '{about.get(field)}', not '{value}'", remedy)
        if {key: one.shape for key, one in tensors.items()} != {key: one.shape for key, one in self.parameters.items()}:
            raise UserError(path, "holds other layers than the model", remedy)
        return LoraWeights(tensors)
