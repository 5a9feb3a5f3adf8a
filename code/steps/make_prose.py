"""Make prose for pretraining: made-up documents whose every sentence carries its gold triplets, as parquet.

A token here is a word, that is, what stands between white space. A document depends on its number, seed and split alone: to
make a large corpus in parts at the same time, give each its own --first, far enough apart.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from loci.errors import run_step
from loci.paths import GENERATED
from loci.worlds.checks import require
from loci.worlds.prose import documents
from loci.worlds.prose_exams import OF
from loci.worlds.prose_files import Totals, write_documents
from loci.worlds.prose_lexicon import HELD_EVERY
from loci.worlds.prose_records import Document

_HELD_OUT = f"every item {HELD_EVERY}, {2 * HELD_EVERY}, … of each authored list: name parts, values, wordings"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1_000_000, help="size, ends with the document that reaches it (words)")
    parser.add_argument("--split", default="train", help="train, or heldout: names and wordings that train never shows")
    parser.add_argument("--exams", choices=OF, default="", help="make passages with many questions about them")
    parser.add_argument("--first", type=int, default=0, help="number of the first document")
    parser.add_argument("--seed", type=int, default=0, help="seed of facts and wordings (an integer without unit)")
    parser.add_argument("--out", type=Path, default=GENERATED / "prose.parquet", help="parquet file to write (path)")
    return parser.parse_args(argv)


def up_to(tokens: int, stream: Iterable[Document]) -> Iterator[Document]:
    """Documents until their words reach `tokens`, with a progress bar for large sizes."""
    written = 0
    with tqdm(total=tokens, unit="word", unit_scale=True, disable=tokens < 1_000_000) as bar:
        for document in stream:
            yield document
            words = len(document.text.split())
            written += words
            bar.update(words)
            if written >= tokens:
                return


def summary(totals: Totals, split: str, first: int, out: Path) -> str:
    """One line for the person at the keyboard."""
    return (
        f"{out}: {totals.documents} documents of split {split} with {totals.words} words and {totals.triplets} gold triplets in "
        f"{totals.sentences} sentences; the next part starts with --first {first + totals.documents}"
    )


def main(argv: Sequence[str] | None) -> None:
    args = parse_args(argv)
    require(args.tokens >= 1, "--tokens", f"is {args.tokens}", "ask for at least 1 word")
    stream = documents(args.seed, args.split, args.first, args.exams)
    about = {"seed": str(args.seed), "split": args.split, "first": str(args.first), "held_out": _HELD_OUT}
    totals = write_documents(args.out, up_to(args.tokens, stream), about)
    print(summary(totals, args.split, args.first, args.out))


if __name__ == "__main__":
    run_step(main)
