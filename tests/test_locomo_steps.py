"""LOCOMO's steps on the stand-in: recall, answers, scores, the choice of lines; what a reader sees, and bad input."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from fake_encoder import FakeEncoder
from steps_path import dies_after, load_step

from loci.bench.locomo_asked import frozen, with_day
from loci.bench.locomo_recall import found_in, ndcg, notes_of
from loci.bench.locomo_scores import contrast_entries, score_entries, scored
from loci.errors import UserError
from loci.memories.base import Recall
from loci.memories.registry import text_memory
from loci.models.encoder import Encoder
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result
from loci.worlds.locomo import Correction, LocomoQuestion
from loci.worlds.locomo_file import load_or_stand_in
from loci.worlds.standin import build_standin

RANKING = ("bm25", "bm25w", "dense", "late")


@pytest.fixture(scope="module")
def standin(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("standin") / "standin.json"
    load_step("make_standin").main(["--conversations", "3", "--events", "60", "--out", str(out)])
    return out


def test_the_stand_in_has_locomos_form_and_knows_its_evidence(standin):
    name, found = load_or_stand_in("", standin)
    assert name == "standin" and [one.split for one in found.conversations] == ["dev", "dev", "test"]
    assert {one.category for one in found.questions} == {1, 2, 3, 4, 5}
    for conversation in found.conversations:
        said = {turn.dia_id: turn for turn in conversation.turns}
        days = {f"D{session.number}": session.date_time for session in conversation.sessions}
        for question in conversation.questions:
            assert question.evidence and not question.unresolved
            evidence = [said[dia_id] for dia_id in question.evidence]
            if question.category in (1, 4):
                for part in question.answer.split(", "):
                    assert any(part in turn.text for turn in evidence), question
            if question.category == 2:
                day = days[question.evidence[0].partition(":")[0]]
                assert question.answer.startswith(f"{day.day} ") and question.answer.endswith(str(day.year))
            if question.category == 5:
                asked = next(name for name in conversation.speakers if name in question.text)
                assert all(turn.speaker != asked for turn in evidence), "it is the other who said so"
    assert build_standin(3, 60, 0) == json.loads(standin.read_text())
    with pytest.raises(UserError, match="conversations: are 11"):
        build_standin(11, 60, 0)


def test_a_file_that_is_given_and_missing_is_no_stand_in(standin, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_or_stand_in(str(tmp_path / "none.json"), standin)
    with pytest.raises(UserError, match="run code/steps/make_standin"):
        load_or_stand_in("", tmp_path / "none.json")


def test_memories_are_told_the_dialogue_and_nothing_else(standin):
    conversation = load_or_stand_in("", standin)[1].conversations[0]
    notes = notes_of(conversation)
    assert [note.key for note in notes] == [turn.dia_id for turn in conversation.turns]
    told = " ".join(note.spoken for note in notes)
    assert not any(question.text in told for question in conversation.questions)
    assert any("[sends a picture: " in note.text for note in notes)


def test_the_frozen_list_is_nested_and_stratified(standin):
    conversations = load_or_stand_in("", standin)[1].conversations
    few, more = ([one.id for one in frozen(conversations, "dev", each)] for each in (1, 2))
    assert set(few) < set(more) and len(set(more)) == len(more)
    by_id = {one.id: one for conversation in conversations for one in conversation.questions}
    assert {(by_id[qid].conversation, by_id[qid].category) for qid in few} == {
        (name, category) for name in ("conv-26", "conv-30") for category in (1, 2, 3, 4, 5)
    }
    assert not {by_id[qid].conversation for qid in more} & {one.conversation for one in frozen(conversations, "test", 9)}


def test_recall_and_gain_by_hand():
    recall = Recall(("a", "b", "c"), (("D1:1",), ("D1:9",), ("D1:2", "D1:3")))
    assert found_in(recall, ("D1:1", "D1:2", "D2:1")) == (2 / 3, False)
    assert found_in(recall, ("D1:1",)) == (1.0, True)
    assert ndcg(recall, ("D1:1",)) == 1.0
    assert ndcg(recall, ("D1:9",)) == pytest.approx(1 / 1.5849625)  # log2(3)
    assert ndcg(recall, ("D1:1", "D1:3")) == pytest.approx((1 + 1 / 2) / (1 + 1 / 1.5849625))
    assert ndcg(recall, ("D9:9",)) == 0.0


@pytest.mark.parametrize("name", RANKING)
def test_fewer_lines_are_the_first_of_more(standin, name):
    conversation = load_or_stand_in("", standin)[1].conversations[0]
    encoder, step = FakeEncoder(), load_step("recall_locomo")
    trace = text_memory(name, encoder, 1).write(conversation.id, notes_of(conversation))
    for question in conversation.questions[:8]:
        query = load_step("recall_locomo").query_of(question)
        many = text_memory(name, encoder, 20).recall(trace, query)
        for k in (1, 5):
            assert step.first(many, k) == text_memory(name, encoder, k).recall(trace, query)


def test_a_line_carries_its_day():
    assert with_day("Maren: I moved.", "2023-05-08T13:56") == "[8 May 2023] Maren: I moved."


@pytest.fixture
def run(tmp_path, tiny_folder, standin, monkeypatch):
    """A function that runs the steps into a folder, and what they share."""
    settings = yaml.safe_load((CONFIG / "smoke.yaml").read_text())
    settings["locomo_asked"] |= {"memories": ["none", "gold", "bm25", "late"], "each": 1, "batch": 8}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(Encoder, "load", lambda *_arguments: FakeEncoder())
    shared = ["--config", str(tmp_path / "small.yaml"), "--stand-in", str(standin)]

    def recall(out: Path) -> list[str]:
        files = [*("--out", str(out / "r.json")), "--ranked", str(out / "k.jsonl"), "--recalls", str(out / "t.jsonl")]
        load_step("recall_locomo").main([*shared, *files])
        return [*shared, "--recalled", str(out / "r.json"), "--recalls", str(out / "t.jsonl"), "--model", str(tiny_folder)]

    def ask(arguments: list[str], out: Path) -> list[str]:
        load_step("ask_locomo").main([*arguments, "--out", str(out / "a.json"), "--answers", str(out / "a.jsonl")])
        return [*shared, "--asked", str(out / "a.json"), "--answers", str(out / "a.jsonl"), "--out", str(out / "s.json")]

    return recall, ask, shared


def test_the_steps_resume_and_agree(run, standin, tmp_path, monkeypatch):
    recall, ask, _ = run
    arguments = recall(tmp_path)
    found = read_result(tmp_path / "r.json")["metrics"]
    assert found["standin.gold.turn.recall_at_10"]["value"] == 1.0 and found["standin.none.turn.recall_at_10"]["value"] == 0.0
    ours, theirs = (found[f"standin.{name}.turn.recall_at_10"]["value"] for name in ("late", "bm25"))
    assert found["standin.late_minus_bm25.turn.recall_at_10"]["value"] == pytest.approx(ours - theirs, abs=1e-5)
    assert 0 < found["standin.bm25.turn.recall_at_10"]["value"] < 1 and "standin.bm25.id2.turn.ndcg_at_10" in found
    assert not any("lines" in one for one in read_jsonl(tmp_path / "k.jsonl", "")), "ids alone"
    with dies_after(monkeypatch):
        ask(arguments, tmp_path / "one")
    assert not (tmp_path / "one" / "a.jsonl").exists()
    scoring = ask(arguments, tmp_path / "one")
    ask(arguments, tmp_path / "two")
    assert (tmp_path / "one" / "a.jsonl").read_bytes() == (tmp_path / "two" / "a.jsonl").read_bytes()
    load_step("score_locomo").main(scoring)
    scores = read_result(tmp_path / "one" / "s.json")["metrics"]
    conversations = load_or_stand_in("", standin)[1].conversations
    counts = {split: sum(one.category != 5 for one in frozen(conversations, split, 1)) for split in ("dev", "test")}
    assert scores["standin.bm25.f1"]["n"] == counts["test"] > 0 and scores["standin.bm25.f1.dev"]["n"] == counts["dev"] > 0
    assert scores["standin.gold.prompt_tokens"]["value"] > scores["standin.none.prompt_tokens"]["value"]
    assert {"p", "p_holm", "detectable"} <= scores["standin.bm25_minus_none.f1"].keys()
    (tmp_path / "t.jsonl").write_text("")
    with pytest.raises(UserError, match="holds other recalls than those"):
        ask(arguments, tmp_path / "three")
    (tmp_path / "one" / "a.jsonl").write_text("")
    with pytest.raises(UserError, match="holds other answers than those"):
        load_step("score_locomo").main(scoring)


def test_lines_are_chosen_on_development_conversations(run, tmp_path, tiny_folder):
    _, _, shared = run
    sweep = {"memories": ["bm25"], "lines": [1, 2], "dated": [True, False], "each": 1}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    out = ["--model", str(tiny_folder), "--sweep", str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "w.json")]
    load_step("sweep_locomo").main([*shared, *out])
    found = read_result(tmp_path / "w.json")
    assert {(one["lines"], one["dated"]) for one in found["items"]} == {(1, True), (1, False), (2, True), (2, False)}
    assert all(one["n"] == 8 for one in found["items"]), "two development conversations, categories 1 to 4"
    assert found["metrics"]["f1"] == max(one["value"] for one in found["items"])
    (tmp_path / "sweep.yaml").write_text("lines: [1]\n")
    with pytest.raises(UserError, match="does not hold memories, lines, dated, each"):
        load_step("sweep_locomo").main([*shared, *out])


def test_a_file_of_another_conversation_is_refused(run, tmp_path, standin):
    recall, ask, _ = run
    arguments = recall(tmp_path)
    other = tmp_path / "other.json"
    shutil.copy(standin, other)
    other.write_text(other.read_text().replace("Maren", "Marei"))
    with pytest.raises(UserError, match="is about another file than the one given"):
        ask([str(other) if one == str(standin) else one for one in arguments], tmp_path / "x")


def question(at: int, category: int, answer: str, correction: Correction | None = None) -> LocomoQuestion:
    return LocomoQuestion(f"locomo_0_qa{at}", "conv-41", category, "Which?", answer, "trap", ("D1:1",), (), correction)


def test_scores_on_three_versions_of_the_gold():
    questions = {
        one.id: one
        for one in (
            question(0, 4, "Paris"),
            question(1, 4, "Rome", Correction("HALLUCINATION", "Oslo", ("D1:1",))),
            question(2, 2, "7 May 2023"),
            question(3, 5, ""),
        )
    }
    said = {"m": ["Paris", "Oslo", "May 7, 2023", "Not mentioned"], "none": ["x", "Rome", "2022", "Paris"]}
    answers = [
        {"memory": name, "qid": f"locomo_0_qa{at}", "prediction": text} for name, of in said.items() for at, text in enumerate(of)
    ]
    found = scored(answers, questions)
    ledger = score_entries(found, "locomo", "s.json")
    assert ledger["locomo.m.f1"]["value"] == pytest.approx((1 + 0 + 1) / 3) and ledger["locomo.m.f1"]["n"] == 3
    assert ledger["locomo.m.f1.clean"]["value"] == 1.0 and ledger["locomo.m.f1.clean"]["n"] == 2
    assert ledger["locomo.m.f1.corrected"]["value"] == 1.0 and ledger["locomo.none.f1.corrected"]["value"] == 0.0
    assert ledger["locomo.m.id2.date"]["value"] == 1.0 and ledger["locomo.none.id2.date"]["value"] == 0.0
    assert ledger["locomo.m.id5.f1"]["value"] == 1.0 and ledger["locomo.none.id5.declines"]["value"] == 0.0
    gap = contrast_entries(found, "none", "locomo", "s.json")["locomo.m_minus_none.f1"]
    assert gap["value"] == pytest.approx((1 - 1 + 1) / 3) and gap["p"] == 1.0, "one conversation tells nothing"
