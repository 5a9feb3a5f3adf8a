"""Figure: an adapter of one's own, every variant of sweep_lora.py on development users: what it recalls against what it does to
text that has nothing to do with its user, while it is fitted and at the end.

Every value comes from the results file. Variants are numbered in its order; the published one is marked, and the one that a
profile has frozen.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.style import PAGE_WIDTH, plt, save, use_style
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.results import read_result

TEXT = "prose"
KINDS = {
    "statement": ("o", "statement"),
    "midconv": ("s", "after other talk"),
    "direct": ("D", "direct question"),
    "paraphrase": ("^", "unseen wording"),
}
TAUGHT = ("format", "rank", "targets", "rate", "tokens", "keep")  # settings; passes and recall are what came of them
TICKS = (0, 0.05, 0.1, 0.2, 0.5)  # bits per byte
COLOURS = {"published": "#D55E00", "frozen": "#0072B2", "": "#999999"}  # Okabe and Ito


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--study", type=Path, required=True, default=argparse.SUPPRESS, help="result of sweep_lora.py (JSON)")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def role_of(items: list[dict], frozen: dict) -> str:
    """Whether a variant is the published one, or the one that a profile has frozen."""
    if items[0]["variant"] == "published":
        return "published"
    return "frozen" if all(items[0][name] == frozen[name] for name in TAUGHT) else ""


def draw(study: dict, frozen: dict):
    """Left: along the fit. Middle: at the end. Right: the names of the variants."""
    by_name: dict[str, list[dict]] = {}
    for item in study["items"]:
        by_name.setdefault(item["variant"], []).append(item)
    if not by_name:
        raise UserError("--study", "holds no variants", "run the rule sweep_lora")
    figure, (along, end, names) = plt.subplots(1, 3, figsize=(PAGE_WIDTH, 3.4), width_ratios=[3, 3, 2])
    listed = []
    for number, (name, items) in enumerate(by_name.items(), 1):
        role = role_of(items, frozen)
        front = {"color": COLOURS[role], "zorder": 3 if role else 2, "linewidth": 1.6 if role else 0.7}
        # Users pass each share of examples at another pass, so their k-th points are averaged, as far as all users have one.
        steps = zip(*(item["passed"] for item in items), strict=False)
        points = [(mean([one[TEXT] for one in step]), mean([one["recall"] for one in step])) for step in steps]
        points.append((mean([item["delta"][TEXT] for item in items]), mean([item["recall"] for item in items])))
        deltas, recalls = zip(*points, strict=True)
        along.plot(deltas, recalls, marker=".", markersize=3, **front)
        along.annotate(str(number), points[-1], fontsize=5, textcoords="offset points", xytext=(2, 2))
        last, _ = points[-1]
        for kind, (marker, _) in KINDS.items():
            look = {"color": COLOURS[role], "marker": marker, "linestyle": "none", "markersize": 4}
            end.plot(last, mean([item["exact"][kind] for item in items]), **look)
        end.annotate(str(number), (last, mean([item["exact"]["direct"] for item in items])), fontsize=5)
        listed.append(f"{number}  {name}" + (" (frozen)" if role == "frozen" else ""))
    along.set(xlabel=f"Δ bits per byte of {TEXT}", ylabel="share of its examples recalled")
    end.set(xlabel=f"Δ bits per byte of {TEXT}, at the end", ylabel="share exact")
    for axes in (along, end):
        axes.set_xscale("symlog", linthresh=0.1)
        axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.set_ylim(-0.03, 1.05)
    for marker, label in KINDS.values():
        end.plot([], [], color="#999999", marker=marker, linestyle="none", markersize=4, label=label)
    end.legend(fontsize=6)
    names.axis("off")
    names.text(0, 1, "\n".join(listed), fontsize=5.5, va="top", transform=names.transAxes)
    users = len({item["uid"] for item in study["items"]})
    figure.suptitle(f"One adapter a user, means over {users} development users", fontsize=8)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(read_result(args.study), load_config(args.config)["user_lora"]), args.out)
    print(f"{', '.join(map(str, args.out))}: what an adapter recalls against what it does elsewhere")


if __name__ == "__main__":
    run_step(main)
