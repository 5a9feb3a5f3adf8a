"""What rules say that they need of memory, beside what the committed measurements saw.

A job that holds more is killed on a cluster, and two of them do not fit where the default profile thinks they do.
"""

import json
import re

import yaml

from loci.paths import REFERENCE, ROOT
from loci.workflow import jobs_of

_RULE = re.compile(r"^ *rule (\w+):\n(.*?)(?=^ *rule |\Z)", re.MULTILINE | re.DOTALL)


def declared() -> dict[str, str]:
    """The expression of mem_mb of every rule that has one, as it stands in the workflow."""
    files = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
    rules = [found for path in files for found in _RULE.findall(path.read_text("utf-8"))]
    return {name: found.group(1) for name, text in rules if (found := re.search(r"mem_mb=(.+),\n", text))}


def megabytes(expression: str, job: str) -> int:
    """Of an expression: of the wildcard that the job's name holds where it tells wildcards apart, else its last number."""
    by_wildcard = {name: int(size) for name, size in re.findall(r'"(\w+)": (\d+)', expression)}
    named = [size for name, size in by_wildcard.items() if name in job.split(".")]
    return named[0] if named else int(re.findall(r"\d+", expression)[-1])


def test_expressions_are_read_as_the_workflow_means_them():
    assert megabytes("peak_mb(2900)", "tune_users.s0") == 2900
    told = 'lambda wildcards: peak_mb({"recite": 5700, "answer": 2900}.get(wildcards.reader, 100))'
    assert [megabytes(told, f"train.{name}.s0") for name in ("recite", "answer", "other")] == [5700, 2900, 100]


def test_no_job_was_seen_to_hold_more_than_its_rule_says():
    said = declared()
    seen = json.loads((REFERENCE / "rule_costs.json").read_text("utf-8"))["rules"]
    known = {
        job: (cost["max_rss_mb"], megabytes(said[rule], job)) for job, cost in seen.items() if (rule := job.split(".")[0]) in said
    }
    assert len(known) > 100 and {job: sizes for job, sizes in known.items() if sizes[0] > sizes[1]} == {}


def test_every_job_of_the_default_run_fits_the_default_profile_and_the_text_says_how_large_they_are():
    said = declared()
    most = yaml.safe_load((ROOT / "profiles" / "default" / "profile.yaml").read_text())["resources"]["mem_mb"]
    default = max(megabytes(said[rule], job) for job in jobs_of("laptop") if (rule := job.split(".")[0]) in said)
    largest = max(int(size) for expression in said.values() for size in re.findall(r"\d+", expression))
    assert default < most < largest
    page = (ROOT / "REPRODUCE.md").read_text("utf-8")
    assert f"at most {default:,} MB for one job of the default run, {largest:,} MB for one of `make sweeps`" in page
    assert f"at most {most:,} MB of" in page
