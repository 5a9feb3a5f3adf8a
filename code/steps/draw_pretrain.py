"""Figure: models trained from scratch. Loss against steps, what silencing a part costs, what each layer would say, and which
tokens an Engram table helps.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from loci.bench.ledger import Ledger
from loci.bench.style import PAGE_WIDTH, plt, save, use_style, whiskers
from loci.errors import UserError, run_step

MODELS = {  # Okabe and Ito
    "dense": ("dense", "#0072B2", "o"),
    "wide": ("dense, as many parameters", "#E69F00", "s"),
    "engram": ("with Engram tables", "#D55E00", "^"),
}
PROBES = {
    "factual": ("the answer stands in the weights", "#009E73", "D"),
    "reading": ("the answer stands in the text", "#CC79A7", "o"),
}
BANDS = {"new": "never", "rare": "1 to 3", "known": "4 to 31", "frequent": "32 or more"}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json to draw from")
    parser.add_argument("--out", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="files (.pdf, .png)")
    return parser.parse_args(argv)


def numbered(ledger: Ledger, before: str, after: str) -> dict[int, dict]:
    """Entries whose keys differ in a number, by that number, in order."""
    pattern = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    found = {int(match[1]): ledger[key] for key in ledger.keys() if (match := pattern.fullmatch(key))}  # noqa: SIM118, no dict
    return dict(sorted(found.items()))


def points(axes, at: Sequence[float], entries: Sequence[dict], look: tuple[str, str, str], **more) -> None:
    label, colour, marker = look
    style = {"color": colour, "marker": marker, "markersize": 3.5, "elinewidth": 0.7, "capsize": 1.5, "label": label}
    axes.errorbar(at, [one["value"] for one in entries], yerr=whiskers(entries), **style, **more)


def draw(ledger: Ledger):
    """Four panels, every point an entry of the ledger."""
    there = {name: look for name, look in MODELS.items() if f"pretrain.{name}.val_bpb" in ledger}
    if not there:
        raise UserError("--ledger", "holds no models from scratch", "run the rule measure_pretrained")
    figure, ((loss, silent), (lens, tokens)) = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 5))
    seeds = 0
    for name, look in there.items():
        curve = numbered(ledger, f"pretrain.{name}.step", ".val_bpb")
        points(loss, list(curve), list(curve.values()), look, linewidth=0.8)
        layers = numbered(ledger, f"pretrain.{name}.lens.layer", ".nats")
        points(lens, list(layers), list(layers.values()), look, linewidth=0.8)
        seeds = max(seeds, ledger[f"pretrain.{name}.val_bpb"]["n"])
    loss.set(xlabel="steps of training", ylabel="bits per byte, held-out text")
    lens.set(xlabel="blocks that the token has passed", ylabel="nats a token, read by the head")
    lens.set_xticks(list(layers))
    loss.legend(fontsize=6)
    draw_silenced(silent, ledger)
    gains = {band: entry for band in BANDS if (entry := ledger.get(f"pretrain.engram_minus_dense.{band}.dnats"))}
    points(tokens, range(len(gains)), list(gains.values()), ("", MODELS["engram"][1], MODELS["engram"][2]), linestyle="none")
    tokens.axhline(color="#999999", linewidth=0.7)
    tokens.set_xticks(range(len(gains)), [BANDS[band] for band in gains], fontsize=7)
    tokens.set(xlabel="how often the trigram stands in the training text", ylabel="nats a token, Engram minus dense")
    n = ledger["pretrain.engram.factual.nats"]["n"]
    figure.suptitle(
        f"Models from scratch, {seeds} seeds (95 % intervals over seeds; right: over {n} probes of each kind, and batches)",
        fontsize=7.5,
    )
    figure.tight_layout()
    return figure


def draw_silenced(axes, ledger: Ledger) -> None:
    """What each part costs when it is silent: the tables, then the MLPs in their order."""
    mlps = numbered(ledger, "pretrain.engram.silenced_mlp", ".gap")
    parts = {"engram": "Engram tables"} | {f"mlp{at}": f"MLP of block {at + 1}" for at in mlps}
    for kind, look in PROBES.items():
        found = [ledger[f"pretrain.engram.silenced_{part}.{kind}.dnats"] for part in parts]
        points(axes, range(len(parts)), found, look, linestyle="none")
    axes.set_xticks(range(len(parts)), parts.values(), fontsize=6, rotation=20, ha="right", rotation_mode="anchor")
    axes.set(ylabel="more nats an answer token")
    axes.legend(fontsize=6)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    use_style()
    save(draw(Ledger(args.ledger)), args.out)
    print(f"{', '.join(map(str, args.out))}: what an Engram table that is trained with its model brings, and where")


if __name__ == "__main__":
    run_step(main)
