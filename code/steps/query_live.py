"""Ask a frozen model what a state says; the state stays as it is. Without --question the questions are read from standard input,
one a line, until it ends."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from loci.bench.live import said
from loci.bench.live_training import load_live
from loci.errors import UserError, run_step
from loci.models.live_state import Store
from loci.worlds.episodes import numbers, pieces


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--trained", type=Path, required=True, default=argparse.SUPPRESS, help="by pretrain_live.py (JSON)")
    parser.add_argument("--store", type=Path, required=True, default=argparse.SUPPRESS, help="folder of states")
    parser.add_argument("--id", required=True, default=argparse.SUPPRESS, help="whose state is asked")
    parser.add_argument("--question", nargs="+", help="in the wordings of data/timeline.json, e.g. 'Where do I live?'")
    return parser.parse_args(argv)


def asked(args: argparse.Namespace) -> Iterable[str]:
    """The questions of the command line, or those that are typed."""
    if args.question:
        yield from args.question
        return
    print("ask, one question a line; end with Ctrl-D", file=sys.stderr)
    for line in sys.stdin:
        if line.strip():
            yield line


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    torch.set_num_threads(1)  # as in asking: sums come in the same order
    model = load_live(args.trained, "delta")
    state = Store(args.store, model).get(args.id)
    for text in asked(args):
        words = pieces(text)
        numbers(words, f"question '{text.strip()}'")
        if not 0 < len(words) <= model.shape.sequence:
            raise UserError("question", f"has {len(words)} words, the window takes {model.shape.sequence}", "ask a shorter one")
        print(said(model, [words], state)[0], flush=True)


if __name__ == "__main__":
    run_step(main)
