"""Figure: LOCOMO. Cited turns that memories bring back, answers by category, what prompts cost, and whom the judge believes."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, look_of, name_of, ordered, plt, save, use_style, whiskers
from loci.errors import UserError, run_step
from loci.worlds.locomo import CATEGORIES

_NOT_SEARCHING = ("none", "gold", "all", "recent")
_RIGHT = {
    "framed": "in a sentence",
    "hedged": "hedged",
    "order": "reordered",
    "date": "date, other form",
    "number": "number, other form",
    "words": "other words",
    "labelled": "labelled by hand",
}
_WRONG = {
    "specific": "specific",
    "vague": "vague",
    "swapped": "other speaker's",
    "shifted": "date moved",
    "replaced": "one word other",
    "refusal": "refusal",
    "labelled": "labelled by hand",
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def source_of(ledger: Ledger) -> str:
    """What the ledger is about: LOCOMO's file, or its stand-in; UserError where it is neither."""
    for source in ("locomo", "standin"):
        if ledger.parts(f"{source}.", ".turn.recall_at_10"):
            return source
    raise UserError("--ledger", "holds no recall of LOCOMO or its stand-in", "run the rule recall_locomo")


def draw(ledger: Ledger):
    """Four panels, every point an entry of the ledger."""
    source = source_of(ledger)
    figure, ((recall, answers), (tokens, judge)) = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 5.6))
    names = ordered(ledger.parts(f"{source}.", ".turn.recall_at_10"))
    draw_recall(recall, ledger, source, [name for name in names if name not in _NOT_SEARCHING])
    answered = [name for name in names if f"{source}.{name}.f1" in ledger]
    draw_answers(answers, ledger, source, answered)
    draw_tokens(tokens, ledger, source, answered)
    draw_judge(judge, ledger, "judge" if source == "locomo" else f"{source}_judge")
    about = "LOCOMO" if source == "locomo" else "the stand-in for LOCOMO"
    figure.suptitle(f"{about}: 95 % intervals over conversations", fontsize=7.5)
    figure.tight_layout()
    return figure


def draw_recall(axes, ledger: Ledger, source: str, names: list[str]) -> None:
    """Share of cited turns against the number of lines."""
    for name in names:
        found = {}
        for key in ledger.keys():  # noqa: SIM118, no dict
            if match := re.fullmatch(rf"{source}\.{name}\.turn\.recall_at_(\d+)", key):
                found[int(match[1])] = ledger[key]
        lines = sorted(found)
        style = look_of(name) | {"label": name_of(name), "markersize": 3.5, "elinewidth": 0.7, "linewidth": 0.8}
        axes.errorbar(lines, [found[k]["value"] for k in lines], yerr=whiskers([found[k] for k in lines]), **style)
    n = ledger[f"{source}.{names[0]}.turn.recall_at_10"]["n"]
    axes.set(xscale="log", ylim=(0, 1), xlabel="lines", ylabel=f"cited turns among them (n = {n:,})")
    axes.set_xticks(lines, [str(k) for k in lines])
    axes.legend(fontsize=5, ncols=2)


def draw_answers(axes, ledger: Ledger, source: str, names: list[str]) -> None:
    """Official F1 by category, memories side by side."""
    for at, name in enumerate(names):
        places = [category + (at - len(names) / 2) * 0.055 for category in CATEGORIES]
        found = [ledger.get(f"{source}.{name}.id{category}.f1") for category in CATEGORIES]
        there = [(place, entry) for place, entry in zip(places, found, strict=True) if entry]
        style = look_of(name) | {"label": name_of(name), "markersize": 3, "elinewidth": 0.6, "linestyle": "none"}
        shares = [entry for _, entry in there]
        axes.errorbar([place for place, _ in there], [one["value"] for one in shares], yerr=whiskers(shares), **style)
    sizes = {category: (ledger.get(f"{source}.{names[0]}.id{category}.f1") or {"n": 0})["n"] for category in CATEGORIES}
    ticks = [f"{category}\n{title}\nn = {sizes[category]}" for category, title in CATEGORIES.items()]
    axes.set_xticks(list(CATEGORIES), ticks, fontsize=5.5)
    axes.set(ylabel="official score")


def draw_tokens(axes, ledger: Ledger, source: str, names: list[str]) -> None:
    """Official F1 of categories 1 to 4 against tokens of the prompt."""
    for name in names:
        score, size = ledger[f"{source}.{name}.f1"], ledger[f"{source}.{name}.prompt_tokens"]["value"]
        style = look_of(name) | {"label": name_of(name), "markersize": 4, "elinewidth": 0.7, "linestyle": "none"}
        axes.errorbar([size], [score["value"]], yerr=whiskers([score]), **style)
    n = ledger[f"{source}.{names[0]}.f1"]["n"]
    sizes = [ledger[f"{source}.{name}.prompt_tokens"]["value"] for name in names]
    axes.set(xscale="log", xlabel="tokens of a prompt, mean", ylabel=f"official F1, categories 1 to 4 (n = {n})")
    axes.xaxis.set_major_locator(
        FixedLocator([at for at in (100, 300, 1000, 3000, 10000) if min(sizes) / 2 < at < max(sizes) * 2])
    )
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=5, loc="center right")


def draw_judge(axes, ledger: Ledger, prefix: str) -> None:
    """What the lexical judge accepts of answers that are right, and of answers that are wrong."""
    place, ticks = 0, []
    for side, kinds, colour, marker in (("right", _RIGHT, "#009E73", "o"), ("wrong", _WRONG, "#D55E00", "s")):
        for kind, words in kinds.items():
            entry = ledger.get(f"{prefix}.lexical.{side}.{kind}")
            if entry:
                style = {"color": colour, "marker": marker, "markersize": 4, "elinewidth": 0.7, "capsize": 1.5}
                axes.errorbar([entry["value"]], [place], xerr=whiskers([entry]), **style)
                ticks.append((place, f"{side}: {words} ({entry['n']:,})"))
                place += 1
    axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks], fontsize=5.5)
    axes.invert_yaxis()
    axes.set(xlabel="share that the lexical judge accepts", xlim=(-0.03, 1.03))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger)), args.out)
    print(
        f"{', '.join(map(str, args.out))}: what memories find in LOCOMO, what a small reader makes of it, and how its judge errs"
    )


if __name__ == "__main__":
    run_step(main)
