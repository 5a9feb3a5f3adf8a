"""Figure: what a small model says of the state that a text left in it, by the words since the telling and by the number of
changes; bytes against words read; recall of pairs against the learning rate, where that sweep was run.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.ticker import StrMethodFormatter

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

LOOK = {  # Okabe and Ito; hollow: controls
    "state": ("own state", "#0072B2", "o", "full"),
    "matrices": ("own state, bank emptied", "#56B4E9", "D", "full"),
    "bank": ("own state, matrices emptied", "#009E73", "^", "none"),
    "attention": ("plain attention, whole text", "#E69F00", "s", "full"),
    "none": ("no state", "#000000", "X", "none"),
    "donor": ("another user's state", "#D55E00", "v", "none"),
    "shuffled": ("own state, shuffled", "#CC79A7", "P", "none"),
}
LEARNERS = {
    "delta": ("delta rule", "#0072B2", "o"),
    "linear": ("linear attention", "#D55E00", "v"),
    "attention": ("plain attention", "#E69F00", "s"),
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def points_of(ledger: Ledger, before: str, after: str) -> list[int]:
    """The numbers between two parts of keys; UserError where there are none."""
    found = {int(part) for part in ledger.parts(before, after) if part.isdigit()}
    if not found:
        raise UserError("--ledger", "holds no live memory", "run the rule score_live")
    return sorted(found)


def draw_arms(axes, ledger: Ledger, within: str, points: list[int], measure: str) -> None:
    """Every arm at every gap (within g) or number of updates (u), beside each other."""
    for at, (arm, (label, colour, marker, filled)) in enumerate(LOOK.items()):
        keys = [f"live.{arm}.{within}{point}.{measure}" for point in points]
        known = [(place, ledger[key]) for place, key in enumerate(keys) if key in ledger]
        style = {"color": colour, "marker": marker, "markerfacecolor": colour if filled == "full" else "none", "markersize": 3.5}
        places, entries = [place + (at - len(LOOK) / 2) * 0.08 for place, _ in known], [entry for _, entry in known]
        values = [entry["value"] for entry in entries]
        axes.errorbar(places, values, yerr=whiskers(entries), linestyle="none", elinewidth=0.5, label=label, **style)
    axes.set_xticks(range(len(points)), [f"{point:,}" for point in points])
    axes.set(ylim=(-0.03, 1.03))


def draw_rates(axes, ledger: Ledger) -> None:
    """Recall of the most pairs at every learning rate, with the spread over trainings."""
    found = [match for key in ledger.keys() if (match := re.fullmatch(r"mqar\.(\w+)\.p(\d+)\.r(.+)\.exact", key))]  # noqa: SIM118
    if not found:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "sweep of rates\nnot run", ha="center", va="center", transform=axes.transAxes, fontsize=6)
        return
    most = max(int(match[2]) for match in found)
    for name, (label, colour, marker) in LEARNERS.items():
        mine = sorted((float(match[3]), match[0]) for match in found if match[1] == name and int(match[2]) == most)
        if mine:
            entries = [ledger[key] for _, key in mine]
            axes.errorbar([rate for rate, _ in mine], [one["value"] for one in entries], yerr=whiskers(entries), color=colour,
                          marker=marker, markersize=3.5, linewidth=0.8, elinewidth=0.5, label=label)  # fmt: skip
    axes.set_xscale("log")
    axes.set(xlabel="learning rate", ylim=(-0.03, 1.03), title=f"{most} pairs recalled")
    axes.legend(fontsize=5, loc="lower right")


def draw(ledger: Ledger):
    """Present and stale values by gap, present ones by updates, bytes, and the sweep of rates."""
    gaps, updates = points_of(ledger, "live.state.g", ".current.exact"), points_of(ledger, "live.state.u", ".current.exact")
    figure, panels = plt.subplots(1, 5, figsize=(PAGE_WIDTH, 2.7))
    draw_arms(panels[0], ledger, "g", gaps, "current.exact")
    n = ledger[f"live.state.g{gaps[0]}.current.exact"]["n"]
    panels[0].axhline(ledger["live.prior.current.exact"]["value"], color="#444444", linewidth=0.6, linestyle=":")
    panels[0].set(xlabel="words since the telling", title=f"present value said\nn = {n:,} a point")
    draw_arms(panels[1], ledger, "g", gaps, "stale.rate")
    n = ledger[f"live.state.g{gaps[0]}.stale.rate"]["n"]
    panels[1].set(xlabel="words since the telling", title=f"stale value said\nn = {n:,} a point")
    draw_arms(panels[2], ledger, "u", updates, "current.exact")
    n = ledger[f"live.state.u{updates[0]}.current.exact"]["n"]
    panels[2].set(xlabel="changes before", title=f"present value said\nn = {n:,} a point")
    lengths = points_of(ledger, "live.state.n", ".bytes")
    for name in ("state", "attention"):
        label, colour, marker, _ = LOOK[name]
        sizes = [ledger[f"live.{name}.n{length}.bytes"]["value"] / 1024 for length in lengths]
        panels[3].plot(range(len(lengths)), sizes, color=colour, marker=marker, markersize=3.5, linewidth=0.8, label=label)
    panels[3].set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths])
    panels[3].set(yscale="log", xlabel="words read", title="KiB that are kept")
    draw_rates(panels[4], ledger)
    for axes in panels:
        axes.tick_params(labelsize=5)
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":  # powers of ten would have smaller superscripts
                axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.title.set_fontsize(6)
        axes.xaxis.label.set_fontsize(6)
    for axes in (*panels[:2], panels[3]):
        axes.tick_params(axis="x", rotation=60)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=5.5, ncols=4, loc="lower center")
    figure.suptitle("Live memory (95 % intervals over users; dotted: question-only prior)", fontsize=7.5)
    figure.tight_layout(rect=(0, 0.13, 1, 1), w_pad=0.4)
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger)), args.out)
    print(
        f"{', '.join(map(str, args.out))}: what a state of constant size still says, and what it says without being that user's"
    )


if __name__ == "__main__":
    run_step(main)
