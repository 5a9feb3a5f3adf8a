"""Layered conditions: prompts, what counts as recited, contrasts; and the steps on tiny models, killed and resumed."""

import json
from types import SimpleNamespace

import pytest
from steps_path import load_step

from loci.bench import layer_prompts
from loci.bench.layered import (
    CONTRASTS,
    entries_of,
    family_scores,
    macro_averages,
    prompt_entries,
    recitation_scores,
    seen_scores,
    wording_entries,
)
from loci.bench.layers import CONDITIONS, of_adapter, prompt_under, thinks
from loci.bench.reader import Reader
from loci.bench.statistics import wilson
from loci.errors import UserError
from loci.worlds.chances import chance_of, rests_on_seen
from loci.worlds.people import build_users
from loci.worlds.records import Question

USERS = build_users(count=4, dev=2, train=0, seed=0)


def question_of(kind: str, facts: int = 1):
    user = next(user for user in USERS if user.split == "test")
    found = (
        one for one in user.questions if one.kind == kind and one.form == "question" and len(one.required_fact_keys) == facts
    )
    return user, next(found)


def test_every_condition_is_compared_with_one_that_exists():
    assert {name for pair in CONTRASTS for name in pair} <= CONDITIONS.keys()
    assert set(of_adapter("recite")) == {"ke", "k", "ks", "kgold", "j", "gold"} and set(of_adapter("base")) == {
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
    base = prompt_under(CONDITIONS["g"], question, lines, needed, reader, "", False)
    assert base == reader.prompt(question, lines, "")
    read = prompt_under(CONDITIONS["j"], question, lines, needed, reader, "", False)
    assert read == f"Facts about me:\nI row.\nMy dentist is Bo.\nQuestion: {question.text}\nThought:"
    assert prompt_under(CONDITIONS["e"], question, (), needed, reader, "", False) == f"Question: {question.text}\nAnswer:"
    bare = prompt_under(CONDITIONS["k"], question, (), needed, reader, "Hi. ", False)
    assert bare == f"Hi. Question: {question.text}\nThought:" and not any(one in bare for one in needed)
    assert prompt_under(CONDITIONS["kgold"], question, (), needed, reader, "", False) == f"{bare[4:]} {' '.join(needed)}"
    own = prompt_under(CONDITIONS["b"], question, (), needed, reader, "", True)
    assert own == f"Question: {question.text}\nAnswer:", "an adapter that has learnt to answer is asked as it has learnt"
    assert prompt_under(CONDITIONS["b"], question, (), [], reader, "", False) == reader.prompt(question, (), "")
    statement = next(one for one in user.questions if one.form == "statement")
    assert prompt_under(CONDITIONS["k"], statement, (), [], reader, "", False) == statement.text


def test_a_batch_of_long_prompts_has_fewer_of_them(monkeypatch):
    monkeypatch.setattr(layer_prompts, "_PROMPT_TOKENS", 24)
    user = USERS[0]
    asked = [question for question in user.questions if question.form == "question"][:9]
    texts = [(user, question, "word " * length) for question, length in zip(asked, (3, 3, 3, 3, 3, 8, 8, 11, 30), strict=True)]

    def tokenizer(text):
        return SimpleNamespace(input_ids=text.split())

    found = layer_prompts.batches({"a": texts}, {"a": CONDITIONS["a"]}, tokenizer, 4)
    assert [[len(ids) for *_, ids in batch] for _, batch in found] == [[3, 3, 3, 3], [3, 8, 8], [11], [30]]
    assert sorted(question.qid for _, batch in found for _, question, *_ in batch) == sorted(question.qid for question in asked)


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
    assert recitation_scores([{**answer, "memory": "kgold"}], questions, USERS) == {}, "it was given, not said"


def test_families_count_alike_lookups_do_not_and_chance_is_taken_off():
    users = [user for user in USERS if user.split == "test"]
    questions = {one.qid: one for user in users for one in user.questions if one.kind == "indirect"}
    chosen = {"age": True, "allergy": False, "policy": True}
    answers, ages = [], 0
    for user in users:
        for one in user.questions:
            if one.kind == "indirect" and one.family in chosen:
                right = chosen[one.family] and not (one.family == "age" and user is users[1])
                ages += one.family == "age" and user is users[0]
                answers.append({"memory": "k", "uid": user.uid, "qid": one.qid, "prediction": one.answer if right else "?"})
    found = macro_averages(answers, questions, users)
    assert found["macro"]["k"] == [
        (user.uid, family, value)
        for user, values in zip(users, ((1.0, 0.0), (0.0, 0.0)), strict=True)
        for family, value in zip(("age", "allergy"), values, strict=True)
    ]
    margins = {(uid, family): value for uid, family, value in found["margin"]["k"]}
    chances = [chance_of(one, "test") for one in users[0].questions if one.kind == "indirect" and one.family == "age"]
    assert margins[users[0].uid, "age"] == pytest.approx(1 - sum(chances) / ages) and margins[users[0].uid, "allergy"] == -0.5
    ledger = entries_of(family_scores(answers, questions), found, "b", "x.json")
    assert ledger["layered.k.b.indirect.macro"]["value"] == 0.25
    assert ledger["layered.k.b.indirect.policy.exact"]["value"] == 1.0


def test_wordings_count_alike_however_often_they_are_asked():
    def question(qid, text):
        return Question(qid, "paraphrase", "city", text, "Graz", ("Graz",), ("city",))

    questions = {one.qid: one for one in (question("1", "Where?"), question("2", "Where?"), question("3", "Which town?"))}
    said = (("u", "1", "Graz"), ("v", "2", "Graz"), ("u", "3", "Bonn"))
    answers = [{"memory": "k", "uid": uid, "qid": qid, "prediction": text} for uid, qid, text in said]
    found = wording_entries(answers, questions, "b", "x.json")["layered.k.b.paraphrase.by_wording"]
    assert (found["value"], found["n"]) == (0.5, 2) and (found["low"], found["high"]) == pytest.approx(wilson(0.5, 2), abs=1e-5)


def test_values_that_training_users_can_have_are_told_apart():
    user, question = question_of("direct")
    answer = {"memory": "k", "uid": user.uid, "qid": question.qid, "prediction": question.answer}
    part = "seen" if rests_on_seen(question, user) else "unseen"
    found = seen_scores([answer], {question.qid: question}, [user])
    assert found == {f"k|direct.{part}.exact": [(user.uid, question.qid, True)]}


def test_searching_for_a_name_is_no_fault():
    user, question = question_of("chained", 2)
    needed = [user.fact(key).statement for key in question.required_fact_keys]
    tried = next(fact.statement for fact in user.final_facts() if fact.key not in question.required_fact_keys)
    answer = {"memory": "k", "uid": user.uid, "qid": question.qid}
    for thought, right in ((" ".join([tried, *needed]), True), (needed[0], False)):
        found = recitation_scores([{**answer, "thought": thought}], {question.qid: question}, USERS)
        assert found == {"k|chained.recited": [(user.uid, question.qid, right)]}


def test_contrasts_are_paired():
    scores = {f"{name}|direct.exact": [("u1", "q", value), ("u2", "q", value)] for name, value in (("k", 1.0), ("ks", 0.0))}
    ledger = entries_of(scores, {"macro": {}, "margin": {}}, "b", "x.json")
    assert ledger["layered.k_minus_ks.b.direct.exact"]["value"] == 1.0 and "layered.f_minus_e.b.direct.exact" not in ledger


def test_answers_of_other_conditions_are_refused(tmp_path):
    from loci.paths import CONFIG
    from loci.worlds.records import save_users

    save_users(tmp_path / "people.json", build_users(count=6, dev=4, train=0, seed=0))
    (tmp_path / "answers.jsonl").write_text(json.dumps({"memory": "z", "qid": "q"}) + "\n", encoding="utf-8")
    arguments = ["--config", str(CONFIG / "smoke.yaml"), "--users", str(tmp_path / "people.json")]
    arguments += ["--answers", str(tmp_path / "answers.jsonl"), "--firing", str(tmp_path / "firing.json")]
    with pytest.raises(UserError, match="is no answer of these conditions"):
        load_step("score_layered").main([*arguments, "--out", str(tmp_path / "out.json")])
    assert not (tmp_path / "out.json").exists()


def test_prompt_tokens_are_those_of_questions():
    def asked(memory, uid, tokens, form="question"):
        return {"memory": memory, "uid": uid, "qid": f"{uid}.{tokens}", "form": form, "prompt_tokens": tokens}

    answers = [
        asked("j", "a", 300),
        asked("j", "a", 100),
        asked("j", "b", 50),
        asked("j", "b", 900, "statement"),
        asked("k", "a", 20),
    ]
    found = prompt_entries(answers, "b", "x.json")
    assert found["layered.j.b.prompt_tokens"]["value"] == 125 and found["layered.j.b.prompt_tokens"]["n"] == 3
    assert found["layered.k.b.prompt_tokens"]["value"] == 20 and len(found) == 2
