"""Say what a run would do and why, in plain words: `make why`, or `make why RULE=score_live` for one rule and what it needs.

A dry run of the workflow, told by step: what is missing, what is made again because something before it is, whose settings or
code have changed. Where code has, the modules are named, as far as the step reaches them.
"""

import argparse
import difflib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from loci.bench.staleness import STALE, Standing, standings
from loci.definitions import working_tree
from loci.errors import UserError, run_step
from loci.paths import REFERENCE, ROOT
from loci.workflow import Planned, outputs_by_rule, plan

_WORDS = {
    "Missing output files": "their results are missing",
    "Input files updated by another job": "what they read is made again",
    "Updated input files": "what they read is newer than their results",
    "Params have changed since last execution": "their code, data or settings have changed",
    "Code has changed since last execution": "their rule has changed",
    "Set of input files has changed since last execution": "they read other files than before",
    "Software environment definition has changed since last execution": "their environment has changed",
    "Forced execution": "they were asked for in any case",
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rule", help="name of a rule; the whole default run when not given")
    parser.add_argument("--profile", default="laptop", help="profile of the run")
    parser.add_argument("--folder", type=Path, default=ROOT, help="folder whose results count")
    return parser.parse_args(argv)


def in_words(reason: str) -> list[str]:
    """Snakemake's reason for a job as ours, without file names."""
    found = []
    for part in reason.split("; "):
        cause = part.split(":")[0].strip()
        known = next((words for begins, words in _WORDS.items() if cause.startswith(begins)), None)
        found += [known] if known else [] if found else [cause[:1].lower() + cause[1:]]
    return list(dict.fromkeys(found))


def told(jobs: list[Planned]) -> list[str]:
    """One line a step: how many jobs, and why."""
    by_step: dict[str, list[Planned]] = defaultdict(list)
    for job in jobs:
        by_step[job.step].append(job)
    lines = []
    for step, those in by_step.items():
        causes = dict.fromkeys(cause for job in those for cause in in_words(job.reason))
        lines.append(f"{step} ({len(those)} {'job' if len(those) == 1 else 'jobs'}): {', and '.join(causes)}")
    return lines


def standing_of(names: set[str], folder: Path) -> list[Standing]:
    """How these results of a folder stand to the present code; [] where there are none."""
    there = names & {str(path.relative_to(folder)) for path in folder.glob("*/*.json")}
    return [one for one in standings(folder, working_tree(ROOT), ROOT) if one.path in there] if there else []


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    targets: list[str] = []
    if args.rule:
        known = outputs_by_rule(args.folder, args.profile)
        if args.rule not in known:
            near = difflib.get_close_matches(args.rule, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"choose of {', '.join(known)}"
            raise UserError(f"RULE={args.rule}", "no such rule", remedy)
        targets = known[args.rule]
    jobs = plan(args.folder, args.profile, *targets)
    asked = args.rule or "the default run"
    print(f"{asked}: " + (f"{len(jobs)} jobs would run" if jobs else "nothing would run, everything is up to date"))
    for line in told(jobs):
        print(f"  {line}")
    results = Path("results") / args.profile
    names = {str(Path(target).relative_to(results)) for target in targets if Path(target).is_relative_to(results)}
    for one in standing_of(names, args.folder / results):
        if one.state == STALE:
            print(f"  {results / one.path} is of other code: {one.reason}")
    for one in standing_of(names, REFERENCE):
        print(f"  committed {one.path}: {one.state}" + (f": {one.reason}" if one.reason else ""))


if __name__ == "__main__":
    run_step(main)
