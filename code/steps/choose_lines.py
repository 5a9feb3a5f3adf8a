"""Choose how many lines the index finds for a shared reader, on development users with their own facts.

The choice stands in the profile as layered.lines; this repeats it. A killed run continues with the next number of lines.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.layer_bench import LayerBench, shape_of
from loci.bench.line_choice import KINDS, best_depth, share_right
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.people import iter_users, sample_questions

_SEED = 0
READERS = {"recite": "j", "answer": "ja"}  # and the condition in which it reads what the index finds


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--reader", choices=READERS, required=True, default=argparse.SUPPRESS, help="whose lines are chosen")
    parser.add_argument("--adapter", type=Path, required=True, default=argparse.SUPPRESS, help="its weights (safetensors)")
    parser.add_argument("--users", type=int, default=5, help="development users")
    parser.add_argument("--lines", type=int, nargs="+", default=[1, 2, 3, 5, 8, 12, 16, 24], help="numbers of lines to try")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"adapter": args.adapter})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    sizes = {kind: settings["layered"]["questions"].get(kind, settings["matrix"]["questions"].get(kind, 0)) for kind in KINDS}
    users = list(iter_users("personal", "dev", range(args.users), settings["people"]["seed"]))
    asked = [(user, list(user.final_facts()), sample_questions(user, sizes, _SEED)) for user in users]
    bench = LayerBench(
        settings, shape_of(settings, args.reader), Encoder.load(settings["encoder"]["name"], args.encoder), args.model
    )
    bench.slot.put(bench.slot.load(args.adapter))
    relevant = {name: settings[name] for name in ("base", "encoder", "people", "reader")} | {
        "index": settings["layered"]["index"],
        "questions": sizes,
        "users": [user.uid for user in users],
        "condition": READERS[args.reader],
    }
    files = {"adapter": sha256_file(args.adapter), "model": bench.base.model_sha256}
    shards = Shards(Path(__file__), {**relevant, **files}, args.out.parent / "work")
    tried: dict[int, float] = {}
    for depth in tqdm(args.lines, desc=f"lines for {args.reader}", unit="number"):
        kept = f"k{depth}"
        part = shards.get(kept) or shards.put(kept, {"share": share_right(bench, READERS[args.reader], asked, depth)})
        tried[depth] = part["share"]
    best = best_depth(tried)
    shares = {str(depth): share for depth, share in tried.items()}
    metrics = rounded({"lines": best, "tried": shares, "questions": sum(len(questions) for *_, questions in asked)})
    write_json(args.out, result("choose_lines", relevant, _SEED, metrics, [], provenance.record()))
    print(f"{args.out}: reader {args.reader} answers best with {best} lines, {tried[best]:.2f} of its questions")


if __name__ == "__main__":
    run_step(main)
