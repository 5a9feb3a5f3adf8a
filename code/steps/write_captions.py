"""Write the captions of the figures, with the numbers of a ledger: one LaTeX file a figure, or all of them as JSON."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.captions import caption_of, load_captions, study_entries, tex_of
from loci.bench.ledger import Ledger
from loci.errors import UserError, run_step
from loci.paths import PAPER
from loci.results import read_result, write_bytes, write_json


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, required=True, default=argparse.SUPPRESS, help="summary.json with the numbers")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are told")
    parser.add_argument("--captions", type=Path, default=PAPER / "captions.yaml", help="authored sentences (YAML)")
    parser.add_argument("--studies", type=Path, nargs="*", default=[], help="results of sweeps that figures are drawn from")
    parser.add_argument("--figures", nargs="*", help="figures whose captions are written; all when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="a folder, or one file (.json)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    authored, ledger = load_captions(args.captions), Ledger(args.ledger)
    wanted = list(authored) if args.figures is None else args.figures
    if unknown := [figure for figure in wanted if figure not in authored]:
        raise UserError(f"{args.captions}: {unknown[0]}", "has no caption", "write one")
    studies = {key: one for path in args.studies for key, one in study_entries(path.stem, read_result(path)).items()}
    captions = {figure: caption_of(figure, authored[figure], ledger, args.base, studies) for figure in wanted}
    if args.out.suffix == ".json":
        write_json(args.out, captions)
    else:
        for figure, caption in captions.items():
            write_bytes(args.out / f"{figure}.tex", f"{tex_of(caption)}\n".encode())
    print(f"{args.out}: captions of {len(captions)} figures")


if __name__ == "__main__":
    run_step(main)
