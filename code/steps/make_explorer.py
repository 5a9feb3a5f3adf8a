"""The explorer: one self-contained HTML page with every table of memories, raw answers behind its numbers, and the claims.

Users and questions are made anew from the profile and must be those that were asked. LOCOMO is shown by id only.
"""

import argparse
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from loci.bench.explorer_page import page, write_page
from loci.bench.explorer_tables import claims_of, tables_of
from loci.bench.ledger import Ledger
from loci.bench.people import asked_questions, asked_users
from loci.bench.raw_samples import answer_cells, asked_records, locomo_cells, matrix_experiment
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.results import read_json, read_jsonl, sha256_file
from loci.worlds.people import build_users
from loci.worlds.records import Question


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to show")
    for name, what in (
        ("matrix", "raw answers of ask_rows.py and ask_recalls.py"),
        ("recalls", "what recall_memories.py put into their prompts"),
        ("layered", "raw answers of ask_layered.py"),
        ("locomo", "raw answers of ask_locomo.py and rows_locomo.py, shown by id"),
        ("verdicts", "verdicts of the lexical judge on them"),
    ):
        parser.add_argument(f"--{name}", type=Path, nargs="*", default=[], help=f"{what} (JSONL, or gzip of it)")
    parser.add_argument("--claims", type=Path, help="result of check_claims.py (JSON); left out where the file does not exist")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="page to write (HTML)")
    return parser.parse_args(argv)


def records_of(paths: Sequence[Path]) -> list[dict]:
    """All records of several files, compressed or not."""
    found = []
    for path in paths:
        if path.suffix == ".gz" and path.exists():
            try:
                lines = gzip.decompress(path.read_bytes()).decode().removesuffix("\n").split("\n")
                found += [json.loads(line) for line in lines if line]
            except (gzip.BadGzipFile, EOFError, ValueError) as fault:
                raise UserError(path, f"is no compressed JSONL ({fault})", "restore it from the repository") from None
        else:
            found += read_jsonl(path, "run the rule that makes it")
    return found


def questions_of(settings: dict) -> tuple[dict[str, Question], dict[str, Question]]:
    """(questions of the matrix, questions of the layered conditions) by id, made anew from the profile."""
    people = settings["people"]
    everybody = build_users(people["count"], people["seed"], people["dev"], "personal", people["train"])
    users = asked_users(everybody, settings)
    plain = {one.qid: one for user in users for one in asked_questions(user, everybody, settings)}
    more = settings["layered"]["questions"]
    return plain, {one.qid: one for user in users for one in asked_questions(user, everybody, settings, more)}


def check_known(answers: list[dict], questions: dict[str, Question], where: Sequence[Path]) -> None:
    """UserError where answers were given to questions that the profile does not ask."""
    unknown = next((one["qid"] for one in answers if one["qid"] not in questions), None)
    if unknown:
        raise UserError(f"{where[0]}: {unknown}", "is no question of this profile", "give the config that made these answers")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    settings, ledger = load_config(args.config), Ledger(args.ledger)
    asked, layered = questions_of(settings)
    answers, under = records_of(args.matrix), records_of(args.layered)
    check_known(answers, asked, args.matrix)
    check_known(under, layered, args.layered)
    cells = answer_cells(answers, records_of(args.recalls), asked, matrix_experiment)
    cells |= answer_cells(under, [], layered, lambda answer: "layered")
    questions = asked_records(cells, layered | asked)
    source = "locomo" if ledger.parts("locomo.", ".prompt_tokens") else "standin"
    cells |= locomo_cells(records_of(args.locomo), records_of(args.verdicts), source)
    there = args.claims is not None and args.claims.exists()
    claims = claims_of(read_json(args.claims, "run check_claims.py"), args.claims) if there else None
    tables = tables_of(ledger, settings["base"]["name"])
    about = f"Profile {settings['profile']}; code/steps/make_explorer.py; SHA-256 of the ledger {sha256_file(args.ledger)}."
    size = write_page(args.out, page(tables, cells, questions, claims, about))
    print(f"{args.out}: {len(tables)} tables, answers behind {len(cells)} cells, {size / 1e6:.2f} MB; open it in a browser")


if __name__ == "__main__":
    run_step(main)
