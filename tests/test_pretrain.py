"""The steps that train from scratch: tokenizer, every model, a kill in the middle, and what they refuse."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from steps_path import load_step

from loci.config import load_config
from loci.errors import UserError
from loci.paths import CONFIG, ROOT
from loci.results import read_result
from loci.worlds.prose_files import texts_of

MODELS = ("dense", "wide", "engram")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Prose of both splits, also as a folder of files with other columns, a tokenizer, and a profile with 150 small steps."""
    out = tmp_path_factory.mktemp("pretrain")
    make_prose, train_bpe = load_step("make_prose"), load_step("train_bpe")
    for split, words in (("train", 8000), ("heldout", 1500)):
        make_prose.main(["--tokens", str(words), "--split", split, "--out", str(out / f"prose.{split}.parquet")])
    texts = list(texts_of(out / "prose.train.parquet"))
    (out / "public").mkdir()
    for at in range(2):
        pq.write_table(pa.table({"text": texts[at::2], "url": texts[at::2]}), out / "public" / f"{at}.parquet", row_group_size=3)
    settings = load_config(CONFIG / "smoke.yaml")
    settings["pretrain"] |= {"steps": 150, "keep_every": 20, "measure_every": 60}
    (out / "smoke.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    vocabulary = str(settings["pretrain"]["vocabulary"])
    train_bpe.main(["--corpus", str(out / "prose.train.parquet"), "--vocabulary", vocabulary, "--out", str(out / "bpe.json")])
    return out


def arguments(folder: Path, out: Path, model: str = "engram", **changed: str) -> list[str]:
    named = {
        "config": folder / "smoke.yaml",
        "model": model,
        "corpus": folder / "prose.train.parquet",
        "held-out": folder / "prose.heldout.parquet",
        "tokenizer": folder / "bpe.json",
        "out": out / f"{model}.json",
        "weights": out / f"{model}.safetensors",
    }
    return [part for name, value in (named | changed).items() for part in (f"--{name}", str(value))]


@pytest.mark.parametrize("model", MODELS)
def test_models_learn(folder, tmp_path, capsys, model):
    load_step("pretrain").main(arguments(folder, tmp_path, model))
    found = read_result(tmp_path / f"{model}.json")
    losses = [item["loss"] for item in found["items"] if "loss" in item]
    measured = [item for item in found["items"] if "val_bpb" in item]
    assert len(losses) == 150 and sum(losses[-10:]) < 0.9 * sum(losses[:10])
    assert [item["step"] for item in measured] == [60, 120, 150] and found["metrics"]["val_bpb"] == measured[-1]["val_bpb"]
    assert len(found["provenance"]["measured_at_seconds"]) == 3 and found["provenance"]["tokens_per_s"] > 0
    said = capsys.readouterr()
    assert "step 150/150 (100.0%) | loss " in said.err and "tokens/s | 0 s left" in said.err
    assert f"{model} read 19,200 tokens, last loss " in said.out


def test_a_wide_model_has_the_parameters_of_the_engram_model(folder, tmp_path):
    sizes = {}
    for model in MODELS:
        load_step("pretrain").main(arguments(folder, tmp_path, model))
        sizes[model] = sum(read_result(tmp_path / f"{model}.json")["config"]["parameters"].values())
    assert sizes["wide"] == pytest.approx(sizes["engram"], rel=1e-3) and sizes["dense"] < 0.8 * sizes["wide"]


@pytest.mark.parametrize("corpus", ["prose.train.parquet", "public"])
def test_a_killed_run_goes_on_to_the_same_bytes(folder, tmp_path, corpus):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    step = load_step("pretrain")
    step.main(arguments(folder, whole, corpus=folder / corpus))
    command = [sys.executable, str(ROOT / "code" / "steps" / "pretrain.py"), *arguments(folder, cut, corpus=folder / corpus)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=os.environ) as run:
        for line in run.stderr:
            if line.startswith("step 90/"):
                run.send_signal(signal.SIGKILL)
                break
    assert run.returncode == -signal.SIGKILL and not (cut / "engram.json").exists()
    step.main(arguments(folder, cut, corpus=folder / corpus))
    results = [json.loads((at / "engram.json").read_text(encoding="utf-8")) for at in (whole, cut)]
    for found in results:
        del found["provenance"]
    assert results[0] == results[1]
    assert (whole / "engram.safetensors").read_bytes() == (cut / "engram.safetensors").read_bytes()


def test_the_benchmark_times_every_variant(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("bench_pretrain", ROOT / "benchmarks" / "train_speed.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    benchmark.main(["--config", str(CONFIG / "smoke.yaml"), "--steps", "2", "--out", str(tmp_path / "pretrain.json")])
    found = read_result(tmp_path / "pretrain.json")
    assert [(one["model"], one["optimiser"]) for one in found["items"]] == list(benchmark.VARIANTS)
    assert all(one["tokens_per_s"] > 0 and 0 < one["share_of_peak"] < 1 for one in found["items"])
    assert found["metrics"]["peak_gflops"] > 0 and "what matrix products alone reach" in capsys.readouterr().out


def test_what_cannot_be_read_is_named(folder, tmp_path):
    step = load_step("pretrain")
    for changed, message in (
        ({"tokenizer": tmp_path / "none.json"}, r"none\.json: no such file; train the tokenizer first"),
        ({"corpus": tmp_path / "none.parquet"}, r"none\.parquet: no such file; run code/steps/make_prose\.py"),
        ({"tokenizer": folder / "smoke.yaml"}, r"smoke\.yaml: is not a tokenizer"),
    ):
        with pytest.raises(UserError, match=message):
            step.main(arguments(folder, tmp_path, **changed))
    assert not (tmp_path / "engram.json").exists() and not (tmp_path / "engram.safetensors").exists()
