"""Tiny models of both families, made once a session, and arithmetic that repeats."""

from pathlib import Path

import pytest
import torch

from loci.models.base import Base, load_base
from loci.models.tiny import make_tiny

torch.set_num_threads(1)  # the models are too small to share out
torch.use_deterministic_algorithms(True)

_NAMES = {"llama": "tiny", "gpt_neox": "tiny-neox"}
_STEPS = 60


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Base]:
    """One frozen model a family, trained just long enough that its logits are not flat."""
    root: Path = tmp_path_factory.mktemp("bases")
    for family, name in _NAMES.items():
        make_tiny(root / name, family=family, steps=_STEPS)
    return {family: load_base(name, root / name) for family, name in _NAMES.items()}


@pytest.fixture(scope="session", params=list(_NAMES))
def base(request: pytest.FixtureRequest, bases: dict[str, Base]) -> Base:
    """Each family in turn."""
    return bases[request.param]


@pytest.fixture(scope="session")
def llama(bases: dict[str, Base]) -> Base:
    """The Llama alone, where the family cannot matter."""
    return bases["llama"]
