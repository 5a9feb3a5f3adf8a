"""Figure: the layered conditions. What a shared reader does alone, with rows, with another user's rows, and with the same
facts in its prompt; and the paired contrasts that say where an answer comes from.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.layer_titles import TITLES
from loci.bench.layered import CONTRASTS
from loci.bench.layers import CONDITIONS
from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

MEASURES = {
    "direct.exact": "direct questions",
    "paraphrase.exact": "unseen wordings",
    "indirect.macro": "indirect, by family",
    "chained.exact": "chained",
}
_COLOURS = {"base": "#555555", "user": "#E69F00", "answer": "#D55E00", "recite": "#0072B2"}  # Okabe and Ito
_MARKERS = {"": "o", "own": "p", "donor": "d"}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def draw_points(axes, entries: dict[str, dict | None], looks: dict[str, tuple[str, str]], title: str) -> None:
    """One value with its interval a line; a line without a measurement stays empty."""
    for row, (name, entry) in enumerate(entries.items()):
        if entry:
            colour, marker = looks[name]
            axes.errorbar(
                entry["value"],
                row,
                xerr=whiskers([entry]),
                color=colour,
                marker=marker,
                markersize=4,
                elinewidth=0.8,
                capsize=1.5,
            )
    n = max((entry["n"] for entry in entries.values() if entry), default=0)
    axes.set_title(f"{title} (n = {n})", fontsize=7)
    axes.set_ylim(len(entries) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def draw(ledger: Ledger, base: str):
    """Conditions above, contrasts below; one column a kind of question."""
    asked = [name for name in TITLES if f"layered.{name}.{base}.direct.exact" in ledger]
    if not asked:
        raise UserError("--ledger", "holds no layered conditions", "run the rule score_layered")
    pairs = [(left, right) for left, right in CONTRASTS if f"layered.{left}_minus_{right}.{base}.direct.exact" in ledger]
    looks = {name: (_COLOURS[CONDITIONS[name].adapter], _MARKERS[CONDITIONS[name].rows]) for name in asked}
    heights = [len(asked), len(pairs) + 1]
    figure, panels = plt.subplots(
        2, len(MEASURES), figsize=(PAGE_WIDTH, 1.2 + 0.17 * sum(heights)), height_ratios=heights, sharex="row", sharey="row"
    )
    for column, (measure, title) in enumerate(MEASURES.items()):
        values = {name: ledger.get(f"layered.{name}.{base}.{measure}") for name in asked}
        draw_points(panels[0, column], values, looks, title)
        gaps = {pair: ledger.get(f"layered.{pair[0]}_minus_{pair[1]}.{base}.{measure}") for pair in pairs}
        draw_points(panels[1, column], gaps, {pair: looks[pair[0]] for pair in pairs}, "paired difference")
        panels[1, column].axvline(0, color="black", linewidth=0.8)
        panels[0, column].set_xlim(-0.03, 1.03)
        panels[0, column].set_xlabel("share exact", fontsize=7)
        panels[1, column].set_xlabel("difference of shares", fontsize=7)
    panels[0, 0].set_yticks(range(len(asked)), [TITLES[name] for name in asked], fontsize=6)
    named = [f"{left.upper()} − {right.upper()}" for left, right in pairs]
    panels[1, 0].set_yticks(range(len(pairs)), named, fontsize=6)
    figure.suptitle(
        f"Layered conditions, {base}: exact answers, 95 % intervals over users; rows: pentagon, another user's: thin diamond",
        fontsize=7.5,
    )
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: where an answer comes from: the shared reader, the rows, or the prompt")


if __name__ == "__main__":
    run_step(main)
