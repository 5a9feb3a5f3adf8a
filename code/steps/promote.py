"""Copy fresh results into the committed reference and rebuild its ledger.

Results files are copied as they are, raw answers compressed; traces and partial work stay behind. Promoting everything makes
the reference anew; promoting one part replaces what is fresh in it and keeps the rest, costs included.
"""

import argparse
import gzip
import json
import shutil
from collections.abc import Sequence, Set
from pathlib import Path

from loci.bench.ledger import Ledger, collect, write_ledger
from loci.errors import UserError, run_step
from loci.paths import REFERENCE, RESULTS
from loci.provenance import cpu_name
from loci.results import SCHEMA, read_json, read_result, sha256_text, write_bytes, write_json
from loci.workflow import EVERYTHING, jobs_of, rules_of

_RESULT_FOLDERS = (
    "worlds", "matrix", "growth", "density", "layered", "pretrain", "extraction", "windowed", "locomo", "live", "mem",
    "inside", "serve", "bench", "sweeps",
)  # fmt: skip
_WITHHELD = ("oracle_rows",)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, default=RESULTS / "laptop", help="fresh results (folder)")
    parser.add_argument("--profile", default="laptop", help="name of the profile that made them")
    parser.add_argument("--to", type=Path, default=REFERENCE, help="reference results (folder)")
    parser.add_argument("--rule", choices=_RESULT_FOLDERS, help="promote one part only; all parts that exist when not given")
    return parser.parse_args(argv)


def fresh_files(source: Path, parts: Sequence[str]) -> list[Path]:
    """Results and raw answers below the parts of a profile's folder, partial work excluded."""
    files = [path for part in parts for path in sorted((source / part).glob("*.json*")) if path.is_file()]
    if not files:
        raise UserError(source, "holds no results", "run snakemake first")
    return files


def shown(content: bytes) -> bytes:
    """Raw answers without those that are LOCOMO's text: of memories that were written from its gold answers, which are not
    Loci's to give away, the hash of what they say stands in its place. Everything else byte for byte."""
    if not any(f'"{name}"'.encode() in content for name in _WITHHELD):
        return content
    records = [json.loads(line) for line in content.decode().splitlines()]
    for record in records:
        if record.get("memory") in _WITHHELD and "prediction" in record:
            record["prediction_sha256"] = sha256_text(record.pop("prediction"))
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def promote(path: Path, target: Path) -> None:
    """Copy one file: a result after a check, raw answers as reproducible gzip."""
    if path.suffix == ".jsonl":
        write_bytes(target.with_suffix(".jsonl.gz"), gzip.compress(shown(path.read_bytes()), mtime=0))
    else:
        read_result(path)
        write_bytes(target, path.read_bytes())


def refuse_stand_in(files: Sequence[Path], target: Path, source: Path) -> None:
    """UserError where results of a run without LOCOMO's file would replace numbers that are LOCOMO's own."""
    if not (target / "summary.json").exists():
        return
    known = Ledger(target / "summary.json").keys()
    if not any(key.startswith(("locomo.", "locomo_file.")) for key in known):
        return
    for path in files:
        found = read_result(path)["metrics"] if path.suffix == ".json" else {}
        if found.get("present") is False or any(key.startswith("standin") for key in found):
            problem = f"{path.relative_to(source)} is of a run without LOCOMO's file; {target} has numbers of the file itself"
            raise UserError(source, problem, "name the file in the profile, or promote other parts with --rule")


def rule_costs(folder: Path, known: dict[str, dict], cores: int, everything: Set[str], default: Set[str]) -> dict:
    """Seconds and peak memory of each job from Snakemake's benchmark files, over those `known` of jobs that did not run again.
    cores: that one job takes. everything: the jobs that there are; lines of others are dropped. default: the jobs of the default
    run, which is counted in seconds of a machine of two cores, both at work; those of LOCOMO's rules are told apart, and jobs
    without a file named."""
    rules = dict(known)
    for path in sorted(folder.glob("*.tsv")):
        names, values = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[:2])
        row = dict(zip(names, values, strict=True))
        memory = 0.0 if row["max_rss"] == "-" else float(row["max_rss"])
        rules[path.stem] = {"seconds": round(float(row["s"]), 1), "max_rss_mb": round(memory, 1), "cores": cores}
    rules = {job: cost for job, cost in rules.items() if job in everything}
    spent = {rule: cost["seconds"] * cost["cores"] / 2 for rule, cost in rules.items() if rule in default}
    about_locomo = rules_of("locomo")
    return {
        "schema": SCHEMA,
        "cpu": cpu_name(),
        "default_run_seconds": round(sum(spent.values()), 1),
        "of_them_locomo": round(sum(value for job, value in spent.items() if job.split(".")[0] in about_locomo), 1),
        "untimed": sorted(default - set(rules)),
        "rules": dict(sorted(rules.items())),
    }


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    parts = [args.rule] if args.rule else _RESULT_FOLDERS
    files = fresh_files(args.source, parts)
    refuse_stand_in(files, args.to, args.source)
    if not args.rule:  # a file that no rule makes any more must not linger; one part alone may be one study of several
        for part in parts:
            if any(path.parent.name == part for path in files):
                shutil.rmtree(args.to / part, ignore_errors=True)
    for path in files:
        promote(path, args.to / path.relative_to(args.source))
    entries = collect(sorted(args.to.glob("*/*.json")))
    write_ledger(args.to / "summary.json", entries, args.profile)
    costs = args.to / "rule_costs.json"
    known = read_json(costs, "restore it from the repository")["rules"] if args.rule and costs.exists() else {}
    made = [read_result(path)["provenance"] for path in files if path.suffix == ".json"]
    cores = max(about.get("threads", 1) for about in made)
    everything, default = jobs_of(args.profile, *EVERYTHING), jobs_of(args.profile)
    write_json(costs, rule_costs(args.source / "benchmarks", known, cores, everything, default))
    print(f"{args.to}: {len(files)} files promoted, {len(entries)} numbers in its ledger; `make figures` draws from it")


if __name__ == "__main__":
    run_step(main)
