"""The grid of table sizes and training lengths: its file, and its ledger entries."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from loci.bench.statistics import over_seeds
from loci.errors import UserError
from loci.models.ngram_table import PRESETS
from loci.results import read_text

NONE = "none"  # no table: the dense model


@dataclass(frozen=True)
class Grid:
    """What is trained: tables (presets, or "none") x steps x seeds, from a text of `words`."""

    words: int
    tables: tuple[str, ...]
    steps: tuple[int, ...]
    seeds: tuple[int, ...]


def read_grid(path: Path) -> Grid:
    """The grid of a file; UserError names the field at fault."""
    found = yaml.safe_load(read_text(path, "give config/sweep_capacity.yaml"))
    names = ("words", "tables", "steps", "seeds")
    if not isinstance(found, dict) or sorted(found) != sorted(names):
        raise UserError(path, f"does not hold {', '.join(names)}", "see config/sweep_capacity.yaml")
    for name in names[1:]:
        if not isinstance(found[name], list) or not found[name] or len(set(found[name])) < len(found[name]):
            raise UserError(f"{path}: {name}", "is no list of different values", "give at least one")
    unknown = [name for name in found["tables"] if name not in (NONE, *PRESETS)]
    if unknown:
        raise UserError(f"{path}: tables", f"{unknown[0]} is not known", f"use {NONE}, {', '.join(PRESETS)}")
    return Grid(found["words"], *(tuple(found[name]) for name in names[1:]))


def grid_entries(items: Iterable[dict], source: str) -> dict[str, dict]:
    """capacity.<table>.steps<n>.val_bpb, means of seeds with Student's interval, and of each table less the dense model, in pairs
    of seeds: capacity.<table>_minus_none.steps<n>.val_bpb. items: {table, steps, seed, val_bpb}."""
    found: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    for item in items:
        found[item["table"], item["steps"]][item["seed"]] = item["val_bpb"]
    ledger = {}
    for (table, steps), seeds in found.items():
        ledger[f"capacity.{table}.steps{steps}.val_bpb"] = over_seeds(list(seeds.values()), source)
        dense = found.get((NONE, steps), {})
        both = sorted(seeds.keys() & dense.keys())
        if table != NONE and both:
            gaps = [seeds[seed] - dense[seed] for seed in both]
            ledger[f"capacity.{table}_minus_none.steps{steps}.val_bpb"] = over_seeds(gaps, source)
    return ledger
