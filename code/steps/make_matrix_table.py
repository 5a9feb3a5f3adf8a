"""LaTeX tables of the matrix: one row a memory, one column a kind of question, with both writes; rows with what they cost."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import name_of, ordered
from loci.errors import run_step
from loci.results import write_bytes

ANSWERS = {
    "statement.exact": "statement",
    "midconv.exact": "mid-conv.",
    "direct.exact": "direct",
    "paraphrase.exact": "paraphrase",
    "indirect.exact": "indirect",
    "chained.exact": "chained",
    "updated.exact": "updated",
    "deleted.exact": "deleted",
    "unknown.exact": "unknown",
    "question.prompt_tokens": "tokens",
}
ROWS = {
    "statement.exact": "statement",
    "midconv.exact": "mid-conv.",
    "direct.exact": "direct",
    "statement.first_token": "first token",
    "chat.dbpb": r"$\Delta$ chat",
    "others.dbpb": r"$\Delta$ others",
    "chat.hit_rate": "hit rate",
    "bytes": "KB/user",
    "write_seconds_per_fact": "s/fact",
}
INTERVALS = r"Brackets: 95\,\% intervals over users, seeds averaged within a user (Wilson's where all users agree)."
READING = (
    r"Share of exact answers by kind of question; for \emph{deleted} and \emph{unknown} the right answer is that it is not "
    r"known. \emph{direct} and \emph{paraphrase} use wordings that no memory saw while writing; \emph{statement} is the write "
    r"trigger and measures storage only. Tokens: of the whole prompt of a question, worked examples included."
)
CAPTIONS = {
    "matrix": f"told in clean sentences. {READING}",
    "matrix_dialogue": f"told in conversations. {READING}",
    "rows": "Engram rows and their controls. Share of exact answers, the published first-token metric, change in bits per byte "
    "on other people's chat and on other users' sentences, share of chat positions that read a row, size with indices, and "
    "write time.",
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
    digits = 0 if key.endswith("tokens") else 1 if key.endswith(".bytes") else 2 if key.endswith("seconds_per_fact") else 3
    value, low, high = (f"{entry[part] * scale:.{digits}f}" for part in ("value", "low", "high"))
    return rf"\shortstack{{{value}\\{{\tiny [{low}, {high}]}}}}"


def table(ledger: Ledger, experiment: str, base: str, memories: list[str], columns: dict[str, str], caption: str) -> str:
    """A tabular in a table environment; the caption carries n of every share and what the intervals are."""
    sizes = {}
    for measure, title in columns.items():
        entries = [ledger.get(f"{experiment}.{memory}.{base}.{measure}") for memory in memories]
        if measure.endswith("exact") and any(entries):
            sizes[title] = next(entry["n"] for entry in entries if entry)
    lines = [
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\hline",
        " & ".join(["memory", *columns.values()]) + r" \\",
        r"\hline",
    ]
    for memory in memories:
        cells = [cell(ledger, f"{experiment}.{memory}.{base}.{measure}") for measure in columns]
        lines.append(" & ".join([name_of(memory), *cells]) + r" \\[6pt]")
    counts = ", ".join(f"{title} {n}" for title, n in sizes.items())
    lines += [
        r"\hline",
        r"\end{tabular}",
        "}",
        rf"\caption{{Memories on {base}: {CAPTIONS[caption]} n: {counts}. {INTERVALS}}}",
        rf"\label{{tab:{caption.replace('_', '-')}-{base}}}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def tables(ledger: Ledger, base: str) -> str:
    """All tables: answers of every memory with both writes, then rows with side effects and costs."""
    everything = ordered(ledger.memories("matrix", base))
    rows = [one for one in everything if one == "rows_donor" or f"matrix.{one}.{base}.write_seconds_per_fact" in ledger]
    made = [table(ledger, "matrix", base, everything, ANSWERS, "matrix")]
    if told := ordered(ledger.memories("matrix_dialogue", base)):
        made.append(table(ledger, "matrix_dialogue", base, told, ANSWERS, "matrix_dialogue"))
    return "\n".join([*made, table(ledger, "matrix", base, rows, ROWS, "rows")])


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    write_bytes(args.out, tables(Ledger(args.ledger), args.base).encode())
    print(f"{args.out}: the matrix as LaTeX tables, every cell with its interval")


if __name__ == "__main__":
    run_step(main)
