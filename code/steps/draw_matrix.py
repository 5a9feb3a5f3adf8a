"""Figure: the matrix. Every memory against every kind of question, told in clean sentences and in conversations.

Each cell holds the share of exact answers and its 95 % interval; the last columns show what should be low. Every value comes
from the ledger; a cell without a measurement is grey and says so.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, name_of, ordered, plt, save, use_style
from loci.errors import UserError, run_step

WRITES = {"matrix": "Told in clean sentences", "matrix_dialogue": "Told in conversations"}
KINDS = ("statement", "midconv", "direct", "paraphrase", "indirect", "chained", "updated", "deleted", "unknown")
LOW = {"updated.stale": "old value\nsaid", "deleted.stale": "deleted\nsaid", "other.leak": "others'\nsaid"}
PANEL_INCHES, ROW_INCHES = 0.9, 0.28


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def columns(ledger: Ledger, experiment: str, base: str) -> dict[str, str]:
    """Measures and their headings, with n: that of the memory `gold`, which is asked everything."""
    headings = {f"{kind}.exact": kind for kind in KINDS} | LOW
    return {
        measure: f"{heading}\n(n = {ledger[f'{experiment}.gold.{base}.{measure}']['n']})" for measure, heading in headings.items()
    }


def draw_panel(axes, ledger: Ledger, experiment: str, base: str, title: str) -> None:
    """One heat map: memories down, measures across."""
    memories = [memory for memory in ordered(ledger.memories(experiment, base)) if memory != "prior"]
    headings = columns(ledger, experiment, base)
    for row, memory in enumerate(memories):
        for column, measure in enumerate(headings):
            entry = ledger.get(f"{experiment}.{memory}.{base}.{measure}")
            shade = (1 - entry["value"] if measure in LOW else entry["value"]) if entry else None
            colour = plt.get_cmap("cividis")(shade) if entry else "#dddddd"
            axes.add_patch(plt.Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.6))
            ink = "black" if entry is None or shade > 0.5 else "white"
            text = f"{entry['value']:.2f}" if entry else "–"
            axes.text(column + 0.5, row + 0.36, text, ha="center", va="center", fontsize=6.5, color=ink)
            if entry:
                interval = f"{entry['low']:.2f}–{entry['high']:.2f}"
                axes.text(column + 0.5, row + 0.76, interval, ha="center", va="center", fontsize=5, color=ink)
    axes.set_xlim(0, len(headings))
    axes.set_ylim(len(memories), 0)
    axes.set_xticks([column + 0.5 for column in range(len(headings))], list(headings.values()), fontsize=5.5)
    axes.set_yticks([row + 0.5 for row in range(len(memories))], [name_of(memory) for memory in memories], fontsize=6)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    axes.set_frame_on(False)
    axes.set_title(f"{title}: exact answers (right of deleted and unknown: not known), 95 % intervals", fontsize=7, loc="left")


def draw(ledger: Ledger, base: str):
    """Both heat maps, one above the other."""
    rows = [len(ordered(ledger.memories(experiment, base))) for experiment in WRITES]
    if not all(rows):
        raise UserError("--ledger", "holds no matrix of both writes", "run the rule score_matrix")
    height = sum(PANEL_INCHES + ROW_INCHES * count for count in rows)
    figure, panels = plt.subplots(len(WRITES), 1, figsize=(PAGE_WIDTH, height), height_ratios=rows)
    for axes, (experiment, title) in zip(panels, WRITES.items(), strict=True):
        draw_panel(axes, ledger, experiment, base, title)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: which memory answers which kind of question, with both ways of telling")


if __name__ == "__main__":
    run_step(main)
