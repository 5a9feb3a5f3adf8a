"""Score what tables of n facts answered: whole answers, and the published first-token test beside them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.score import exact, first_token
from loci.bench.statistics import wilson
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, sha256_file, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, default=argparse.SUPPRESS, help="result of density.py (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="its raw answers (JSONL)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def right(answers: list[dict]) -> dict[str, list[bool]]:
    """What each test says of the answers: whole ones, those of one token and of several, and first tokens."""
    found: dict[str, list[bool]] = {"exact": [], "exact_one_token": [], "exact_more_tokens": [], "first_token": []}
    for answer in answers:
        whole = exact(answer["prediction"], answer["accepted"], "statement")
        found["exact"].append(whole)
        found["exact_one_token" if answer["answer_tokens"] == 1 else "exact_more_tokens"].append(whole)
        tokens = [] if answer["first_token"] is None else [answer["first_token"]]
        found["first_token"].append(first_token(tokens, answer["gold_first_token"]))
    return {name: each for name, each in found.items() if each}


def entries(tables: list[dict], answers: list[dict], base: str, source: str) -> dict[str, dict]:
    """Ledger entries density.rows.<base>.<table>.<measure>: shares with Wilson's interval over facts, bytes, side effects.

    Measures of bare statements and float32 rows have no further name; <table>.<format> and <table>.midconv are the others.
    """
    ledger, count = {}, {item["table"]: item["n"] for item in tables}
    for (table, form, asked), found in _grouped(answers).items():
        name = ".".join(filter(None, (f"density.rows.{base}.{table}", form.replace("float32", ""), asked.replace("bare", ""))))
        for measure, each in right(found).items():
            share = sum(each) / len(each)
            low, high = wilson(share, len(each))
            ledger[f"{name}.{measure}"] = {"value": share, "n": len(each), "low": low, "high": high, "source": source}
    for item in tables:
        name, about = f"density.rows.{base}.{item['table']}", {"n": count[item["table"]], "source": source}
        for form, nbytes in item["bytes"].items():
            stored = name if form == "float32" else f"{name}.{form}"
            ledger[f"{stored}.bytes_per_100_facts"] = {"value": nbytes * 100 / item["n"], **about}
        for measure in ("hit_rate", "dnats_at_hits", "dbpb"):
            ledger[f"{name}.{measure}"] = {"value": item["side_effects"][measure], **about}
    return ledger


def _grouped(answers: list[dict]) -> dict[tuple[str, str, str], list[dict]]:
    out: dict[tuple[str, str, str], list[dict]] = {}
    for answer in answers:
        out.setdefault((answer["table"], answer["format"], answer["asked"]), []).append(answer)
    return out


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"tables": args.tables, "answers": args.answers})
    written = read_result(args.tables)
    if written["metrics"]["answers_sha256"] != sha256_file(args.answers):
        raise UserError(args.answers, f"holds other answers than those of {args.tables}", "run density.py again")
    answers, base = list(read_jsonl(args.answers, "run density.py")), written["config"]["base"]["name"]
    metrics = entries(written["items"], answers, base, args.out.name)
    items = []
    for (table, form, asked), found in _grouped(answers).items():
        wrong = [answer["key"] for answer, whole in zip(found, right(found)["exact"], strict=True) if not whole]
        items.append({"table": table, "format": form, "asked": asked, "wrong": wrong})
    write_json(
        args.out, result("score_density", written["config"], written["seed"], rounded(metrics), items, provenance.record())
    )
    largest = max(written["items"], key=lambda item: item["n"])
    found = metrics[f"density.rows.{base}.{largest['table']}.exact"]
    print(f"{args.out}: {found['n']:,} facts in one table, {found['value']:.3f} of the answers exact")


if __name__ == "__main__":
    run_step(main)
