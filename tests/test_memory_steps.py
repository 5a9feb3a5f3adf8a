"""Steps that write, recall and read memories of text: bad input is one fault that names the place, and nothing is written."""

import json
from pathlib import Path

import pytest
import yaml
from steps_path import load_step

from loci.config import load_config
from loci.errors import UserError
from loci.paths import CONFIG
from loci.worlds.people import build_users
from loci.worlds.records import load_users, save_users


@pytest.fixture
def users(tmp_path) -> Path:
    """Users of the smoke profile."""
    path = tmp_path / "people.json"
    save_users(path, build_users(count=6, dev=4, train=0, seed=0))
    return path


def config(folder: Path, **matrix: object) -> Path:
    """The smoke profile with some settings of its matrix changed."""
    settings = load_config(CONFIG / "smoke.yaml")
    path = folder / "smoke.yaml"
    path.write_text(yaml.safe_dump({**settings, "matrix": {**settings["matrix"], **matrix}}), encoding="utf-8")
    return path


def recall(config: Path, users: Path, folder: Path, *more: str) -> None:
    """recall_memories.py with its outputs in `folder`."""
    out = ["--out", str(folder / "out" / "recall.json"), "--recalls", str(folder / "out" / "recalls.jsonl")]
    load_step("recall_memories").main(["--config", str(config), "--users", str(users), *out, *more])


def test_a_missing_encoder_names_the_command_that_fetches_it(users, tmp_path):
    with pytest.raises(UserError) as fault:
        recall(config(tmp_path), users, tmp_path, "--encoder", str(tmp_path / "nothing"))
    assert "nothing" in str(fault.value) and "fetch_model.py --model tiny-encoder" in str(fault.value)
    assert not (tmp_path / "out").exists()


def test_a_user_without_a_conversation_is_named(users, tmp_path):
    talks = tmp_path / "dialogues.json"
    load_step("make_dialogues").main(["--users", str(users), "--seed", "0", "--out", str(talks)])
    told = json.loads(talks.read_text(encoding="utf-8"))
    asked = next(user.uid for user in load_users(users) if user.split == "test")
    told["conversations"] = [one for one in told["conversations"] if one["uid"] != asked]
    talks.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(UserError, match=f"dialogues.json: holds no conversation of {asked}"):
        recall(config(tmp_path), users, tmp_path, "--conversations", str(talks))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "window", "message"),
    [
        (
            '{"qid": "u999.direct.city", "lines": [], "positions": [], "told": false}',
            1200,
            "u999.direct.city: is no question of these",
        ),
        ('{"qid": "u00', 1200, r"recalls.jsonl: line 1: invalid JSON"),
        ('{"qid": "%s"}', 1200, r"recalls.jsonl: line 1: lines: is missing"),
        ('{"qid": "%s", "lines": [], "positions": [], "told": false}', 256, r"needs \d+ of 256 tokens without any fact"),
    ],
)
def test_recalls_that_cannot_be_read_are_refused(line, window, message, users, tmp_path, tiny_folder):
    qid = next(
        question.qid
        for user in load_users(users)
        if user.split == "test"
        for question in user.questions
        if question.kind == "direct"
    )
    recalls = tmp_path / "recalls.jsonl"
    recalls.write_text(line.replace("%s", qid) + "\n", encoding="utf-8")
    out = tmp_path / "out"
    options = ["--config", str(config(tmp_path, window=window)), "--users", str(users), "--recalls", str(recalls)]
    options += ["--model", str(tiny_folder), "--out", str(out / "asked.json"), "--answers", str(out / "answers.jsonl")]
    with pytest.raises(UserError, match=message):
        load_step("ask_recalls").main(options)
    assert not out.exists()
