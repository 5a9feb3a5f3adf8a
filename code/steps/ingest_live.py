"""Read a text with a frozen model and keep the state that it leaves under an id. Nothing is trained.

A text is a file of lines, each at most as long as what the model was taught on, in the closed vocabulary of the episodes (values
and wordings of data/timeline.json). Reading goes on from the state that the id has, if any; --afresh forgets that first.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from loci.bench.live import ingest
from loci.bench.live_training import load_live
from loci.errors import UserError, run_step
from loci.models.live_state import Store
from loci.results import read_text
from loci.worlds.episodes import numbers, pieces


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--trained", type=Path, required=True, default=argparse.SUPPRESS, help="by pretrain_live.py (JSON)")
    parser.add_argument("--store", type=Path, required=True, default=argparse.SUPPRESS, help="folder of states")
    parser.add_argument("--id", required=True, default=argparse.SUPPRESS, help="whose state it is (letters, digits, . _ -)")
    parser.add_argument("--text", type=Path, required=True, default=argparse.SUPPRESS, help="what is read (UTF-8 text, lines)")
    parser.add_argument("--afresh", action="store_true", help="forget what the id has read before")
    return parser.parse_args(argv)


def lines_of(path: Path, longest: int) -> list[list[int]]:
    """Token ids of the lines of a text; UserError for a line that is too long, or has a word that is not known."""
    found = []
    for at, line in enumerate(read_text(path, "name a file of text").splitlines(), 1):
        ids = numbers(pieces(line), f"{path}: line {at}")
        if len(ids) > longest:
            raise UserError(f"{path}: line {at}", f"has {len(ids)} words, the window takes {longest}", "break it into lines")
        found += [ids] if ids else []
    if not found:
        raise UserError(path, "holds no text", "name a file of text")
    return found


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    torch.set_num_threads(1)  # as in asking: sums come in the same order
    model = load_live(args.trained, "delta")
    store = Store(args.store, model)
    lines = lines_of(args.text, model.shape.sequence)
    state = store.get(args.id) if args.id in store and not args.afresh else None
    before = state.seen if state else 0
    for ids in lines:
        state = ingest(model, torch.tensor([ids]), state)
    path = store.put(args.id, state)
    print(f"{path}: {state.seen - before:,} words read after {before:,}; the state takes {state.bytes_each:,} bytes, as before")


if __name__ == "__main__":
    run_step(main)
