"""Figure: a write from the inside. What each layer would say, where rows and an adapter are felt, and how deep to write."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.glass_box import OFFSETS
from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

LENS = {  # what is read: its name, its colour (Okabe and Ito), its line
    "none": ("nothing", "#000000", ":"),
    "gold": ("the fact in front", "#999999", "--"),
    "rows": ("its rows", "#0072B2", "-"),
    "lora": ("its adapter", "#E69F00", "-."),
}
REACH = {"before": ("before", ":"), "trigger": ("at the trigger", "-"), "after": ("behind", "--")}
DEPTH = {
    "bare": ("alone", "#000000", "o"),
    "midconv": ("after talk", "#009E73", "s"),
    "middle": ("in a sentence", "#0072B2", "^"),
}
_APART = 0.3  # layers between the points of one layer, so that their intervals do not hide each other


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are drawn")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def series(ledger: Ledger, name: str) -> tuple[list[int], list[dict]]:
    """Places and entries of a series <name>.0, <name>.1, ...; places that were not measured are left out."""
    places = sorted(int(part) for part in ledger.parts(f"{name}.", ""))
    return places, [ledger[f"{name}.{at}"] for at in places]


def line(axes, x: Sequence[float], entries: list[dict], colour: str, style: str, label: str | None) -> None:
    """Values over x, their intervals as a band."""
    values = [one["value"] for one in entries]
    low, high = ([one[end] for one in entries] for end in ("low", "high"))
    axes.plot(x, values, color=colour, linestyle=style, linewidth=1, label=label)
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def draw(ledger: Ledger, base: str):
    """Four panels: logit lens, change by layer, next tokens moved around the trigger, depth."""
    name, depth = f"inside.{base}", f"inside.depth.{base}.l"
    if f"{name}.lens.none.nats.0" not in ledger:
        raise UserError("--ledger", f"does not say what a write does inside {base}", "run the rule inspect_rows")
    figure, ((lens, change), (around, deep)) = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 4.8))
    for arm, (label, colour, style) in LENS.items():
        line(lens, *series(ledger, f"{name}.lens.{arm}.nats"), colour, style, label)
    n = ledger[f"{name}.lens.none.nats.0"]["n"]
    lens.set(xlabel="layer", ylabel="nats of the answer's token")
    lens.set_title(f"what each layer would say (n = {n} facts)", fontsize=7)
    for arm in ("rows", "lora"):
        label, colour, _ = LENS[arm]
        for part, (where, style) in REACH.items():
            line(change, *series(ledger, f"{name}.{arm}.open.{part}.change"), colour, style, f"{label}, {where}")
        places, entries = series(ledger, f"{name}.{arm}.open.kl_around")
        offsets = [OFFSETS[at] for at in places]
        line(around, offsets, entries, colour, LENS[arm][2], label)
        elsewhere = ledger[f"{name}.{arm}.unrelated.kl"]
        line(around, offsets, [elsewhere] * len(offsets), colour, ":", None)
    change.set(xlabel="layer", ylabel="change, in lengths of the stream")
    change.set_title("residual stream around a trigger in the middle", fontsize=7)
    around.set(xlabel="tokens from the end of the trigger", ylabel="nats next tokens move by")
    around.set_yscale("symlog", linthresh=1e-4)
    around.set_ylim(bottom=-2e-5)  # a divergence cannot be below nought, whatever an interval allows
    around.set_title("where a fact is felt (dotted: unrelated text)", fontsize=7)
    layers = sorted(int(part) for part in ledger.parts(depth, ".steps"))
    for place, (asked, (label, colour, marker)) in enumerate(DEPTH.items()):
        entries = [ledger[f"{depth}{layer}.{asked}.says"] for layer in layers]
        values = [one["value"] for one in entries]
        looks = {"color": colour, "marker": marker, "markersize": 3, "linewidth": 0.8, "elinewidth": 0.6}
        beside = [layer + _APART * (place - 1) for layer in layers]
        deep.errorbar(beside, values, yerr=whiskers(entries), label=label, **looks)
    deep.set(xlabel="layer written at, to convergence", ylabel="share said", ylim=(-0.03, 1.05))
    harm = deep.twinx()
    entries = [ledger[f"{depth}{layer}.open.at_hits"] for layer in layers]
    values = [one["value"] for one in entries]
    beside = [layer + 2 * _APART for layer in layers]
    look = {"color": "#D55E00", "linestyle": ":", "marker": "x", "markersize": 3, "linewidth": 0.8, "elinewidth": 0.6}
    harm.errorbar(beside, values, yerr=whiskers(entries), **look)
    harm.set_ylabel("nats another next token costs (dotted)", color="#D55E00", fontsize=6)
    harm.grid(False)
    if layers:
        sizes = {ledger[f"{depth}{layer}.bare.says"]["n"] for layer in layers}
        deep.set_title(f"how deep to write (n = {max(sizes)} facts)", fontsize=7)
    for axes, place in ((lens, "best"), (change, "best"), (around, "center left"), (deep, "best")):
        axes.legend(fontsize=5, loc=place)
    figure.suptitle("A write from the inside (95 % intervals over facts, seeds averaged)", fontsize=7.5)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: where a write is felt, by rows and by an adapter, and how deep it is best made")


if __name__ == "__main__":
    run_step(main)
