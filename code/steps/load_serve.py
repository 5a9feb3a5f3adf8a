"""Measure the server: requests a second and seconds of a request, by concurrency and by registered users.

The same requests are served by the plain model, with every user's rows, with an adapter swapped in for each request, and with
adapters mixed in one batch (peft). Few users are really written, the others are clones of them (loci.serve.population).
Stores of registered users (disk: a megabyte a user) lie in a folder beside the result and are removed.
"""

import argparse
import random
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from loci.bench.statistics import over_seeds
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.serve.engine import WIDTHS, Engine
from loci.serve.exact import exact_widths
from loci.serve.load import Measured, closed_loop, latency_entries, ratio_entry, request
from loci.serve.lora_arms import MixedAdapters, drawn_adapters
from loci.serve.overlay import ServedGraft
from loci.serve.population import Population, fill_store, name_of, written_population
from loci.serve.scratch import scratch
from loci.serve.slots import SlotCache
from loci.serve.traces import TraceCache
from loci.serve.write_load import write_seconds

_SEED = 0
_FEW = 5  # runs where no small difference is asked about; two would have Student's intervals that say nothing
_ONE = (1, *WIDTHS)  # with the width that gives one row alone other bits


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


class Bench:
    """One engine's runs: the same requests by the same seed, whoever serves them."""

    def __init__(self, graft: ServedGraft, population: Population, serve: dict, widths: list[int], around=None):
        self._graft, self._population, self._serve, self._widths, self._around = graft, population, serve, widths, around

    def run(self, concurrency: int, users: int, rows=None, total: int = 0, seed: int = _SEED) -> Measured:
        """One closed loop. Each request is of another user, as far as there are so many. rows: of a user; None: plain model."""
        load = self._serve["load"]
        rng, total = random.Random(f"load:{seed}"), total or load["requests"]
        chosen = rng.sample(range(users), total) if users > total else [at % users for at in range(total)]
        prompts = [self._population.asked(user, rng) for user in chosen]

        def make(at: int):
            found = None if rows is None else rows(chosen[at])
            return request(prompts[at], found, load["tokens"], name_of(chosen[at]))

        slots, positions = self._serve["slots"], self._serve["positions"]
        with Engine(self._graft, slots, positions, self._widths, concurrency, self._around) as engine:
            return closed_loop(engine, make, total, concurrency)


def largest(settings: dict) -> int:
    """The largest measured concurrency that fits into the slots."""
    return max(size for size in settings["load"]["concurrency"] if size <= settings["slots"])


def in_turn(arms: Sequence, again: int) -> Sequence:
    """The arms of one repeat, every other time from the last to the first: what comes first gains nothing over all repeats."""
    return arms if again % 2 == 0 else arms[::-1]


def by_concurrency(bench: Bench, mine: list, serve: dict, source: str) -> dict[str, dict]:
    """Plain model and rows (of each user, `mine`) at every concurrency, interleaved; what batching gains."""
    load, most = serve["load"], largest(serve)
    runs: dict[str, list[Measured]] = {}
    plan = [(again, size) for again in range(min(_FEW, load["repeats"])) for size in load["concurrency"]]
    for again, size in tqdm(plan, desc="by requests at a time", unit="run"):
        for arm, rows in in_turn((("plain", None), ("rows", mine.__getitem__)), again):
            total = min(load["requests"], 8 * size)
            runs.setdefault(f"serve.{arm}.c{size}", []).append(bench.run(size, len(mine), rows, total, again))
    entries = {}
    for name, found in runs.items():
        entries |= latency_entries(name, found, source)
    rates = [[run.rate for run in runs[f"serve.rows.c{size}"]] for size in (most, min(load["concurrency"]))]
    entries["serve.rows.batching_gain"] = ratio_entry(*rates, source)
    return entries


def overhead(bench: Bench, mine: list, serve: dict, source: str) -> dict:
    """What rows add to the seconds of one full batch, each place another user's, as a share of the plain model's. A repeat is
    plain, rows, rows, plain: a machine that drifts within it slows both alike."""
    most, arms = largest(serve), {"plain": None, "rows": mine.__getitem__}
    spent: dict[str, list[float]] = {arm: [] for arm in arms}
    for again in tqdm(range(serve["load"]["repeats"]), desc="what rows add", unit="repeat"):
        runs = [(arm, bench.run(most, len(mine), arms[arm], most, again).seconds) for arm in ("plain", "rows", "rows", "plain")]
        for arm, seconds in spent.items():
            seconds.append(sum(one for name, one in runs if name == arm))
    return ratio_entry(spent["rows"], spent["plain"], source, less=1.0)


def by_users(bench: Bench, population: Population, settings: dict, about: dict, folder: Path, source: str) -> dict[str, dict]:
    """Rows at every number of registered users, whose rows lie on disk, in one interleaved series; the ratio of most to fewest,
    which are run more often than those between."""
    load, serve = settings["serve"]["load"], settings["serve"]
    stores = {users: fill_store(folder / f"{users}.sqlite", population, users, about) for users in load["users"]}
    caches = {users: TraceCache(store.trace, about, int(serve["cache_mb"] * 1e6)) for users, store in stores.items()}
    runs: dict[int, list[Measured]] = {users: [] for users in load["users"]}
    compared = max(load["users"]), min(load["users"])
    for again in tqdm(range(load["repeats"]), desc="by registered users", unit="repeat"):
        for users in in_turn([one for one in load["users"] if one in compared or again < _FEW], again):
            runs[users].append(bench.run(largest(serve), users, partial(_read, caches[users]), seed=again))
    entries = {}
    for users, found in runs.items():
        entries |= latency_entries(f"serve.rows.u{users}", found, source)
        cache = caches[users]
        hits = cache.hits / (cache.hits + cache.misses)
        entries[f"serve.rows.u{users}.cache_hits"] = over_seeds([hits], source)
        stores[users].close()
    rates = [[run.rate for run in runs[users]] for users in compared]
    return entries | {"serve.rows.scale_ratio": ratio_entry(*rates, source)}


def cost_alone(exact: Bench, loose: Bench, repeats: int, source: str) -> dict:
    """What it costs a request that is served alone that no forward has one row, as a share of its seconds."""
    pairs = []
    for again in tqdm(range(repeats), desc="served alone", unit="repeat"):
        seconds = {bench: bench.run(1, 1, None, 6, again).seconds for bench in in_turn((exact, loose), again)}
        pairs.append((seconds[exact], seconds[loose]))
    return ratio_entry(*zip(*pairs, strict=True), source, less=1.0)


def _read(cache: TraceCache, user: int):
    return cache.get(name_of(user))


def of_adapters(base, graft, population: Population, settings: dict, widths: list[int], source: str) -> dict[str, dict]:
    """Adapters swapped in for each request, then mixed; the model keeps them, so this comes last."""
    load, serve = settings["serve"]["load"], settings["serve"]
    users = [name_of(user) for user in range(load["swapped"])]
    mixed = MixedAdapters(base, load["rank"], users, _SEED)
    bench = Bench(graft, population, serve, widths, mixed.around)
    few = min(_FEW, load["repeats"])
    entries = {"serve.lora.bytes_per_user": over_seeds([mixed.bytes_per_user], source)}
    for size in tqdm((1, largest(serve)), desc="mixed adapters", unit="run"):
        runs = [bench.run(size, len(users), None, min(load["requests"], 2 * size + 4), again) for again in range(few)]
        entries |= latency_entries(f"serve.lora_mixed.c{size}", runs, source)
    return entries


def of_swapping(base, graft, population: Population, settings: dict, widths: list[int], source: str) -> dict[str, dict]:
    """One request at a time, its user's adapter copied into the model's slot before it."""
    load, serve = settings["serve"]["load"], settings["serve"]
    slot, adapters = drawn_adapters(base, load["rank"], min(load["swapped"], 4))
    bench, runs = Bench(graft, population, serve, widths), []
    for again in tqdm(range(min(_FEW, load["repeats"])), desc="swapped adapters", unit="run"):
        spent = []
        for at in range(min(load["requests"], 8)):
            start = time.perf_counter()
            slot.put(adapters[at % len(adapters)])
            swapped = time.perf_counter() - start
            spent.append(swapped + bench.run(1, load["swapped"], None, 1, seed=at + 100 * again).seconds)
        runs.append(Measured(sum(spent), spent))
    return latency_entries("serve.lora_swapped.c1", runs, source)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    settings = load_config(args.config)
    use_threads(settings["threads"])
    load, source, name = settings["serve"]["load"], args.out.name, settings["base"]["name"]
    base, spec = load_base(name, args.model), EngramSpec.of(settings["engram"])
    graft = ServedGraft(base.model, base.tokenizer, spec)
    about = spec.about(name) | {"weights": base.model_sha256}
    widths = exact_widths(graft)
    population = written_population(graft, base.tokenizer, load["written"], load["facts"], settings["write"])
    bench = Bench(graft, population, settings["serve"], widths)
    mine = [population.rows_of(user) for user in range(load["swapped"])]
    costs = by_concurrency(bench, mine, settings["serve"], source)
    costs["serve.rows.overhead"] = overhead(bench, mine, settings["serve"], source)
    loose = Bench(graft, population, settings["serve"], list(_ONE))
    costs["serve.exact.cost_alone"] = cost_alone(bench, loose, load["repeats"], source)
    with scratch(args.out.parent / "work" / "load_serve") as folder:
        costs |= by_users(bench, population, settings, about, folder, source)
        graft.detach()
        for when, seconds in write_seconds(base, settings, folder, args.model, population, load["writes"]).items():
            costs[f"serve.write.{when}.seconds"] = over_seeds(seconds, source)
    slots = SlotCache(base.model.config, 1, settings["serve"]["positions"])
    costs["serve.slots.bytes_per_token"] = over_seeds([slots.bytes_per_token], source)
    costs["serve.rows.bytes_per_user"] = over_seeds([rows.nbytes for rows in population.rows], source)
    for part in (of_adapters, of_swapping):  # each on a model of its own: peft changes it for good
        fresh = load_base(name, args.model)
        laid = ServedGraft(fresh.model, fresh.tokenizer, spec)
        costs |= part(fresh, laid, population, settings, widths, source)
    relevant = {part: settings[part] for part in ("base", "engram", "write", "serve", "threads")}
    record = provenance.record() | {"model_sha256": base.model_sha256, "costs": rounded(costs)}
    metrics = {"widths": widths}
    write_json(args.out, result("load_serve", relevant, _SEED, metrics, [], record))
    print(f"{args.out}: rows cost {costs['serve.rows.overhead']['value']:+.1%} at the largest batch; {len(costs)} numbers")


if __name__ == "__main__":
    run_step(main)
