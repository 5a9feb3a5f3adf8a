"""LaTeX table of the matrix: one row a memory, one column a kind of question, then side effects and costs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import name_of, ordered
from loci.errors import run_step
from loci.results import write_bytes

COLUMNS = {
    "statement.exact": "statement",
    "midconv.exact": "mid-conv.",
    "direct.exact": "direct",
    "paraphrase.exact": "paraphrase",
    "unknown.exact": "unknown",
    "statement.first_token": "first token",
    "chat.dbpb": r"$\Delta$ chat",
    "others.dbpb": r"$\Delta$ others",
    "chat.hit_rate": "hit rate",
    "bytes": "KB/user",
    "write_seconds_per_fact": "s/fact",
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to read")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are shown")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="LaTeX file to write")
    return parser.parse_args(argv)


def cell(ledger: Ledger, key: str) -> str:
    """Value with its 95 % interval below it; a dash where the measure does not apply to the memory."""
    if key not in ledger:
        return "--"
    entry = ledger[key]
    scale = 1 / 1000 if key.endswith(".bytes") else 1
    digits = 1 if key.endswith(".bytes") else 2 if key.endswith("seconds_per_fact") else 3
    value, low, high = (f"{entry[part] * scale:.{digits}f}" for part in ("value", "low", "high"))
    return rf"\shortstack{{{value}\\{{\tiny [{low}, {high}]}}}}"


def table(ledger: Ledger, base: str) -> str:
    """A tabular in a table environment; the caption carries n and what the intervals are."""
    memories = ordered(ledger.memories("matrix", base))
    sizes = {title: ledger[f"matrix.rows.{base}.{measure}"]["n"] for measure, title in COLUMNS.items() if "exact" in measure}
    lines = [
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{l{'r' * len(COLUMNS)}}}",
        r"\hline",
        " & ".join(["memory", *COLUMNS.values()]) + r" \\",
        r"\hline",
    ]
    for memory in memories:
        cells = [cell(ledger, f"matrix.{memory}.{base}.{measure}") for measure in COLUMNS]
        lines.append(" & ".join([name_of(memory), *cells]) + r" \\")
    counts = ", ".join(f"{title} {n}" for title, n in sizes.items())
    lines += [
        r"\hline",
        r"\end{tabular}",
        rf"\caption{{Memories on {base}. Share of exact answers by kind of question (n: {counts}), the published first-token "
        r"metric, change in bits per byte on other people's chat and on other users' sentences, share of chat positions that "
        r"read a row, size with indices, and write time. Brackets: 95\,\% intervals over users, seeds averaged within a user "
        r"(Wilson's where all users agree). \emph{direct} and \emph{paraphrase} use wordings that no memory saw while writing; "
        r"\emph{statement} is the write trigger and measures storage only.}",
        rf"\label{{tab:matrix-{base}}}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    write_bytes(args.out, table(Ledger(args.ledger), args.base).encode())
    print(f"{args.out}: the matrix as a LaTeX table, every cell with its interval")


if __name__ == "__main__":
    run_step(main)
