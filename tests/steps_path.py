"""Steps are scripts, not a package: load one by its file. And have one die on the way."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from loci.paths import ROOT
from loci.shards import Shards


def load_step(name: str) -> ModuleType:
    """The module of code/steps/<name>.py."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "code" / "steps" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def dies_after(monkeypatch: pytest.MonkeyPatch, owner: type = Shards, method: str = "put") -> Iterator[None]:
    """What runs in here is killed as soon as it has kept something: after the first call of `owner.method`."""
    whole = getattr(owner, method)

    def dies(self, *arguments):
        whole(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(owner, method, dies)
        yield
