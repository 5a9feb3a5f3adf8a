"""Notes, queries, traces in files, the plain memories of text, and what a memory is told of a user."""

import json

import numpy as np
import pytest
from safetensors.numpy import save as to_safetensors

from loci.bench.told import query_of, tell_conversation, tell_facts, turns_of
from loci.errors import UserError
from loci.memories.base import Note, Query, Recall
from loci.memories.text import AllMemory, GoldMemory, NoMemory, RecentMemory, at_positions, recalled
from loci.memories.text_trace import TextMemory, TextTrace, best, forgotten, updated
from loci.worlds.checks import LONGEST_QUESTION, LONGEST_TEXT
from loci.worlds.dialogue_records import Conversation, Session, Turn
from loci.worlds.records import Change, Fact, Question, User

NOTES = (Note("city", "I live in Graz."), Note("dentist", "My dentist is Dr. Lee."), Note("sport", "I row."))

# Notes and queries


def test_what_an_index_and_a_reader_see_of_a_note():
    clean = Note("city", "I live in Graz.")
    assert clean.spoken == "I live in Graz."
    turn = Note("S1:02", "I live in Graz.", "Adela", "2026-03-14T18:42")
    assert turn.spoken == "Adela: I live in Graz."


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"key": ""}, "note.key: is empty; give the note the key of its fact or turn"),
        ({"text": ""}, "note[city].text: is empty; write something"),
        ({"text": " \u00a0 "}, "note[city].text: is empty; write something"),
        ({"text": "x" * (LONGEST_TEXT + 1)}, "note[city].text: has 4001 characters, more than 4000; shorten it"),
        ({"text": "a\nb"}, "note[city].text: holds the control character U+000A; take it out"),
        ({"text": "a\tb"}, "note[city].text: holds the control character U+0009; take it out"),
        ({"text": "a\x00b"}, "note[city].text: holds the control character U+0000; take it out"),
        ({"text": "a\u2028b"}, "note[city].text: holds the control character U+2028; take it out"),
        ({"text": "a\x85b"}, "note[city].text: holds the control character U+0085; take it out"),
        ({"text": "a\ud800b"}, "note[city].text: holds the control character U+D800; take it out"),
        ({"speaker": "Adela\nBea"}, "note[city].speaker: holds the control character U+000A; take it out"),
        ({"speaker": " "}, "note[city].speaker: is empty; write something"),
        ({"date": "2026-03-14\n"}, "note[city].date: holds the control character U+000A; take it out"),
        ({"key": "a\x7fb"}, "note[a\x7fb].key: holds the control character U+007F; take it out"),
    ],
)
def test_a_bad_note_is_refused_in_one_line(fields, expected):
    with pytest.raises(UserError) as fault:
        Note(**{"key": "city", "text": "I live in Graz.", **fields})
    assert str(fault.value) == expected


def test_odd_but_right_notes():
    for text in ("x", "x" * LONGEST_TEXT, "我住在格拉茨。", "e\u0301", "a\u200db", "🦷"):
        assert Note("a", text).text == text


def test_a_bad_query_is_refused():
    assert Query("x" * LONGEST_QUESTION).needed == ()
    for text in ("", " ", "x" * (LONGEST_QUESTION + 1), "a\rb"):
        with pytest.raises(UserError, match=r"^question.text: "):
            Query(text)


# Traces


def test_the_best_are_the_highest_and_among_equals_the_latest():
    assert best(np.array([0.5, 0.9, 0.5, 0.1]), 3).tolist() == [1, 2, 0]
    assert best(np.array([1.0, 1.0]), 5).tolist() == [1, 0]
    assert best(np.zeros(0), 3).tolist() == []


def test_updated_and_forgotten_notes():
    later = Note("city", "I live in Rome.")
    assert updated(NOTES, later) == (NOTES[1], NOTES[2], later)
    assert updated(NOTES, Note("new", "I sing.")) == (*NOTES, Note("new", "I sing."))
    assert forgotten(NOTES, "dentist") == (NOTES[0], NOTES[2])
    with pytest.raises(UserError, match="forget: nothing: nothing was told under this key; name a key that was written"):
        forgotten(NOTES, "nothing")


def trace_of(**changes):
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.zeros((0, 4), np.int32), "c": np.array([np.nan, -0.0])}
    fields = {"memory": "all", "owner": "ü1", "notes": NOTES, "arrays": arrays, "extra": {"k": [1, 0.1, "ü"]}, "encoder": "e5"}
    return TextTrace(**{**fields, **changes})


def test_a_trace_comes_back_bit_by_bit(tmp_path):
    trace = trace_of(notes=(*NOTES, Note("S1:02", "Wörld", "Ann", "2026-03-14T18:42")))
    trace.save(tmp_path / "one")
    again = TextTrace.load(tmp_path / "one", "all", "ü1", "e5")
    assert (again.notes, again.extra, again.owner, again.encoder) == (trace.notes, trace.extra, "ü1", "e5")
    assert again.arrays.keys() == trace.arrays.keys()
    for name, array in trace.arrays.items():
        assert (again.arrays[name].dtype, again.arrays[name].shape) == (array.dtype, array.shape)
        assert again.arrays[name].tobytes() == array.tobytes()
    again.save(tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()


def test_arrays_are_saved_by_name_whatever_their_order_or_strides(tmp_path):
    trace_of().save(tmp_path / "one")
    arrays = dict(reversed(trace_of().arrays.items())) | {"b": np.arange(6, dtype=np.float32).reshape(2, 3).T.copy().T}
    trace_of(arrays=arrays).save(tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()


def test_bytes_of_a_trace():
    assert TextTrace("all", "u", ()).nbytes == 0
    note = Note("k1", "ä", "Ann", "2026-03-14T18:42")  # 2 + 2 + 3 + 16
    assert TextTrace("all", "u", (note,)).nbytes == 23
    assert (
        TextTrace("all", "u", (note,), {"x": np.zeros((3, 2), np.float16)}, {"a": "ü"}).nbytes == 23 + 12 + len('{"a":"ü"}') + 1
    )


def test_traces_are_compared_by_identity():
    first, second = trace_of(), trace_of()
    assert first != second and len({first, second}) == 2


def test_two_notes_of_one_key_are_refused():
    with pytest.raises(UserError, match=r"notes\[city\]: is told twice under one key; update the note instead"):
        TextTrace("all", "u", (*NOTES, Note("city", "I live in Rome.")))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (("bm25", "ü1", "e5"), "memory: is 'all', not 'bm25'"),
        (("all", "u1", "e5"), "owner: is 'ü1', not 'u1'"),
        (("all", "ü1", ""), "encoder: is 'e5', not ''"),
    ],
)
def test_a_trace_of_something_else_is_refused(wanted, expected, tmp_path):
    trace_of().save(tmp_path / "trace")
    with pytest.raises(UserError) as fault:
        TextTrace.load(tmp_path / "trace", *wanted)
    assert str(fault.value) == f"{tmp_path / 'trace'}: {expected}; delete it and write the memory again"


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "trace"
    for place in (path, tmp_path):
        with pytest.raises(UserError, match="no such file; write the memory first"):
            TextTrace.load(place, "all", "u1")
    right = {"schema": 1, "memory": "all", "owner": "u1", "encoder": "", "notes": [["a", "b", "", ""]], "extra": {}}
    path.write_bytes(to_safetensors({}, {"loci": json.dumps(right)}))
    assert TextTrace.load(path, "all", "u1").notes == (Note("a", "b"),)
    heads = [{}, None, [], *({name: value for name, value in right.items() if name != missing} for missing in right)]
    heads += [right | {"schema": 2}, right | {"notes": 3}, right | {"notes": [["a"]]}, right | {"notes": [["a", "", "", ""]]}]
    for head in heads:
        path.write_bytes(to_safetensors({}, {"loci": json.dumps(head)}))
        with pytest.raises(UserError):
            TextTrace.load(path, "all", "u1")
    for other in (to_safetensors({"x": np.zeros(2)}), b"{}", b"\xff" * 100, to_safetensors({}, {"loci": "{"})):
        path.write_bytes(other)
        with pytest.raises(UserError, match="delete it and write the memory again"):
            TextTrace.load(path, "all", "u1")


def test_every_truncation_is_refused(tmp_path):
    trace_of().save(tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "part").write_bytes(whole[:length])
        with pytest.raises(UserError, match="truncated or not a trace"):
            TextTrace.load(tmp_path / "part", "all", "ü1", "e5")


# The plain memories


def test_recalls_of_whole_notes():
    turn = Note("S1:02", "I row.", "Ann", "2026-03-14T18:42")
    dates = ("2026-03-14T18:42", "")
    expected = Recall(("Ann: I row.", "I live in Graz."), (("S1:02",), ("city",)), dates, True)
    assert recalled([turn, NOTES[0]], told=True) == expected
    assert at_positions(trace_of(), np.array([2, 0])) == Recall(("I row.", "I live in Graz."), (("sport",), ("city",)), ("", ""))


def test_plain_memories():
    none, gold, everything = NoMemory(), GoldMemory(), AllMemory()
    query = Query("Where do I live, and what do I do?", ("sport", "city"))
    assert none.recall(none.write("u", NOTES), query) == Recall()
    assert none.write("u", NOTES).notes == ()
    assert gold.recall(gold.write("u", NOTES), query).lines == ("I row.", "I live in Graz.")
    found = everything.recall(everything.write("u", NOTES), query)
    assert found.lines == ("I live in Graz.", "My dentist is Dr. Lee.", "I row.") and found.told
    for k, expected in ((1, ("I row.",)), (2, ("My dentist is Dr. Lee.", "I row.")), (9, found.lines)):
        recent = RecentMemory(k)
        assert recent.recall(recent.write("u", NOTES), query).lines == expected
    assert recent.recall(recent.update(recent.write("u", NOTES), Note("city", "I live in Rome.")), query).lines == (
        "My dentist is Dr. Lee.",
        "I row.",
        "I live in Rome.",
    )


def test_a_subclass_says_how_notes_are_indexed():
    class Lengths(TextMemory):
        name, encoder_sha256 = "lengths", "e5"

        def _index(self, notes):
            return {"lengths": np.array([len(note.text) for note in notes])}, {"count": len(notes)}

    trace = Lengths().forget(Lengths().write("u", NOTES), "city")
    assert (trace.memory, trace.owner, trace.encoder) == ("lengths", "u", "e5")
    assert trace.arrays["lengths"].tolist() == [22, 6] and trace.extra == {"count": 2}


# What is told


def user():
    facts = (
        Fact("city", "Graz", "I live in Graz.", ("Graz",)),
        Fact("dentist", "Dr. Lee", "My dentist is Dr. Lee.", ("Dr. Lee",)),
        Fact("sport", "rowing", "My sport is rowing.", ("rowing",)),
    )
    changes = (
        Change("city", "update", "Rome", "I live in Rome.", ("Rome",)),
        Change("dentist", "delete"),
        Change("city", "update", "Oslo", "I live in Oslo.", ("Oslo",)),
    )
    question = Question("q1", "direct", "city", "Where do I live?", "Oslo", ("Oslo",), ("city",))
    return User("u0", "dev", facts, (question,), changes=changes)


def conversation():
    first = (
        Turn("S1:01", "Bea", "How are you? Do you still live in Graz?", "mention", ("city",)),
        Turn("S1:02", "Ann", "I live in Graz.", "fact", ("city",), ("I live in Graz.",)),
    )
    second = (
        Turn("S2:01", "Ann", "News. I live in Oslo.", "update", ("city",), ("I live in Oslo.",)),
        Turn("S2:02", "Bea", "Well, well.", "chat"),
    )
    return Conversation("u0", "Ann", "Bea", (Session(1, "2026-01-05T10:00", first), Session(2, "2026-02-06T11:30", second)))


class Listening(AllMemory):
    """Writes down what it is asked to do."""

    def __init__(self):
        self.heard = []

    def write(self, owner, notes):
        self.heard.append(("write", owner, list(notes)))
        return super().write(owner, notes)

    def update(self, trace, note):
        self.heard.append(("update", note))
        return TextTrace(self.name, trace.owner, updated(trace.notes, note))

    def forget(self, trace, key):
        self.heard.append(("forget", key))
        return TextTrace(self.name, trace.owner, forgotten(trace.notes, key))


def test_facts_are_told_as_first_told_and_then_changed():
    memory = Listening()
    trace = tell_facts(memory, user())
    first = [Note("city", "I live in Graz."), Note("dentist", "My dentist is Dr. Lee."), Note("sport", "My sport is rowing.")]
    assert memory.heard == [
        ("write", "u0", first),
        ("update", Note("city", "I live in Rome.")),
        ("forget", "dentist"),
        ("update", Note("city", "I live in Oslo.")),
    ]
    assert trace.notes == (Note("sport", "My sport is rowing."), Note("city", "I live in Oslo."))


def test_a_conversation_is_told_turn_by_turn_without_what_it_means():
    memory = Listening()
    trace = tell_conversation(memory, conversation())
    expected = [
        Note("S1:01", "How are you? Do you still live in Graz?", "Bea", "2026-01-05T10:00"),
        Note("S1:02", "I live in Graz.", "Ann", "2026-01-05T10:00"),
        Note("S2:01", "News. I live in Oslo.", "Ann", "2026-02-06T11:30"),
        Note("S2:02", "Well, well.", "Bea", "2026-02-06T11:30"),
    ]
    assert turns_of(conversation()) == expected
    assert memory.heard == [("write", "u0", expected)]
    assert trace.notes == tuple(expected)


def test_a_question_needs_facts_or_the_turns_that_decide():
    question = user().questions[0]
    assert query_of(question) == Query("Where do I live?", ("city",))
    assert query_of(question, conversation()) == Query("Where do I live?", ("S2:01",))
