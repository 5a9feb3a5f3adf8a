"""The worked example of docs/adding_a_memory.md does what it says, on hand-made notes and on a user of the bench."""

import importlib.util

import pytest

from loci.bench.told import tell_facts
from loci.memories.base import Note, Query
from loci.paths import ROOT
from loci.worlds.people import build_users

EXAMPLE = ROOT / "docs" / "examples" / "rare_words.py"
NOTES = [
    Note("dentist", "My dentist is Dr. Okonkwo."),
    Note("doctor", "My doctor is Dr. Vale."),
    Note("city", "The city I live in is Graz."),
]


@pytest.fixture(scope="module")
def memory():
    spec = importlib.util.spec_from_file_location("rare_words", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RareWordsMemory(2)


def test_it_is_short():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 60


def test_rare_words_find_their_note(memory, tmp_path):
    trace = memory.write("ann", NOTES)
    assert memory.recall(trace, Query("Who is my dentist?")).lines[0] == NOTES[0].text
    assert memory.recall(trace, Query("Zyzzyva?")).lines == ()
    trace.save(tmp_path / "a.safetensors")
    again = memory.load(tmp_path / "a.safetensors", "ann")
    assert memory.recall(again, Query("Who is my dentist?")) == memory.recall(trace, Query("Who is my dentist?"))
    changed = memory.update(trace, Note("dentist", "My dentist is Dr. Petrosyan."))
    assert "Okonkwo" not in " ".join(memory.recall(changed, Query("Who is my dentist?")).lines)
    assert memory.recall(memory.forget(trace, "dentist"), Query("Who is my dentist?")).lines[:1] != (NOTES[0].text,)


def test_it_answers_the_questions_of_the_bench(memory):
    (user,) = [one for one in build_users(3, 0, dev=2) if one.split == "test"][:1]
    trace = tell_facts(memory, user)
    direct = [one for one in user.questions if one.kind == "direct" and not one.stale]
    found = [set(one.required_fact_keys) <= {key for keys in memory.recall(trace, Query(one.text)).sources for key in keys}
             for one in direct]  # fmt: skip
    assert sum(found) > len(found) / 2
