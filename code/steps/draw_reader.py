"""Figure: what the reader's prompt moves. Every candidate of sweep_reader.py on development users, the frozen one marked.

Every value comes from the results file.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.style import PAGE_WIDTH, plt, save, use_style
from loci.errors import run_step
from loci.results import read_result

PANELS = {
    "direct.gold.exact": "direct,\nneeded facts",
    "direct.retrieved.exact": "direct,\nretrieved",
    "direct.heard.exact": "direct,\nconversation",
    "paraphrase.retrieved.exact": "paraphrase,\nretrieved",
    "indirect.gold.exact": "indirect,\nneeded facts",
    "unknown.retrieved.exact": "unknown:\nnot known said",
    "refused.retrieved": "refused though\nretrieved",
    "statement.retrieved.exact": "statement,\nretrieved",
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--study", type=Path, required=True, default=argparse.SUPPRESS, help="result of sweep_reader.py (JSON)")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def draw(items: list[dict], users: int):
    """Candidates down, measures across, each with its 95 % interval."""
    figure, panels = plt.subplots(1, len(PANELS), figsize=(PAGE_WIDTH, 0.9 + 0.19 * len(items)), sharey=True)
    for axes, (measure, title) in zip(panels, PANELS.items(), strict=True):
        for at, item in enumerate(items):
            entry = item["measures"][measure]
            axes.errorbar(
                entry["value"],
                at,
                xerr=[[entry["value"] - entry["low"]], [entry["high"] - entry["value"]]],
                color="#D55E00" if item["frozen"] else "#0072B2",
                marker="D" if item["frozen"] else "o",
                markersize=4,
                elinewidth=0.7,
                capsize=1.5,
            )
        axes.set_title(f"{title}\n(n = {items[0]['measures'][measure]['n']})", fontsize=6)
        axes.set_xlim(-0.04, 1.04)
        axes.tick_params(labelsize=6)
    panels[0].set_yticks(range(len(items)), [item["candidate"] + (" (frozen)" if item["frozen"] else "") for item in items])
    panels[0].invert_yaxis()
    figure.supxlabel(f"share, 95 % intervals over {users} development users", fontsize=7)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    study = read_result(args.study)
    save(draw(study["items"], study["metrics"]["users"]), args.out)
    print(f"{', '.join(map(str, args.out))}: {len(study['items'])} prompts on development users")


if __name__ == "__main__":
    run_step(main)
