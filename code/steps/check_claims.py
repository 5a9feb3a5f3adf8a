"""Check every claim of paper/claims.yaml against a ledger: holds, fails, or not testable here, with value, interval and n."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.claims import KINDS, STATUSES, UNTESTABLE, check, counts, load_claims, measured
from loci.bench.ledger import Ledger
from loci.errors import run_step
from loci.paths import PAPER, REFERENCE
from loci.results import SCHEMA, write_bytes, write_json

_A_PAGE = 9  # claims in one table, which is a float and does not break over pages
_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}"})
_READING = (
    r"A claim holds where all of the 95\,\% interval is on its side; otherwise it fails, refuted where all of it is on the other "
    r"side and undecided where it reaches to both. Values without brackets have no interval."
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--claims", type=Path, default=PAPER / "claims.yaml", help="claims to check (YAML)")
    parser.add_argument("--ledger", type=Path, default=REFERENCE / "summary.json", help="ledger to check them against (JSON)")
    whole = "ledger of all results; a claim that rests on results which the run of --ledger does not make is not testable (JSON)"
    parser.add_argument("--whole", type=Path, default=REFERENCE / "summary.json", help=whole)
    parser.add_argument("--profile", default="laptop", help="whose claims are checked; the ledger must be of the same")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="verdicts to write (JSON)")
    parser.add_argument("--table", type=Path, required=True, default=argparse.SUPPRESS, help="LaTeX tables to write")
    return parser.parse_args(argv)


def escaped(text: str) -> str:
    """Text as LaTeX shows it."""
    return text.translate(_ESCAPED).replace("…", r"\dots{}").replace("–", "--")


def tables(judged: list[dict]) -> str:
    """One table float for every few claims, kind by kind; the caption carries how many of the kind hold and fail."""
    made = []
    for kind, of in counts(judged).items():
        those = [one for one in judged if one["kind"] == kind]
        for at in range(0, len(those), _A_PAGE):
            rows = []
            for one in those[at : at + _A_PAGE]:
                published = one["published"]["says"] if one["published"] else "--"
                verdict = one["outcome"] if one["status"] != UNTESTABLE else f"{UNTESTABLE}: {one['reason']}"
                cells = (f"{one['sentence']} ({one['source']})", published, measured(one), verdict)
                rows.append(" & ".join(map(escaped, cells)) + r" \\[2pt]")
            found = ", ".join(f"{of[status]} {status}" for status in STATUSES)
            title, part = f"{KINDS[kind][0].upper()}{KINDS[kind][1:]}", at // _A_PAGE + 1
            made += [
                r"\begin{table*}[p]",
                r"\centering\footnotesize",
                r"\begin{tabular}{p{0.5\linewidth}p{0.14\linewidth}p{0.14\linewidth}p{0.14\linewidth}}",
                r"\hline",
                r"claim & published & measured here & verdict \\",
                r"\hline",
                *rows,
                r"\hline",
                r"\end{tabular}",
                rf"\caption{{{title}, part {part}. Of this kind: {found}. {_READING}}}",
                rf"\label{{tab:claims-{kind}-{part}}}",
                r"\end{table*}",
            ]
    return "\n".join(made) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    judged = check(load_claims(args.claims), Ledger(args.ledger), args.profile, Ledger(args.whole))
    found = counts(judged)
    write_json(args.out, {"schema": SCHEMA, "profile": args.profile, "counts": found, "claims": judged})
    write_bytes(args.table, tables(judged).encode())
    told = "; ".join(f"{title}: {', '.join(f'{found[kind][one]} {one}' for one in STATUSES)}" for kind, title in KINDS.items())
    print(f"{args.out}: {len(judged)} claims; {told}")


if __name__ == "__main__":
    run_step(main)
