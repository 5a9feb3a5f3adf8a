"""The row-writing benchmark on a tiny model: its results, its restart, and that its ablation computes the same thing."""

import importlib.util
import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from grafts import CLOSE, grafted

from loci.bench import race
from loci.config import load_profile
from loci.memories.row_baselines import UncachedExamples
from loci.memories.row_examples import ContextExamples, Sentence, encode_sentence, written_keys
from loci.memories.row_writer import initial_rows
from loci.models.suffix import CachedSequences
from loci.models.upper import UpperStack
from loci.paths import ROOT
from loci.results import read_jsonl, read_result

FACTS, ALONE, CAP_SECONDS = 4, 6, 2.0
TICK = 0.05  # seconds between two looks at the clock: what is reached must not hang on the machine


@pytest.fixture(scope="module")
def row_write():
    spec = importlib.util.spec_from_file_location("row_write", ROOT / "benchmarks" / "row_write.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def arguments(llama, tmp_path) -> list[str]:
    """A profile for the tiny model: two learning rates, one size with both and one with ours alone."""
    settings = load_profile("laptop")
    settings["base"] = {"name": llama.name, "source": "made"}
    settings["engram"] |= {"layer": 2, "heads": 4, "row_dim": 16}
    settings["closed_form_scale"]["rows_unembed"] = 0.01  # a start so weak that the published procedure has to learn
    rates = {"rates_ours": [0.3, 1.0], "rates_published": [0.3, 1.0]}
    settings["row_write"] = {"sizes": [FACTS], "ours_alone": [ALONE], **rates, "cap_seconds": CAP_SECONDS}
    profile = tmp_path / "tiny.yaml"
    profile.write_text(yaml.safe_dump(settings), encoding="utf-8")
    models = Path(llama.model.config.name_or_path).parent
    return ["--config", str(profile), "--models", str(models), "--out", str(tmp_path / "out" / "row_write.json")]


def test_results_and_restart(row_write, arguments, tmp_path, monkeypatch):
    looks = count()
    monkeypatch.setattr(race, "time", SimpleNamespace(perf_counter=lambda: TICK * next(looks)))

    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as first_start, pytest.raises(KeyboardInterrupt):
        first_start.setattr(row_write, "ablate", killed)
        row_write.main(arguments)
    journal = next((tmp_path / "out" / "work" / "row_write").glob("*.jsonl"))
    finished = read_jsonl(journal)
    assert [run["writer"] for run in finished] == ["ours"] * 2 + ["published"] * 2
    with journal.open("a") as stream:
        stream.write('{"name": "cut off by the k')  # as a kill in mid-line leaves it

    row_write.main(arguments)
    assert not journal.exists()
    found = read_result(tmp_path / "out" / "row_write.json")
    assert found["experiment"] == "row_write"
    assert found["items"][: len(finished)] == finished
    new = [f"ablation.{part}" for part in ("no_cache", "batch_1", "orders_2_3")]
    assert [run["name"] for run in found["items"][len(finished) : -1]] == new
    assert (found["items"][-1]["writer"], found["items"][-1]["facts"]) == ("ours", ALONE)
    for run in found["items"]:
        assert {"rate", "batch", "orders", "reached", "ended", "steps", "seconds", "recall", "rows", "trace"} <= run.keys()
        assert run["reached"] == (run["recall"] >= row_write.TARGET) and run["trace"][-1] == [run["seconds"], run["recall"]]

    assert any(run["steps"] for run in found["items"] if run["writer"] == "published")
    metrics = {key.removeprefix("bench.row_write."): entry["value"] for key, entry in found["metrics"].items()}
    for facts in (FACTS, ALONE):
        assert metrics[f"seconds_per_fact.n{facts}"] > 0 and 0 <= metrics[f"whole_exact.n{facts}"] <= 1
        assert f"seconds_to_first_token_090.ours.n{facts}" in metrics
    assert metrics[f"seconds_to_first_token_090.published.n{FACTS}"] >= 0 and f"speedup.n{FACTS}" in metrics
    arrived = any(run["reached"] for run in found["items"] if run["writer"] == "published")
    assert metrics[f"speedup_lower_bound.n{FACTS}"] == int(not arrived)
    assert f"ablation.no_cache.seconds.n{FACTS}" in metrics and json.dumps(metrics, allow_nan=False)


def test_reading_without_the_cache_is_the_same_computation(base):
    sentences = [Sentence("The code word for the Amber Falcon is", "Quartz"), Sentence("My dentist is", "Dr. Ada Lind")]
    with grafted(base) as graft:
        encoded = [encode_sentence(base.tokenizer, "", sentence) for sentence in sentences]
        addresses = torch.cat([written_keys(graft, item) for item in encoded]).unique()
        table = initial_rows(addresses, graft.spec.row_width, 0.5, torch.Generator().manual_seed(0))
        cached = CachedSequences(UpperStack(graft), [item.ids for item in encoded])
        examples = ContextExamples(cached, encoded, table)
        uncached = UncachedExamples(graft, encoded, table, examples)
        chosen, hidden, gradients = torch.tensor([1, 0]), [], []
        wanted = [item.following for item in encoded]
        for group in (examples, uncached):
            values = table.values.clone().requires_grad_(True)
            final, targets, owner = group.hidden_at_targets(values, chosen)
            final.square().sum().backward()
            hidden.append(final.detach())
            gradients.append(values.grad.to_dense())
            assert targets.tolist() == wanted[1] + wanted[0]
            assert owner.tolist() == [1] * len(wanted[1]) + [0] * len(wanted[0])
    torch.testing.assert_close(*hidden, atol=CLOSE, rtol=0)
    torch.testing.assert_close(*gradients, atol=1e-3, rtol=1e-3)
