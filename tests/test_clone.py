"""A fresh clone: figures come out byte for byte, one cheap rule is verified, and nothing runs that was not asked for.

The clone is of the last commit, with what the working tree has changed laid over it, so that the test is of the present code.
No model and no network is there. The targets of the Makefile run with this environment in the place of the clone's own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loci.paths import ROOT


def git(*arguments: str, cwd: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A clone of this checkout, committed as it lies, with an environment that is linked, not built."""
    folder = tmp_path_factory.mktemp("fresh") / "loci"
    git("clone", "-q", "--no-hardlinks", f"file://{ROOT}", str(folder), cwd=ROOT)
    for name in git("ls-files", "-z", "--modified", "--others", "--exclude-standard", cwd=ROOT).split("\0"):
        source, target = ROOT / name, folder / name
        if name and source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        elif name and not source.exists():
            target.unlink(missing_ok=True)
    about = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    git(*about, "add", "--all", cwd=folder)
    git(*about, "commit", "-q", "--allow-empty", "-m", "as it lies", cwd=folder)
    (folder / ".venv" / "bin").mkdir(parents=True)
    for tool in ("python", "snakemake"):  # no symbolic link: it would find the packages of where it points to
        launcher = folder / ".venv" / "bin" / tool
        module = "" if tool == "python" else "-m snakemake "
        launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n', encoding="utf-8")
        launcher.chmod(0o755)
    (folder / ".venv" / "installed").touch()
    return folder


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """A target of the clone, with its own code, no proxy out and no display."""
    blocked = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **blocked, "PYTHONPATH": str(folder / "code"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=900)


def test_figures_tables_and_pages_come_out_byte_for_byte(clone):
    done = make(clone, "figures")
    assert done.returncode == 0, done.stderr[-2000:]
    assert git("status", "--porcelain", cwd=clone) == "", "run `make figures` and commit what it writes"
    assert not (clone / "models").exists() and not (clone / "results" / "laptop").exists()


def test_a_cheap_rule_is_verified_from_committed_answers_and_nothing_else_runs(clone):
    done = make(clone, "verify", "RULE=score_live")
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "score_live: agrees with the reference" in done.stdout and "claims that change: 0" in done.stdout
    assert git("status", "--porcelain", cwd=clone) == "", "verifying leaves the clone as it was"
