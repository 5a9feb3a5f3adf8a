"""Snakemake from the outside: which rule makes what, what would run and why, and one rule run in a folder of its own."""

import csv
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from loci.errors import UserError
from loci.paths import ROOT
from loci.process import kill_child_with_parent

EVERYTHING = ("all", "sweeps", "benchmarks")
_LINKED = ("code", "benchmarks", "config", "paper", "profiles", "models")


@dataclass(frozen=True)
class Planned:
    """A job that would run: the step, its command, and Snakemake's reason."""

    step: str
    command: str
    reason: str


def snakemake(folder: Path, profile: str, *arguments: str) -> subprocess.CompletedProcess:
    """The workflow of this checkout with `folder` as its working folder, output captured."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--snakefile", str(ROOT / "Snakefile")]
    code = os.pathsep.join([str(ROOT / "code"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": code, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command += ["--directory", str(folder), "--workflow-profile", str(ROOT / "profiles" / "default")]
    command += ["--config", f"profile={profile}", *arguments]
    about = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL, "preexec_fn": kill_child_with_parent}
    return subprocess.run(command, capture_output=True, text=True, **about)


def outputs_by_rule(folder: Path, profile: str) -> dict[str, list[str]]:
    """Every file that the workflow can make, by rule."""
    done = snakemake(folder, profile, "--summary", "--", *EVERYTHING)
    if done.returncode:
        raise UserError(f"profile {profile}", last_line(done), "mend the workflow or choose another profile")
    lines = [line for line in done.stdout.splitlines() if "\t" in line]
    found: dict[str, list[str]] = defaultdict(list)
    for row in csv.DictReader(lines, delimiter="\t"):
        if row["rule"] != "-":
            found[row["rule"]].append(row["output_file"])
    return {rule: sorted(files) for rule, files in sorted(found.items())}


def last_line(done: subprocess.CompletedProcess) -> str:
    """What went wrong, in one line: ours where there is one."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    ours = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (ours or lines or ["snakemake said nothing"])[-1]


def missing_inputs(done: subprocess.CompletedProcess) -> list[str]:
    """Files that a run wanted and that nothing allowed makes."""
    found = re.search(r"affected files:\n((?:\s+\S+\n?)+)", done.stderr)
    return [] if found is None else found.group(1).split()


def plan(folder: Path, profile: str, *targets: str) -> list[Planned]:
    """What a run of the targets would do, in Snakemake's order; [] where everything is up to date."""
    done = snakemake(folder, profile, "--dry-run", *(["--", *targets] if targets else []))
    if done.returncode:
        raise UserError(f"profile {profile}", last_line(done), "mend what it names")
    jobs, command = [], ""
    for line in (done.stdout + done.stderr).splitlines():
        if started := re.match(r"Job \d+: (.+)", line):
            command = started.group(1)
        elif line.startswith("Reason: ") and command:
            step = re.search(r"(?:code/steps|benchmarks)/(\w+)\.py", command)
            jobs.append(Planned(step.group(1) if step else command.split()[0], command, line.removeprefix("Reason: ")))
            command = ""
    return jobs


@cache
def jobs_of(profile: str, *targets: str) -> frozenset[str]:
    """The jobs of a run from nothing (without targets: a default run), each by the name that its log and its benchmark file
    share: rule, then its wildcards."""
    with tempfile.TemporaryDirectory() as folder:
        link_project(Path(folder))
        done = snakemake(Path(folder), profile, "--dry-run", "--forceall", "--printshellcmds", "--", *targets)
    if done.returncode:
        raise UserError(f"profile {profile}", last_line(done), "mend what it names")
    return frozenset(re.findall(rf"> logs/{profile}/(\S+)\.log 2>&1", done.stdout + done.stderr))


def rules_of(part: str) -> frozenset[str]:
    """Names of the rules in one file of the workflow, rules/<part>.smk."""
    return frozenset(re.findall(r"^rule (\w+):", (ROOT / "rules" / f"{part}.smk").read_text("utf-8"), re.MULTILINE))


def link_project(folder: Path) -> None:
    """Make a folder look like the project to the workflow: code, settings, models and authored data by link."""
    for name in _LINKED:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    (folder / "data").mkdir()
    for path in (ROOT / "data").iterdir():
        if path.name != "generated":
            (folder / "data" / path.name).symlink_to(path)
