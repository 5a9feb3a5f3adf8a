"""Figure: what the reader's prompt moves. Every candidate of sweep_reader.py on development users, the frozen one marked.

Every value comes from the results file.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import run_step
from loci.results import read_result

PANELS = {
    "question": {
        "mean": "mean that\nthe choice goes by",
        "direct.gold.exact": "direct,\nneeded facts",
        "direct.retrieved.exact": "direct,\nrecalled facts",
        "paraphrase.retrieved.exact": "paraphrase,\nrecalled facts",
        "unknown.retrieved.exact": "unknown:\nnot known said",
        "direct.heard.exact": "direct,\nrecalled turns",
        "paraphrase.heard.exact": "paraphrase,\nrecalled turns",
    },
    "statement": {
        "mean": "mean that\nthe choice goes by",
        "statement.gold.exact": "statement,\nneeded facts",
        "statement.retrieved.exact": "statement,\nrecalled facts",
        "statement.heard.exact": "statement,\nrecalled turns",
        "midconv.gold.exact": "after a context,\nneeded facts",
        "midconv.retrieved.exact": "after a context,\nrecalled facts",
        "midconv.heard.exact": "after a context,\nrecalled turns",
    },
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--study", type=Path, required=True, default=argparse.SUPPRESS, help="result of sweep_reader.py (JSON)")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def draw(items: list[dict], users: int):
    """One row of panels a form: candidates down, measures across, each with its 95 % interval."""
    by_form = {form: [item for item in items if item["form"] == form] for form in PANELS}
    heights = [len(found) + 3 for found in by_form.values()]
    figure, rows = plt.subplots(
        len(PANELS),
        len(PANELS["question"]),
        figsize=(PAGE_WIDTH, 0.6 + 0.17 * sum(heights)),
        sharex=True,
        sharey="row",
        height_ratios=heights,
    )
    for panels, (form, found) in zip(rows, by_form.items(), strict=True):
        for axes, (measure, title) in zip(panels, PANELS[form].items(), strict=True):
            for at, item in enumerate(found):
                draw_point(axes, item["measures"][measure], at, item["frozen"])
            axes.set_title(f"{title}\n(n = {found[0]['measures'][measure]['n']})", fontsize=6)
            axes.set_xlim(-0.04, 1.04)
            axes.tick_params(labelsize=6)
        panels[0].set_yticks(range(len(found)), [item["candidate"] + (" (frozen)" if item["frozen"] else "") for item in found])
        panels[0].set_ylim(len(found) - 0.5, -0.5)
    figure.supxlabel(f"share, 95 % intervals over {users} development users", fontsize=7)
    figure.tight_layout()
    return figure


def draw_point(axes, entry: dict, at: int, frozen: bool) -> None:
    """A value and its interval in row `at`; the frozen prompt in another colour and shape."""
    axes.errorbar(
        entry["value"],
        at,
        xerr=whiskers([entry]),
        color="#D55E00" if frozen else "#0072B2",
        marker="D" if frozen else "o",
        markersize=4,
        elinewidth=0.7,
        capsize=1.5,
    )


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    study = read_result(args.study)
    save(draw(study["items"], study["metrics"]["users"]), args.out)
    print(f"{', '.join(map(str, args.out))}: {len(study['items'])} prompts on development users")


if __name__ == "__main__":
    run_step(main)
