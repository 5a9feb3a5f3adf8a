"""Tiny models of all families, made once a session, and arithmetic that repeats."""

from pathlib import Path

import pytest
import torch

from loci.models.base import Base, load_base
from loci.models.tiny import make_tiny

torch.set_num_threads(1)  # the models are too small to share out
torch.use_deterministic_algorithms(True)

_NAMES = {"llama": "tiny", "gpt_neox": "tiny-neox", "gemma3_text": "tiny-gemma"}
_STEPS = 60


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of one model a family, trained just long enough that its logits are not flat."""
    root = tmp_path_factory.mktemp("bases")
    for family, name in _NAMES.items():
        make_tiny(root / name, family=family, steps=_STEPS)
    return root


@pytest.fixture(scope="session")
def tiny_folder(tiny_root: Path) -> Path:
    """The Llama's folder, as models/tiny would be."""
    return tiny_root / "tiny"


@pytest.fixture(scope="session")
def bases(tiny_root: Path) -> dict[str, Base]:
    """The frozen models by family."""
    return {family: load_base(name, tiny_root / name) for family, name in _NAMES.items()}


@pytest.fixture(scope="session", params=list(_NAMES))
def base(request: pytest.FixtureRequest, bases: dict[str, Base]) -> Base:
    """Each family in turn."""
    return bases[request.param]


@pytest.fixture(scope="session")
def llama(bases: dict[str, Base]) -> Base:
    """The Llama alone, where the family cannot matter."""
    return bases["llama"]
