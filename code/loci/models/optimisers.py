"""What moves the weights of a model that is trained from scratch: Muon for the matrices of its blocks and AdamW for the rest, or
AdamW alone.

Muon (github.com/KellerJordan/Muon) replaces each gradient matrix by the nearest orthogonal one, found by Newton and Schulz's
iteration. torch.optim.Muon computes it matrix by matrix, in bfloat16, which most processors only emulate: here it is float32 on a
CPU, and matrices of one shape go together. A test holds both to the same update.
"""

from dataclasses import dataclass

import torch
from torch import nn

from loci.errors import UserError
from loci.models.gpt import GPT
from loci.models.ngram_table import NgramTable

KINDS = ("muon", "adamw")
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_REFERENCE_WIDTH = 768  # rates of AdamW are those of this width, scaled by the inverse square root


@dataclass(frozen=True)
class Rates:
    """Highest learning rates. matrices: of whatever moves them. scalars: everything that is neither matrix nor embedding."""

    matrices: float
    embedding: float
    head: float
    scalars: float


RATES = {  # the published ones of nanochat for Muon; AdamW's for matrices was chosen here (docs/LOG.md)
    "muon": Rates(0.02, 0.3, 0.008, 0.02),
    "adamw": Rates(0.003, 0.3, 0.008, 0.02),
}


class Muon(torch.optim.Optimizer):
    """Momentum, then the orthogonal matrix nearest to it, as large as the shape asks for: params are matrices [A, B]."""

    def __init__(self, params, lr: float, momentum: float = 0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        """One update of all matrices that have a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    alike.setdefault(weight.shape, []).append(weight)
            for (rows, columns), weights in alike.items():
                updates = []
                for weight in weights:
                    mean = self.state[weight].setdefault("momentum_buffer", torch.zeros_like(weight))
                    mean.lerp_(weight.grad, 1 - group["momentum"])
                    updates.append(weight.grad.lerp(mean, group["momentum"]))  # Nesterov
                scale = -group["lr"] * max(1, rows / columns) ** 0.5
                for weight, update in zip(weights, orthogonal(torch.stack(updates)), strict=True):
                    weight.add_(update, alpha=scale)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """About the nearest orthogonal matrix of each of [N, A, B]: singular values between 0.7 and 1.2."""
    kind = torch.bfloat16 if matrices.is_cuda else torch.float32
    found, tall = matrices.to(kind), matrices.shape[1] > matrices.shape[2]
    found = found.mT if tall else found
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    one, three, five = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = found @ found.mT
        found = torch.baddbmm(found, torch.baddbmm(gram, gram, gram, beta=three, alpha=five), found, beta=one)
    return (found.mT if tall else found).to(matrices.dtype)


class Optimisers:
    """All weights of a model, each moved by what suits it. kind: "muon" or "adamw". tables: rate of Engram tables, without decay,
    over the embedding's; 5 as published (arXiv 2601.07372), where that rate was 750 times lower than nanochat's."""

    def __init__(self, model: GPT, kind: str, rates: Rates | None = None, tables: float = 5.0):
        if kind not in KINDS:
            raise UserError(f"optimiser: {kind}", "is not known", f"use one of {', '.join(KINDS)}")
        rates = rates or RATES[kind]
        narrow = (model.shape.width / _REFERENCE_WIDTH) ** -0.5
        self.names = {weight: name for name, weight in model.named_parameters()}
        groups = _grouped(model)
        settings = [
            {"params": groups["embedding"], "lr": rates.embedding * narrow},
            {"params": groups["tables"], "lr": rates.embedding * narrow * tables},
            {"params": groups["head"], "lr": rates.head * narrow},
            {"params": groups["scalars"], "lr": rates.scalars * narrow},
        ]
        self.all: list[torch.optim.Optimizer] = []
        if kind == "muon":
            self.all.append(Muon(groups["matrices"], rates.matrices))
        else:
            settings.append({"params": groups["matrices"], "lr": rates.matrices})
        settings = [group for group in settings if group["params"]]
        self.all.append(torch.optim.AdamW(settings, betas=(0.8, 0.95), eps=1e-10, weight_decay=0.0, fused=True))
        for optimiser in self.all:
            for group in optimiser.param_groups:
                group["highest"] = group["lr"]

    def step(self, share: float) -> None:
        """Move all weights at `share` of their highest rates, and forget the gradients."""
        for optimiser in self.all:
            for group in optimiser.param_groups:
                group["lr"] = share * group["highest"]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that the optimisers remember, by weight and what it is."""
        return {
            f"{self.names[weight]}.{what}": torch.as_tensor(value).clone()
            for optimiser in self.all
            for weight, state in optimiser.state.items()
            for what, value in state.items()
        }

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take up what `tensors` gave."""
        for optimiser in self.all:
            for group in optimiser.param_groups:
                for weight in group["params"]:
                    start = f"{self.names[weight]}."
                    found = {
                        name.removeprefix(start): value
                        for name, value in tensors.items()
                        if name.rpartition(".")[0] == start[:-1]
                    }
                    if found:
                        optimiser.state[weight] = {what: value.to(weight.device, copy=True) for what, value in found.items()}


def _grouped(model: GPT) -> dict[str, list[nn.Parameter]]:
    """The weights of a model by what moves them; what is neither a linear map nor an embedding counts among the scalars."""
    kinds = {"tables": [], "embedding": [], "head": [model.head.weight], "matrices": [], "scalars": []}
    taken = {model.head.weight}
    for module in model.modules():
        if isinstance(module, NgramTable):
            kinds["tables"].append(module.rows.weight)
            taken.add(module.rows.weight)
    for module in model.modules():
        kind = "matrices" if isinstance(module, nn.Linear) else "embedding" if isinstance(module, nn.Embedding) else ""
        if kind and module.weight not in taken:
            kinds[kind].append(module.weight)
            taken.add(module.weight)
    kinds["scalars"] = [weight for weight in model.parameters() if weight not in taken]
    return kinds
