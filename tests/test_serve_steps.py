"""The steps that measure the server, on a tiny model; hand-made cases of what they compute; a figure and words from them."""

import itertools
import json
import random

import numpy as np
import pytest
import torch
import yaml
from served import profile
from steps_path import load_step

from loci.bench.ledger import Ledger, collect, write_ledger
from loci.bench.serve_findings import serve_block
from loci.errors import UserError
from loci.models.rows import RowMap
from loci.results import read_result
from loci.serve.load import Measured, latency_entries, ratio_entry
from loci.serve.population import Population, fill_store, name_of
from loci.serve.simulation import cache_hits, fitted_seconds, lru_hits, machines, zipf_bins
from loci.serve.traces import from_bytes


@pytest.fixture(scope="module")
def results(tmp_path_factory, tiny_folder):
    """Results of load, isolation and simulation under the smoke profile."""
    folder = tmp_path_factory.mktemp("serve")
    config = folder / "served.yaml"
    config.write_text(yaml.safe_dump(profile()), encoding="utf-8")
    common = ["--config", str(config), "--model", str(tiny_folder)]
    load_step("load_serve").main([*common, "--out", str(folder / "load.json")])
    load_step("isolate_serve").main([*common, "--out", str(folder / "isolate.json")])
    simulate = ["--config", str(config), "--load", str(folder / "load.json"), "--out", str(folder / "simulate.json")]
    load_step("simulate_serve").main(simulate)
    return folder


def test_mixed_answers_have_the_bits_that_they_have_alone(results):
    metrics = read_result(results / "isolate.json")["metrics"]
    for part in ("differences", "other_tokens", "bench_tokens"):
        assert metrics[f"serve.rows.isolation.{part}"]["value"] == 0, part
    assert metrics["serve.rows.isolation.differences"]["n"] == 24
    assert metrics["serve.rows.isolation.right"]["value"] > 0.5, "rows that say nothing would leak nothing either"
    assert metrics["serve.rows.isolation.leaked"]["value"] == 0


def test_isolation_is_the_same_again_and_counts_what_differs(results, tmp_path, tiny_folder, monkeypatch):
    step = load_step("isolate_serve")
    options = ["--config", str(results / "served.yaml"), "--model", str(tiny_folder), "--requests", "6"]
    monkeypatch.setattr(step, "mixed", lambda engine, asked, rng: _one_wrong(step, engine, asked))
    step.main([*options, "--out", str(tmp_path / "isolate.json")])
    metrics = read_result(tmp_path / "isolate.json")["metrics"]
    assert metrics["serve.rows.isolation.n6.differences"]["value"] == 1


def _one_wrong(step, engine, asked):
    """Serve all of them, the first one with somebody else's rows."""
    first = asked[0].request
    first.rows = RowMap.from_unsorted(first.rows.addresses, first.rows.values * 1.01)
    engine.serve([one.request for one in asked])


def test_the_ledger_has_what_was_asked_for(results, tmp_path):
    write_ledger(tmp_path / "summary.json", collect([results / f"{name}.json" for name in ("load", "isolate", "simulate")]))
    ledger = Ledger(tmp_path / "summary.json")
    for key in ("overhead", "scale_ratio", "batching_gain", "bytes_per_user", "isolation.differences"):
        assert ledger[f"serve.rows.{key}"]["n"] > 0
    assert ledger["serve.lora.bytes_per_user"]["value"] > 0 and ledger["serve.write.reading.seconds"]["value"] > 0
    text = "\n".join(serve_block(ledger))
    assert "Serving many users" in text and "differ from the same request alone" in text and "Simulated" in text
    step = load_step("draw_serve")
    for again in ("one", "two"):
        step.main(["--ledger", str(tmp_path / "summary.json"), "--out", str(tmp_path / f"{again}.pdf")])
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()
    (tmp_path / "empty.json").write_text(json.dumps({"schema": 1, "ledger": {}}))
    with pytest.raises(UserError, match="run the rule load_serve"):
        step.main(["--ledger", str(tmp_path / "empty.json"), "--out", str(tmp_path / "no.pdf")])
    assert serve_block(Ledger(tmp_path / "empty.json")) == []


def test_a_simulation_needs_measured_points(results, tmp_path):
    record = read_result(results / "load.json")
    record["provenance"]["costs"] = {}
    (tmp_path / "load.json").write_text(json.dumps(record))
    options = ["--config", str(results / "served.yaml"), "--load", str(tmp_path / "load.json"), "--out", str(tmp_path / "x.json")]
    with pytest.raises(UserError, match=r"serve\.rows\.u4\.cache_hits"):
        load_step("simulate_serve").main(options)


def test_clones_read_at_the_same_places_and_say_something_else(tmp_path):
    rows = RowMap(torch.arange(3), torch.tensor([[1.0], [2.0], [3.0]]).half())
    population = Population([rows], [[[1, 2], [3]]])
    clone = population.rows_of(1)
    assert clone.addresses.equal(rows.addresses) and clone.values.flatten().tolist() == [3, 1, 2]
    assert population.asked(7, random.Random(0)) in [[1, 2], [3]]
    store = fill_store(tmp_path / "s.sqlite", population, 5, {"base": "x"})
    assert store.counts() == {"tenants": 1, "users": 5, "facts": 0}
    assert from_bytes(store.trace(name_of(1)), {"base": "x"}).values.equal(clone.values)
    store.close()


class Drifting:
    """A bench on a machine whose runs take longer and longer, whoever makes them; with rows a tenth longer at any time."""

    def __init__(self, runs):
        self.runs = runs

    def run(self, concurrency, users, rows=None, total=0, seed=0):
        return Measured((100 + next(self.runs)) * (1.0 if rows is None else 1.1), [1.0])


def test_a_machine_that_drifts_does_not_change_what_rows_add():
    step, serve = load_step("load_serve"), {"slots": 4, "load": {"concurrency": [1, 4, 8], "repeats": 3}}
    entry = step.overhead(Drifting(itertools.count()), [None] * 4, serve, "f")
    assert entry["value"] == pytest.approx(0.1, abs=1e-9) and entry["n"] == 3
    runs = itertools.count()
    alone = step.cost_alone(Drifting(runs), Drifting(runs), 4, "f")
    assert abs(alone["value"]) < 0.001, "always first would be 0.01 faster"
    assert [step.in_turn((1, 2), again) for again in range(3)] == [(1, 2), (2, 1), (1, 2)]


def test_speeds_on_a_hand_made_case():
    runs = [
        Measured(
            2.0,
            [0.1, 0.2, 0.3, 0.4],
        ),
        Measured(4.0, [0.1, 0.2, 0.3, 0.4]),
    ]
    entries = latency_entries("serve.x.c1", runs, "f")
    assert entries["serve.x.c1.requests_per_second"]["value"] == 1.5 and entries["serve.x.c1.p50"]["value"] == 0.25
    assert ratio_entry([1.1, 2.2], [1.0, 2.0], "f", less=1.0)["value"] == pytest.approx(0.1)


def test_zipf_and_the_caches():
    counts, each = zipf_bins(5, 1.0)
    assert counts.tolist() == [1] * 5 and np.allclose(each, np.array([60, 30, 20, 15, 12]) / 137)
    counts, each = zipf_bins(10**7, 0.8)
    assert counts.sum() == 10**7 and np.isclose((counts * each).sum(), 1) and len(counts) < 5000
    assert cache_hits(100, 0.0, 25) == pytest.approx(0.25, abs=0.01) and cache_hits(100, 1.0, 100) == 1.0
    for exponent in (0.6, 1.0):
        assert cache_hits(2000, exponent, 100) == pytest.approx(lru_hits(2000, exponent, 100, 40000, 0), abs=0.01)


def test_machines_on_a_hand_made_case():
    assert fitted_seconds([(1.0, 0.5), (0.0, 0.7), (0.5, 9.9)]) == pytest.approx((0.5, 0.2))
    assert fitted_seconds([(0.2, 0.5), (0.2, 0.5)]) == (0.5, 0.0)
    # 100 requests a second of half a second each, everything in memory: 50 machines; nothing in memory, twice as many.
    assert machines(1000, 1.0, 100, 1e9, 1.0, (0.5, 0.5))["machines"] == 50
    none = machines(1000, 0.0, 100, 1e-9, 1.0, (0.5, 0.5))
    assert none["machines"] in (99, 100) and none["hits"] == pytest.approx(0, abs=1e-6) and none["bytes"] == 1000
