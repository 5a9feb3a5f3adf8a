"""Load a base model from its folder: verified, frozen, float32, offline and without a word."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from loci.errors import UserError
from loci.models.registry import MADE, PINNED, WEIGHTS, verify
from loci.paths import MODELS

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Base:
    """A frozen causal language model, its tokenizer, and the SHA-256 of its weights file."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    model_sha256: str


def load_base(name: str, folder: Path | None = None) -> Base:
    """Load causal model `name` from `folder` (default models/<name>) on the CPU: eval mode, float32, no gradients, SDPA.

    Every file is hashed first. Raises UserError that names the file and the fetch command when one is missing or altered.
    """
    if (name in PINNED and PINNED[name].kind != "causal") or MADE.get(name) == "bert":
        raise UserError(f"model {name}", "is a sentence encoder, not a language model", "choose a causal model")
    return Base(name, *_load(name, folder, "AutoModelForCausalLM"))


def load_encoder(name: str = "minilm-l6", folder: Path | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load a sentence encoder as `load_base` does.

    The model's last_hidden_state (batch, token, 384) is averaged over the attention mask to get a sentence vector.
    """
    model, tokenizer, _ = _load(name, folder, "AutoModel")
    return model, tokenizer


def use_threads(threads: int) -> None:
    """Fix torch's thread count and its deterministic kernels: the same seed then gives the same bytes on one machine."""
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a check for faults in kernels; a tenth of a training step


def quiet_transformers() -> ModuleType:
    """The transformers module, imported late (it takes seconds), with its progress bars and notices off."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return transformers


def _load(name: str, folder: Path | None, model_class: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, str]:
    from loci.models.products import quicken  # torch takes seconds

    folder = Path(folder or MODELS / name)
    manifest = verify(folder, name)
    os.environ["HF_HUB_OFFLINE"] = "1"  # nothing after this point may ask the hub, not even for a newer revision
    transformers = quiet_transformers()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = getattr(transformers, model_class).from_pretrained(
        folder, local_files_only=True, dtype="float32", attn_implementation="sdpa"
    )
    model.eval().requires_grad_(False)
    quicken(model)
    return model, tokenizer, manifest["files"][WEIGHTS]
