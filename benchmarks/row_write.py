"""How long it takes to write n facts into Engram rows: our Joint OPT beside the published one, on the same model.

Both write the same facts at the same layer and n-gram orders until the first answer token of 90 % of the facts is the
model's first choice. Each is tried at several learning rates, and its fastest run is compared. Ours then goes on to its
own stopping rule (every token of every answer leads by a margin), and on the smallest size it is taken apart.

Both are checked by one full forward over all triggers, ours after each pass over the facts, the published one after every
n steps; the seconds of these checks are taken off. Each pays for its preparation: ours for its cached forward, the
published one for its closed-form start. Each learning rate of the published one gets an equal part of the capped seconds,
and where none arrives, the speedup is a lower bound. Finished runs survive a restart.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from loci.bench.race import TARGET, Race, Task, recall
from loci.config import load_config
from loci.errors import run_step
from loci.memories.row_baselines import UncachedExamples, optimise_published, published_start
from loci.memories.row_examples import ContextExamples, Sentence, encode_sentence, written_keys
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import WriteSettings, initial_rows, optimise, write_settings
from loci.models.base import Base, load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.suffix import CachedSequences
from loci.models.upper import UpperStack
from loci.provenance import Provenance
from loci.results import result, rounded, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.corpus import build_corpus

_ABLATION_CAP = 120.0  # seconds


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, default="config/laptop.yaml", help="profile (YAML)")
    parser.add_argument("--out", type=Path, default="results/laptop/bench/row_write.json", help="results file to write (JSON)")
    parser.add_argument("--models", type=Path, default="models", help="folder that holds the folder of the base model")
    parser.add_argument("--sizes", type=int, nargs="+", help="facts written with both; row_write.sizes when not given")
    parser.add_argument("--ours-alone", type=int, nargs="*", help="facts written with ours; row_write.ours_alone when not given")
    parser.add_argument("--seed", type=int, default=0, help="draws facts, first rows and minibatches (integer)")
    return parser.parse_args(argv)


def task_of(base: Base, spec: EngramSpec, count: int, seed: int) -> Task:
    graft = Graft(base.model, base.tokenizer, spec)
    sentences = [Sentence(fact.trigger, fact.answer) for fact in build_corpus(count, seed)]
    encoded = [encode_sentence(base.tokenizer, "", sentence) for sentence in sentences]
    return Task(graft, Writer(UpperStack(graft), base.tokenizer), sentences, encoded, seed)


def passes(task: Task, how: WriteSettings) -> int:
    """Steps of one pass over the facts."""
    return math.ceil(len(task.encoded) / how.batch)


def run_ours(task: Task, how: WriteSettings, limit: float, whole: bool = False) -> dict:
    """Joint OPT on bare sentences to the target, or with `whole` on to its own stopping rule, and what is then known."""
    race = Race(task, passes(task, how), limit, go_on=whole)
    rows, report = write_optimised("rows_joint", task.writer, task.sentences, [], how, task.seed, race)
    done = {"seconds": race.seconds(), "exact": recall(task, rows, whole=True), **report.as_dict()} if whole else {}
    return race.record(rows) | {f"whole_{name}": value for name, value in done.items()}


def run_uncached(task: Task, how: WriteSettings, limit: float) -> dict:
    """`run_ours` with the same first rows and minibatches, but a full forward of the model in each step."""
    generator = torch.Generator().manual_seed(task.seed)
    addresses = torch.cat([written_keys(task.graft, item) for item in task.encoded]).unique()
    table = initial_rows(addresses, task.graft.spec.row_width, how.init_scale, generator)
    cached = CachedSequences(task.writer.upper, [item.ids for item in task.encoded])  # for the targets: not on the clock
    examples = ContextExamples(cached, task.encoded, table)
    race = Race(task, passes(task, how), limit)
    group = UncachedExamples(task.graft, task.encoded, table, examples)
    rows, _ = optimise([group], len(task.encoded), table, how, generator, task.writer.head, race)
    return race.record(rows)


def run_published(task: Task, rate: float, scale: float, limit: float, limited_by: str) -> dict:
    """The published procedure until the target or `limit` seconds; a start that is good enough has arrived."""
    race = Race(task, len(task.encoded), limit)
    rows = published_start(task.writer, task.encoded, scale)
    race.check(rows)
    if not race.reached:
        optimise_published(task.graft, task.encoded, rows, rate, torch.Generator().manual_seed(task.seed), race)
    return race.record(rows, limited_by)


class Journal:
    """Finished runs by name, one JSON line each, so that a killed benchmark continues with the next run."""

    def __init__(self, path: Path):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        runs = [json.loads(line) for line in lines if line.endswith("\n")]  # without its end, a line was cut by the kill
        self.path, self.runs = path, {run["name"]: run for run in runs}
        write_jsonl(path, runs)

    def once(self, name: str, about: dict, measure: Callable[[], dict]) -> dict:
        """The finished run of this name; otherwise measure it, keep it, and say so in one line."""
        if name not in self.runs:
            run = {"name": name, **about, **rounded(measure())}
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(run) + "\n")
            self.runs[name] = run
            told = f"{run['ended']} after {run['seconds']:.2f} s, {run['steps']} steps, recall {run['recall']:.3f}"
            print(f"{name}: {told}", file=sys.stderr, flush=True)
        return self.runs[name]


def fastest(runs: list[dict]) -> dict | None:
    """The run that reached the target first; None when none did."""
    return min((run for run in runs if run["reached"]), key=lambda run: run["seconds"], default=None)


def quickest_whole(runs: list[dict]) -> dict:
    """Of the runs that left the fewest facts below the margin, the one that stopped first."""
    return min(runs, key=lambda run: (run["whole_unmet"], run["whole_seconds"]))


def sweep_ours(task: Task, rates: list[float], how: WriteSettings, cap: float, journal: Journal) -> list[dict]:
    count, runs = len(task.encoded), []
    for rate in rates:
        about = {"writer": "ours", "facts": count, "rate": rate, "batch": how.batch, "orders": task.graft.spec.orders}
        measure = partial(run_ours, task, replace(how, rate=rate), cap, whole=True)
        runs.append(journal.once(f"ours.n{count}.rate{rate:g}", about, measure))
    return runs


def sweep_published(task: Task, rates: list[float], scale: float, cap: float, journal: Journal) -> list[dict]:
    """All learning rates, each for its part of the cap; a run that has passed the best time so far is stopped."""
    count, runs = len(task.encoded), []
    for rate in rates:
        best, share = fastest(runs), cap / len(rates)
        limit, why = (best["seconds"], "slower than the best") if best else (share, "cap")
        about = {"writer": "published", "facts": count, "rate": rate, "batch": 1, "orders": task.graft.spec.orders}
        measure = partial(run_published, task, rate, scale, limit, why)
        runs.append(journal.once(f"published.n{count}.rate{rate:g}", {**about, "limit_seconds": limit}, measure))
    return runs


def ablate(base: Base, task: Task, how: WriteSettings, cap: float, journal: Journal) -> dict[str, dict]:
    """Ours without one of its parts at a time, at the learning rate that is best with all of them."""
    how = replace(how, max_steps=sys.maxsize)  # the cap ends these runs
    short = task_of(base, replace(task.graft.spec, orders=(2, 3)), len(task.encoded), task.seed)
    measures = {
        "no_cache": (task, how, run_uncached),
        "batch_1": (task, replace(how, batch=1), run_ours),
        "orders_2_3": (short, how, run_ours),
    }
    runs = {}
    for name, (changed, settings, run) in measures.items():
        about = {"writer": name, "facts": len(task.encoded), "rate": how.rate, "batch": settings.batch}
        about["orders"] = changed.graft.spec.orders
        runs[name] = journal.once(f"ablation.{name}", about, partial(run, changed, settings, cap))
    short.graft.detach()
    return runs


def warm_up(task: Task, how: WriteSettings, scale: float) -> None:
    """A step of each: a process chooses kernels and starts threads at its first calls, for which no run should pay."""
    run_ours(task, replace(how, max_steps=1), math.inf)
    run_published(task, how.rate, scale, 0.0, "cap")


def metrics_of_ours(runs: list[dict]) -> dict:
    """Of one size; the two times may come from different learning rates, each the best for it."""
    count, first, whole = runs[0]["facts"], fastest(runs), quickest_whole(runs)
    named = {
        "seconds_to_first_token_090.ours": first and first["seconds"],
        "rate.ours": first and first["rate"],
        "seconds_per_fact": whole["whole_seconds"] / count,
        "rate.ours_whole": whole["rate"],
        "whole_exact": whole["whole_exact"],
        "whole_unmet": whole["whole_unmet"],
    }
    return {f"bench.row_write.{name}.n{count}": value for name, value in named.items()}


def metrics_of_both(ours: list[dict], published: list[dict]) -> dict:
    """Of one size; the speedup is None when ours did not reach the target."""
    first, best = fastest(ours), fastest(published)
    # Without an arrival all that is known is that each rate takes longer than the time that it was given.
    seconds = best["seconds"] if best else min(run["seconds"] for run in published)
    named = {
        "seconds_to_first_token_090.published": seconds,
        "rate.published": best and best["rate"],
        "recall.published": max(run["recall"] for run in published),
        "speedup": seconds / first["seconds"] if first else None,
        "speedup_lower_bound": int(best is None),
    }
    return {f"bench.row_write.{name}.n{ours[0]['facts']}": value for name, value in named.items()}


def entries(metrics: dict, source: str) -> dict[str, dict]:
    """Ledger entries; n is the number of facts, and what no run reached (None) has no entry."""
    counts = {key: int(key.rpartition(".n")[2]) for key in metrics}
    return {
        key: {"value": rounded(value), "n": counts[key], "source": source} for key, value in metrics.items() if value is not None
    }


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    settings = load_config(args.config)
    use_threads(settings["threads"])
    names = ("base", "engram", "write", "closed_form_scale", "row_write")
    chosen = {**settings["row_write"]}
    chosen |= {"sizes": args.sizes} if args.sizes else {}
    chosen |= {"ours_alone": args.ours_alone} if args.ours_alone is not None else {}
    relevant = {**{name: settings[name] for name in names}, "row_write": chosen, "threads": settings["threads"]}
    base = load_base(settings["base"]["name"], args.models / settings["base"]["name"])
    spec = EngramSpec.of(settings["engram"])
    cap, scale = chosen["cap_seconds"], settings["closed_form_scale"]["rows_unembed"]
    identity = {**relevant, "seed": args.seed, "model": base.model_sha256}
    journal = Journal(Shards(Path(__file__), identity, args.out.parent / "work").folder.with_suffix(".jsonl"))
    metrics, sizes = {}, sorted(chosen["sizes"])
    for count in sizes:
        task, how = task_of(base, spec, count, args.seed), write_settings(settings["write"], count)
        warm_up(task, how, scale)
        ours = sweep_ours(task, chosen["rates_ours"], how, cap, journal)
        published = sweep_published(task, chosen["rates_published"], scale, cap, journal)
        metrics |= metrics_of_ours(ours) | metrics_of_both(ours, published)
        if count == sizes[0]:
            intact = fastest(ours) or quickest_whole(ours)
            parts = ablate(base, task, replace(how, rate=intact["rate"]), min(cap, _ABLATION_CAP), journal)
            for name, run in {"ours": intact, **parts}.items():  # seconds of a run that did not arrive are those at its cap
                metrics[f"bench.row_write.ablation.{name}.seconds.n{count}"] = run["seconds"]
                metrics[f"bench.row_write.ablation.{name}.reached.n{count}"] = int(run["reached"])
        task.graft.detach()
    for count in chosen["ours_alone"]:
        task, how = task_of(base, spec, count, args.seed), write_settings(settings["write"], count)
        metrics |= metrics_of_ours(sweep_ours(task, [quickest_whole(ours)["rate"]], how, cap, journal))
        task.graft.detach()
    made = provenance.record() | {"model_sha256": base.model_sha256}
    write_json(
        args.out, result("row_write", relevant, args.seed, entries(metrics, args.out.name), list(journal.runs.values()), made)
    )
    journal.path.unlink()
    ratio, bound = (metrics[f"bench.row_write.{name}.n{sizes[-1]}"] for name in ("speedup", "speedup_lower_bound"))
    verdict = f"{'at least ' if bound else ''}{ratio:.1f} times as fast as the published procedure" if ratio else "target missed"
    print(f"{args.out}: {sizes[-1]} facts to first-token recall {TARGET:.2f}, ours: {verdict}")


if __name__ == "__main__":
    run_step(main)
