"""Who made a result: code, versions, machine, time and memory. The only part of a result that may differ between runs."""

import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from loci.codehash import code_hash
from loci.paths import ROOT
from loci.results import sha256_file

_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


class Provenance:
    """Started at the top of a step; `record()` closes it with wall seconds and peak memory."""

    def __init__(self, script: Path, inputs: dict[str, Path] | None = None):
        self._script = Path(script).resolve()
        self._inputs = inputs or {}
        self._start = time.monotonic()
        # Taken now: somebody may edit or commit while a long step runs.
        self._code_hash, self._commit = code_hash(self._script), _git_commit()

    def record(self) -> dict:
        """A plain dictionary: git commit, code hash, package versions, machine, threads, seconds, bytes, input hashes."""
        torch = sys.modules.get("torch")
        gpu = torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None
        return {
            "step": self._script.name,
            "git_commit": self._commit,
            "code_hash": self._code_hash,
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in _PACKAGES},
            "cpu": cpu_name(),
            "gpu": gpu,
            "threads": torch.get_num_threads() if torch else 1,
            "products": products.library() if (products := sys.modules.get("loci.models.products")) else None,
            "wall_seconds": round(time.monotonic() - self._start, 2),
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "input_sha256": {name: sha256_file(path) for name, path in sorted(self._inputs.items())},
        }


def _git_commit() -> str | None:
    """Commit of the checkout, with '+' when tracked files differ from it; None outside a checkout."""
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cpu_name() -> str:
    """The processor as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
