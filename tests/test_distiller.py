"""Distilling by rules: what is kept within a budget, what replaces what, and distilling again."""

import re
from dataclasses import replace

import pytest

from loci.memories.base import Note, Query
from loci.memories.distilled import DistilledMemory, How, assembled, distil, opened
from loci.memories.distilled_store import DistilledStore, Message
from loci.memories.distiller import SECTIONS, flat_log, four_sections, line_of, lines_again, lines_of

SAID = [
    ("user", "My dentist is Dr. Abel. Nice weather today, is it not?", "2026-01-01T10:00"),
    ("user", "I decided to take the train instead of the car.", "2026-01-02T10:00"),
    ("tool", "read: src/app.py\nTraceback (most recent call last)\nValueError", "2026-01-02T11:00"),
    ("user", "My dentist is Dr. Bohm.", "2026-02-03T10:00"),
    ("user", "So it goes.", "2026-02-03T10:01"),
]


def messages(said=SAID) -> list[Message]:
    return [Message(f"m{at}", "s", role, text, when) for at, (role, text, when) in enumerate(said)]


def test_sentences_have_a_kind():
    kinds = {text: line_of("", text).kind for text in (
        "My dentist is Dr. Abel.", "I decided to leave.", "The error is in src/app.py.", "So it goes.", "Have you decided?"
    )}  # fmt: skip
    assert list(kinds.values()) == ["state", "decision", "technical", "other", "other"]


def test_a_flat_log_keeps_the_order_and_the_budget():
    lines = lines_of(messages())
    whole = flat_log(lines, 200)
    assert whole.startswith("- [2026-01-01] My dentist is Dr. Abel.") and whole.count("\n") == len(lines) - 1
    short = flat_log(lines, 42)
    assert sum(len(row.split()) - 1 for row in short.splitlines()) <= 42
    assert "instead of the car" in short and "So it goes" not in short, "the least telling go first"
    assert flat_log(lines, 2) == ""


def test_four_sections_hold_the_latest_state():
    text = four_sections(lines_of(messages()), 120)
    assert re.findall(r"^## (.+)$", text, re.M) == list(SECTIONS)
    state = text.split("## Key decisions")[0]
    assert "Dr. Bohm" in state and "Dr. Abel" not in state
    assert "instead of the car" in text.split("## Key decisions")[1].split("##")[0]
    assert "[read: 3 lines, contained errors, paths: src/app.py; recall it for more]" in text
    assert len(re.sub(r"^(## |- (\[[\d-]+\] )?)", "", text, flags=re.M).split()) <= 120
    rows = [row for row in text.splitlines() if row.startswith("- ")]
    assert len(rows) == len(set(rows)), "nothing stands twice"


def test_a_bare_stub_says_nothing():
    assert "[output omitted]" in flat_log(lines_of(messages(), annotate=False), 100)


def test_distilling_again_takes_lines_of_either_form():
    lines = lines_of(messages())
    for text in (flat_log(lines, 200), four_sections(lines, 200)):
        again = lines_again([text, text])
        assert {line.text for line in again} <= {line.text for line in lines} and len(again) == len(set(again))
        assert {line.kind for line in again} >= {"state", "decision", "technical"}
        assert all(line.day for line in again)
    assert four_sections(lines_again([four_sections(lines, 200)]), 200) == four_sections(lines, 200), "again is the same"


HOW = How(segment=10, merge=3, words=60)


def told(count: int) -> list[Note]:
    """Statements about different things, one a day, with chat between them."""
    notes = []
    for at in range(count):
        text = f"My plant{at} lives in room{at}." if at % 2 else f"That was a day, number {at}."
        notes.append(Note(f"n{at}", text, "ann", f"2026-{1 + at // 28:02d}-{1 + at % 28:02d}T10:00"))
    return notes


def test_the_memory_distils_twice_and_still_finds_what_is_archived():
    memory = DistilledMemory(3, HOW)
    trace = memory.write("ann", told(45))
    with opened(trace) as store:
        live, archived = store.distillations(), store.distillations(archived=True)
        assert [one.generation for one in live] == [1, 0] and [one.generation for one in archived] == [0, 0, 0]
        assert len(store.messages(distilled=False)) == 5
    assert "plant3 lives" in memory.recall(trace, Query("Where does plant3 live?")).lines[0]
    assert memory.recall(trace, Query("Zyzzyva?")).lines, "what holds fills up"
    assert all("lives in" in line for line in memory.recall(trace, Query("Zyzzyva?")).lines)
    again = memory.update(trace, Note("n3", "My plant3 lives in the hall.", "ann", "2026-04-01T10:00"))
    assert "the hall" in memory.recall(again, Query("Where does plant3 live?")).lines[0]
    assert "room3." not in " ".join(memory.recall(again, Query("plant3 room3")).lines)


def test_an_assembled_prompt_keeps_to_its_budget_and_holds_no_archived_row():
    with opened(DistilledMemory(3, HOW).write("ann", told(45))) as store:
        archived = {row for one in store.distillations(archived=True) for row in one.text.splitlines()}
        live = {row for one in store.distillations() for row in one.text.splitlines()}
        for budget in (20, 60, 200):
            text = assembled(store, "Zyzzyva?", budget, HOW)
            assert len(text.split()) <= budget
            assert not (archived - live) & set(text.splitlines()), "archived rows enter no prompt unless recall finds them"
        assert "plant3 lives in room3" in assembled(store, "plant3", 80, HOW), "recall finds them"
        assert "number 44" in assembled(store, "Zyzzyva?", 60, HOW), "the latest messages stand there"


@pytest.mark.parametrize("archive", [True, False])
def test_what_is_deleted_is_found_no_more(archive):
    how = replace(HOW, archive=archive, sections=False, words=14)  # what the second distillation drops is archived only
    store, messages = DistilledStore(":memory:"), []
    for at in range(3):
        part = [Message(f"{at}.{place}", "s", "ann", f"My plant{at}{place} lives in room{at}{place}.", f"2026-01-0{1 + at}T10:00")
                for place in range(2)]  # fmt: skip
        messages += part
        store.add(part)
        distil(store, part, how)
    store._file.execute("DELETE FROM message")  # the messages are past their retention
    found = [hit for at in range(3) for place in range(2) for hit in store.recall(f"plant{at}{place}", 5)]
    assert {hit.kind for hit in found} == {"distillation"}
    kept = {name for hit in found for name in re.findall(r"plant\d\d", hit.text)}
    assert (len(kept) > len(set(re.findall(r"plant\d\d", store.distillations()[0].text)))) == archive
