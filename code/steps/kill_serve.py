"""Kill a server (SIGKILL) again and again while facts are written, and count what is lost, half-written or broken.

The base is a tiny model made here: what is stored and when does not depend on the model, and a start takes seconds.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import yaml

from loci.config import load_config
from loci.errors import run_step
from loci.models.tiny import make_tiny
from loci.provenance import Provenance
from loci.results import result, write_json
from loci.serve.kills import trial
from loci.serve.scratch import scratch

_SEED = 0
_BASE = {"name": "tiny", "source": "made"}
_ENGRAM = {"layer": 2, "orders": [3, 5, 8], "heads": 8, "row_dim": 32, "seed": 0}
_WRITE = {"rate": 0.6, "batch": 16, "margin": 1.0, "max_visits": 60, "init_scale": 0.05, "contexts_per_kind": 1}
_LIMITS = {"rate": 1000, "burst": 1000}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--kills", type=int, help="how often; serve.killed.kills when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    settings = load_config(args.config)
    killed = settings["serve"]["killed"]
    kills = args.kills or killed["kills"]
    settings |= {"base": _BASE, "engram": _ENGRAM, "write": _WRITE, "threads": 1}
    settings["serve"]["limits"] |= _LIMITS
    with scratch(args.out.parent / "work" / f"kill_serve.{kills}") as folder:
        made, config = folder / "tiny", folder / "served.yaml"
        make_tiny(made, steps=60)
        config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        tally = trial(config, folder / "store", made, kills, killed["users"], _SEED)
    name = "serve.kills" + (f".n{args.kills}" if args.kills else "")
    counts = {part: count for part, count in asdict(tally).items() if part not in ("kills", "acknowledged", "resumed")}
    about = {"n": kills, "source": args.out.name}
    # How far the writers came before each kill is a matter of the machine: a cost, not a metric of the seed.
    reached = {part: {"value": asdict(tally)[part], "n": kills, "source": args.out.name} for part in ("acknowledged", "resumed")}
    metrics = {f"{name}.{part}": {"value": count, "low": count, "high": count, **about} for part, count in counts.items()}
    costs = {f"{name}.{part}": {**entry, "low": entry["value"], "high": entry["value"]} for part, entry in reached.items()}
    config = {"kills": kills, "users": killed["users"], "base": "tiny", "engram": _ENGRAM, "write": _WRITE}
    write_json(args.out, result("kill_serve", config, _SEED, metrics, [], provenance.record() | {"costs": costs}))
    print(f"{args.out}: {kills} kills, {tally.acknowledged} facts acknowledged, {tally.lost} lost, {tally.broken} stores broken")


if __name__ == "__main__":
    run_step(main)
