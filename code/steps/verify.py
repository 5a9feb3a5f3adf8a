"""Make the results of one rule again, in a folder of its own, and compare them with the reference: `make verify RULE=…`.

What the rule reads comes from the reference too, or is made by rules that make data; no other rule runs. Exit status 0: it
agrees; 1: it differs by more than is allowed, or the rule failed; 2: it cannot be verified here, and why.
--part makes some cells of a long rule's grid, named in config/sweep_parts.yaml, and compares their items and raw answers.
"""

import argparse
import difflib
import gzip
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loci.bench.agreement import Difference
from loci.bench.confirming import changed_claims, committed_file, compare, print_differences, record
from loci.bench.parts import lay_part, read_parts
from loci.config import load_profile
from loci.definitions import Code, working_tree
from loci.errors import UserError, run_step
from loci.paths import CONFIG, PAPER, REFERENCE
from loci.results import read_result, sha256_file, write_bytes
from loci.workflow import last_line, link_project, missing_inputs, outputs_by_rule, snakemake

_OLD = 1_000_000_000  # seconds since 1970: every committed file is older than what is made again


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rule", required=True, default=argparse.SUPPRESS, help="name of the rule, e.g. score_matrix")
    parser.add_argument("--profile", default="laptop", help="profile that the reference was made with")
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="reference results (folder)")
    parser.add_argument("--claims", type=Path, default=PAPER / "claims.yaml", help="claims that may change (YAML)")
    parser.add_argument(
        "--part", action="store_true", help="make the part that config/sweep_parts.yaml names, not the whole rule"
    )
    parser.add_argument("--record", action="store_true", help="note in the reference what agreed with the present code")
    return parser.parse_args(argv)


def lay_out(folder: Path, reference: Path, profile: str) -> Path:
    """The project in an empty folder, with the reference as its results, all of one age; the folder of the results."""
    link_project(folder)
    results = folder / "results" / profile
    for path in [*reference.glob("*/*.json"), *reference.glob("*/*.jsonl.gz")]:
        target = results / path.relative_to(reference)
        if target.suffix == ".gz":
            write_bytes(target.with_suffix(""), gzip.decompress(path.read_bytes()))
        else:
            write_bytes(target, path.read_bytes())
    for path in results.rglob("*"):
        os.utime(path, (_OLD, _OLD))
    return results


def chosen(rule: str, known: dict[str, list[str]], profile: str) -> list[str]:
    """Files of the rule, or a UserError with the nearest name."""
    if rule not in known:
        near = difflib.get_close_matches(rule, known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"choose of {', '.join(known)}"
        raise UserError(f"RULE={rule}", "no such rule", remedy)
    if any("locomo" in file for file in known[rule]) and not load_profile(profile)["locomo"]["file"]:
        raise UserError(f"RULE={rule}", "needs LOCOMO's file, which is not here", f"name it in config/{profile}.yaml")
    return known[rule]


def recompute(folder: Path, rule: str, files: list[str], known: dict[str, list[str]], profile: str) -> None:
    """Run the rule, and rules that make data alone, in the folder."""
    for file in files:
        (folder / file).unlink(missing_ok=True)
    makers = [name for name, made in known.items() if all(file.startswith("data/") for file in made)]
    done = snakemake(folder, profile, "--allowed-rules", *dict.fromkeys([rule, *makers]), "--", *files)
    if missing := missing_inputs(done):
        model = missing[0].startswith("models/")
        remedy = f"snakemake --cores 1 -- {missing[0]}" if model else "it is not committed; make reproduce makes it"
        raise UserError(f"RULE={rule}", f"reads what is not here ({', '.join(missing)})", remedy)
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
        print(f"{rule}: failed: {last_line(done)}")
        sys.exit(1)


def known_data(reference: Path) -> set[str]:
    """Hashes of all inputs that the reference results name."""
    records = [read_result(path)["provenance"] for path in reference.glob("*/*.json")]
    return {found for about in records for found in about.get("input_sha256", {}).values()}


def judged(file: str, path: Path, committed: Path | None, args: argparse.Namespace, now: Code) -> list[Difference]:
    """Compare one file and say how it stands."""
    if committed is None:
        if path.is_dir():
            print(f"{file}: a folder, not compared")
            return []
        if sha256_file(path) in known_data(args.reference):
            print(f"{file}: the very file that results of the reference were made from")
            return []
        return [Difference(f"{file} (sha256)", "that of no input of the reference", sha256_file(path)[:16])]
    said, apart = compare(args.rule, committed, path, now, args.part)
    print(f"{file}: {said}")
    return apart


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    now = working_tree()
    part = read_parts(CONFIG / "sweep_parts.yaml", args.rule) if args.part else None
    with tempfile.TemporaryDirectory(prefix="loci-verify-") as name:
        folder = Path(name)
        results = lay_out(folder, args.reference, args.profile)
        known = outputs_by_rule(folder, args.profile)
        committed = {
            file: committed_file(args.reference, results, folder / file) for file in chosen(args.rule, known, args.profile)
        }
        wanted = [file for file, found in committed.items() if found or file.startswith("data/")]
        if not wanted:
            raise UserError(f"RULE={args.rule}", "none of its results is committed", f"choose a rule of {args.reference}")
        if part:
            lay_part(folder / "config", part, args.profile)
        recompute(folder, args.rule, wanted, known, args.profile)
        apart = {file: judged(file, folder / file, committed[file], args, now) for file in wanted}
        found = [one for those in apart.values() for one in those]
        print_differences(found)
        results_files = [file for file in wanted if committed[file] and file.endswith(".json")]
        if results_files and not part:
            told = changed_claims(args.reference, args.claims, args.profile, [folder / file for file in results_files], folder)
            print("\n".join([f"claims that change: {len(told)}", *(f"  {one}" for one in told)]))
        if args.record:
            agreed = {committed[file]: folder / file for file in results_files if not found or (not part and not apart[file])}
            made = {file: len(read_result(fresh)["items"]) for file, fresh in agreed.items()} if part else None
            record(args.reference, [file for file in agreed if not part or made[file]], now, made)
    which = "a part of it " if part else ""
    print(f"{args.rule}: {which}" + ("differs from the reference" if found else "agrees with the reference"))
    if found:
        sys.exit(1)


if __name__ == "__main__":
    run_step(main)
