"""Figure: requests a second and seconds of a request against concurrency, requests against registered users, and machines
for more users than were measured.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

LOOK = {  # Okabe and Ito
    "plain": ("plain model", "#000000", "o"),
    "rows": ("rows of each user", "#0072B2", "s"),
    "lora_mixed": ("adapters mixed (peft)", "#D55E00", "^"),
    "lora_swapped": ("adapter swapped in", "#E69F00", "v"),
}
TRAFFIC = ("#009E73", "#CC79A7", "#56B4E9", "#F0E442")
MARKS = ("o", "s", "^", "D")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def draw_arms(axes, ledger: Ledger, measure: str, style: str, named: bool) -> None:
    """Every way of serving at every concurrency."""
    for arm, (label, colour, marker) in LOOK.items():
        sizes = sorted(int(part) for part in ledger.parts(f"serve.{arm}.c", f".{measure}"))
        entries = [ledger[f"serve.{arm}.c{size}.{measure}"] for size in sizes]
        look = {"color": colour, "marker": marker, "markersize": 3.5, "linewidth": 0.8, "elinewidth": 0.5, "linestyle": style}
        values = [entry["value"] for entry in entries]
        axes.errorbar(sizes, values, yerr=whiskers(entries), label=label if named else None, **look)
    axes.set(xscale="log", xlabel="requests at a time")


def draw_users(axes, ledger: Ledger) -> None:
    """Requests a second against registered users."""
    users = sorted(int(part) for part in ledger.parts("serve.rows.u", ".requests_per_second"))
    entries = [ledger[f"serve.rows.u{count}.requests_per_second"] for count in users]
    _, colour, marker = LOOK["rows"]
    values = [entry["value"] for entry in entries]
    look = {"color": colour, "marker": marker, "markersize": 3.5, "linewidth": 0.8, "elinewidth": 0.5}
    axes.errorbar(users, values, yerr=whiskers(entries), **look)
    ratio = ledger["serve.rows.scale_ratio"]
    axes.set(xscale="log", xlabel="registered users", ylim=(0, 1.3 * max(values)))
    axes.set_title(f"requests a second\nlast to first {ratio['value']:.3f} (n = {ratio['n']})", fontsize=6)


def draw_machines(axes, ledger: Ledger) -> None:
    """Simulated machines, a line for each exponent of Zipf's law."""
    found = [key.split(".") for key in ledger.keys() if key.startswith("serve.simulated.z") and key.endswith(".machines")]  # noqa: SIM118
    for at, traffic in enumerate(sorted({parts[2] for parts in found})):
        users = sorted(int(parts[3][1:]) for parts in found if parts[2] == traffic)
        values = [ledger[f"serve.simulated.{traffic}.u{count}.machines"]["value"] for count in users]
        look = {"color": TRAFFIC[at % len(TRAFFIC)], "marker": MARKS[at % len(MARKS)], "markersize": 3.5, "linewidth": 0.8}
        axes.plot(users, values, label=f"exponent {traffic[1:].replace('_', '.')}", **look)
    axes.set(xscale="log", yscale="log", xlabel="users (simulated)")
    axes.set_title("machines of this kind", fontsize=6)
    axes.legend(fontsize=5)


def draw(ledger: Ledger):
    """Speed, tails, registered users, and what follows for more."""
    if "serve.rows.overhead" not in ledger:
        raise UserError("--ledger", "holds no served requests", "run the rule load_serve")
    figure, panels = plt.subplots(1, 4, figsize=(PAGE_WIDTH, 2.4))
    draw_arms(panels[0], ledger, "requests_per_second", "-", True)
    runs = [ledger[f"serve.rows.c{size}.p50"]["n"] for size in ledger.parts("serve.rows.c", ".p50")]
    told = " to ".join(str(count) for count in sorted({min(runs), max(runs)}))
    panels[0].set_title(f"requests a second\n({told} runs)", fontsize=6)
    panels[0].set_ylim(0)
    draw_arms(panels[1], ledger, "p50", "-", False)
    draw_arms(panels[1], ledger, "p99", ":", False)
    panels[1].set_yscale("log")
    panels[1].set_title("seconds of a request\np50, dotted p99", fontsize=6)
    draw_users(panels[2], ledger)
    draw_machines(panels[3], ledger)
    for axes in panels:
        axes.tick_params(labelsize=7.2)  # a power of ten has its exponent in seven tenths of that
        axes.xaxis.label.set_fontsize(6)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=5.5, ncols=4, loc="lower center")
    figure.suptitle("Serving many users (95 % intervals over runs)", fontsize=7.5)
    figure.tight_layout(rect=(0, 0.09, 1, 1), w_pad=0.5)
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger)), args.out)
    print(f"{', '.join(map(str, args.out))}: what it costs that every user has rows of their own")


if __name__ == "__main__":
    run_step(main)
