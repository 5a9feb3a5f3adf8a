"""Figure: sharing and stress. Left: one table for 2 to 1,000 users. Right: what rows withstand while they are written."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

MODES = {
    "one_table": ("one table, last write stands", "#D55E00", "o"),
    "salted": ("one table, salted addresses", "#009E73", "s"),
    "override": ("each user's own map", "#0072B2", "^"),
}
ASKED = {  # study: {what is asked: its name}
    "wording": {"bare": "bare", "midconv": "after other talk", "reworded": "in words never written"},
    "domains": {"personal": "personal facts", "medical": "medical facts"},
    "update": {"changed": "changed facts", "kept": "the others"},
    "deletion": {"kept": "the others"},
    "layer": {"bare": "bare", "midconv": "after other talk"},
}
TABLES = {
    "wording.bare": "statement alone",
    "wording.contexts": "after writing contexts",
    "wording.two_wordings": "two wordings",
    "domains.alone": "personal facts alone",
    "domains.apart": "written apart, laid over",
    "domains.together": "written together",
    "update.before": "before the update",
    "update.in_place": "updated in place",
    "update.again": "all written again",
    "deletion.before": "before the deletion",
    "deletion.in_place": "rows dropped",
    "deletion.again": "all written again",
}
LOOKS = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "D"))  # Okabe and Ito
STALE = ("#000000", "x")
MARKS = {"o": "●", "s": "■", "D": "◆"}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def draw(ledger: Ledger, base: str):
    """Own facts and leaks against users of one table; a row for each table written under stress."""
    figure, panels = plt.subplot_mosaic("as;ls", figsize=(PAGE_WIDTH, 4.6), width_ratios=[4, 5])
    draw_tenants(panels["a"], panels["l"], ledger, base)
    draw_stress(panels["s"], ledger, base)
    figure.suptitle(f"Rows shared by users, and rows under stress, {base}; 95 % intervals", fontsize=7.5)
    figure.tight_layout()
    return figure


def draw_tenants(exact, leaks, ledger: Ledger, base: str) -> None:
    """Share of own facts that are right, and of canaries that are somebody else's, against users of one table."""
    sizes = sorted({int(part) for part in ledger.parts(f"tenants.override.{base}.n", ".exact")})
    if not sizes:
        raise UserError("--ledger", "holds no tenants", "run the rule share_table and promote it")
    look = {"linewidth": 0.8, "markersize": 4, "elinewidth": 0.7, "capsize": 1.5}
    for mode, (label, colour, marker) in MODES.items():
        for axes, measure, style in ((exact, "exact", "-"), (leaks, "leaked_absent", "-"), (leaks, "leaked_own", ":")):
            found = [ledger[f"tenants.{mode}.{base}.n{size}.{measure}"] for size in sizes]
            name = label if axes is exact else {"leaked_absent": "never told", "leaked_own": "own one stored"}[measure]
            shown = name if axes is exact or mode == "one_table" else None
            values = [one["value"] for one in found]
            axes.errorbar(sizes, values, whiskers(found), color=colour, marker=marker, label=shown, linestyle=style, **look)
    n = ledger[f"tenants.override.{base}.n{sizes[-1]}.exact"]["n"]
    exact.set(xscale="log", ylim=(-0.03, 1.03), ylabel="own facts exact")
    exact.set_title(f"users of one table (n = {n} at {sizes[-1]:,})", fontsize=7)
    leaks.set(xscale="log", ylim=(-0.03, 1.03), ylabel="another's canary said", xlabel="users who share the table")
    exact.legend(fontsize=5.5, loc="center right")
    leaks.legend(fontsize=5.5, loc="center right", title="asked for a canary", title_fontsize=5.5)


def draw_stress(axes, ledger: Ledger, base: str) -> None:
    """A row for each table of each study: what it answers, and the old value where it should be gone."""
    depths = sorted(int(part) for part in ledger.parts("stress.layer.depth", f".{base}.bare.exact"))
    if not depths:
        raise UserError("--ledger", "holds no stress", "run the rule stress_rows and promote it")
    names = {**TABLES, **{f"layer.depth{share}": f"at {share} % of the depth" for share in depths}}
    listed, at, labels = [], 0.0, set()
    for name, label in names.items():
        study = name.partition(".")[0]
        at += 1.7 if listed and listed[-1][0] != study else 1.0
        for what, (colour, marker) in zip(ASKED[study], LOOKS, strict=False):
            entry = ledger[f"stress.{name}.{base}.{what}.exact"]
            _point(axes, entry, at, colour, marker)
        stale = f"stress.{name}.{base}.{'changed' if study == 'update' else 'gone'}.stale"
        if stale in ledger:
            _point(axes, ledger[stale], at, *STALE)
        listed.append((study, at, label))
        if study not in labels:
            labels.add(study)
            asked = [f"{MARKS[marker]} {what}" for what, (_, marker) in zip(ASKED[study].values(), LOOKS, strict=False)]
            asked += ["× old value still said"] if stale in ledger else []
            axes.text(0, at - 0.75, f"{study}: {', '.join(asked)}", fontsize=5.5, style="italic", va="center")
    axes.set_yticks([at for _, at, _ in listed], [label for *_, label in listed], fontsize=6)
    axes.set(xlim=(-0.03, 1.03), ylim=(listed[-1][1] + 0.7, -0.2), xlabel="share of sentences")


def _point(axes, entry: dict, at: float, colour: str, marker: str) -> None:
    look = {"color": colour, "marker": marker, "markersize": 3.5, "elinewidth": 0.7, "capsize": 1.5}
    axes.errorbar(entry["value"], at, xerr=whiskers([entry]), **look)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: one table for many users, and rows under stress")


if __name__ == "__main__":
    run_step(main)
