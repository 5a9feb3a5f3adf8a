"""Figure: exact answers against the tokens that a memory adds to the prompt, told in clean sentences and in conversations.

Every value comes from the ledger.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib.ticker import LogLocator, StrMethodFormatter

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, draw_intervals, name_of, ordered, plt, save, use_style
from loci.errors import run_step

WRITES = {"matrix": "Told in clean sentences", "matrix_dialogue": "Told in conversations"}
WITHOUT = "none"  # adds nothing to the prompt: a line across the panel
KINDS = {"direct": "Direct question", "updated": "After an update"}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def draw_panel(axes, ledger: Ledger, experiment: str, base: str, kind: str, memories: list[str]) -> None:
    """One panel: exact answers of a kind against context tokens of a question, both with 95 % intervals."""
    for memory in memories:
        y = ledger[f"{experiment}.{memory}.{base}.{kind}.exact"]
        if memory == WITHOUT:
            axes.axhline(y["value"], color="black", linestyle="--", linewidth=0.8, label=name_of(memory))
            continue
        x = ledger[f"{experiment}.{memory}.{base}.question.context_tokens"]
        draw_intervals(axes, [x], [y], memory)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.minorticks_off()
    axes.set_ylim(-0.04, 1.04)


def draw(ledger: Ledger, base: str):
    """The whole figure; rows of panels are kinds of question, columns the two writes."""
    memories = ordered(ledger.memories("matrix_dialogue", base))
    figure, panels = plt.subplots(len(KINDS), len(WRITES), figsize=(PAGE_WIDTH, 5.6), sharey=True, sharex="col")
    for row, (kind, name) in zip(panels, KINDS.items(), strict=True):
        for axes, (experiment, title) in zip(row, WRITES.items(), strict=True):
            draw_panel(axes, ledger, experiment, base, kind, memories)
            if kind == next(iter(KINDS)):
                axes.set_title(title, fontsize=8)
        n = ledger[f"matrix.gold.{base}.{kind}.exact"]["n"]
        row[0].set_ylabel(f"{name}\nexact (share of n = {n})")
    for axes in panels[-1]:
        axes.set_xlabel("Tokens that the memory adds to a question (log scale)")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, fontsize=6.5)
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: what a token of context buys")


if __name__ == "__main__":
    run_step(main)
