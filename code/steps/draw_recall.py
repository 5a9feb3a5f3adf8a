"""Figure: what rows recall, against what they do to other text and against what they weigh.

Rows of panels: completing the user's statements (bare, and in the middle of a conversation), answering direct
questions. Columns: side effect on the stored sentences of other users; bytes a user. Every value comes from the ledger.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, draw_intervals, ordered, plt, save, use_style
from loci.errors import run_step

KINDS = {"statement": "Bare statement", "midconv": "Statement in mid-conversation", "direct": "Direct question"}
SIDE = "others.dbpb"
LINEAR_BYTES = 1000  # below this the byte axis is linear, so that a memory of 0 bytes has a place
LINEAR_BITS = 0.001
BYTES_TICKS = [0, *(10**power for power in range(3, 7))]
BYTES_RIGHT = 2 * BYTES_TICKS[-1]


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def draw_panel(axes, ledger: Ledger, base: str, memories: list[str], kind: str, across: str) -> None:
    """One panel: exact recall of a kind of question against another measure, both with 95 % intervals."""
    for memory in memories:
        y, x = ledger[f"matrix.{memory}.{base}.{kind}.exact"], ledger[f"matrix.{memory}.{base}.{across}"]
        draw_intervals(axes, [x], [y], memory)
    prior = ledger[f"matrix.prior.{base}.{kind}.exact"]
    axes.axhline(prior["value"], color="#444444", linewidth=0.8, linestyle=":", label="question-only prior (control)")
    axes.set_ylim(-0.04, 1.04)


def draw(ledger: Ledger, base: str):
    """The whole figure."""
    rows = [memory for memory in ledger.memories("matrix", base) if f"matrix.{memory}.{base}.write_seconds_per_fact" in ledger]
    memories = ordered(["none", "gold", *rows, "rows_donor"])
    figure, panels = plt.subplots(len(KINDS), 2, figsize=(PAGE_WIDTH, 7.4), sharey=True, sharex="col")
    for row, (kind, title) in zip(panels, KINDS.items(), strict=True):
        n = ledger[f"matrix.rows.{base}.{kind}.exact"]["n"]
        for axes, across in zip(row, (SIDE, "bytes"), strict=True):
            draw_panel(axes, ledger, base, memories, kind, across)
        row[0].set_ylabel(f"{title}\nexact (share of n = {n})")
        row[0].set_xscale("symlog", linthresh=LINEAR_BITS)
        row[1].set_xscale("symlog", linthresh=LINEAR_BYTES)
        row[1].set_xlim(-LINEAR_BYTES / 2, BYTES_RIGHT)
        row[1].set_xticks(BYTES_TICKS)
        row[1].minorticks_off()
    panels[-1][0].set_xlabel("Side effect on other users' sentences (Δ bits per byte)")
    panels[-1][1].set_xlabel("Memory of one user (bytes; linear below 1,000)")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, fontsize=7)
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: recall against side effect and bytes, 95 % intervals over users")


if __name__ == "__main__":
    run_step(main)
