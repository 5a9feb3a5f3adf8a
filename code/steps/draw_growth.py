"""Figure: memories that grow. Recall of the needed fact and exact answers against the facts of one user, and recall and leaks
of one index that many users share.

Every value comes from the ledger.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, draw_intervals, name_of, ordered, plt, save, use_style
from loci.errors import UserError, run_step


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose answers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def curves(ledger: Ledger, pattern: str) -> dict[str, list[tuple[int, dict]]]:
    """{memory: [(size, entry)]} of the keys that the pattern (groups: memory, size) matches, sizes rising."""
    found: dict[str, list[tuple[int, dict]]] = {}
    for key in ledger.keys():  # noqa: SIM118, not a dict
        if match := re.fullmatch(pattern, key):
            found.setdefault(match["memory"], []).append((int(match["size"]), ledger[key]))
    if not found:
        raise UserError("--ledger", f"holds no key like {pattern}", "run the rules grow_memories and score_growth")
    return {memory: sorted(found[memory], key=lambda point: point[0]) for memory in ordered(list(found))}


def draw_curves(axes, points: dict[str, list[tuple[int, dict]]], line: str = "-", named: bool = True) -> int:
    """A curve with 95 % intervals for each memory; gives n of the first point."""
    for memory, curve in points.items():
        sizes, entries = zip(*curve, strict=True)
        label = name_of(memory) if named else None
        draw_intervals(axes, list(sizes), list(entries), memory, linestyle=line, linewidth=1, markersize=4, label=label)
    axes.set_xscale("log")
    sizes = sorted({size for curve in points.values() for size, _ in curve})
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(-0.04, 1.04)
    return next(iter(points.values()))[0][1]["n"]


def draw(ledger: Ledger, base: str):
    """The whole figure."""
    figure, ((recall, answers), (shared, leaks)) = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 5.4))
    n = draw_curves(recall, curves(ledger, r"growth\.(?P<memory>\w+)\.n(?P<size>\d+)\.direct\.at_5"))
    recall.set(xlabel="Facts of one user (log scale)", ylabel=f"Needed fact among the five recalled\n(share of n = {n})")
    n = draw_curves(answers, curves(ledger, rf"growth\.(?P<memory>\w+)\.{re.escape(base)}\.n(?P<size>\d+)\.direct\.exact"))
    answers.set(xlabel="Facts of one user (log scale)", ylabel=f"Direct question, exact\n(share of n = {n})")
    for axes, what, label in (
        (shared, "at_5", "Needed fact among the five recalled"),
        (leaks, "leak", "Another user's canary recalled"),
    ):
        n = draw_curves(axes, curves(ledger, rf"population\.(?P<memory>\w+)\.u(?P<size>\d+)\.shared\.{what}"))
        filtered = curves(ledger, rf"population\.(?P<memory>\w+)\.u(?P<size>\d+)\.filtered\.{what}")
        draw_curves(axes, filtered, line=":", named=False)
        axes.set(xlabel="Users of one index (log; dotted: user filter)", ylabel=f"{label}\n(share of n = {n})")
    named = {}
    for axes in (recall, shared):
        named |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(list(named.values()), list(named), loc="lower center", ncols=4, fontsize=7)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: what is still found as one memory, and one shared index, grow")


if __name__ == "__main__":
    run_step(main)
