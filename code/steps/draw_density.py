"""Figure: density. How many facts of one owner a table holds, in which format, how addressed, and what it does elsewhere."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

VARIANTS = {"shared": "triggers share their last {}", "orders": "orders {}", "heads": "heads {}"}
MIDCONV = (".midconv", "after other talk", "#CC79A7", "D", 0.15)
FORMATS = {"": ("float32", "#0072B2", "o"), ".float16": ("float16", "#009E73", "s"), ".int8": ("int8", "#D55E00", "^")}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def points(axes, at: list[float], entries: list[dict], **look) -> None:
    """Values with their intervals, where they have one."""
    axes.errorbar(
        at, [one["value"] for one in entries], yerr=whiskers(entries), markersize=4, elinewidth=0.7, capsize=1.5, **look
    )


def draw(ledger: Ledger, base: str):
    """Recall against facts, recall against bytes, other addressing, and other text."""
    name = f"density.rows.{base}."
    sizes = sorted(int(part) for part in ledger.parts(f"{name}n", ".exact"))
    if not sizes:
        raise UserError("--ledger", "holds no density", "run the rule score_density")
    figure, ((recall, size), (kinds, elsewhere)) = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 5.2), height_ratios=[3, 4])
    for form, (label, colour, marker) in FORMATS.items():
        found = [ledger[f"{name}n{count}{form}.exact"] for count in sizes]
        look = {"color": colour, "marker": marker, "label": label}
        points(recall, sizes, found, linewidth=0.8, **look)
        kilo = [ledger[f"{name}n{count}{form}.bytes_per_100_facts"]["value"] / 1000 for count in sizes]
        points(size, kilo, found, linestyle="none", **look)
    said = [ledger[f"{name}n{count}.midconv.exact"] for count in sizes]
    points(recall, sizes, said, linewidth=0.8, linestyle=":", color="#CC79A7", marker="D", label="float32, after other talk")
    recall.set(xscale="log", xlabel="facts of one owner in the table", ylabel="share exact", ylim=(-0.03, 1.03))
    size.set(xlabel="kB of 100 facts, addresses with them", ylabel="share exact", xlim=(0, None), ylim=(-0.03, 1.03))
    recall.legend(fontsize=6)
    size.legend(fontsize=6)
    _draw_variants(kinds, elsewhere, ledger, name, _tables(ledger, name, sizes))
    figure.suptitle(f"Facts in one table, {base}: joint writing, 95 % intervals over facts", fontsize=7.5)
    figure.tight_layout(rect=(0, 0, 0.995, 1))  # the last tick label is wider than its half of the margin
    return figure


def _tables(ledger: Ledger, name: str, sizes: list[int]) -> dict[str, str]:
    """{table: its name in the figure}: the growing ones, then those that differ from one of them in one thing."""
    tables = {f"n{count}": f"{count:,} facts" for count in sizes}
    for key in ledger.keys():  # noqa: SIM118, a ledger is no dict
        if match := re.fullmatch(re.escape(name) + r"(n(\d+)\.(shared|orders|heads)([\d-]+))\.exact", key):
            table, count, what, value = match.groups()
            tables[table] = f"{int(count):,} facts, {VARIANTS[what].format(value.replace('-', ', '))}"
    return tables


def _draw_variants(exact, elsewhere, ledger: Ledger, name: str, tables: dict[str, str]) -> None:
    """Left: what each table answers, bare and after other talk. Right: how often other text reads it, and what that does."""
    found = [100 * ledger[f"{name}{table}.hit_rate"]["value"] for table in tables]
    for row, (table, hits) in enumerate(zip(tables, found, strict=True)):
        for part, label, colour, marker, down in (("", "bare", "#0072B2", "o", -0.15), MIDCONV):
            entry = ledger[f"{name}{table}{part}.exact"]
            look = {"color": colour, "marker": marker, "markersize": 3.5, "elinewidth": 0.7, "capsize": 1.5}
            exact.errorbar(entry["value"], row + down, xerr=whiskers([entry]), label=None if row else label, **look)
        elsewhere.barh(row, hits, color="#E69F00")
        said = f"Δ {ledger[f'{name}{table}.dnats_at_hits']['value']:+.2f} nats after a hit" if hits else "none"
        elsewhere.text(hits, row, f" {said}", fontsize=6, va="center")
    exact.set_yticks(range(len(tables)), list(tables.values()), fontsize=6)
    exact.set(xlabel="share exact", xlim=(0.5, 1.01))
    exact.legend(fontsize=6)
    elsewhere.set_yticks(range(len(tables)), [])
    elsewhere.set(xlabel="positions of prose and chat that read a row (%)", xlim=(0, 2.2 * max(found) or 1))
    for axes in (exact, elsewhere):
        axes.set_ylim(len(tables) - 0.5, -0.5)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: recall against facts and bytes, and what a table does to other text")


if __name__ == "__main__":
    run_step(main)
