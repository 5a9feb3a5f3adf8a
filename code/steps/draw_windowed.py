"""Figure: what models read through a short window still know of the text before it. Answers against positions of attention, by
question, by what stands in the zone of triplets; perplexity of fact tokens.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, draw_dots, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

RAW = (
    "raw_eighth",
    "raw_quarter",
    "raw_equal",
    "raw_half",
    "full_window",
    "raw_double",
)  # windows of raw tokens, positions rising
ARMS = {  # Okabe and Ito
    "full_window": ("raw tokens, whole window", "#000000", "o"),
    "raw_quarter": ("raw tokens, a quarter", "#999999", "s"),
    "quarter_window": ("a quarter, triplets spelt", "#0072B2", "D"),
    "vectors": ("a quarter, a vector a triplet", "#56B4E9", "d"),
    "pooled": ("a quarter, pooled tokens", "#E69F00", "^"),
    "summary": ("a quarter, summary vectors", "#D55E00", "v"),
}
SETS = {
    "fact": "a value",
    "update": "a changed value",
    "past": "a value in a year",
    "confusion": "one of two alike",
    "yes_no": "yes or no",
    "silent": "not said",
    "verbatim": "the wording",
}
CONTENTS = {
    "gold": "gold",
    "with": "extracted",
    "merged": "with another text's",
    "noisy": "3 of 10 exchanged",
    "latest4": "the latest 4",
    "latest2": "the latest 2",
    "shuffled": "another text's",
    "masked": "none",
}
_TICKS = (1, 2, 5, 10, 20, 50)  # of perplexity


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def draw_positions(axes, ledger: Ledger) -> None:
    """Values answered exactly against positions of the attention window."""
    raw = [name for name in RAW if f"triplet.{name}.values.exact" in ledger]
    others = [name for name in ARMS if name not in RAW and f"triplet.{name}.values.exact" in ledger]
    for names, (label, colour, marker), line in [(raw, ("raw tokens alone", "#000000", "o"), "-")] + [
        ([name], ARMS[name], "none") for name in others
    ]:
        entries = [ledger[f"triplet.{name}.values.exact"] for name in names]
        positions = [ledger[f"triplet.{name}.positions"]["value"] for name in names]
        style = {"color": colour, "marker": marker, "markersize": 4, "elinewidth": 0.7, "capsize": 1.5, "linewidth": 0.8}
        axes.errorbar(positions, [one["value"] for one in entries], yerr=whiskers(entries), linestyle=line, label=label, **style)
    n = ledger[f"triplet.{raw[0]}.values.exact"]["n"]
    axes.set(xlabel="positions of attention, zone included", ylabel="share exact", ylim=(-0.03, 1.03))
    axes.set_title(f"names and values in evicted text (n = {n})", fontsize=7)
    axes.legend(fontsize=5.5)


def draw_sets(axes, ledger: Ledger) -> None:
    """Every set of questions, every arm a marker."""
    there = [name for name in ARMS if f"triplet.{name}.values.exact" in ledger]
    for at, name in enumerate(there):
        shift = 0.6 * (at / max(1, len(there) - 1) - 0.5)
        found = {place: ledger.get(f"triplet.{name}.{kind}.exact") for place, kind in enumerate(SETS)}
        found = {place: entry for place, entry in found.items() if entry}
        draw_dots(axes, [place + shift for place in found], list(found.values()), *ARMS[name][1:], label=ARMS[name][0])
    counts = [
        ledger[f"triplet.{there[0]}.{kind}.exact"]["n"] if f"triplet.{there[0]}.{kind}.exact" in ledger else 0 for kind in SETS
    ]
    axes.set_yticks(range(len(SETS)), [f"{title} ({n})" for title, n in zip(SETS.values(), counts, strict=True)], fontsize=6)
    axes.invert_yaxis()
    axes.set(xlabel="share exact", xlim=(-0.03, 1.03))
    axes.set_title("by question (n)", fontsize=7)
    axes.legend(fontsize=5.5, ncols=2, loc="upper center", bbox_to_anchor=(0.4, -0.16), frameon=False)


def draw_contents(axes, ledger: Ledger, measure: str) -> None:
    """One measure of the arm of triplets by what stands in its zone."""
    found = {name: ledger[f"triplet.{name}.{measure}"] for name in CONTENTS if f"triplet.{name}.{measure}" in ledger}
    draw_dots(axes, range(len(found)), list(found.values()), *ARMS["quarter_window"][1:])
    axes.set_yticks(range(len(found)), [CONTENTS[name] for name in found], fontsize=6)
    axes.invert_yaxis()


def draw(ledger: Ledger):
    """Four panels, every point an entry of the ledger."""
    if "triplet.with.values.exact" not in ledger:
        raise UserError("--ledger", "holds no arms that read through a window", "run the rule score_windowed")
    figure, ((positions, sets), (contents, ppl)) = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 5.6), height_ratios=(3, 2))
    draw_positions(positions, ledger)
    draw_sets(sets, ledger)
    draw_contents(contents, ledger, "values.exact")
    contents.set(xlabel="share exact, names and values", xlim=(-0.03, 1.03))
    contents.set_title("by what stands in the zone of triplets", fontsize=7)
    draw_contents(ppl, ledger, "fact_ppl")
    ppl.set(xlabel="perplexity of tokens that name its facts", xscale="log")
    ppl.set_xticks(_TICKS, [str(tick) for tick in _TICKS])
    ppl.minorticks_off()
    ppl.set_title(f"the same, in running text (n = {ledger['triplet.with.fact_ppl']['n']:,} tokens)", fontsize=7)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger)), args.out)
    print(f"{', '.join(map(str, args.out))}: what a short window, with and without memories, still knows of the text before it")


if __name__ == "__main__":
    run_step(main)
