"""Train the tokenizer of the models that are trained from scratch, on the prose that they learn from."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.errors import run_step
from loci.models.bpe import bytes_of, save_bpe, train_bpe
from loci.models.packed import pack
from loci.paths import GENERATED
from loci.worlds.prose_files import texts_of


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=GENERATED / "prose.parquet", help="made by make_prose.py (parquet)")
    parser.add_argument("--vocabulary", type=int, default=4096, help="ids of the tokenizer, 261 or more")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="tokenizer to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    texts = list(texts_of(args.corpus))
    tokenizer = train_bpe(texts, args.vocabulary)
    save_bpe(tokenizer, args.out)
    stream = pack(texts, tokenizer)
    size = int(bytes_of(tokenizer)[stream.long()].sum())
    print(f"{args.out}: {args.vocabulary} tokens; a token of {args.corpus.name} stands for {size / len(stream):.2f} bytes")


if __name__ == "__main__":
    run_step(main)
