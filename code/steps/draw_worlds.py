"""Figure: every world at a glance; what a guesser can do, how answers, triggers, updates and turns are spread.

Every value comes from results: describe_worlds.py, measure_priors.py and check_locomo.py.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import run_step
from loci.results import read_result
from loci.worlds.locomo import CATEGORIES

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")  # Okabe and Ito
_HATCHES = (None, None, None, "////")  # the last two colours are one grey
_GREY = "#444444"
_AXES = {"distinct": "endings apart", "shared2": "last 2 words shared", "shared3": "last 3", "shared4": "last 4"}
_HEIGHT = 10.2  # inches
_BARS = 0.8  # width of all bars of one place


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    needed = {"type": Path, "required": True, "default": argparse.SUPPRESS}
    parser.add_argument("--worlds", help="result of describe_worlds.py (JSON)", **needed)
    parser.add_argument("--priors", help="result of measure_priors.py (JSON)", **needed)
    parser.add_argument("--locomo", help="result of check_locomo.py (JSON)", **needed)
    parser.add_argument("--out", nargs="+", help="files (.pdf, .png)", **needed)
    return parser.parse_args(argv)


def ranks(values: Sequence) -> range:
    """1, 2, 3, … for as many values."""
    return range(1, len(values) + 1)


def draw_priors(axes, priors: dict) -> None:
    """The stronger attacker on each family of questions, with its interval, against chance."""
    families = {key.split(".")[2]: one for key, one in priors.items() if key.startswith("worlds.prior.") and key.count(".") == 2}
    names = sorted(families, key=lambda name: families[name]["chance"])
    for place, name in enumerate(names):
        one = families[name]
        axes.errorbar(
            one["value"], place, xerr=whiskers([one]), fmt="o", color=_COLOURS[0], markersize=3, elinewidth=0.8, capsize=1.5
        )
        axes.plot(one["chance"], place, marker="|", color=_GREY, markersize=9, linestyle="none")
    axes.set_yticks(range(len(names)), names, fontsize=6)
    n = min(one["n"] for one in families.values())
    axes.set_xlabel(f"right answers (share; n ≥ {n:,} a family)")
    axes.set_title("Attackers that see the question only (bar: chance)", fontsize=8)


def draw_answers(axes, people: dict) -> None:
    """For each key, the share of test users who have its most frequent answer."""
    for colour, (world, one) in zip(_COLOURS, people.items(), strict=False):
        shares = sorted(one["most_frequent_answer"].values(), reverse=True)
        n, unseen = one["users"]["test"], one["test_values_unseen_in_training"]
        label = f"{world}: {n} test users, {unseen:.0%} of values new"
        axes.plot(ranks(shares), shares, marker="o", markersize=2.5, linewidth=0.8, color=colour, label=label)
    axes.set_ylim(0, None)
    axes.set_xlabel("kinds of fact, by rank")
    axes.set_ylabel("most frequent answer (share)")
    axes.set_title("Answers of people", fontsize=8)
    axes.legend(fontsize=6)


def draw_endings(axes, corpora: list[dict]) -> None:
    """Share of triggers by the longest suffix that they share with another one of their corpus."""
    lengths = sorted({int(length) for one in corpora for length in one["endings"]["longest"]})
    width = _BARS / len(corpora)
    for at, (colour, hatch, one) in enumerate(zip(_COLOURS, _HATCHES, corpora, strict=True)):
        shares = [one["endings"]["longest"].get(str(length), 0) / one["facts"] for length in lengths]
        places = [place + (at - (len(corpora) - 1) / 2) * width for place in range(len(lengths))]
        axes.bar(places, shares, width, color=colour, hatch=hatch, edgecolor="white", linewidth=0, label=_AXES[one["axis"]])
    axes.set_xticks(range(len(lengths)), lengths, fontsize=6)
    axes.set_xlabel(f"longest suffix shared with another trigger ({corpora[0]['tokenizer']['name']} tokens)")
    axes.set_ylabel(f"share of {corpora[0]['facts']:,} facts")
    axes.set_title("Corpora of one owner", fontsize=8)
    axes.set_ylim(0, 1.4)  # room for the legend above full bars
    axes.legend(fontsize=6, ncols=2, loc="upper center")


def draw_chains(axes, chains: dict) -> None:
    """Share of chained questions that end like some stored trigger, by the length of the common suffix."""
    longest = max((int(k) for found in chains["share_at_least"].values() for k in found), default=1)
    total = chains["questions"] / len(chains["share_at_least"])
    for colour, (form, found) in zip(_COLOURS, chains["share_at_least"].items(), strict=False):
        shares = [found.get(str(k), 0) / total for k in range(1, longest + 1)]
        axes.plot(ranks(shares), shares, marker="o", markersize=3, linewidth=0.8, color=colour, label=f"asked as {form}")
    axes.set_xticks(range(1, longest + 1), range(1, longest + 1), fontsize=6)
    axes.set_xlabel("last tokens shared with a stored trigger (at least)")
    axes.set_ylabel(f"share of {total:,.0f} chains")
    axes.set_title("Two-fact chains", fontsize=8)
    axes.legend(fontsize=6)


def draw_intervals(axes, timeline: dict) -> None:
    """Events between updates, by attribute: quartiles as a box, all intervals as its whiskers."""
    found = {name: values for name, values in timeline["update_intervals"].items() if values}
    names = sorted(found, key=lambda name: sum(found[name]) / len(found[name]))
    axes.boxplot(
        [found[name] for name in names],
        orientation="horizontal",
        whis=(0, 100),
        widths=0.6,
        medianprops={"color": _COLOURS[1]},
        boxprops={"linewidth": 0.8},
        whiskerprops={"linewidth": 0.8},
    )
    axes.set_xscale("log")
    axes.set_yticks(range(1, len(names) + 1), [f"{name} (n = {len(found[name]):,})" for name in names], fontsize=6)
    axes.set_xlabel("events between updates")
    axes.set_title(f"Timelines (persons: {timeline['people']})", fontsize=8)


def draw_turns(axes, dialogues: dict) -> None:
    """What the turns of a conversation are about."""
    width = _BARS / len(dialogues)
    for at, (colour, (world, one)) in enumerate(zip(_COLOURS, dialogues.items(), strict=False)):
        places = [place + (at - (len(dialogues) - 1) / 2) * width for place in range(len(one["roles"]))]
        label = f"{world}: {one['conversations']} conversations of {one['turns']:.0f} turns"
        axes.bar(places, list(one["roles"].values()), width, color=colour, label=label)
    roles = list(next(iter(dialogues.values()))["roles"])
    axes.set_xticks(range(len(roles)), roles, fontsize=6)
    axes.set_yscale("log")
    axes.set_ylabel("share of turns")
    axes.set_title("Conversations", fontsize=8)
    axes.legend(fontsize=6)


def draw_prose(axes, prose: dict) -> None:
    """Frequency of entities by rank."""
    for colour, (split, one) in zip(_COLOURS, prose.items(), strict=False):
        counts = one["entity_counts"]
        label = f"{split}: {one['words']:,} words, {one['triplets']:,} triplets"
        axes.plot(ranks(counts), counts, linewidth=1, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("entity, by rank")
    axes.set_ylabel("triplets about it")
    axes.set_title("Prose", fontsize=8)
    axes.legend(fontsize=6)


def draw_locomo(axes, locomo: dict) -> None:
    """Questions by category; an empty panel says that the file is not there."""
    axes.set_title("LOCOMO", fontsize=8)
    if not locomo["present"]:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no LOCOMO file was given", ha="center", va="center", transform=axes.transAxes)
        return
    counts = [locomo[f"locomo_file.category{category}"]["value"] for category in CATEGORIES]
    bars = axes.bar(range(len(counts)), counts, _BARS, color=_COLOURS[0])
    axes.bar_label(bars, fontsize=6)
    names = [f"{number}\n" + name.replace("-", "-\n") for number, name in CATEGORIES.items()]  # long ones would touch
    axes.set_xticks(range(len(counts)), names, fontsize=6)
    axes.set_ylabel(f"questions (n = {sum(counts):,})")


def draw(worlds: dict, priors: dict, locomo: dict):
    """The whole figure."""
    figure, grid = plt.subplots(4, 2, figsize=(PAGE_WIDTH, _HEIGHT))
    panels: list[tuple[Callable, object]] = [
        (draw_priors, priors),
        (draw_answers, worlds["people"]),
        (draw_endings, worlds["corpora"]),
        (draw_chains, worlds["chains"]),
        (draw_turns, worlds["dialogues"]),
        (draw_intervals, worlds["timeline"]),
        (draw_prose, worlds["prose"]),
        (draw_locomo, locomo),
    ]
    for axes, (draw_panel, found) in zip(grid.flat, panels, strict=True):
        draw_panel(axes, found)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    worlds, priors, locomo = (read_result(path)["metrics"] for path in (args.worlds, args.priors, args.locomo))
    save(draw(worlds, priors, locomo), args.out)
    print(f"{', '.join(map(str, args.out))}: every world at a glance, attackers with 95 % intervals")


if __name__ == "__main__":
    run_step(main)
