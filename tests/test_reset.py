"""Summarise and reset: everything where it fits, else the latest notes and what the older ones state."""

from loci.memories.base import Note, Query
from loci.memories.reset import ResetMemory, length

CHAT = "The rain has not stopped since this morning and the bus was late again"
TOLD = [
    Note("t0", f"{CHAT}. My dentist is Dr. Okonkwo.", "Adela", "2026-03-01T10:00"),
    Note("t1", f"{CHAT}.", "Adela", "2026-03-02T10:00"),
    Note("t2", "My dentist is Dr. Petrosyan.", "Adela", "2026-03-03T10:00"),
    Note("t3", f"{CHAT}, so I walked.", "Adela", "2026-03-04T10:00"),
    Note("t4", f"{CHAT}, so I cycled.", "Adela", "2026-03-05T10:00"),
]


def lines(words, notes=TOLD, question="Who is my dentist?"):
    memory = ResetMemory(words)
    return memory.recall(memory.write("ann", notes), Query(question))


def test_everything_stands_as_it_was_told_where_it_fits():
    assert lines(200).lines == tuple(note.spoken for note in TOLD)


def test_the_latest_notes_stay_and_of_older_ones_what_holds_comes_first():
    found = lines(50)
    assert found.lines[-1] == TOLD[4].spoken and found.sources[-1] == ("t4",)
    assert "Adela: My dentist is Dr. Petrosyan." in found.lines
    assert TOLD[1].spoken not in found.lines
    assert found.told and found.dates[found.lines.index("Adela: My dentist is Dr. Petrosyan.")] == "2026-03-03T10:00"


def test_it_is_never_longer_than_its_words_and_does_not_look_at_the_question():
    for words in (20, 30, 40, 60):
        found = lines(words)
        assert length([line.removeprefix("Adela: ") for line in found.lines]) <= words
        assert found == lines(words, question="Where do I live?")


def test_the_output_of_a_tool_is_not_put_into_the_users_mouth():
    output = Note("t9", "pytest: " + "FAILED tests/test_a.py::test_b " * 20, "tool", "2026-03-03T11:00")
    found = lines(100, [*TOLD[:3], output, *TOLD[3:]])
    assert found.lines[-1] == TOLD[4].spoken and ("t9",) not in found.sources
