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
from loci.results import read_jsonl, read_result, sha256_file, write_json, write_jsonl
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


def grow(arguments: list[str], store: str, folder, *more: str, size: int = SIZES[0]) -> tuple[str, str]:
    out = str(folder / f"{store}.{size}.json"), str(folder / f"{store}.{size}.jsonl")
    how = ["--store", store, "--facts", str(size), "--out", out[0], "--answers", out[1]]
    load_step("grow_layered").main([*arguments, *how, *more])
    return out


def score(few: list[str], grown: list[tuple[str, str]], out: Path) -> dict:
    """Metrics of results and their answers, scored together."""
    files = ["--grown", *(one for one, _ in grown), "--answers", *(answers for _, answers in grown)]
    load_step("score_grown").main([*few, *files, "--out", str(out)])
    return read_result(out)["metrics"]


def test_an_own_adapter_grows_is_killed_and_scored(tmp_path, files, monkeypatch):
    few, arguments = files
    one = grow(arguments, "user", tmp_path / "one")
    with dies_after(monkeypatch):
        grow(arguments, "user", tmp_path / "two")
    assert not list((tmp_path / "two").glob("*.json*"))
    two = grow(arguments, "user", tmp_path / "two")
    assert Path(one[1]).read_bytes() == Path(two[1]).read_bytes()
    said = list(read_jsonl(Path(one[1]), ""))
    assert {(answer["memory"], answer["facts"]) for answer in said} == {("b", 34)}
    metrics = score(few, [one], tmp_path / "s.json")
    assert metrics["layered.b.tiny.n34.direct.exact"]["n"] == Counter(one["qid"].split(".")[1] for one in said)["direct"]
    assert metrics["layered_growth.user.tiny.n34.bytes"]["value"] > 0
    said[0]["prediction"] = "another"
    Path(one[1]).write_text("".join(json.dumps(answer) + "\n" for answer in said))
    with pytest.raises(UserError, match="holds other answers than those"):
        score(few, [one], tmp_path / "t.json")


def test_stores_are_compared_over_the_users_that_all_have(tmp_path, files):
    few, arguments = files
    both = grow(arguments, "user", tmp_path)
    about, said = read_result(Path(both[0])), list(read_jsonl(Path(both[1]), ""))

    def beside(uids: set[str]) -> dict:
        """Metrics with a made store beside, whose users are `uids` and whose answers are wrong."""
        answers = tmp_path / "other.jsonl"
        write_jsonl(answers, [one | {"memory": "k", "prediction": "?"} for one in said if one["uid"] in uids])
        items = [{"uid": uid, "facts": 34, "seconds": 34.0, "bytes": 1} for uid in sorted(uids)]
        metrics = {"answers_sha256": sha256_file(answers)}
        config = about["config"] | {"store": "recited"}
        write_json(tmp_path / "other.json", about | {"config": config, "items": items, "metrics": metrics})
        return score(few, [both, (str(tmp_path / "other.json"), str(answers))], tmp_path / "s.json")

    whole, one = beside({"u002", "u003"}), beside({"u003"})
    assert whole["layered.b.tiny.n34.direct.exact"]["n"] == 2 * one["layered.b.tiny.n34.direct.exact"]["n"] > 0
    assert [metrics["layered_growth.user.tiny.n34.bytes"]["n"] for metrics in (whole, one)] == [2, 1]
    wrong = one["layered.k.tiny.n34.direct.exact"]
    assert (wrong["value"], wrong["n"]) == (0.0, one["layered.b.tiny.n34.direct.exact"]["n"])
    with pytest.raises(UserError, match="--grown: no user has 34 facts in every store"):
        beside({"u009"})


def test_a_difference_counts_all_whom_its_two_stores_share(tmp_path, files):
    few, arguments = files
    both = grow(arguments, "user", tmp_path)
    about, said = read_result(Path(both[0])), list(read_jsonl(Path(both[1]), ""))

    def made(store: str, memory: str, uids: set[str], prediction: str) -> tuple[str, str]:
        result, answers = tmp_path / f"{store}.json", tmp_path / f"{store}.jsonl"
        write_jsonl(answers, [one | {"memory": memory, "prediction": prediction} for one in said if one["uid"] in uids])
        items = [{"uid": uid, "facts": 34, "seconds": 34.0, "bytes": 1} for uid in sorted(uids)]
        more = {"items": items, "metrics": {"answers_sha256": sha256_file(answers)}}
        write_json(result, about | more | {"config": about["config"] | {"store": store}})
        return str(result), str(answers)

    pair = [made("recited", "k", {"u002", "u003"}, "nonsense"), made("finder", "jf", {"u002", "u003"}, "Not known.")]
    found = score(few, [*pair, made("user", "b", {"u003"}, "not known")], tmp_path / "s.json")
    alone, gap = found["layered.k.tiny.n34.direct.exact"], found["layered.k_minus_jf.tiny.n34.direct.exact"]
    assert gap["n"] == 2 * alone["n"] > 0 and gap["value"] == 0.0
    assert found["layered.k_minus_jf.tiny.n34.direct.wrong"]["value"] == 1.0, "nonsense is wrong, declining is not"
    assert found["layered.b.tiny.n34.direct.wrong"]["value"] == 0.0
    assert not any(".statement.wrong" in key for key in found), "a bare statement cannot be declined"


@pytest.mark.parametrize(("store", "size", "known"), [("user", 40, "34"), ("index", 35, "34, 40")])
def test_a_size_that_the_profile_does_not_know_is_refused(tmp_path, files, store, size, known):
    _, arguments = files
    adapter = [] if store == "user" else ["--adapter", str(tmp_path / "none.safetensors")]
    (tmp_path / "none.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=f"--facts: {size} is no size of store {store}; use {known}, or"):
        grow(arguments, store, tmp_path, *adapter, size=size)
    assert not list(tmp_path.glob(f"{store}*"))


def test_rows_and_index_grow_under_a_reader(tmp_path, files, tiny_folder, monkeypatch):
    few, arguments = files
    smoke = ["--config", str(CONFIG / "smoke.yaml"), "--model", str(tiny_folder), "--reader", "recite"]
    adapter = str(tmp_path / "r.safetensors")
    load_step("train_reader").main([*smoke, "--out", str(tmp_path / "r.json"), "--adapter", adapter])
    rows = [grow(arguments, "recited", tmp_path / "k", "--adapter", adapter, size=size) for size in SIZES]
    asked = [Counter((answer["memory"], answer["facts"]) for answer in read_jsonl(Path(said), "")) for _, said in rows]
    assert [set(one) for one in asked] == [{("k", size)} for size in SIZES]
    assert asked[0]["k", 34] == asked[1]["k", 40], "the same questions at every size"
    costs = [item for grown, _ in rows for item in read_result(Path(grown))["items"]]
    assert [(cost["uid"], cost["facts"]) for cost in costs] == [(uid, size) for size in SIZES for uid in ("u002", "u003")]
    with dies_after(monkeypatch):
        grow(arguments, "index", tmp_path / "j", "--adapter", adapter)
    index = [grow(arguments, "index", tmp_path / "j", "--adapter", adapter, size=size) for size in SIZES]
    lines = [read_result(Path(grown))["metrics"] for grown, _ in index]
    assert all(set(one["tried"]) == {"1", "2"} for one in lines)
    for one in lines:
        best = max(one["tried"].values())
        assert one["lines"] == min(int(depth) for depth, share in one["tried"].items() if share == best)
    scored = score(few, [*rows, *index], tmp_path / "s.json")
    for size, one in zip(SIZES, lines, strict=True):
        assert scored[f"layered_growth.index.tiny.n{size}.lines"] == {"value": one["lines"], "n": 2, "source": "s.json"}
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
    scored = score(few, [rows, found], tmp_path / "s.json")
    k, jf, gap = (scored[f"layered.{name}.tiny.n34.direct.exact"]["value"] for name in ("k", "jf", "k_minus_jf"))
    assert gap == pytest.approx(k - jf) and scored["layered_growth.finder.tiny.n34.lines"]["value"] in (1, 2)


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
    scored = score(few, [before, rows], tmp_path / "s.json")
    kp, k, gap = (scored[f"layered.{name}.tiny.n34.direct.exact"]["value"] for name in ("kp", "k", "kp_minus_k"))
    assert gap == pytest.approx(kp - k)
