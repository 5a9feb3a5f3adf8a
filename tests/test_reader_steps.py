"""Training a shared reader as a step: what it writes, the same bytes again, and kill and resume."""

import pytest
import torch
from fake_encoder import FakeEncoder
from steps_path import load_step

from loci.config import load_config
from loci.errors import UserError
from loci.models import tuning
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base
from loci.models.encoder import Encoder
from loci.paths import CONFIG
from loci.results import read_result


@pytest.fixture(autouse=True)
def encoder(monkeypatch):
    monkeypatch.setattr(Encoder, "load", lambda *_: FakeEncoder())


def train(folder, model, *more: str) -> None:
    out = ["--out", str(folder / "reader.json"), "--adapter", str(folder / "reader.safetensors"), "--model", str(model)]
    load_step("train_reader").main(["--config", str(CONFIG / "smoke.yaml"), "--reader", "recite", *out, *more])


def test_a_reader_is_trained_the_same_way_again_and_after_a_kill(tmp_path, tiny_folder, monkeypatch):
    train(tmp_path / "one", tiny_folder)
    result = read_result(tmp_path / "one" / "reader.json")
    about = load_config(CONFIG / "smoke.yaml")["reader"]
    assert result["metrics"]["lessons"] == about["users"] * sum(about["lessons"].values()) and len(result["items"]) > 10
    losses = [item["loss"] for item in result["items"]]
    assert sum(losses[-4:]) < sum(losses[:4])
    weights = (tmp_path / "one" / "reader.safetensors").read_bytes()
    slot = LoraSlot(load_base("tiny", tiny_folder), LoraSpec(4))
    slot.put(slot.load(tmp_path / "one" / "reader.safetensors"))
    monkeypatch.setattr(tuning, "_EVERY", 1)
    steps = iter(range(3))
    clip = torch.nn.utils.clip_grad_norm_

    def dies(*arguments):
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return clip(*arguments)

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(torch.nn.utils, "clip_grad_norm_", dies)
        train(tmp_path / "two", tiny_folder)
    assert not (tmp_path / "two" / "reader.json").exists()
    train(tmp_path / "two", tiny_folder)
    assert (tmp_path / "two" / "reader.safetensors").read_bytes() == weights
    assert read_result(tmp_path / "two" / "reader.json")["items"] == result["items"]


def test_bad_ranks_are_refused(tmp_path, tiny_folder):
    with pytest.raises(UserError, match="adapter rank: is -1"):
        train(tmp_path, tiny_folder, "--rank", "-1")
    assert not list(tmp_path.iterdir())
