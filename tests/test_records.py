"""Records: whole ones come back equal, broken ones are refused by the name of their field."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from loci.errors import UserError
from loci.worlds.people import build_users
from loci.worlds.published import load_user_file
from loci.worlds.records import Change, Fact, User, load_users, save_users, user_from_json, user_to_json

USERS = build_users(3, seed=0, dev=1)


def a_user() -> dict:
    return user_to_json(USERS[0])


def test_users_file_round_trip(tmp_path):
    save_users(tmp_path / "people.json", USERS)
    assert load_users(tmp_path / "people.json") == USERS
    one = {**a_user(), "extra": 1}
    (tmp_path / "one.json").write_text(json.dumps(one), encoding="utf-8")
    assert load_user_file(tmp_path / "one.json") == USERS[0]


def a_question(user: dict, kind: str) -> dict:
    return next(question for question in user["questions"] if question["kind"] == kind)


def a_change(user: dict, action: str) -> dict:
    return next(change for change in user["changes"] if change["action"] == action)


def test_a_file_without_the_newer_fields_is_read():
    old = a_user()
    old.pop("changes")
    old["facts"] = [{name: fact[name] for name in ("key", "answer", "statement", "accepted")} for fact in old["facts"]]
    old["questions"] = [
        {"context_id": "", "form": "question", **question}
        for question in old["questions"]
        if question["kind"] in ("statement", "direct", "paraphrase", "midconv", "unknown")
    ]
    user = user_from_json(old, "file")
    assert user.changes == () and user.final_facts() == user.facts
    assert {question.family for question in user.questions} == {""}


def test_changes_in_order_lead_to_the_final_state():
    facts = tuple(Fact(key, "a", f"My {key} is a.", ("a",)) for key in ("car", "pet", "tea"))
    new = {"statement": "My car is b.", "accepted": ("b",), "wordings": ("I drive b now.",)}
    changes = (Change("tea", "delete"), Change("car", "update", "b", **new), Change("pet", "delete"))
    user = User("u1", "test", facts, (), changes=(*changes, Change("pet", "update", "c", "My pet is c.", ("c",))))
    assert [(fact.key, fact.answer) for fact in user.final_facts()] == [("car", "b"), ("pet", "c")]
    assert user.final_facts()[0].wordings == ("I drive b now.",)
    assert user.fact("car").answer == "a"
    assert user_from_json(json.loads(json.dumps(user_to_json(user))), "file") == user


BAD_USERS = [
    (lambda user: user.pop("uid"), r"file: uid: is missing"),
    (lambda user: user.update(uid=7), r"file: uid: is a whole number"),
    (lambda user: user.update(split="blind"), r"file: split: 'blind' is not known"),
    (lambda user: user.update(facts={}), r"file: facts: is an object; make it a list"),
    (lambda user: user["facts"].__setitem__(3, "city"), r"facts\[3\]: key: cannot be read"),
    (lambda user: user["facts"][3].pop("statement"), r"facts\[3\]: statement: is missing"),
    (lambda user: user["facts"][3].update(answer=12), r"facts\[3\]: answer: is a whole number"),
    (lambda user: user["facts"][3].update(answer=" "), r"facts\[timezone\].answer: is empty"),
    (lambda user: user["facts"][3].update(accepted=[]), r"facts\[timezone\].accepted: lacks the answer"),
    (lambda user: user["facts"][3].update(accepted=[1]), r"facts\[3\]: accepted\[0\]: is a whole number"),
    (lambda user: user["facts"][3].update(statement="I moved."), r"facts\[timezone\].statement: does not end"),
    (lambda user: user["facts"][4].update(key="timezone"), r"facts\[4\].key: 'timezone' occurs twice"),
    (
        lambda user: user["facts"][4].update(answer="X", accepted=["X"], statement="My full name is X.", wordings=[]),
        r"facts\[4\].statement: 'My full name is' occurs twice",
    ),
    (lambda user: user["questions"][0].update(kind="riddle"), r"questions\[u000.statement.name\].kind: 'riddle' is not known"),
    (lambda user: user["questions"][0].update(form="song"), r"questions\[u000.statement.name\].form: 'song'"),
    (lambda user: user["questions"][0].update(answer=""), r"questions\[u000.statement.name\].answer: is empty"),
    (lambda user: user["questions"][0].update(context_id="dev.chat.0"), r"questions\[u000.statement.name\].context_id"),
    (lambda user: user["questions"][-1].update(answer="Bo"), r"questions\[.*\].answer: is given for kind unknown"),
    (lambda user: user["questions"][1].update(qid="u000.statement.name"), r"questions\[1\].qid: .* occurs twice"),
    (
        lambda user: user["facts"][3].update(answer="a\tb", accepted=["a\tb"], statement="I am a\tb.", wordings=[]),
        r"facts\[3\]: facts\[timezone\].statement: holds the control character U\+0009",
    ),
    (lambda user: user["questions"][0].update(text="Why?" * 600), r"questions\[.*\].text: has 2400 characters, more than 2000"),
    (lambda user: user["facts"][3].update(wordings=["I moved."]), r"facts\[timezone\].wordings\[0\]: does not hold the answer"),
    (lambda user: user["facts"][3].update(wordings="I moved."), r"facts\[3\]: wordings: is text; make it a list"),
    (lambda user: user["changes"][0].update(key="moon"), r"changes\[0\].key: names the fact 'moon'"),
    (lambda user: user["changes"][0].update(action="forget"), r"changes\[.*\].action: 'forget' is not known; use one of update"),
    (lambda user: a_change(user, "update").update(answer=""), r"changes\[\w+\]: facts\[\w+\].answer: is empty"),
    (lambda user: a_change(user, "delete").update(answer="X"), r"changes\[\w+\].answer: is given for a deletion"),
    (lambda user: a_question(user, "updated").pop("stale"), r"questions\[.*\].stale: does not fit the kind"),
    (lambda user: a_question(user, "direct").update(stale="X"), r"questions\[.*\].stale: does not fit the kind"),
    (lambda user: a_question(user, "deleted").update(answer="X"), r"questions\[.*\].answer: is given for kind deleted"),
    (lambda user: a_question(user, "indirect").update(family=3), r"questions\[\d+\]: family: is a whole number"),
    (
        lambda user: user["questions"][0].update(required_fact_keys=["moon"]),
        r"questions\[u000.statement.name\].required_fact_keys: names the fact 'moon'",
    ),
]


@pytest.mark.parametrize(("damage", "message"), BAD_USERS)
def test_a_bad_user_names_its_field(damage, message):
    user = deepcopy(a_user())
    damage(user)
    with pytest.raises(UserError, match=message):
        user_from_json(user, "file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", r"people.json: schema: cannot be read"),
        (b'{"schema": 2, "users": []}', r"people.json: schema: is version 2"),
        (b'{"schema": 1, "users": [{}]}', r"people.json: users\[0\]: facts: is missing"),
        (b'{"schema": 1,', r"people.json: invalid JSON"),
        (b'"\xff"', r"people.json: not UTF-8"),
    ],
)
def test_a_bad_users_file_names_file_and_field(content, message, tmp_path):
    path = tmp_path / "people.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_users(path)


def test_two_users_with_one_id_are_refused(tmp_path):
    save_users(tmp_path / "people.json", [USERS[0], USERS[0]])
    with pytest.raises(UserError, match=r"users\[1\].uid: 'u000' occurs twice"):
        load_users(tmp_path / "people.json")


# The published format

PUBLISHED = {
    "uid": "p000",
    "attrs": {"birth_year": 1970, "child_name": None},
    "facts": [
        {"key": "birth_year", "answer": 1970, "paraphrases": ["Bo Ek was born in 1970.", "I was born in 1970."]},
        {"key": "spouse_year", "answer": 1972, "paraphrases": ["Bo Ek was born in 1972."]},
        {"key": "commute_min", "answer": 40, "paraphrases": ["My commute is 40 minutes each way."]},
        {"key": "rent", "answer": 900, "paraphrases": ["My monthly rent is $900."]},
        {"key": "pet", "answer": "dog named Ol", "paraphrases": ["I have a dog named Ol."]},
        {"key": "workdays", "answer": ["Monday", "Tuesday", "Friday"], "paraphrases": ["I work Monday, Tuesday, Friday."]},
        {"key": "activity_days", "answer": ["Friday"], "paraphrases": ["Judo days: Friday."]},
    ],
    "direct_qa": [
        {"key": "birth_year", "question": "What year was I born?", "answer": "1970"},
        {"key": "pet", "question": "What pet do I have?", "answer": "a dog named Ol"},
    ],
    "indirect_qa": [
        {
            "schema": "AGE",
            "variant": "self",
            "question": "How old am I (it's 2026)?",
            "answer": "56",
            "required_fact_keys": ["birth_year"],
        }
    ],
}


def write_published(folder: Path, **changes) -> Path:
    path = folder / "p000.json"
    path.write_text(json.dumps({**PUBLISHED, **changes}), encoding="utf-8")
    return path


def test_a_published_file_is_read_as_it_is(tmp_path):
    user = load_user_file(write_published(tmp_path))
    assert (user.uid, user.split, user.attrs) == ("p000", "test", PUBLISHED["attrs"])
    assert [fact.statement for fact in user.facts] == [
        "Bo Ek was born in 1970.",
        "Bo Ek was born in 1972.",
        "My commute min is 40.",
        "My monthly rent is $900.",
        "I have a dog named Ol.",
        "I work Monday, Tuesday and Friday.",
        "Judo days: Friday.",
    ]
    assert user.fact("rent").trigger == "My monthly rent is $"
    assert user.fact("workdays").accepted == ("Monday, Tuesday and Friday", "Monday, Tuesday, Friday")
    assert [(question.kind, question.key, question.answer) for question in user.questions] == [
        ("direct", "birth_year", "1970"),
        ("direct", "pet", "a dog named Ol"),
        ("indirect", "AGE.self", "56"),
    ]
    assert user.questions[1].accepted == ("a dog named Ol", "dog named Ol")
    assert user.questions[2].required_fact_keys == ("birth_year",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attrs": []}, r"p000.json: attrs: is a list"),
        ({"facts": [{"key": "rent", "paraphrases": []}]}, r"facts\[0\]: answer: is missing"),
        ({"facts": [{"key": "rent", "answer": 1.5, "paraphrases": []}]}, r"facts\[0\]: answer: is 1.5"),
        ({"facts": [{"key": "days", "answer": [], "paraphrases": []}]}, r"facts\[days\].answer: is empty"),
        ({"direct_qa": [{"key": "moon", "question": "?", "answer": "x"}]}, r"direct_qa\[0\]: key: 'moon' is not among the facts"),
        ({"indirect_qa": [{"schema": "AGE"}]}, r"indirect_qa\[0\]: variant: is missing"),
    ],
)
def test_a_bad_published_file_names_its_field(changes, message, tmp_path):
    with pytest.raises(UserError, match=message):
        load_user_file(write_published(tmp_path, **changes))
