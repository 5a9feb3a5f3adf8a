"""Figure: density. How many facts of one owner a table holds, in which format, how addressed, and what it does elsewhere."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style
from loci.errors import UserError, run_step

FORMATS = {"": ("float32", "#0072B2", "o"), ".float16": ("float16", "#009E73", "s"), ".int8": ("int8", "#D55E00", "^")}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def points(axes, at: list[float], entries: list[dict], **look) -> None:
    """Values with their intervals, where they have one."""
    ends = [
        [one["value"] - one.get("low", one["value"]) for one in entries],
        [one.get("high", one["value"]) - one["value"] for one in entries],
    ]
    axes.errorbar(at, [one["value"] for one in entries], yerr=ends, markersize=4, elinewidth=0.7, capsize=1.5, **look)


def draw(ledger: Ledger, base: str):
    """Recall against facts, recall against bytes, other addressing, and other text."""
    name = f"density.rows.{base}."
    sizes = sorted(int(part) for part in ledger.parts(f"{name}n", ".exact"))
    if not sizes:
        raise UserError("--ledger", "holds no density", "run the rule score_density")
    figure, ((recall, size), (kinds, elsewhere)) = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 4.6))
    for form, (label, colour, marker) in FORMATS.items():
        found = [ledger[f"{name}n{count}{form}.exact"] for count in sizes]
        look = {"color": colour, "marker": marker, "label": label}
        points(recall, sizes, found, linewidth=0.8, **look)
        kilo = [ledger[f"{name}n{count}{form}.bytes_per_100_facts"]["value"] / 1000 for count in sizes]
        points(size, kilo, found, linestyle="none", **look)
    said = [ledger[f"{name}n{count}.midconv.exact"] for count in sizes]
    points(recall, sizes, said, linewidth=0.8, linestyle=":", color="#CC79A7", marker="D", label="float32, after other talk")
    recall.set(xscale="log", xlabel="facts of one owner in the table", ylabel="share exact", ylim=(-0.03, 1.03))
    size.set(xlabel="kB of 100 facts, addresses with them", ylabel="share exact")
    recall.legend(fontsize=6)
    size.legend(fontsize=6)
    _draw_variants(kinds, ledger, name)
    for measure, label, colour, marker in (("dnats_at_hits", "nats of the token after a hit", "#D55E00", "v"),):
        points(
            elsewhere, sizes, [ledger[f"{name}n{count}.{measure}"] for count in sizes], color=colour, marker=marker, label=label
        )
    elsewhere.set(xscale="log", xlabel="facts of one owner in the table", ylabel="Δ nats at hits, prose and chat")
    rate = elsewhere.twinx()
    hits = [100 * ledger[f"{name}n{count}.hit_rate"]["value"] for count in sizes]
    rate.plot(sizes, hits, color="#0072B2", marker="s", markersize=3, linewidth=0.8, label="positions that read a row")
    rate.set_ylabel("positions hit (%)")
    elsewhere.legend(loc="upper left", fontsize=6)
    rate.legend(loc="lower right", fontsize=6)
    figure.suptitle(f"Facts in one table, {base}: joint writing, 95 % intervals over facts", fontsize=7.5)
    figure.tight_layout()
    return figure


def _draw_variants(axes, ledger: Ledger, name: str) -> None:
    """Tables of one size that differ in one thing each."""
    found = {}
    for key in ledger.keys():  # noqa: SIM118, a ledger is no dict
        table, _, rest = key.removeprefix(name).partition(".")
        variant = rest.removesuffix(".exact")
        if (
            key.startswith(name)
            and key.endswith(".exact")
            and variant not in ("", "exact", "float16", "int8", "midconv")
            and "." not in variant
        ):
            found[f"{variant} (n = {table[1:]})"] = ledger[key]
            found.setdefault(f"as frozen (n = {table[1:]})", ledger[f"{name}{table}.exact"])
    for row, variant in enumerate(sorted(found)):
        entry = found[variant]
        ends = [[entry["value"] - entry["low"]], [entry["high"] - entry["value"]]]
        axes.errorbar(entry["value"], row, xerr=ends, color="#0072B2", marker="o", markersize=4, elinewidth=0.7, capsize=1.5)
    axes.set_yticks(range(len(found)), sorted(found), fontsize=6)
    axes.set(xlabel="share exact", xlim=(-0.03, 1.03))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: recall against facts and bytes, and what a table does to other text")


if __name__ == "__main__":
    run_step(main)
