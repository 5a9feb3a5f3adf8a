"""Teach a small model to write what it reads into a state and to read it there, on made episodes; or its twin of plain attention,
of as many parameters, which keeps the whole text.

One line a step. A killed run continues after its last checkpoint. Test episodes share no random number with those learnt from.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import save

from loci.bench.live_training import MODELS, Episodes, build_live, majority, stages_of
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import use_threads
from loci.models.optimisers import Optimisers, Rates
from loci.models.trainer import Schedule, Told, Trainer, line_of
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_bytes, write_json
from loci.shards import Shards

_KEEP_EVERY = 50  # steps
_MEAN = 20  # steps of which the last loss is the mean


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--model", choices=MODELS, default="delta", help="with a state, or the twin of plain attention")
    parser.add_argument("--seed", type=int, default=0, help="redraws initial weights and episodes (integer)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--weights", type=Path, required=True, default=argparse.SUPPRESS, help="weights to write (safetensors)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    settings = load_config(args.config)
    about = settings["live"]
    use_threads(settings["threads"])
    stages = stages_of(about)
    schedule = Schedule(sum(stage.steps for stage in stages))
    model = build_live(args.model, about, args.seed)
    taught = {name: about[name] for name in ("depth", "width", "heads", "memory", "stages", "answers", "rates")}
    owned = {"model": args.model, "live": taught, "seed": args.seed}
    shards = Shards(Path(__file__), owned, args.out.parent / "work")
    source = Episodes(stages, args.seed, about["answers"])
    trainer = Trainer(model, source, Optimisers(model, "muon", Rates(**about["rates"])), owned)
    seconds: list[float] = []

    def tell(told: Told) -> None:
        seconds.append(told.seconds)
        print(line_of(told, schedule, stages[0].batch * stages[0].length), file=sys.stderr)

    losses = trainer.train(schedule, shards.folder / "half.safetensors", _KEEP_EVERY, tell)
    write_bytes(args.weights, save(model.state_dict()))
    metrics = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "last_loss": sum(losses[-_MEAN:]) / len(losses[-_MEAN:]),
        "weights_sha256": sha256_file(args.weights),
        "majority": majority(stages, args.seed),
    }
    derived = {"shape": asdict(model.shape), "tokens": sum(stage.steps * stage.batch * stage.length for stage in stages)}
    record = provenance.record() | {"train_seconds": round(seconds[-1], 1) if seconds else None}
    curve = [{"step": at, "loss": loss} for at, loss in enumerate(rounded(losses), 1)]
    write_json(args.out, result("pretrain_live", owned | derived, args.seed, rounded(metrics), curve, record))
    print(
        f"{args.out}: {args.model}, {metrics['parameters']:,} parameters, read {derived['tokens']:,} tokens; "
        f"{metrics['last_loss']:.3f} nats in the end, of which answers have {about['answers']:.0%}"
    )


if __name__ == "__main__":
    run_step(main)
