"""Figure: how long a text K [mem] vectors hold, how many nats that is, and what can be answered from vectors and prefixes."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, draw_dots, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

KINDS = {"docs": ("documentation", "#0072B2"), "random": ("random words", "#D55E00")}
MARKERS = ("o", "s", "D", "^")
ASKED = {
    "none": "nothing",
    "gold": "the fact as text",
    "mem": "its vector",
    "mem_other": "another fact's vector",
    "mem_random": "noise of equal norm",
    "mem_said": "what its vector says",
    "gold_mem": "another's vector, then text",
    "all": "all facts as text",
    "prefix_start": "prefix, not fitted",
    "prefix_next": "prefix, next tokens",
    "prefix_next_other": "… another user's",
    "prefix_study": "prefix, self-study",
    "prefix_study_other": "… another user's",
}
QUESTIONS = {"direct": ("direct", "#0072B2", "o", -0.15), "paraphrase": ("other wordings", "#E69F00", "s", 0.15)}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--base", required=True, default=argparse.SUPPRESS, help="base model, as in the ledger's keys")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def counts_of(ledger: Ledger, base: str) -> list[int]:
    """Numbers of vectors in the ledger; UserError where there are none."""
    found = sorted(int(part) for part in ledger.parts(f"mem.{base}.k", ".capacity_tokens"))
    if not found:
        raise UserError("--ledger", f"holds no [mem] vectors of {base}", "run the rule score_mem")
    return found


def draw(ledger: Ledger, base: str):
    """Three panels: accuracy against length, nats that are stored against nats that the text has, and, where they were asked for,
    answers."""
    counts = counts_of(ledger, base)
    widths = (1, 1, 1.05) if f"mem_asked.none.{base}.direct.exact" in ledger else (1, 1)
    figure, (held, nats, *asked) = plt.subplots(1, len(widths), figsize=(PAGE_WIDTH, 3.2), gridspec_kw={"width_ratios": widths})
    for count, marker in zip(counts, MARKERS, strict=False):
        for kind, (name, colour) in KINDS.items():
            about = f"mem.{base}.k{count}.{kind}"
            lengths = sorted(int(part) for part in ledger.parts(f"{about}.n", ".accuracy"))
            if not lengths:
                continue  # of more vectors documentation alone
            style = {"color": colour, "marker": marker, "markersize": 3, "elinewidth": 0.6, "linewidth": 0.8}
            style["markerfacecolor"] = "none" if kind == "random" else colour  # kinds are told apart in grey too
            for measure, line in (("accuracy", "-"), ("said_exact", ":")):
                entries = [ledger[f"{about}.n{length}.{measure}"] for length in lengths]
                label = f"{name}, K = {count}" if measure == "accuracy" else None
                values = [one["value"] for one in entries]
                held.errorbar(lengths, values, yerr=whiskers(entries), linestyle=line, label=label, **style)
            bare, stored = ([ledger[f"{about}.n{length}.{measure}"] for length in lengths] for measure in ("nats_bare", "nats"))
            across, up = ([one["value"] for one in of] for of in (bare, stored))
            nats.errorbar(across, up, xerr=whiskers(bare), yerr=whiskers(stored), linestyle="none", **style)
    nats.axline((0, 0), slope=1, color="#999999", linewidth=0.6)
    held.set(xlabel="tokens of the text", ylabel="share", ylim=(-0.03, 1.05))
    held.legend(fontsize=5.5, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    held.set_title("right under teacher forcing (solid),\ntexts said whole (dotted)", fontsize=6.5)
    nats.set(xlabel="nats of the text without vectors", ylabel="nats stored")
    n = ledger[f"mem.{base}.k{counts[0]}.docs.capacity_tokens"]["n"]
    nats.set_title(f"what is stored of it\nn = {n} texts of a kind", fontsize=6.5)
    for axes in asked:
        _draw_answers(axes, ledger, base)
    figure.suptitle("[mem] vectors and trained prefixes (95 % intervals over texts, users)", fontsize=7.5)
    figure.tight_layout()
    return figure


def _draw_answers(axes, ledger: Ledger, base: str) -> None:
    for kind, (name, colour, marker, shift) in QUESTIONS.items():
        entries = [ledger[f"mem_asked.{memory}.{base}.{kind}.exact"] for memory in ASKED]
        places = [at + shift for at in range(len(ASKED))]
        draw_dots(axes, places, entries, colour, marker, label=f"{name} (n = {entries[0]['n']})")
    axes.set_yticks(range(len(ASKED)), ASKED.values(), fontsize=5.5)
    axes.set(xlim=(-0.03, 1.03), xlabel="exact answers")
    axes.invert_yaxis()
    axes.legend(fontsize=5.5, loc="upper center", bbox_to_anchor=(0.2, -0.2))
    axes.set_title("answered from what stands\nin the place of a fact", fontsize=6.5)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger), args.base), args.out)
    print(f"{', '.join(map(str, args.out))}: how much text vectors hold, and what is answered from them and from prefixes")


if __name__ == "__main__":
    run_step(main)
