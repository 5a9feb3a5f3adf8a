"""The whole artifact as one workflow: `snakemake` (laptop), `snakemake --config profile=smoke`, or any results file.

Rules stand in rules/ by stage. Each calls one stand-alone script of code/steps and prints its exact command.
"""

import json
import os
import sys
from pathlib import Path

import yaml
from snakemake.utils import min_version

from loci.codehash import code_hash, data_hash
from loci.config import load_profile
from loci.errors import UserError

min_version("9.0")
report: "paper/captions/workflow.rst"
container: "docker://python:3.11-slim"
# Waiting threads give their core away, and freed memory is kept for the next tensor instead of being faulted in anew (glibc).
_FAST = "OMP_WAIT_POLICY=PASSIVE MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456"
shell.prefix(f"set -euo pipefail; export PATH={Path(sys.executable).parent}:$PATH {_FAST}; ")

try:
    if unknown := sorted(set(config) - {"profile"}):
        raise UserError(f"--config {unknown[0]}", "unknown key", "the only one is profile=NAME")
    SETTINGS = load_profile(config.get("profile", "laptop"))
except UserError as fault:
    print(f"error: {fault}", file=sys.stderr, flush=True)
    os._exit(2)  # a WorkflowError would bury the line in a traceback and exit 1

PROFILE = SETTINGS["profile"]
THREADS = SETTINGS["threads"]
BASE = SETTINGS["base"]["name"]
SEEDS = SETTINGS["matrix"]["seeds"]
CONFIG = f"config/{PROFILE}.yaml"
MODEL = f"models/{BASE}/loci_model.json"
ENCODER = SETTINGS["encoder"]["name"]
USERS = f"data/generated/{PROFILE}/people.json"
DIALOGUES = f"data/generated/{PROFILE}/dialogues.people.json"
OUT = f"results/{PROFILE}"
FIGURES = [
    *("recall", "worlds", "matrix", "budget", "growth", "layered", "firing", "density"),
    *("pretrain", "windowed", "extraction", "locomo", "judges", "distilled", "live", "mem", "serve"),
    "inside",
]


include: "rules/common.smk"
include: "rules/inputs.smk"
include: "rules/worlds.smk"
include: "rules/matrix.smk"
include: "rules/layered.smk"
include: "rules/density.smk"
include: "rules/pretrain.smk"
include: "rules/triplets.smk"
include: "rules/locomo.smk"
include: "rules/live.smk"
include: "rules/mem.smk"
include: "rules/serve.smk"
include: "rules/inside.smk"
include: "rules/paper.smk"
include: "rules/extra.smk"


rule all:
    default_target: True
    input:
        f"{OUT}/summary.json",
        expand(f"{OUT}/figures/{{figure}}.{{kind}}", figure=FIGURES, kind=["pdf", "png"]),
        f"{OUT}/tables/matrix.tex",
        f"{OUT}/explorer.html",
        f"{OUT}/captions.json",
        [f"{OUT}/claims.json", f"{OUT}/tables/claims.tex"] if CLAIMED else [],
