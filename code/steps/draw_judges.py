"""Figure: judges of LOCOMO. What each accepts of right and of wrong answers, the lexical one by category and length of answer,
the order of memories by metric and judge, and risk against coverage.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from loci.bench.judging import UNFIT
from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, look_of, name_of, ordered, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

JUDGES = {  # Okabe and Ito
    "lexical": ("lexical", "#0072B2", "o"),
    "local_strict": ("135M, strict", "#D55E00", "s"),
    "local_strict_fitted": ("135M, strict, threshold set", "#E69F00", "s"),
    "local_lenient": ("135M, lenient", "#CC79A7", "^"),
    "local_lenient_fitted": ("135M, lenient, threshold set", "#009E73", "v"),
    "endpoint": ("endpoint", "#56B4E9", "D"),
}
COLUMNS = {  # in the order of the panel: measure of a memory, title
    "turn.recall_at_10": "cited\nturns",
    "f1": "official\nF1",
    "gold_recall": "gold\nwords",
    "judged": "lexical\njudge",
    "judged_local_strict_fitted": "135M\nstrict",
    "judged_local_lenient_fitted": "135M\nlenient",
    "judged_endpoint": "endpoint",
}
GROUPS = {"id1": "id 1", "id2": "id 2", "id3": "id 3", "id4": "id 4", "short": "1-3\nwords", "middling": "4-8\nwords", "long": "9 or\nmore"}  # fmt: skip  # noqa: E501
ORACLE = ("gold", "recite_gold", "oracle_rows")  # know what is asked or what answers it: not in the order
CURVES = ("none", "recent", "bm25", "late", "gold", "oracle_rows", "recite_rows_observed")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def source_of(ledger: Ledger) -> tuple[str, str]:
    """(prefix of LOCOMO's scores or its stand-in's, prefix of its judges); UserError where answers were not judged."""
    for source, prefix in (("locomo", "judge"), ("standin", "standin_judge")):
        if ledger.parts(f"{source}.", ".judged"):
            return source, prefix
    raise UserError("--ledger", "holds no judged answers", "run the rule judge_locomo")


def draw(ledger: Ledger):
    """Four panels, every point an entry of the ledger or the rank of one."""
    source, prefix = source_of(ledger)
    figure, ((trust, groups), (ranks, risks)) = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 6.6))
    draw_trust(trust, ledger, prefix)
    draw_groups(groups, ledger, prefix)
    draw_ranks(ranks, ledger, source)
    draw_risks(risks, ledger, source)
    about = "LOCOMO" if source == "locomo" else "the stand-in for LOCOMO"
    figure.suptitle(f"Judges of {about}, and what they do to an order (95 % intervals over conversations)", fontsize=7.5)
    handles, labels = ranks.get_legend_handles_labels()
    figure.legend(
        handles, labels, fontsize=5, ncols=4, loc="lower center", title="memories in the panel of places", title_fontsize=5.5
    )
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    return figure


def draw_trust(axes, ledger: Ledger, prefix: str) -> None:
    """Right answers accepted against wrong ones accepted: specific ones filled, vague ones hollow."""
    for judge, (label, colour, marker) in JUDGES.items():
        if f"{prefix}.{judge}.sensitivity" not in ledger:
            continue
        right = ledger[f"{prefix}.{judge}.sensitivity"]["value"]
        for kind, face in (("specific", colour), ("vague", "none")):
            wrong = ledger[f"{prefix}.{judge}.wrong.{kind}"]
            style = {"color": colour, "marker": marker, "markerfacecolor": face, "markersize": 5, "elinewidth": 0.6}
            axes.errorbar(
                [wrong["value"]],
                [right],
                xerr=whiskers([wrong]),
                linestyle="none",
                label=label if face != "none" else None,
                **style,
            )
    axes.axline((0, 0), slope=1, color="#999999", linewidth=0.7)
    axes.axvline(1 - UNFIT, color="#999999", linewidth=0.7, linestyle=":")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), ylabel="right answers accepted, mean of kinds")
    axes.set_xlabel("wrong ones accepted: specific (filled), vague (hollow)\nright of the dotted line: unfit", fontsize=6.5)
    axes.legend(fontsize=5, loc="lower right")


def draw_groups(axes, ledger: Ledger, prefix: str) -> None:
    """The lexical judge on right and wrong answers, by category and by length."""
    there = [group for group in GROUPS if f"{prefix}.lexical.right.{group}" in ledger]
    for side, colour, marker in (("right", "#009E73", "o"), ("wrong", "#D55E00", "s")):
        found = [(at, ledger[key]) for at, group in enumerate(there) if (key := f"{prefix}.lexical.{side}.{group}") in ledger]
        style = {"color": colour, "marker": marker, "markersize": 4, "elinewidth": 0.7, "capsize": 1.5, "linestyle": "none"}
        entries = [entry for _, entry in found]
        axes.errorbar([at for at, _ in found], [one["value"] for one in entries], yerr=whiskers(entries), label=side, **style)
    sizes = [ledger[f"{prefix}.lexical.right.{group}"]["n"] for group in there]
    ticks = [f"{GROUPS[group]}\n{n:,}" for group, n in zip(there, sizes, strict=True)]
    axes.set_xticks(range(len(there)), ticks, fontsize=5.5)
    axes.set(
        ylim=(-0.03, 1.03),
        ylabel="share that the lexical judge accepts",
        xlabel="category; length; n of right ones",
    )
    axes.legend(fontsize=6, loc="center right", title="answers that are", title_fontsize=6)


def draw_ranks(axes, ledger: Ledger, source: str) -> None:
    """Places of the memories by each measure; equal scores share a place. Columns of unfit judges are shaded."""
    columns = [name for name in COLUMNS if ledger.parts(f"{source}.", f".{name}")]
    memories = [name for name in ordered(ledger.parts(f"{source}.", ".judged")) if name not in ORACLE]
    places = {column: ranks_of({name: ledger.get(f"{source}.{name}.{column}") for name in memories}) for column in columns}
    for name in memories:
        found = [(at, places[column][name]) for at, column in enumerate(columns) if name in places[column]]
        style = look_of(name) | {"label": name_of(name), "markersize": 3.5, "linewidth": 0.8}
        axes.plot([at for at, _ in found], [place for _, place in found], **style)
    for at, column in enumerate(columns):
        if any((ledger.get(f"{source}.{name}.{column}") or {}).get("unfit") for name in memories):
            axes.axvspan(at - 0.4, at + 0.4, color="#DDDDDD", zorder=0)
    axes.set_xticks(range(len(columns)), [COLUMNS[column] for column in columns], fontsize=5.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.invert_yaxis()
    axes.set(ylabel=f"place among {len(memories)} memories", xlabel="who scores (shaded: unfit for claims)")
    axes.set_xlim(-0.5, len(columns) - 0.5)


def ranks_of(entries: dict[str, dict | None]) -> dict[str, float]:
    """The place of each name by its value, the greatest first; the mean place where values are equal."""
    values = {name: entry["value"] for name, entry in entries.items() if entry}
    return {
        name: 1 + sum(other > value for other in values.values()) + (sum(other == value for other in values.values()) - 1) / 2
        for name, value in values.items()
    }


def draw_risks(axes, ledger: Ledger, source: str) -> None:
    """What is wrong of the surest answers, against how many of all questions they answer."""
    for name in ordered(list(CURVES)):
        found = {}
        for key in ledger.keys():  # noqa: SIM118, no dict
            if match := re.fullmatch(rf"{source}\.{name}\.risk_at_(\d+)", key):
                found[int(match[1])] = ledger[key]
        shares = sorted(found)
        if shares:
            style = look_of(name) | {"label": name_of(name), "markersize": 3, "elinewidth": 0.5, "linewidth": 0.8}
            entries = [found[share] for share in shares]
            axes.errorbar(shares, [one["value"] for one in entries], yerr=whiskers(entries), **style)
    axes.set(xlabel="% of questions answered, the surest first", ylabel="risk: 1 - official score, all five", ylim=(0, 1.03))
    axes.legend(fontsize=5, loc="center right", bbox_to_anchor=(1, 0.4))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger)), args.out)
    print(f"{', '.join(map(str, args.out))}: which judge of LOCOMO can be believed, and how the order of memories hangs on it")


if __name__ == "__main__":
    run_step(main)
