"""Figure: what of a long stretch of talk and work still stands in a prompt of so many words, with parts of distilled text changed
one at a time.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

LOOK = {  # Okabe and Ito; hollow: nothing is recalled
    "recent": ("the latest messages alone", "#000000", "X", "none"),
    "flat": ("flat log", "#D55E00", "s", "none"),
    "sections": ("four sections", "#0072B2", "o", "none"),
    "bare_stub": ("four sections, bare stubs", "#009E73", "^", "none"),
    "recall_alone": ("recall alone", "#000000", "P", "full"),
    "flat_recall": ("flat log, recall", "#D55E00", "s", "full"),
    "sections_recall": ("four sections, recall", "#0072B2", "o", "full"),
    "bare_stub_recall": ("four sections, bare stubs, recall", "#009E73", "^", "full"),
    "archived": ("the same, messages pruned, archive", "#CC79A7", "D", "full"),
    "deleted": ("messages pruned, no archive", "#E69F00", "v", "full"),
}
SETS = {
    "now": "what holds",
    "then": "what held once",
    "file": "the file that a run named",
    "number": "a number deep in its output",
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def budgets_of(ledger: Ledger) -> list[int]:
    """The budgets in the ledger; UserError where there are none."""
    found = {int(match[1]) for key in ledger.keys() if (match := re.fullmatch(r"distilled\.sections\.b(\d+)\.words", key))}  # noqa: SIM118
    if not found:
        raise UserError("--ledger", "holds no ablation of distilled text", "run the rule ablate_distilled")
    return sorted(found)


def draw(ledger: Ledger):
    """Four panels, one a kind of question, every point an entry of the ledger."""
    budgets = budgets_of(ledger)
    figure, panels = plt.subplots(1, 4, figsize=(PAGE_WIDTH, 3.1), sharey=True)
    for axes, (kind, title) in zip(panels, SETS.items(), strict=True):
        for at, (name, (label, colour, marker, filled)) in enumerate(LOOK.items()):
            entries = [ledger[f"distilled.{name}.b{budget}.{kind}.present"] for budget in budgets]
            places = [place + (at - len(LOOK) / 2) * 0.06 for place in range(len(budgets))]
            face = colour if filled == "full" else "none"
            style = {"color": colour, "marker": marker, "markerfacecolor": face, "markersize": 3.5, "elinewidth": 0.5}
            axes.errorbar(
                places, [one["value"] for one in entries], yerr=whiskers(entries), linestyle="none", label=label, **style
            )
        n = ledger[f"distilled.sections.b{budgets[0]}.{kind}.present"]["n"]
        axes.set_title(f"{title}\nn = {n:,}", fontsize=6.5)
        axes.set_xticks(range(len(budgets)), [f"{budget:,}" for budget in budgets])
        axes.set(xlabel="words of the prompt", ylim=(-0.03, 1.03))
    panels[0].set_ylabel("an accepted answer stands in it")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=5.5, ncols=4, loc="lower center")
    figure.suptitle("Distilled text, one part changed at a time (95 % intervals over people)", fontsize=7.5)
    figure.tight_layout(rect=(0, 0.14, 1, 1))
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger)), args.out)
    print(f"{', '.join(map(str, args.out))}: which part of distilled text keeps what is asked for in the prompt")


if __name__ == "__main__":
    run_step(main)
