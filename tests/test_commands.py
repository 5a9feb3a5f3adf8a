"""Every rule's command, of the default run, of `make sweeps` and of `make benchmarks`: what is printed is what runs, and its
script understands it. Studies that take hours are run by no test; that a rule and its script went apart would show here."""

import importlib.util
import re
import shlex
from functools import cache

import pytest

from loci.paths import ROOT
from loci.workflow import EVERYTHING, link_project, snakemake


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What Snakemake says of a run of everything."""
    folder = tmp_path_factory.mktemp("project")
    link_project(folder)
    done = snakemake(folder, "laptop", "--dry-run", "--forceall", "--printshellcmds", "--", *EVERYTHING)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@cache
def script(path: str):
    """The module of a script by its path in the project."""
    spec = importlib.util.spec_from_file_location(path.replace("/", "_").removesuffix(".py"), ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_that_is_printed_is_the_one_that_runs(said):
    printed = set(re.findall(r"^(?:Job|localrule) \d+: (python .+)$", said, re.MULTILINE))
    run = set(re.findall(r"^\s*(?:Shell command: )?(python .+?) > logs/\S+\.log 2>&1$", said, re.MULTILINE))
    assert len(printed) > 150 and printed == run


def test_every_command_is_one_that_its_script_understands(said):
    commands = sorted(set(re.findall(r"^Job \d+: (python .+)$", said, re.MULTILINE)))
    scripts = set()
    for command in commands:
        _, path, *arguments = shlex.split(command)
        scripts.add(path)
        try:
            script(path).parse_args(arguments)
        except SystemExit:
            pytest.fail(f"{path} does not understand: {' '.join(arguments)}")
    assert {"code/steps/move_rows.py", "code/steps/sweep_lora.py", "benchmarks/row_write.py"} <= scripts
