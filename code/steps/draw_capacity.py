"""Figure: Engram tables of several sizes against how much was read. Bits per byte of held-out text, and less those of the dense
model in pairs of seeds.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from loci.bench.capacity import NONE
from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step
from loci.models.ngram_table import PRESETS

_LOOK = {  # Okabe and Ito
    NONE: ("#000000", "X"),
    "tiny": ("#56B4E9", "o"),
    "small": ("#0072B2", "s"),
    "medium": ("#009E73", "D"),
    "large": ("#E69F00", "^"),
    "xlarge": ("#D55E00", "v"),
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def grid_of(ledger: Ledger) -> dict[str, dict[int, dict]]:
    """{table: {steps: bits per byte}}, in the order of sizes; UserError where there is none."""
    found: dict[str, dict[int, dict]] = {}
    for key in ledger.keys():  # noqa: SIM118, no dict
        if (match := re.fullmatch(r"capacity\.(\w+)\.steps(\d+)\.val_bpb", key)) and "_minus_" not in match[1]:
            found.setdefault(match[1], {})[int(match[2])] = ledger[key]
    if not found:
        raise UserError("--ledger", "holds no grid of tables", "run the rule score_capacity")
    return {name: dict(sorted(found[name].items())) for name in _LOOK if name in found}


def draw(ledger: Ledger):
    """Two panels, every point an entry of the ledger; points of one length of training stand beside each other."""
    grid = grid_of(ledger)
    steps = sorted({step for of in grid.values() for step in of})
    figure, (bits, gaps) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 2.7))
    for axes, less in ((bits, ""), (gaps, f"_minus_{NONE}")):
        names = [name for name in grid if not less or name != NONE]
        for at, name in enumerate(names):
            entries = [ledger[f"capacity.{name}{less}.steps{step}.val_bpb"] for step in steps]
            places = [place + (at - (len(names) - 1) / 2) * 0.13 for place in range(len(steps))]
            colour, marker = _LOOK[name]
            style = {"color": colour, "marker": marker, "markersize": 4, "elinewidth": 0.7, "capsize": 1.5}
            values = [entry["value"] for entry in entries]
            axes.errorbar(places, values, yerr=whiskers(entries), linestyle="none", label=title_of(name), **style)
        axes.set_xticks(range(len(steps)), [f"{step:,}" for step in steps])
        axes.set(xlabel="steps of training")
    bits.set(ylabel="bits per byte, held-out text")
    bits.legend(fontsize=6)
    gaps.axhline(color="#999999", linewidth=0.7)
    gaps.set(ylabel="the same, less the dense model's")
    seeds = grid[NONE][steps[0]]["n"]
    figure.suptitle(f"Engram tables against tokens read ({seeds} seeds, Student's 95 % intervals)", fontsize=7.5)
    figure.tight_layout()
    return figure


def title_of(table: str) -> str:
    """A table with its slots and numbers a row."""
    if table == NONE:
        return "no table"
    slots, width = PRESETS[table]
    return f"{table}: {slots:,} slots x {width}"


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger)), args.out)
    print(f"{', '.join(map(str, args.out))}: how large a table pays for how much text")


if __name__ == "__main__":
    run_step(main)
