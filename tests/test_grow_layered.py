"""Rows, adapters and the reader's index with more and more facts: the steps on tiny models, killed and resumed."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from fake_encoder import FakeEncoder
from steps_path import dies_after, load_step

from loci.bench.finding import finding_lessons, firing_lessons
from loci.errors import UserError
from loci.models.encoder import Encoder
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result
from loci.worlds.people import build_users
from loci.worlds.records import Fact, save_facts, save_users

SIZES = [34, 40]


@pytest.fixture
def files(tmp_path, tiny_root, monkeypatch):
    """Arguments of a small study: two test users, a corpus of forty facts."""
    settings = yaml.safe_load((CONFIG / "smoke.yaml").read_text())
    settings["layered"] |= {"questions": {"indirect": 1, "paraphrase": 1}, "max_tokens": 8}
    growth = {"sizes": [{"facts": size, "users": 2} for size in SIZES], "adapters": 34, "chosen": {"users": 2, "lines": [2, 1]}}
    settings["layered_growth"] = growth
    settings["user_lora"] |= {"passes": 1}
    settings["write"] |= {"max_visits": 2}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings))
    save_users(tmp_path / "people.json", build_users(count=4, dev=2, train=0, seed=0))
    corpus = [Fact(f"c{at}", f"value{at}", f"The number {at} house is value{at}.", (f"value{at}",)) for at in range(40)]
    save_facts(tmp_path / "corpus.json", corpus)
    arguments = ["--config", str(tmp_path / "small.yaml"), "--users", str(tmp_path / "people.json")]
    models = ["--model", str(tiny_root / "tiny")]
    monkeypatch.setattr(Encoder, "load", lambda *_arguments: FakeEncoder())
    return arguments, [*arguments, "--corpora", str(tmp_path / "corpus.json"), *models]


def grow(arguments: list[str], store: str, folder, *more: str) -> tuple[str, str]:
    out = str(folder / f"{store}.json"), str(folder / f"{store}.jsonl")
    load_step("grow_layered").main([*arguments, "--store", store, "--out", out[0], "--answers", out[1], *more])
    return out


def test_an_own_adapter_grows_is_killed_and_scored(tmp_path, files, monkeypatch):
    few, arguments = files
    one = grow(arguments, "user", tmp_path / "one")
    with dies_after(monkeypatch):
        grow(arguments, "user", tmp_path / "two")
    assert not (tmp_path / "two" / "user.jsonl").exists()
    two = grow(arguments, "user", tmp_path / "two")
    assert Path(one[1]).read_bytes() == Path(two[1]).read_bytes()
    said = list(read_jsonl(tmp_path / "one" / "user.jsonl", ""))
    assert {(answer["memory"], answer["facts"]) for answer in said} == {("b", 34)}, "40 facts are above `adapters`"
    load_step("score_grown").main([*few, "--grown", one[0], "--answers", one[1], "--out", str(tmp_path / "s.json")])
    metrics = read_result(tmp_path / "s.json")["metrics"]
    assert metrics["layered.b.tiny.n34.direct.exact"]["n"] == Counter(one["qid"].split(".")[1] for one in said)["direct"]
    assert metrics["layered_growth.user.tiny.n34.bytes"]["value"] > 0
    said[0]["prediction"] = "another"
    (tmp_path / "one" / "user.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in said))
    with pytest.raises(UserError, match="holds other answers than those"):
        load_step("score_grown").main([*few, "--grown", one[0], "--answers", one[1], "--out", str(tmp_path / "t.json")])


def test_rows_and_index_grow_under_a_reader(tmp_path, files, tiny_folder):
    few, arguments = files
    smoke = ["--config", str(CONFIG / "smoke.yaml"), "--model", str(tiny_folder), "--reader", "recite"]
    adapter = str(tmp_path / "r.safetensors")
    load_step("train_reader").main([*smoke, "--out", str(tmp_path / "r.json"), "--adapter", adapter])
    grow(arguments, "recited", tmp_path / "k", "--adapter", adapter)
    said = list(read_jsonl(tmp_path / "k" / "recited.jsonl", ""))
    asked = Counter((answer["memory"], answer["facts"]) for answer in said)
    assert set(asked) == {("k", size) for size in SIZES} and len(set(asked.values())) == 1
    costs = read_result(tmp_path / "k" / "recited.json")["items"]
    assert [(cost["uid"], cost["facts"]) for cost in costs] == [(uid, size) for size in SIZES for uid in ("u002", "u003")]
    index = grow(arguments, "index", tmp_path / "j", "--adapter", adapter)
    lines = read_result(Path(index[0]))["metrics"]["chosen"]
    assert set(lines) == {"34", "40"} and all(set(one["tried"]) == {"1", "2"} for one in lines.values())
    for one in lines.values():
        best = max(one["tried"].values())
        assert one["lines"] == min(int(depth) for depth, share in one["tried"].items() if share == best)
    both = [str(tmp_path / "k" / "recited.json"), index[0]], [str(tmp_path / "k" / "recited.jsonl"), index[1]]
    load_step("score_grown").main([*few, "--grown", *both[0], "--answers", *both[1], "--out", str(tmp_path / "s.json")])
    scored = read_result(tmp_path / "s.json")["metrics"]
    for size in SIZES:
        assert scored[f"layered_growth.index.tiny.n{size}.lines"]["value"] == lines[str(size)]["lines"]
        k, j, gap = (scored[f"layered.{name}.tiny.n{size}.direct.exact"]["value"] for name in ("k", "j", "k_minus_j"))
        assert gap == pytest.approx(k - j)
    with pytest.raises(UserError, match="--adapter: does not fit store user"):
        grow(arguments, "user", tmp_path / "no", "--adapter", adapter)
    with pytest.raises(UserError, match="--adapter: does not fit store rows"):
        grow(arguments, "rows", tmp_path / "no")


def test_a_reader_of_retrieval_goes_on_from_the_reciting_one(tmp_path, files, tiny_folder):
    few, arguments = files
    smoke = ["--config", str(CONFIG / "smoke.yaml"), "--model", str(tiny_folder)]
    start = str(tmp_path / "r.safetensors")
    load_step("train_reader").main([*smoke, "--reader", "recite", "--out", str(tmp_path / "r.json"), "--adapter", start])
    adapters = [tmp_path / name / "f.safetensors" for name in ("one", "two")]

    def train(adapter) -> None:
        out = ["--out", str(adapter.with_suffix(".json")), "--adapter", str(adapter)]
        load_step("train_finder").main([*smoke, "--start", start, *out])

    train(adapters[0])
    about = read_result(adapters[0].with_suffix(".json"))
    assert about["metrics"]["loss_held_out"] < about["metrics"]["loss_held_out_before"]
    train(adapters[1])
    assert adapters[0].read_bytes() == adapters[1].read_bytes() != Path(start).read_bytes()
    found = grow(arguments, "finder", tmp_path / "jf", "--adapter", str(adapters[0]))
    assert {answer["memory"] for answer in read_jsonl(Path(found[1]), "")} == {"jf"}
    rows = grow(arguments, "recited", tmp_path / "k", "--adapter", start)
    both = zip(rows, found, strict=True)
    results, answers = (list(pair) for pair in both)
    load_step("score_grown").main([*few, "--grown", *results, "--answers", *answers, "--out", str(tmp_path / "s.json")])
    scored = read_result(tmp_path / "s.json")["metrics"]
    k, jf, gap = (scored[f"layered.{name}.tiny.n34.direct.exact"]["value"] for name in ("k", "jf", "k_minus_jf"))
    assert gap == pytest.approx(k - jf) and scored["layered_growth.finder.tiny.n40.lines"]["value"] in (1, 2)


def test_both_controls_are_taught_the_same_questions():
    per_kind = {"direct": 2, "paraphrase": 3, "indirect": 2, "unknown": 1, "sums": 2}
    user = build_users(count=1, dev=0, train=1, seed=0)[0]
    found = finding_lessons(user, 40, [4], per_kind, "hybrid", FakeEncoder(), 0)
    fired = firing_lessons(user, 40, per_kind, 0)
    questions = [[re.findall("(?:Question|Sum): (.*)\n", one[0].text) for one in lessons] for lessons in (found, fired)]
    assert questions[0][:8] == questions[1][:8] and len(found) == len(fired) == 10
    assert all(one[0].text.startswith("Facts about me:") for one in found[:8])
    assert not any("Facts about me" in one[0].text for one in fired)
    given = [piece for one in fired[:7] for piece in one if piece.text.strip() in {fact.answer for fact in user.final_facts()}]
    assert given and not any(piece.learnt for piece in given), "rows say the values: the reader does not learn them"


def test_the_reader_of_rows_goes_on_too(tmp_path, files, tiny_folder):
    few, arguments = files
    smoke = ["--config", str(CONFIG / "smoke.yaml"), "--model", str(tiny_folder)]
    start, adapter = str(tmp_path / "r.safetensors"), str(tmp_path / "p.safetensors")
    load_step("train_reader").main([*smoke, "--reader", "recite", "--out", str(tmp_path / "r.json"), "--adapter", start])
    out = ["--out", str(tmp_path / "p.json"), "--adapter", adapter]
    load_step("train_finder").main([*smoke, "--start", start, "--bare", *out])
    about = read_result(tmp_path / "p.json")
    assert about["config"]["bare"] is True
    assert about["metrics"]["loss_held_out"] < about["metrics"]["loss_held_out_before"]
    rows = grow(arguments, "practised", tmp_path / "kp", "--adapter", adapter)
    said = list(read_jsonl(Path(rows[1]), ""))
    assert {answer["memory"] for answer in said} == {"kp"}
    before = grow(arguments, "recited", tmp_path / "k", "--adapter", start)
    results, answers = (list(pair) for pair in zip(before, rows, strict=True))
    load_step("score_grown").main([*few, "--grown", *results, "--answers", *answers, "--out", str(tmp_path / "s.json")])
    scored = read_result(tmp_path / "s.json")["metrics"]
    kp, k, gap = (scored[f"layered.{name}.tiny.n34.direct.exact"]["value"] for name in ("kp", "k", "kp_minus_k"))
    assert gap == pytest.approx(kp - k)
