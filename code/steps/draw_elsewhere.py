"""Figure: rows at mentions and rows elsewhere. What a student keeps of its teacher, what survives a move, what tuning costs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, draw_dots, plt, save, use_style
from loci.errors import UserError, run_step

PANELS = {  # title, label of the axis, what is drawn: label -> key behind "inside."
    "mentions": (
        "questions that mention a fact",
        "share answered",
        {
            "fact in the prompt": "mention.{base}.teacher.exact",
            "rows at the mention": "mention.{base}.rows.exact",
            "… wordings studied": "mention.{base}.rows.study_exact",
            "… of what the prompt answers": "mention.{base}.rows.kept",
            "another user's rows": "mention.{base}.donor.exact",
            "random rows": "mention.{base}.random.exact",
            "nothing": "mention.{base}.none.exact",
        },
    ),
    "divergence": (
        "distance from the teacher",
        "nats a token (KL)",
        {
            "studied, no rows": "mention.{base}.kl.study.before",
            "studied, rows": "mention.{base}.kl.study.after",
            "asked, no rows": "mention.{base}.kl.asked.before",
            "asked, rows": "mention.{base}.kl.asked.after",
        },
    ),
    "transfer": (
        "tables carried elsewhere",
        "share said",
        {
            f"{place}: {how}": f"transfer.{{base}}.{target}.{name}.says"
            for target, place in (("projections", "other projections"), ("tuned", "base trained on"))
            for name, how in (("as_is", "as they are"), ("mapped", "mapped"), ("native", "written there"))
        },
    ),
    "stack": (
        "two domains in one table",
        "share said",
        {
            "alone": "stack.{base}.alone.first.says",
            **{
                f"{kind}, {how}: {place}": f"stack.{{base}}.{name}.{table}.{part}.says"
                for name, kind in (("disjoint", "other triggers"), ("shared", "same triggers"))
                for table, how in (("stacked", "laid over"), ("salted", "salted"))
                for part, place in (("first", "first"), ("second", "second"))
            },
        },
    ),
    "long": (
        "a hundred tokens on",
        "share",
        {
            "fact said, rows": "long.{base}.rows.used.says",
            "fact said, no rows": "long.{base}.none.used.says",
            "repeated, rows": "long.{base}.rows.repeated",
            "repeated, no rows": "long.{base}.none.repeated",
            "… from the whole fact, rows": "long.{base}.told.rows.repeated",
            "… from the whole fact, no rows": "long.{base}.told.none.repeated",
        },
    ),
    "tuned": (
        "unrelated text after writing",
        "nats next tokens move by",
        {
            "rows": "tuned.{base}.rows.unrelated.kl",
            "rows and projections": "tuned.{base}.table.unrelated.kl",
            "all weights": "tuned.{base}.model.unrelated.kl",
        },
    ),
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def draw(ledger: Ledger, base: str):
    """One panel a study; a point a condition, which the ledger may lack: of a teacher that answers nothing, nothing is kept."""
    if f"inside.mention.{base}.teacher.exact" not in ledger:
        raise UserError("--ledger", f"holds no rows at mentions of {base}", "run the rules distil_mentions and move_rows")
    figure, panels = plt.subplots(3, 2, figsize=(PAGE_WIDTH, 6.2))
    for axes, (title, label, keys) in zip(panels.flat, PANELS.values(), strict=True):
        found = {name: ledger.get(f"inside.{key.format(base=base)}") for name, key in keys.items()}
        kept = {name: entry for name, entry in found.items() if entry}
        if not kept:
            raise UserError("--ledger", f"holds nothing for '{title}'", "run the rules distil_mentions and move_rows")
        draw_dots(axes, list(range(len(kept))), list(kept.values()), "#0072B2", "o")
        axes.set_yticks(range(len(kept)), kept, fontsize=5.5)
        axes.invert_yaxis()
        axes.set_xlabel(label, fontsize=6.5)
        if label.startswith("share"):
            axes.set_xlim(-0.03, 1.03)
        axes.set_title(f"{title} (n = {max(entry['n'] for entry in kept.values())} facts)", fontsize=7)
    figure.suptitle("Rows at mentions, and rows elsewhere (95 % intervals over facts, seeds averaged)", fontsize=7.5)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: what rows at mentions keep of the prompt, and what survives a move")


if __name__ == "__main__":
    run_step(main)
