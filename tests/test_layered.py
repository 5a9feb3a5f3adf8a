"""Layered conditions: prompts, what counts as recited, contrasts; and the steps on tiny models, killed and resumed."""

import json

import pytest
from steps_path import load_step

from loci.bench.layered import CONTRASTS, entries_of, family_scores, macro_average, recitation_scores
from loci.bench.layers import CONDITIONS, of_adapter, prompt_under, thinks
from loci.bench.reader import Reader
from loci.errors import UserError
from loci.worlds.people import build_users

USERS = build_users(count=4, dev=2, train=0, seed=0)


def question_of(kind: str, facts: int = 1):
    user = next(user for user in USERS if user.split == "test")
    found = (
        one for one in user.questions if one.kind == kind and one.form == "question" and len(one.required_fact_keys) == facts
    )
    return user, next(found)


def test_every_condition_is_compared_with_one_that_exists():
    assert {name for pair in CONTRASTS for name in pair} <= CONDITIONS.keys()
    assert set(of_adapter("recite")) == {"ke", "k", "ks", "kgold"} and set(of_adapter("base")) == {
        "a",
        "c",
        "g",
        "h",
        "i",
        "gold0",
    }
    assert [thinks(CONDITIONS[name]) for name in ("a", "e", "j", "k")] == [False, False, True, True]


def test_prompts_of_conditions():
    user, question = question_of("indirect", 2)
    reader, needed = Reader.load(), [user.fact(key).statement for key in question.required_fact_keys]
    lines = ("I row.", "My dentist is Bo.")
    base = prompt_under(CONDITIONS["g"], question, lines, needed, reader, "")
    assert base == reader.prompt(question, lines, "")
    read = prompt_under(CONDITIONS["j"], question, lines, needed, reader, "")
    assert read == f"Facts about me:\nI row.\nMy dentist is Bo.\nQuestion: {question.text}\nThought:"
    assert prompt_under(CONDITIONS["e"], question, (), needed, reader, "") == f"Question: {question.text}\nAnswer:"
    bare = prompt_under(CONDITIONS["k"], question, (), needed, reader, "Hi. ")
    assert bare == f"Hi. Question: {question.text}\nThought:" and not any(one in bare for one in needed)
    assert prompt_under(CONDITIONS["kgold"], question, (), needed, reader, "") == f"{bare[4:]} {' '.join(needed)}"
    statement = next(one for one in user.questions if one.form == "statement")
    assert prompt_under(CONDITIONS["k"], statement, (), [], reader, "") == statement.text


def test_only_the_needed_sentences_count_as_recited():
    user, question = question_of("indirect", 2)
    one, two = (user.fact(key).statement for key in question.required_fact_keys)
    other = next(fact.statement for fact in user.final_facts() if fact.key not in question.required_fact_keys)
    questions = {question.qid: question}
    for thought, right in (
        (f"{one} {two} So it is.", True),
        (f"{two} {one}", True),
        (one, False),
        (f"{one} {two} {other}", False),
        (f"{one[:-1]} {two}", False),
        ("", False),
    ):
        answer = {"memory": "k", "uid": user.uid, "qid": question.qid, "thought": thought}
        assert recitation_scores([answer], questions, USERS) == {"k|indirect.recited": [(user.uid, question.qid, right)]}
    without = {"memory": "e", "uid": user.uid, "qid": question.qid, "prediction": ""}
    assert recitation_scores([without], questions, USERS) == {}


def test_families_count_alike_and_lookups_do_not():
    scores = {
        "k|indirect.age.exact": [("u1", "a", 1.0), ("u1", "b", 0.0), ("u2", "a", 1.0)],
        "k|indirect.policy.exact": [("u1", "c", 1.0)],
        "k|indirect.commute.exact": [("u1", "d", 0.0)],
        "k|indirect.exact": [("u1", "a", 1.0)],
        "j|indirect.age.exact": [("u1", "a", 0.0)],
    }
    assert macro_average(scores, "k") == [("u1", "age", 0.5), ("u2", "age", 1.0), ("u1", "commute", 0.0)]
    ledger = entries_of(scores, "b", "x.json")
    assert ledger["layered.k.b.indirect.macro"]["value"] == pytest.approx((0.25 + 1.0) / 2)
    user, question = question_of("indirect", 2)
    answer = {"memory": "k", "uid": user.uid, "qid": question.qid, "prediction": question.answer}
    found = family_scores([answer, {**answer, "prediction": "?"}], {question.qid: question})
    assert [score for *_, score in found[f"k|indirect.{question.family}.exact"]] == [True, False]


def test_contrasts_are_paired():
    scores = {f"{name}|direct.exact": [("u1", "q", value), ("u2", "q", value)] for name, value in (("k", 1.0), ("ks", 0.0))}
    ledger = entries_of(scores, "b", "x.json")
    assert ledger["layered.k_minus_ks.b.direct.exact"]["value"] == 1.0 and "layered.f_minus_e.b.direct.exact" not in ledger


def test_answers_of_other_conditions_are_refused(tmp_path):
    from loci.paths import CONFIG
    from loci.worlds.records import save_users

    save_users(tmp_path / "people.json", build_users(count=6, dev=4, train=0, seed=0))
    (tmp_path / "answers.jsonl").write_text(json.dumps({"memory": "z", "qid": "q"}) + "\n", encoding="utf-8")
    arguments = ["--config", str(CONFIG / "smoke.yaml"), "--users", str(tmp_path / "people.json")]
    with pytest.raises(UserError, match="is no answer of these conditions"):
        load_step("score_layered").main(
            [*arguments, "--answers", str(tmp_path / "answers.jsonl"), "--out", str(tmp_path / "out.json")]
        )
    assert not (tmp_path / "out.json").exists()
