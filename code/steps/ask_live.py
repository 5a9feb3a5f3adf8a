"""Ask live memory on test episodes: with the user's own state, without, with another's, with a shuffled one, with parts of it,
and the twin of plain attention with the whole text. A killed run continues with the next cell.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from loci.bench.live import ARMS, answers, costs
from loci.bench.live_training import load_live
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import use_threads
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.episodes import SPLITS, episode


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--trained", type=Path, required=True, default=argparse.SUPPRESS, help="by pretrain_live.py (JSON)")
    parser.add_argument("--twin", type=Path, required=True, default=argparse.SUPPRESS, help="the same of plain attention (JSON)")
    parser.add_argument("--split", choices=SPLITS[1:], default="test", help="which episodes are asked; choose settings on dev")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"trained": args.trained, "twin": args.twin}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    about = settings["live"]["asked"]
    use_threads(settings["threads"])
    model, plain = load_live(args.trained, "delta"), load_live(args.twin, "attention")
    record, other = read_result(args.trained), read_result(args.twin)
    seed = record["seed"]
    if (seed, record["config"]["live"]) != (other["seed"], other["config"]["live"]):
        raise UserError(args.twin, "is of other settings or another seed", f"train it as {args.trained} was")
    relevant = {"asked": about, "split": args.split, "live": record["config"]["live"]}
    files = {name: sha256_file(path) for name, path in inputs.items()}
    shards = Shards(Path(__file__), {**relevant, **files}, args.out.parent / "work")
    found = []
    with tqdm(total=len(about["gaps"]) * len(about["updates"]), desc="ask", unit="cell") as bar:
        for gap in about["gaps"]:
            for updates in about["updates"]:
                name = f"g{gap}.u{updates}"
                if (part := shards.get(name)) is None:
                    cell = [episode(args.split, 0, at, gap, updates, about["history"]) for at in range(about["each"])]
                    part = shards.put(name, {"answers": answers(model, plain, cell, seed)})
                found += part["answers"]
                bar.update()
    write_jsonl(args.answers, found)
    measured = costs(model, plain, [about["history"] + gap for gap in about["gaps"]])
    sizes = [{name: one[name] for name in ("length", "state_bytes", "attention_bytes")} for one in measured]
    metrics = {
        "answers_sha256": sha256_file(args.answers),
        "majority": record["metrics"]["majority"],
        "parameters": {"state": record["metrics"]["parameters"], "attention": other["metrics"]["parameters"]},
        "bank": record["config"]["live"]["memory"]["bank"],
        "bytes": sizes,
    }
    speeds = [{name: round(one[name]) for name in one if not name.endswith("bytes")} for one in measured]
    made = provenance.record() | {"torch_threads": torch.get_num_threads(), "speeds": speeds}
    write_json(args.out, result("ask_live", relevant, seed, rounded(metrics), [], made))
    own = [one["said"] == one["answer"] for one in found if one["arm"] == "state"]
    print(
        f"{args.answers}: {len(found)} raw answers of {len(ARMS) + 1} arms to {len(own)} questions, {sum(own)} right with the "
        "own state; score_live.py says the rest"
    )


if __name__ == "__main__":
    run_step(main)
