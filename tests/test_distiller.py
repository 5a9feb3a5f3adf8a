"""Distilling by rules: what is kept within a budget, what replaces what, and distilling again."""

import re

from loci.memories.distilled_store import Message
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
    short = flat_log(lines, 38)
    assert sum(len(row.split()) - 1 for row in short.splitlines()) <= 38
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
