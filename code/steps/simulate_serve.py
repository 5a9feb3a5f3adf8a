"""From what was measured of one machine: bytes, cache hits and machines for millions of users, and how far that can be trusted.

Checked: the share of hits against a cache that is run, and the seconds of a request against the measured numbers of users that
the fit did not use.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.config import load_config
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import read_result, result, rounded, write_json
from loci.serve.simulation import cache_hits, fitted_seconds, lru_hits, machines

_SEED = 0
_DAY = 86400
_RUN_USERS, _RUN_KEPT = 20000, 1000  # of the cache that is run


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--load", type=Path, required=True, default=argparse.SUPPRESS, help="result of load_serve.py (JSON)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def entry(value: float, n: int, source: str) -> dict:
    """A ledger entry of something computed: no interval of its own."""
    return {"value": value, "n": n, "low": value, "high": value, "source": source}


def measured_points(costs: dict, users: list[int]) -> dict[int, tuple[float, float]]:
    """Share of cache hits and seconds of a request, by registered users."""
    keys = {count: (f"serve.rows.u{count}.cache_hits", f"serve.rows.u{count}.requests_per_second") for count in users}
    if missing := [key for pair in keys.values() for key in pair if key not in costs]:
        raise UserError(f"--load: {missing[0]}", "no such number", "run load_serve.py with the same profile")
    return {count: (costs[hits]["value"], 1 / costs[rate]["value"]) for count, (hits, rate) in keys.items()}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"load": args.load})
    settings = load_config(args.config)
    simulated, load, source = settings["serve"]["simulated"], settings["serve"]["load"], args.out.name
    costs = read_result(args.load)["provenance"].get("costs", {})
    points = measured_points(costs, load["users"])
    seconds = fitted_seconds(list(points.values()))
    size = costs["serve.rows.bytes_per_user"]["value"]
    found = {
        "serve.simulated.seconds_in_memory": entry(seconds[0], len(points), source),
        "serve.simulated.seconds_from_disk": entry(seconds[1], len(points), source),
    }
    for count, (hits, measured) in points.items():
        error = (seconds[0] + (1 - hits) * seconds[1]) / measured - 1
        found[f"serve.simulated.check.u{count}.error"] = entry(error, 1, source)
    for exponent in simulated["exponents"]:
        run = lru_hits(_RUN_USERS, exponent, _RUN_KEPT, simulated["requests"], _SEED)
        name = f"serve.simulated.check.z{_named(exponent)}"
        found[f"{name}.hits_run"] = entry(run, simulated["requests"], source)
        found[f"{name}.hits_said"] = entry(cache_hits(_RUN_USERS, exponent, _RUN_KEPT), simulated["requests"], source)
        for users in simulated["users"]:
            wanted = users * simulated["per_day"] / _DAY
            about = machines(users, exponent, wanted, simulated["memory_gb"] * 1e9, size, seconds)
            for part, value in about.items():
                found[f"serve.simulated.z{_named(exponent)}.u{users}.{part}"] = entry(value, users, source)
    config = {"simulated": simulated, "users": load["users"]}
    record = provenance.record() | {"costs": rounded(found)}
    write_json(args.out, result("simulate_serve", config, _SEED, {}, [], record))
    print(f"{args.out}: {len(simulated['users'])} populations under {len(simulated['exponents'])} kinds of traffic")


def _named(exponent: float) -> str:
    """An exponent as a part of a key: 0.8 -> 0_8."""
    return f"{exponent:g}".replace(".", "_")


if __name__ == "__main__":
    run_step(main)
