"""What to use for tens, hundreds and thousands of facts a user, and what it costs: one table, for README.md and the paper."""

from dataclasses import dataclass

from loci.bench.ledger import Ledger, spread


@dataclass(frozen=True)
class Place:
    """answers: condition of `layered.<…>` whose questions were asked. store: of `layered_growth.<…>`, for bytes and seconds."""

    name: str
    answers: str
    store: str


PLACES = (
    Place("text, searched; reader taught to find the line", "jf", "finder"),
    Place("text, searched; reciting reader", "j", "index"),
    Place("rows; reciting reader", "k", "rows"),
    Place("rows practised in the reader's words", "kp", "practised"),
    Place("an adapter of one's own", "b", "user"),
)
HEADINGS = ("unseen wordings, exact", "indirect, exact", "bytes a user", "seconds a fact")
NONE = "–"


def sizes_of(ledger: Ledger, base: str) -> list[int]:
    """Facts a user, in the ledger."""
    return sorted(int(part) for part in ledger.parts(f"layered.k.{base}.n", ".paraphrase.exact"))


def cells(ledger: Ledger, base: str, place: Place, size: int) -> list[str]:
    """What HEADINGS name, in words; a dash for what was not run."""
    asked = [ledger.get(f"layered.{place.answers}.{base}.n{size}.{kind}.exact") for kind in ("paraphrase", "indirect")]
    kept = [ledger.get(f"layered_growth.{place.store}.{base}.n{size}.{part}") for part in ("bytes", "seconds_per_fact")]
    size_and_time = (lambda entry: megabytes(entry["value"]), lambda entry: seconds(entry["value"]))
    said = [spread(entry, 2) if entry else NONE for entry in asked]
    return said + [say(entry) if entry and asked[0] else NONE for say, entry in zip(size_and_time, kept, strict=True)]


def megabytes(value: float) -> str:
    return f"{value / 1e6:.2f} MB" if value < 1e6 else f"{value / 1e6:.1f} MB"


def seconds(value: float) -> str:
    return f"{value:.1f}" if value >= 0.1 else "less than 0.1"


def asked_of(ledger: Ledger, base: str, size: int) -> int:
    """Questions in other wordings that were asked at that size."""
    return ledger[f"layered.k.{base}.n{size}.paraphrase.exact"]["n"]


def choice_block(ledger: Ledger, base: str) -> list[str]:
    """The table in Markdown, one part a size."""
    lines = []
    for size in sizes_of(ledger, base):
        n = asked_of(ledger, base, size)
        lines += [f"| {size:,} facts a user | {HEADINGS[0]} (n = {n}) | {' | '.join(HEADINGS[1:])} |", "|---" * 5 + "|"]
        lines += [f"| {place.name} | {' | '.join(cells(ledger, base, place, size))} |" for place in PLACES]
        lines.append("")
    return lines


def choice_table(ledger: Ledger, base: str) -> str:
    """The same in LaTeX."""
    lines = [r"\begin{table}", r"\centering\footnotesize\setlength{\tabcolsep}{4pt}", r"\begin{tabular}{llrrr}", r"\hline"]
    lines.append(" & ".join(["place", *HEADINGS]) + r" \\")
    sizes = sizes_of(ledger, base)
    for size in sizes:
        lines += [r"\hline", rf"\emph{{{size:,} facts a user}} & & & & \\"]
        for place in PLACES:
            found = [one.replace(NONE, "--") for one in cells(ledger, base, place, size)]
            lines.append(" & ".join([place.name, *found]) + r" \\")
    counts = ", ".join(f"{asked_of(ledger, base, size)} at {size:,}" for size in sizes)
    lines += [
        r"\hline",
        r"\end{tabular}",
        rf"\caption{{What to use, and what it costs, on {base}. Exact answers with 95\,\% intervals over users (n of unseen "
        rf"wordings: {counts}); bytes with indices, of values in float32; seconds on one processor core. Dashes were not run.}}",
        r"\label{tab:choice}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
