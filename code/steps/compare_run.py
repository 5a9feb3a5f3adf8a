"""Compare a whole run with the reference, rule by rule: `make compare`, after `make reproduce`.

Every file that both have is compared within the tolerances of verify.py, and claims that the run changes are named. What the run
lacks is counted; what the reference lacks is not looked at. Exit status 0: all agrees; 1: something differs by more than is
allowed; 2: there is nothing to compare, and why.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from loci.bench.agreement import Difference
from loci.bench.confirming import changed_claims, committed_file, compare, print_differences, record
from loci.bench.staleness import why_stale
from loci.definitions import Code, working_tree
from loci.errors import UserError, run_step
from loci.paths import PAPER, REFERENCE, ROOT
from loci.results import read_result
from loci.workflow import outputs_by_rule


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--profile", default="laptop", help="profile of the run and of the reference")
    parser.add_argument("--run", type=Path, help="results of the run (folder); results/<profile> when not given")
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="reference results (folder)")
    parser.add_argument("--claims", type=Path, default=PAPER / "claims.yaml", help="claims that may change (YAML)")
    parser.add_argument("--record", action="store_true", help="note in the reference what agreed and is of the present code")
    return parser.parse_args(argv)


def pairs_of(rules: dict[str, list[str]], run: Path, reference: Path, profile: str) -> dict[str, list[tuple[Path, Path]]]:
    """Of each rule its committed files and where the run would have them."""
    made = ROOT / "results" / profile  # what names of the workflow begin with
    found = {}
    for rule, files in rules.items():
        there = [ROOT / file for file in files if made in (ROOT / file).parents]
        both = [(committed_file(reference, made, path), run / path.relative_to(made)) for path in there]
        found[rule] = [(old, new) for old, new in both if old]
    return {rule: pairs for rule, pairs in found.items() if pairs}


def compared(rule: str, pairs: list[tuple[Path, Path]], now: Code) -> list[Difference]:
    """Where files of a rule differ; each is said in a line."""
    found = []
    for old, new in pairs:
        said, apart = compare(rule, old, new, now)
        tqdm.write(f"{rule}: {new.name}: {said}")
        found += [replace(one, where=f"{new.name}: {one.where}") for one in apart]
    return found


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    run = args.run or ROOT / "results" / args.profile
    if not run.is_dir():
        raise UserError(run, "no such folder", f"make reproduce PROFILE={args.profile}, or give --run")
    now, asked = working_tree(), pairs_of(outputs_by_rule(ROOT, args.profile), run, args.reference, args.profile)
    pairs = {rule: [(old, new) for old, new in files if new.is_file()] for rule, files in asked.items()}
    lacking = sum(len(files) for files in asked.values()) - sum(len(files) for files in pairs.values())
    if not any(pairs.values()):
        raise UserError(run, "has no result that the reference has too", "finish the run, or compare another profile")
    found = {rule: compared(rule, files, now) for rule, files in tqdm(pairs.items(), desc="compare", unit="rule") if files}
    apart = {rule: places for rule, places in found.items() if places}
    for rule, places in apart.items():
        print(f"{rule}: differs")
        print_differences(places)
    results = {rule: [(old, new) for old, new in pairs[rule] if new.suffix == ".json"] for rule in found}
    fresh = [new for files in results.values() for _, new in files]
    with tempfile.TemporaryDirectory(prefix="loci-compare-") as folder:
        told = changed_claims(args.reference, args.claims, args.profile, fresh, Path(folder))
    print("\n".join([f"claims that change: {len(told)}", *(f"  {one}" for one in told)]))
    if args.record:
        agreed = [pair for rule, files in results.items() if rule not in apart for pair in files]
        kept = [old for old, new in agreed if not why_stale(read_result(new)["provenance"], now, ROOT)]
        record(args.reference, kept, now)
        print(
            f"{args.reference}: {len(kept)} results noted as made again; {len(agreed) - len(kept)} that agree are of other code"
        )
    told = f"{len(found)} rules compared, {lacking} files of the reference are not in the run"
    print(f"{run}: {told}; " + (f"{len(apart)} differ: {', '.join(apart)}" if apart else "all agree"))
    if apart:
        sys.exit(1)


if __name__ == "__main__":
    run_step(main)
