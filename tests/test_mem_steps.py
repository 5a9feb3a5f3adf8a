"""The steps of [mem] vectors with a tiny model: killed and gone on with, the same again, bad input; ledger, figure, findings."""

import pytest
import yaml
from steps_path import dies_after, load_step

from loci.bench.ledger import Ledger, write_ledger
from loci.bench.mem_findings import mem_block
from loci.bench.mem_scores import PAIRS, TURN_PAIRS
from loci.bench.style import plt
from loci.errors import UserError
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result
from loci.worlds.dialogue import build_conversations
from loci.worlds.dialogue_records import save_conversations
from loci.worlds.people import build_users
from loci.worlds.records import save_users


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_folder):
    """Files that the steps read, and the options that name them."""
    root = tmp_path_factory.mktemp("mem")
    settings = yaml.safe_load((CONFIG / "smoke.yaml").read_text())
    settings["mem"] |= {"texts": 1, "lengths": [3, 6], "by": 3, "steps": 4, "patience": 4}
    settings["mem_asked"] |= {
        "told": 3,
        "prefix": {"positions": 3, "batch": 2, "next": {"rate": 0.01, "steps": 1}, "study": {"rate": 0.01, "steps": 1}},
    }
    settings["matrix"]["questions"]["direct"] = 1
    (root / "small.yaml").write_text(yaml.safe_dump(settings))
    users = build_users(4, 0, dev=2)
    save_users(root / "people.json", users)
    save_conversations(root / "told.json", build_conversations(users, 0))
    return root, ["--config", str(root / "small.yaml"), "--model", str(tiny_folder)], ["--users", str(root / "people.json")]


def test_lengths_that_are_done_are_kept_and_the_end_is_the_same(made, monkeypatch):
    root, options, _ = made
    step = load_step("cram_texts")
    with dies_after(monkeypatch):
        step.main([*options, "--vectors", "1", "--out", str(root / "a" / "k1.json")])
    assert not (root / "a" / "k1.json").exists()
    for folder in ("a", "b"):
        step.main([*options, "--vectors", "1", "--out", str(root / folder / "k1.json")])
    one, two = (read_result(root / folder / "k1.json") for folder in ("a", "b"))
    assert one["items"] == two["items"] and one["metrics"] == two["metrics"]
    assert [(item["kind"], item["length"]) for item in one["items"]] == [("docs", 3), ("random", 3), ("docs", 6), ("random", 6)]
    assert all(len(item["nats"]) == len(item["nats_bare"]) == item["length"] for item in one["items"])
    assert one["items"][2]["steps_in_all"] >= one["items"][0]["steps_in_all"]


def test_all_steps_end_in_a_ledger(made, monkeypatch, capsys):
    root, options, users = made
    for name, more in (("k1", ["--vectors", "1"]), ("k2", ["--vectors", "2"]), ("published", ["--published"])):
        load_step("cram_texts").main([*options, *more, "--out", str(root / f"{name}.json")])
    asked, turns = load_step("answer_mem"), load_step("compress_turns")
    command = [*options, *users, "--out", str(root / "asked.json"), "--answers", str(root / "asked.jsonl")]
    with dies_after(monkeypatch):
        asked.main(command)
    asked.main(command)
    said = read_jsonl(root / "asked.jsonl")
    assert {one["memory"] for one in said} == {*(name for pair in PAIRS for name in pair)}
    assert {one["uid"] for one in said} == {"u002", "u003"}, "development users are not asked"
    told = ["--conversations", str(root / "told.json"), "--out", str(root / "turns.json"), "--answers", str(root / "turns.jsonl")]
    turns.main([*options, *users, *told])
    crammed = [str(root / f"{name}.json") for name in ("k1", "k2", "published")]
    answered = ["--asked", str(root / "asked.json"), "--turns", str(root / "turns.json"), "--out", str(root / "answered.json")]
    load_step("score_mem").main(["--crammed", *crammed, "--out", str(root / "mem.json")])
    load_step("score_mem_answers").main(answered)
    found = read_result(root / "mem.json")["metrics"] | read_result(root / "answered.json")["metrics"]
    assert found["mem.tiny.k2.capacity_tokens"]["n"] == 1 and "mem.tiny.published.docs.n4.accuracy_published" in found
    assert all(f"mem_turns.{left}_minus_{right}.tiny.exact" in found for left, right in TURN_PAIRS)
    assert found["mem_turns.mem.tiny.positions"]["value"] <= found["mem_turns.all.tiny.positions"]["value"]
    write_ledger(root / "summary.json", found)
    lines = mem_block(Ledger(root / "summary.json"), "tiny")
    assert len(lines) == 3 and mem_block(Ledger(root / "summary.json"), "other") == []


def test_a_conversation_that_is_too_short_is_refused(made):
    root, options, users = made
    settings = yaml.safe_load((root / "small.yaml").read_text())
    settings["mem_asked"]["turns"]["most"] = 1
    (root / "short.yaml").write_text(yaml.safe_dump(settings))
    told = [
        "--conversations",
        str(root / "told.json"),
        "--out",
        str(root / "x" / "t.json"),
        "--answers",
        str(root / "x" / "t.jsonl"),
    ]
    with pytest.raises(UserError, match="has 0 old and 0 latest turns; ask for fewer or longer ones"):
        load_step("compress_turns").main(["--config", str(root / "short.yaml"), *options[2:], *users, *told])
    assert not (root / "x").exists()


def test_the_figure_draws_what_is_in_the_ledger(tmp_path):
    step = load_step("draw_mem")
    keys = [f"mem.b.k{count}.{kind}.n{length}.{name}" for count in (1, 2) for kind in step.KINDS for length in (8, 16)
            for name in ("accuracy", "said_exact", "nats", "nats_bare")]  # fmt: skip
    keys += [f"mem.b.k{count}.{part}" for count in (1, 2) for part in ("capacity_tokens", "docs.capacity_tokens")]
    keys += [f"mem_asked.{memory}.b.{kind}.exact" for memory in step.ASKED for kind in step.QUESTIONS]
    entries = {
        key: {"value": at / 100, "low": at / 100, "high": at / 100 + 0.01, "n": 8, "source": "x.json"}
        for at, key in enumerate(keys)
    }
    write_ledger(tmp_path / "summary.json", entries)
    held, nats, asked = step.draw(Ledger(tmp_path / "summary.json"), "b").axes
    drawn = [list(container.lines[0].get_ydata()) for container in held.containers]
    wanted = [
        [entries[f"mem.b.k{count}.{kind}.n{length}.{name}"]["value"] for length in (8, 16)]
        for count in (1, 2)
        for kind in step.KINDS
        for name in ("accuracy", "said_exact")
    ]
    assert drawn == wanted
    drawn = [list(container.lines[0].get_xdata()) for container in asked.containers]
    assert drawn == [[entries[f"mem_asked.{memory}.b.{kind}.exact"]["value"] for memory in step.ASKED] for kind in step.QUESTIONS]
    assert len(nats.containers) == 4
    plt.close("all")
    made = []
    for name in ("a", "b"):
        step.main(["--ledger", str(tmp_path / "summary.json"), "--base", "b", "--out", str(tmp_path / f"{name}.pdf")])
        made.append((tmp_path / f"{name}.pdf").read_bytes())
    assert made[0] == made[1]
    write_ledger(tmp_path / "held.json", {key: one for key, one in entries.items() if not key.startswith("mem_asked.")})
    assert len(step.draw(Ledger(tmp_path / "held.json"), "b").axes) == 2, "answers are asked for in another run"
    plt.close("all")
    write_ledger(tmp_path / "none.json", {"a.b": {"value": 1, "n": 1, "source": "x.json"}})
    with pytest.raises(UserError, match=r"holds no \[mem\] vectors of b"):
        step.draw(Ledger(tmp_path / "none.json"), "b")
