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
    Place("rows; reciting reader", "k", "recited"),
    Place("rows practised in the reader's words", "kp", "practised"),
    Place("an adapter of one's own", "b", "user"),
)
ASKED = {  # headings of measures, with n
    "unseen wordings, exact": "paraphrase.exact",
    "wrong, not declined": "paraphrase.wrong",
    "indirect, exact": "indirect.exact",
}
COSTS = ("bytes a user", "seconds a fact")
NONE = "–"


def sizes_of(ledger: Ledger, base: str) -> list[int]:
    """Facts a user, in the ledger."""
    return sorted(int(part) for part in ledger.parts(f"layered.k.{base}.n", ".paraphrase.exact"))


def cells(ledger: Ledger, base: str, place: Place, size: int) -> list[str]:
    """What ASKED and COSTS name, in words; a dash for what was not run."""
    asked = [ledger.get(f"layered.{place.answers}.{base}.n{size}.{measure}") for measure in ASKED.values()]
    kept = [ledger.get(f"layered_growth.{place.store}.{base}.n{size}.{part}") for part in ("bytes", "seconds_per_fact")]
    size_and_time = (lambda entry: megabytes(entry["value"]), lambda entry: seconds(entry["value"]))
    said = [spread(entry, 2) if entry else NONE for entry in asked]
    return said + [say(entry) if entry and asked[0] else NONE for say, entry in zip(size_and_time, kept, strict=True)]


def megabytes(value: float) -> str:
    return f"{value / 1e6:.2f} MB" if value < 1e6 else f"{value / 1e6:.1f} MB"


def seconds(value: float) -> str:
    return f"{value:.1f}" if value >= 0.1 else "less than 0.1"


def asked_of(ledger: Ledger, base: str, size: int) -> tuple[int, int, int]:
    """Users who were asked at that size, their questions in other wordings, and those that need a computation."""
    answers = (ledger[f"layered.k.{base}.n{size}.{kind}.exact"]["n"] for kind in ("paraphrase", "indirect"))
    return ledger[f"layered_growth.recited.{base}.n{size}.bytes"]["n"], *answers


def people(users: int) -> str:
    return f"{users} user{'' if users == 1 else 's'}"


def choice_block(ledger: Ledger, base: str) -> list[str]:
    """The table in Markdown, one part a size."""
    lines = []
    for size in sizes_of(ledger, base):
        users, *counts = asked_of(ledger, base, size)
        first, second, third = ASKED
        asked = [f"{first} (n = {counts[0]})", second, f"{third} (n = {counts[1]})"]
        lines += [f"| {size:,} facts a user, {people(users)} | {' | '.join([*asked, *COSTS])} |", "|---" * 6 + "|"]
        lines += [f"| {place.name} | {' | '.join(cells(ledger, base, place, size))} |" for place in PLACES]
        lines.append("")
    return lines


def choice_table(ledger: Ledger, base: str) -> str:
    """The same in LaTeX."""
    lines = [r"\begin{table}", r"\centering\footnotesize\setlength{\tabcolsep}{4pt}", r"\begin{tabular}{lllrrr}", r"\hline"]
    lines.append(" & ".join(["place", *ASKED, *COSTS]) + r" \\")
    sizes = sizes_of(ledger, base)
    for size in sizes:
        lines += [r"\hline", rf"\emph{{{size:,} facts a user}} & & & & & \\"]
        for place in PLACES:
            found = [one.replace(NONE, "--") for one in cells(ledger, base, place, size)]
            lines.append(" & ".join([place.name, *found]) + r" \\")
    asked = [(size, *asked_of(ledger, base, size)) for size in sizes]
    counts = "; ".join(f"{people(users)} at {size:,}: {wordings} and {computed}" for size, users, wordings, computed in asked)
    lines += [
        r"\hline",
        r"\end{tabular}",
        rf"\caption{{What to use, and what it costs, on {base}. Exact answers, and answers to unseen wordings that are "
        rf"wrong instead of not known, with 95\,\% intervals over users (n of unseen wordings and of indirect questions, "
        rf"{counts}); bytes with indices, of values in float32; "
        r"seconds on one processor core, beside other jobs. Dashes were not run.}",
        r"\label{tab:choice}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
