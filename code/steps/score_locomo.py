"""Score the answers to LOCOMO's questions, or to its stand-in's: by category, on three versions of the gold, against no memory.

Two columns that are never mixed: memories that were told the dialogue, and `gold`, which gets the cited turns and is an upper
bound. Development conversations, on which prompts and numbers of lines are chosen, are scored apart (keys with .dev).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.locomo_asked import answers_about
from loci.bench.locomo_scores import OFFICIAL, asked_entries, contrast_entries, coverage_entries, score_entries, scored
from loci.bench.risk_coverage import given_of, risk_entries
from loci.config import load_config
from loci.errors import run_step
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.worlds.locomo_file import load_or_stand_in

_AGAINST = "none"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--audit", type=Path, help="errors.json of the independent audit (path)")
    parser.add_argument("--stand-in", type=Path, required=True, default=argparse.SUPPRESS, help="made by make_standin.py (JSON)")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a downloaded file (path)")
    several = {"type": Path, "nargs": "+", "required": True, "default": argparse.SUPPRESS}
    parser.add_argument("--asked", **several, help="of ask_locomo.py and rows_locomo.py (JSON)")
    parser.add_argument("--answers", **several, help="their raw answers (JSONL)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {f"asked.{at}": path for at, path in enumerate(args.asked)})
    settings = load_config(args.config)
    source, locomo = load_or_stand_in(args.file, args.stand_in, args.audit, args.cache)
    questions = {question.id: question for question in locomo.questions}
    splits = {conversation.id: conversation.split for conversation in locomo.conversations}
    answers, _ = answers_about(locomo, args.asked, args.answers)
    metrics: dict = {"audited": args.audit is not None}
    for split, behind in (("dev", ".dev"), ("test", "")):
        said = [answer for answer in answers if splits[answer["uid"]] == split]
        if not said:
            continue
        found = scored(said, questions)
        ledger = score_entries(found, source, args.out.name)
        if split == "test" and _AGAINST in found["all"]:
            ledger |= contrast_entries(found, _AGAINST, source, args.out.name) | coverage_entries(found, source, args.out.name)
        for memory in found["all"]:
            mine = [one for one in said if one["memory"] == memory]
            ledger |= asked_entries(mine, f"{source}.{memory}", args.out.name)
            if split == "test":
                risks = [given_of(one, questions[one["qid"]]) for one in mine]
                ledger |= risk_entries(risks, f"{source}.{memory}", args.out.name)
        metrics |= rounded({key + behind: entry for key, entry in ledger.items()})
    config = {"locomo_asked": settings["locomo_asked"], "file": source, "file_sha256": locomo.sha256}
    write_json(args.out, result("score_locomo", config, None, metrics, [], provenance.record()))
    told = {name: metrics.get(f"{source}.{name}.{OFFICIAL}", {}).get("value") for name in settings["locomo_asked"]["memories"]}
    reading = {name: value for name, value in told.items() if value is not None and name not in ("none", "gold")}
    if reading:
        best, ceiling = max(reading, key=reading.get), told.get("gold") or 0
        print(f"{args.out}: {source}, official F1 of categories 1 to 4: {best} {reading[best]:.3f}, cited turns {ceiling:.3f}")


if __name__ == "__main__":
    run_step(main)
