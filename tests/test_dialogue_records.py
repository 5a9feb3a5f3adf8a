"""Conversation records: whole ones come back equal, broken ones are refused by the name of their field."""

import json
from copy import deepcopy

import pytest

from loci.errors import UserError
from loci.worlds.dialogue_records import (
    Conversation,
    Session,
    Turn,
    conversation_to_json,
    dated_turns,
    load_conversations,
    render,
    replay,
    save_conversations,
)


def a_conversation():
    turns = (
        Turn("S1:01", "Bo", "Hello. My dentist is Dr. Ito.", "fact", ("dentist",), ("My dentist is Dr. Ito.",)),
        Turn("S1:02", "Kim", "Good to know.", "chat"),
        Turn("S1:03", "Bo", "My cat is Ol. My rent is 800.", "fact", ("cat", "rent"), ("My cat is Ol.", "My rent is 800.")),
    )
    later = (
        Turn("S2:01", "Kim", "Is your dentist still the same?", "mention", ("dentist",)),
        Turn("S2:02", "Bo", "My aunt's rent is 700.", "distractor", ("rent",), ("My aunt's rent is 700.",)),
        Turn("S2:03", "Bo", "News: My dentist is Dr. Wu.", "update", ("dentist",), ("My dentist is Dr. Wu.",)),
        Turn("S2:04", "Bo", "Please forget my cat.", "delete", ("cat",)),
    )
    return Conversation("u1", "Bo", "Kim", (Session(1, "2026-01-05T08:30", turns), Session(2, "2026-02-01T19:05", later)))


def test_replay_evidence_and_text_of_a_small_conversation():
    talk = a_conversation()
    assert replay(talk) == {"dentist": "My dentist is Dr. Wu.", "cat": None, "rent": "My rent is 800."}
    assert talk.evidence == {"dentist": ["S1:01", "S2:03"], "cat": ["S1:03", "S2:04"], "rent": ["S1:03"]}
    assert render(talk).splitlines()[:3] == [
        "Session 1, 2026-01-05 08:30",
        "Bo: Hello. My dentist is Dr. Ito.",
        "Kim: Good to know.",
    ]
    assert render(talk).splitlines()[4:6] == ["", "Session 2, 2026-02-01 19:05"]
    assert [line for _, line in dated_turns(talk)][3] == "2026-02-01 19:05 Kim: Is your dentist still the same?"


def test_a_file_comes_back_equal(tmp_path):
    save_conversations(tmp_path / "talks.json", [a_conversation()])
    assert load_conversations(tmp_path / "talks.json") == [a_conversation()]


def session_of(talk, index):
    return talk["sessions"][index]


def renumber(session, number):
    session["number"] = number
    for turn in session["turns"]:
        turn["turn_id"] = f"S{number}{turn['turn_id'][2:]}"


BAD = [
    (lambda talk: talk.pop("uid"), r"uid: is missing"),
    (lambda talk: talk.update(partner_name="Bo"), r"partner_name: is the user's name"),
    (lambda talk: renumber(session_of(talk, 1), 3), r"sessions\[1\].number: is 3; make it 2"),
    (lambda talk: session_of(talk, 1).update(date="2026-01-05T08:30"), r"sessions\[1\].date: is not after"),
    (lambda talk: session_of(talk, 1).update(date="2026-13-01T08:30"), r"sessions\[2\].date: '2026-13-01T08:30' is no date"),
    (lambda talk: session_of(talk, 1).update(date="2026-03-01"), r"sessions\[2\].date: '2026-03-01' is no date and time"),
    (lambda talk: session_of(talk, 1).update(turns=[]), r"sessions\[2\].turns: is empty"),
    (lambda talk: session_of(talk, 0)["turns"].pop(1), r"sessions\[1\].turns\[1\].turn_id: is S1:03; make it S1:02"),
    (lambda talk: session_of(talk, 0)["turns"][0].update(turn_id="7"), r"turns\[7\].turn_id: is no turn id"),
    (lambda talk: session_of(talk, 0)["turns"][0].update(speaker="Zoe"), r"turns\[S1:01\].speaker: 'Zoe' is neither"),
    (lambda talk: session_of(talk, 0)["turns"][0].update(speaker="Kim"), r"turns\[S1:01\].role: fact is not said by the user"),
    (lambda talk: session_of(talk, 0)["turns"][1].update(speaker=" "), r"turns\[S1:02\].speaker: is empty"),
    (lambda talk: session_of(talk, 0)["turns"][1].update(text="a\nb"), r"turns\[S1:02\].text: is empty or broken"),
    (lambda talk: session_of(talk, 0)["turns"][1].update(role="joke"), r"turns\[S1:02\].role: 'joke' is not known"),
    (lambda talk: session_of(talk, 0)["turns"][1].update(fact_keys=["cat"]), r"turns\[S1:02\].fact_keys: does not fit role chat"),
    (lambda talk: session_of(talk, 0)["turns"][2]["statements"].pop(), r"turns\[S1:03\].statements: does not fit role fact"),
    (
        lambda talk: session_of(talk, 0)["turns"][0].update(statements=["My dentist is Dr. X."]),
        r"'My dentist is Dr. X.' is not in",
    ),
    (lambda talk: session_of(talk, 1)["turns"][3].update(statements=["my cat."]), r"turns\[S2:04\].statements: does not fit"),
]


@pytest.mark.parametrize(("damage", "message"), BAD)
def test_a_bad_conversation_names_its_field(damage, message, tmp_path):
    talk = deepcopy(conversation_to_json(a_conversation()))
    damage(talk)
    path = tmp_path / "talks.json"
    path.write_text(json.dumps({"schema": 1, "conversations": [talk]}), encoding="utf-8")
    with pytest.raises(UserError, match=r"talks.json: conversations\[0\]: .*" + message):
        load_conversations(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema": 2, "conversations": []}', r"talks.json: schema: is version 2"),
        ('{"schema": 1}', r"talks.json: conversations: is missing"),
        ("[", r"talks.json: invalid JSON"),
    ],
)
def test_a_bad_file_names_file_and_field(content, message, tmp_path):
    (tmp_path / "talks.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_conversations(tmp_path / "talks.json")
    twice = {"schema": 1, "conversations": [conversation_to_json(a_conversation())] * 2}
    (tmp_path / "twice.json").write_text(json.dumps(twice), encoding="utf-8")
    with pytest.raises(UserError, match=r"conversations\[1\].uid: 'u1' occurs twice"):
        load_conversations(tmp_path / "twice.json")
