"""Figure: where rows fire. Rows behind a question meet no address and answer nothing; a reader that recites is answered."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loci.bench.layer_titles import TITLES
from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

KINDS = ("direct", "paraphrase", "indirect", "chained")
PARTS = {  # what is counted, its name, its colour (Okabe and Ito), its hatch for grey print
    "fired_prompt": ("a row is read in the question", "#E69F00", ""),
    "fired_said": ("a row is read in what the reader says", "#56B4E9", "//"),
    "fired_all": ("the rows of all needed facts are read", "#0072B2", ".."),
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def draw(ledger: Ledger, base: str):
    """One panel a kind of question; groups of bars a condition; the mean gate is written beside its name."""
    conditions = [name for name in TITLES if f"layered.{name}.{base}.direct.fired_said" in ledger]
    if not conditions:
        raise UserError("--ledger", "does not say where rows fire", "run the rules trace_firing and score_layered")
    figure, panels = plt.subplots(1, len(KINDS), figsize=(PAGE_WIDTH, 0.9 + 0.36 * len(conditions)), sharey=True)
    rows, width = np.arange(len(conditions)), 0.8 / len(PARTS)
    for axes, kind in zip(panels, KINDS, strict=True):
        n = 0
        for place, (part, (name, colour, hatch)) in enumerate(PARTS.items()):
            found = [ledger.get(f"layered.{condition}.{base}.{kind}.{part}") for condition in conditions]
            at = [row for row, entry in zip(rows, found, strict=True) if entry]
            entries = [entry for entry in found if entry]
            n = max([n, *(entry["n"] for entry in entries)])
            where = [row + (place - 1) * width for row in at]
            values = [one["value"] for one in entries]
            axes.barh(
                where, values, width, xerr=whiskers(entries), color=colour, hatch=hatch, error_kw={"elinewidth": 0.6}, label=name
            )
        for row, condition in enumerate(conditions):
            gate = ledger.get(f"layered.{condition}.{base}.{kind}.gate")
            if gate:
                axes.text(1.04, row, f"gate\n{gate['value']:.2f}", fontsize=5, va="center")
        axes.set_title(f"{kind} (n = {n})", fontsize=7)
        axes.set_xlim(0, 1.2)
        axes.set_xticks([0, 0.5, 1])
        axes.set_xlabel("share of questions", fontsize=7)
    panels[0].set_yticks(rows, [TITLES[condition] for condition in conditions], fontsize=6)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(PARTS), fontsize=6)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: in which share of questions a row was read, and where")


if __name__ == "__main__":
    run_step(main)
