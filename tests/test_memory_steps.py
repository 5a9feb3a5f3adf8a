"""Steps that write, recall and read memories of text: bad input is one fault that names the place, and nothing is written."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from steps_path import load_step

from loci.bench.completion import completer
from loci.bench.decode import newline_tokens
from loci.config import load_config
from loci.errors import UserError
from loci.models.tiny import make_tiny
from loci.paths import CONFIG
from loci.worlds.people import build_users
from loci.worlds.records import Question, load_users, save_users


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


def test_a_model_decides_in_the_step_and_what_it_said_is_counted(users, tmp_path, tiny_folder):
    encoder = tmp_path / "encoder"
    make_tiny(encoder, family="bert", steps=0)
    recall(config(tmp_path, memories=["managed_llm"]), users, tmp_path, "--encoder", str(encoder), "--model", str(tiny_folder))
    found = json.loads((tmp_path / "out" / "recall.json").read_text(encoding="utf-8"))["metrics"]
    unreadable = found["recall.managed_llm.unreadable"]
    asked = [user for user in load_users(users) if user.split == "test"]
    assert unreadable["n"] >= sum(len(user.facts) for user in asked), "one decision a statement"
    assert 0 <= unreadable["low"] <= unreadable["value"] <= unreadable["high"] <= 1
    assert found["recall.managed_llm.direct.at_5"]["n"] > 0


def test_a_completion_is_the_models_own_line(llama, tiny_folder):
    complete = completer(load_config(CONFIG / "smoke.yaml"), tiny_folder)
    prompt = "My dentist is"
    ids = torch.tensor([llama.tokenizer(prompt, add_special_tokens=False).input_ids])
    said: list[int] = []
    with torch.no_grad():
        while len(said) < 8:
            token = int(
                llama.model(input_ids=torch.cat([ids, torch.tensor([said], dtype=torch.int64)], 1)).logits[0, -1].argmax()
            )
            if token in newline_tokens(llama.tokenizer):
                break
            said.append(token)
    assert complete(prompt) == llama.tokenizer.decode(said, skip_special_tokens=True).strip()


def test_two_rankings_are_compared_by_user():
    step, recalled = load_step("recall_memories"), {}
    asked = {uid: Question(uid, "direct", "city", "Where?", "Graz", ("Graz",), ("city",)) for uid in "abc"}
    for name, found in (("hybrid", ("city", "pet", "pet")), ("dense", ("city", "city", "pet"))):
        records = [
            {"uid": uid, "qid": uid, "needed": ["city"], "sources": [[key]]} for uid, key in zip("abc", found, strict=True)
        ]
        recalled[name] = step.needed(records, asked, 5)
    gap = step.contrast(recalled, "recall", "r.json")["recall.hybrid_minus_dense.direct.at_5"]
    assert (gap["value"], gap["n"]) == (pytest.approx(-1 / 3), 3), "the second user alone loses"
    assert step.contrast({"hybrid": recalled["hybrid"]}, "recall", "r.json") == {}
