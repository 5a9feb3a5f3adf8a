"""Figure: extracted triplets. Agreement with gold by what is new and by hard case; where several strategies read the same
passages, theirs side by side; how much shorter text is as triplets.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, draw_dots, plt, save, use_style
from loci.errors import UserError, run_step

GROUPS = {
    "none": "known names and wordings",
    "names": "new names",
    "wordings": "new wordings",
    "both": "both new",
    "pronoun": "subject by pronoun",
    "negation": "negation",
    "update": "update",
}
MEASURES = {  # Okabe and Ito
    "precision": ("precision", "#E69F00", "<"),
    "recall": ("recall", "#0072B2", ">"),
    "f1": ("F1", "#000000", "D"),
}
STRATEGIES = {
    "a": ("A: over a pretrained encoder", "#000000", "D"),
    "b": ("B: a side model from scratch", "#009E73", "s"),
    "c": ("C: the reader itself", "#D55E00", "^"),
}
FORMS = {
    "vectors": ("a position a triplet", "#56B4E9", "d"),
    "spelt": ("a position a token of its object", "#0072B2", "D"),
}
_TICKS = (2, 5, 10, 20, 50)  # tokens a position


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def column(axes, entries: list[dict], look: tuple[str, str, str], shift: float) -> None:
    """An entry a row, downwards."""
    label, colour, marker = look
    draw_dots(axes, [at + shift for at in range(len(entries))], entries, colour, marker, label=label)


def draw(ledger: Ledger):
    """Two panels, three where strategies stand side by side; every point an entry of the ledger."""
    groups = [name for name in GROUPS if f"extraction.a.{name}.f1" in ledger]
    if not groups:
        raise UserError("--ledger", "holds no scores of extraction", "run the rule measure_extraction")
    there = {name: look for name, look in STRATEGIES.items() if f"extraction.exams.{name}.all.f1" in ledger}
    rows, height = (2, 5.4) if there else (1, 2.9)
    figure, panels = plt.subplots(rows, 2, figsize=(PAGE_WIDTH, height), width_ratios=(3, 2), squeeze=False)
    (agreement, shorter), *rest = panels
    if there:
        draw_strategies(*rest[0], ledger, there)
    for shift, (name, look) in zip((-0.2, 0.0, 0.2), MEASURES.items(), strict=True):
        column(agreement, [ledger[f"extraction.a.{group}.{name}"] for group in groups], look, shift)
    counts = [ledger[f"extraction.a.{group}.f1"]["n"] for group in groups]
    labels = [f"{GROUPS[group]} (n = {n:,})" for group, n in zip(groups, counts, strict=True)]
    agreement.set_yticks(range(len(groups)), labels, fontsize=6)
    agreement.invert_yaxis()
    agreement.set(xlabel="agreement with gold triplets, held-out text", xlim=(0.5, 1.01))
    agreement.legend(fontsize=6, loc="lower left")
    kinds = sorted(ledger.parts("triplet.compression.", ".spelt"))
    for shift, (name, look) in zip((-0.1, 0.1), FORMS.items(), strict=True):
        column(shorter, [ledger[f"triplet.compression.{kind}.{name}"] for kind in kinds], look, shift)
    kept = [ledger[f"triplet.compression.{kind}.kept"]["value"] for kind in kinds]
    documents = [ledger[f"triplet.compression.{kind}.spelt"]["n"] for kind in kinds]
    labels = [f"{kind} (n = {n})\nkeeps {share:.0%}" for kind, share, n in zip(kinds, kept, documents, strict=True)]
    shorter.set_yticks(range(len(kinds)), labels, fontsize=6)
    shorter.invert_yaxis()
    shorter.set(xlabel="tokens of text a position", xscale="log", xlim=(_TICKS[0], _TICKS[-1]))
    shorter.set_xticks(_TICKS, [str(tick) for tick in _TICKS])
    shorter.minorticks_off()
    shorter.legend(fontsize=5.5, ncols=2, loc="upper center", bbox_to_anchor=(0.1, 1.14), frameon=False)
    figure.tight_layout()
    return figure


def draw_strategies(axes, beside, ledger: Ledger, there: dict[str, tuple[str, str, str]]) -> None:
    """F1 of each strategy on the same passages; `beside` holds the legend."""
    for shift, (name, look) in zip((-0.2, 0.0, 0.2), there.items(), strict=False):
        column(axes, [ledger[f"extraction.exams.{name}.{group}.f1"] for group in GROUPS], look, shift)
    counts = [ledger[f"extraction.exams.{next(iter(there))}.{group}.f1"]["n"] for group in GROUPS]
    labels = [f"{words} (n = {n:,})" for words, n in zip(GROUPS.values(), counts, strict=True)]
    axes.set_yticks(range(len(GROUPS)), labels, fontsize=6)
    axes.invert_yaxis()
    axes.set(xlabel="F1 on passages of held-out exams", xlim=(-0.03, 1.03))
    beside.axis("off")
    beside.legend(*axes.get_legend_handles_labels(), fontsize=6.5, loc="center", frameon=False)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger)), args.out)
    print(f"{', '.join(map(str, args.out))}: how right extracted triplets are, and how much room they save")


if __name__ == "__main__":
    run_step(main)
