"""Profiles for clusters: a dry run of the workflow with each, where its plugin is installed (requirements-cluster.txt)."""

import importlib.util
import os
import subprocess
import sys

import pytest
import yaml

from loci.paths import ROOT

NAMES = ("slurm", "kubernetes")


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_names_its_executor_and_lifts_the_limits_of_one_machine(name):
    settings, local = (yaml.safe_load((ROOT / "profiles" / one / "profile.yaml").read_text()) for one in (name, "default"))
    assert settings["executor"] == name and settings["jobs"] > 1
    assert settings["resources"]["mem_mb"] > 10 * local["resources"]["mem_mb"]


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_plans_the_jobs(name, tmp_path):
    if importlib.util.find_spec(f"snakemake_executor_plugin_{name}") is None:
        pytest.skip("pip install -r requirements-cluster.txt")
    command = [sys.executable, "-m", "snakemake", "--profile", f"profiles/{name}", "-n", "--config", "profile=smoke"]
    target = ["--", "results/smoke/worlds/worlds.json"]
    run = subprocess.run(
        command + target, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"HOME": str(tmp_path)}
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "describe_worlds" in run.stdout + run.stderr
