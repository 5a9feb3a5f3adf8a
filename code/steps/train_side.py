"""Train the small side model of extraction B on documents with gold triplets, from scratch.

A killed run continues after its last whole pass over the documents.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.config import load_config
from loci.errors import run_step
from loci.memories.side_model import SideSettings
from loci.memories.side_training import begin, examples_of, train
from loci.models.base import use_threads
from loci.paths import GENERATED
from loci.progress import watching
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.prose_files import read_documents


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--corpus", type=Path, default=GENERATED / "prose.long.parquet", help="documents to learn from (parquet)")
    parser.add_argument("--seed", type=int, default=0, help="redraws weights, order and what is hidden (integer)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--weights", type=Path, required=True, default=argparse.SUPPRESS, help="model to write (safetensors)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"corpus": args.corpus})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    documents = list(read_documents(args.corpus))
    model = begin(documents, SideSettings(**settings["side"]), args.seed)
    examples = [one for document in tqdm(documents, desc="cut", unit="document") for one in examples_of(model, document)]
    owned = {"side": settings["side"], "corpus": sha256_file(args.corpus), "seed": args.seed}
    checkpoint = Shards(Path(__file__), owned, args.out.parent / "work").folder / "passes.safetensors"
    started = time.perf_counter()
    with watching("train", "batch") as watch:
        losses = train(model, examples, args.seed, checkpoint, watch)
    model.save(args.weights)
    config = {"side": settings["side"], "documents": len(documents), "windows": len(examples)}
    config |= {"parameters": sum(weight.numel() for weight in model.network.parameters()), "words": len(model.lexicon.words)}
    metrics = {"loss": losses[-1], "weights_sha256": sha256_file(args.weights)}
    items = [{"pass": at, "loss": loss} for at, loss in enumerate(rounded(losses), 1)]
    made = provenance.record() | {"costs": rounded({"train_seconds": time.perf_counter() - started})}
    write_json(args.out, result("train_side", config, args.seed, rounded(metrics), items, made))
    print(
        f"{args.out}: {len(examples):,} windows read {len(losses)} times by a model of {config['parameters']:,} parameters; "
        f"loss {losses[0]:.2f} in the first pass, {losses[-1]:.2f} in the last"
    )


if __name__ == "__main__":
    run_step(main)
