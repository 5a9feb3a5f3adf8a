"""Score what tables of n facts answered: whole answers, and the published first-token test beside them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.score import exact, first_token
from loci.bench.statistics import wilson
from loci.errors import run_step
from loci.provenance import Provenance
from loci.results import read_result, result, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="result of density.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def verdicts(answer: dict) -> dict:
    """One answer with what each test says of it."""
    tokens = [] if answer["first_token"] is None else [answer["first_token"]]
    return {
        "key": answer["key"],
        "exact": exact(answer["prediction"], answer["accepted"], "statement"),
        "first_token": first_token(tokens, answer["gold_first_token"]),
    }


def entries(items: list[dict], base: str, source: str) -> dict[str, dict]:
    """Ledger entries density.rows.<base>.n<size>.<measure>: shares with Wilson's interval over facts, and bytes."""
    ledger = {}
    for item in items:
        for measure in ("exact", "first_token"):
            share = sum(answer[measure] for answer in item["verdicts"]) / item["n"]
            low, high = wilson(share, item["n"])
            key = f"density.rows.{base}.n{item['n']}.{measure}"
            ledger[key] = {"value": share, "n": item["n"], "low": low, "high": high, "source": source}
        ledger[f"density.rows.{base}.n{item['n']}.bytes"] = {"value": item["bytes"], "n": item["n"], "source": source}
    return ledger


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"answers": args.answers})
    asked = read_result(args.answers)
    base = asked["config"]["base"]["name"]
    items = [
        {"n": item["n"], "bytes": item["bytes"], "verdicts": [verdicts(answer) for answer in item["answers"]]}
        for item in asked["items"]
    ]
    metrics = entries(items, base, args.out.name)
    write_json(args.out, result("score_density", asked["config"], asked["seed"], metrics, items, provenance.record()))
    largest = metrics[f"density.rows.{base}.n{items[-1]['n']}.exact"]
    print(f"{args.out}: {items[-1]['n']} facts in one table, {largest['value']:.3f} of the answers exact")


if __name__ == "__main__":
    run_step(main)
