"""Figure: variants of the shared reader on development users. Each line is one training: what it answers with rows, with the
needed facts in its prompt, and alone.

Every value comes from a results file of sweep_shared.py; the lines stand in the order of the files.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step
from loci.results import read_result

MEASURES = {
    "direct.exact": "direct questions\nexact",
    "paraphrase.exact": "unseen wordings\nexact",
    "indirect.recited": "indirect questions\nfacts recited",
    "indirect.exact": "indirect questions\nexact",
}
APART = {"indirect.seen.exact": "families it learnt", "indirect.unseen.exact": "families it never saw"}
LOOKS = {  # role: (its conditions, name, colour, marker); Okabe and Ito
    "alone": (("e", "ke"), "reader alone", "#999999", "X"),
    "prompt": (("gold", "golda"), "needed facts in its prompt", "#000000", "*"),
    "rows": (("f", "k"), "with rows", "#0072B2", "p"),
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--studies", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="results of sweep_shared.py (JSON)"
    )
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def described(study: dict) -> str:
    """What a variant changes, as its results file tells it."""
    variant = study["config"]["variant"]
    if "world" in variant:
        return f"the profile's own reader, {variant['world']} world"
    changes = [f"{name} {', '.join(value) if isinstance(value, list) else value}" for name, value in variant.items()]
    return "; ".join(changes) or f"the profile's: reader recite; rank {study['config']['reader']['rank']}"


def found(study: dict, role: str, measure: str) -> dict | None:
    """The measured value of a role's condition in a study."""
    scores = study["metrics"]["scores"]
    return next((scores[f"{name}.{measure}"] for name in LOOKS[role][0] if f"{name}.{measure}" in scores), None)


def draw(studies: list[dict]):
    """A line a variant, a column a measure; families that a variant never saw stand in a column of their own."""
    figure, panels = plt.subplots(1, len(MEASURES) + 1, figsize=(PAGE_WIDTH, 1.1 + 0.24 * len(studies)), sharey=True, sharex=True)
    for axes, (measure, title) in zip(panels, MEASURES.items(), strict=False):
        n = 0
        for place, (role, (_, _, colour, marker)) in enumerate(LOOKS.items()):
            for row, study in enumerate(studies):
                if entry := found(study, role, measure):
                    point(axes, entry, row + 0.22 * (place - 1), colour, marker)
                    n = max(n, entry["n"])
        axes.set_title(f"{title} (n = {n})", fontsize=6.5)
    for row, study in enumerate(studies):
        for place, (measure, fill) in enumerate(zip(APART, (LOOKS["rows"][2], "white"), strict=True)):
            if entry := found(study, "rows", measure):
                point(panels[-1], entry, row + 0.3 * place - 0.15, LOOKS["rows"][2], "o", fill)
    panels[-1].set_title("by family, with rows\nexact", fontsize=6.5)
    panels[0].set_yticks(range(len(studies)), [described(study) for study in studies], fontsize=6)
    panels[0].set(xlim=(-0.03, 1.03), ylim=(len(studies) - 0.5, -0.5))
    for axes in panels:
        axes.set_xlabel("share", fontsize=7)
    handles = [panels[0].plot([], [], color=look[2], marker=look[3], linestyle="none")[0] for look in LOOKS.values()]
    handles += [
        panels[0].plot([], [], color=LOOKS["rows"][2], marker="o", markerfacecolor=fill, linestyle="none")[0]
        for fill in (LOOKS["rows"][2], "white")
    ]
    figure.legend(handles, [*(look[1] for look in LOOKS.values()), *APART.values()], loc="lower center", ncols=5, fontsize=6)
    config = studies[0]["config"]
    figure.suptitle(
        f"Shared readers asked about {len(config['users'])} development users (not a result); variants learnt from "
        f"{config['pupils']} others, the profile's own from {config['reader']['users']}; 95 % intervals",
        fontsize=6.5,
    )
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    return figure


def point(axes, entry: dict, at: float, colour: str, marker: str, fill: str = "") -> None:
    """One value with its interval."""
    look = {"color": colour, "marker": marker, "markerfacecolor": fill or colour, "markersize": 4}
    axes.errorbar(entry["value"], at, xerr=whiskers([entry]), elinewidth=0.7, capsize=1.5, **look)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    studies = [read_result(path) for path in args.studies]
    for path, study in zip(args.studies, studies, strict=True):
        if study["experiment"] != "sweep_shared":
            raise UserError(f"{path}: experiment", f"'{study['experiment']}'", "give results of sweep_shared.py")
    save(draw(studies), args.out)
    print(f"{', '.join(map(str, args.out))}: {len(studies)} trainings of a shared reader, asked about development users")


if __name__ == "__main__":
    run_step(main)
