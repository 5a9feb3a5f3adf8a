"""Steps are scripts, not a package: load one by its file."""

import importlib.util
from types import ModuleType

from loci.paths import ROOT


def load_step(name: str) -> ModuleType:
    """The module of code/steps/<name>.py."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "code" / "steps" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
