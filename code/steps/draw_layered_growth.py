"""Figure: rows, adapters and retrieval as one owner's facts grow. Answers by kind of question, and what storing costs."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from loci.bench.layer_titles import TITLES as LAYERED
from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

MEASURES = {
    "direct.exact": "direct, exact",
    "paraphrase.exact": "unseen wordings, exact",
    "paraphrase.wrong": "unseen wordings, wrong instead of not known",
    "indirect.exact": "indirect, exact",
}
LOOKS = {  # colours of Okabe and Ito
    "c": ("#555555", "o", "-"),
    "b": ("#E69F00", "p", "--"),
    "f": ("#D55E00", "v", ":"),
    "j": ("#009E73", "s", "--"),
    "jf": ("#56B4E9", "^", "--"),
    "k": ("#0072B2", "D", "-"),
    "kp": ("#CC79A7", "*", "-"),
}
TITLES = LAYERED | {"jf": "J of a reader taught with such lines", "kp": "K of a reader with as many more lessons"}
_BESIDE = ("jf", "kp")  # drawn where they were run
_APART = 0.04  # decades between conditions of one size, so that each interval can be seen
STORES = {
    "rows": ("rows", "#555555", "o"),
    "recited": ("rows of the reciting reader", "#0072B2", "D"),
    "index": ("index", "#009E73", "s"),
    "user": ("own LoRA", "#E69F00", "p"),
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def curve(ledger: Ledger, before: str, after: str) -> list[tuple[int, dict]]:
    """(facts, entry) of the keys <before>n<facts><after>, sizes rising."""
    sizes = sorted(int(part) for part in ledger.parts(f"{before}n", after) if re.fullmatch(r"\d+", part))
    return [(size, ledger[f"{before}n{size}{after}"]) for size in sizes]


def ticks_at(axes, sizes: Sequence[int]) -> None:
    """The sizes that were run under the axis, in the place of powers of ten."""
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=5.5)
    axes.xaxis.minorticks_off()


def draw(ledger: Ledger, base: str):
    """One panel a measure, one for bytes, and names in the place of a sixth."""
    figure, grid = plt.subplots(2, 3, figsize=(PAGE_WIDTH, 4.2))
    *panels, names = grid.flat
    for axes, (measure, title) in zip(panels, MEASURES.items(), strict=False):
        counts: dict[int, int] = {}  # questions, by facts
        for place, (name, (colour, marker, line)) in enumerate(LOOKS.items()):
            points = curve(ledger, f"layered.{name}.{base}.", f".{measure}")
            if not points and name in _BESIDE:
                continue
            if not points:
                raise UserError("--ledger", f"holds no growth of condition {name}", "run the rule score_grown")
            sizes, entries = zip(*points, strict=True)
            look = {"color": colour, "marker": marker, "linestyle": line, "label": TITLES[name]}
            aside = 10 ** (_APART * (place - (len(LOOKS) - 1) / 2))
            axes.errorbar(
                [size * aside for size in sizes],
                [one["value"] for one in entries],
                yerr=whiskers(entries),
                markersize=4,
                elinewidth=0.7,
                capsize=1.5,
                **look,
            )
            counts |= {size: one["n"] for size, one in points}
        asked = [str(counts[size]) for size in sorted(counts)]
        axes.set_title(f"{title}\nn = {', '.join(asked if len({*asked}) > 1 else asked[:1])}", fontsize=6.5)
        axes.set(xscale="log", ylim=(-0.03, 1.03), xlabel="facts of one owner", ylabel="share of answers")
        ticks_at(axes, sorted(counts))
    for store, (label, colour, marker) in STORES.items():
        sizes, entries = zip(*curve(ledger, f"layered_growth.{store}.{base}.", ".bytes"), strict=True)
        panels[-1].plot(sizes, [one["value"] for one in entries], color=colour, marker=marker, markersize=4, label=label)
    panels[-1].set(xscale="log", yscale="log", xlabel="facts of one owner", ylabel="bytes a user")
    ticks_at(panels[-1], sorted(counts))
    panels[-1].set_ylim(bottom=1e3)  # room for the legend
    panels[-1].set_title("size", fontsize=6.5)
    panels[-1].legend(fontsize=5, loc="lower right")
    handles, labels = panels[0].get_legend_handles_labels()
    names.axis("off")
    names.legend(handles, labels, loc="center left", fontsize=6)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: what rows, adapters and retrieval still answer with more facts")


if __name__ == "__main__":
    run_step(main)
