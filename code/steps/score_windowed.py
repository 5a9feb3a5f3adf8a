"""Score what the arms answered about evicted text: by set of questions, by what stood in the zone, and why answers are wrong."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.windowed import arm_entries, content_entries, contrast_entries
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, sha256_file, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--asked", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="results of ask_windowed.py (JSON)"
    )
    parser.add_argument(
        "--answers", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="their raw answers, in order (JSONL)"
    )
    parser.add_argument(
        "--main",
        default="",
        help="arm whose zone's contents are those of triplet.<content>; others have theirs under their own names",
    )
    parser.add_argument(
        "--known", nargs="*", default=[], help="arms that are scored elsewhere: the others are contrasted with them"
    )
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def gather(asked: Sequence[Path], answers: Sequence[Path]) -> dict[str, tuple[list[dict], list[dict]]]:
    """(answers, nats of documents) of every arm, all its seeds together. UserError where answers and results do not belong
    together, or arms were asked other questions."""
    if len(asked) != len(answers):
        raise UserError("--answers", f"are {len(answers)} files for {len(asked)} results", "give one for each, in order")
    found: dict[str, tuple[list[dict], list[dict]]] = {}
    put: list[str] = []
    for path, said in zip(asked, answers, strict=True):
        record = read_result(path)
        if record["metrics"]["answers_sha256"] != sha256_file(said):
            raise UserError(said, f"holds other answers than those of {path}", "run ask_windowed.py again")
        read = list(read_jsonl(said, "run ask_windowed.py"))
        questions = [one["qid"] for one in read if one["content"] == read[0]["content"]]
        put = put or questions
        if questions != put:
            raise UserError(
                said, f"answers other questions than {answers[0]}", "ask all arms with one profile and one set of exams"
            )
        arm = found.setdefault(record["config"]["name"], ([], []))
        arm[0].extend(read)
        arm[1].extend(record["items"])
    return found


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {f"{name}.{at}": path for name in ("asked", "answers") for at, path in enumerate(getattr(args, name))}
    provenance = Provenance(Path(__file__), inputs)
    arms = gather(args.asked, args.answers)
    if args.main and args.main not in arms:
        raise UserError(f"--main {args.main}", "is not among the arms", f"use one of {', '.join(arms)}")
    ledger = {}
    scored = [name for name in arms if name not in args.known]
    if not scored:
        raise UserError("--known", "names every arm", "leave out those that are to be scored here")
    for name in scored:
        ledger |= arm_entries(name, arms[name][0], args.out.name)
    ledger |= contrast_entries({name: said for name, (said, _) in arms.items()}, scored, args.out.name)
    for name in scored:
        if len({one["content"] for one in arms[name][0]}) > 1:
            before = "triplet" if name == args.main else f"triplet.{name}"
            ledger |= content_entries(before, *arms[name], args.out.name)
    config = {"arms": scored, "beside": [name for name in arms if name not in scored], "main": args.main}
    write_json(args.out, result("windowed", config, None, rounded(ledger), [], provenance.record()))
    told = ", ".join(f"{name} {ledger[f'triplet.{name}.values.exact']['value']:.2f}" for name in scored)
    print(f"{args.out}: share of questions for names and values in evicted text that are answered exactly: {told}")


if __name__ == "__main__":
    run_step(main)
