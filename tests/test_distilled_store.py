"""The store of distilled text: generations, archive, recall, migrations, and faults that leave it unharmed."""

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys

import pytest

from loci.errors import UserError
from loci.memories import distilled_store
from loci.memories.distilled_store import SCHEMA, DistilledStore, Message
from loci.memories.lexical import STOP_WORDS
from loci.memories.tool_stubs import annotated
from loci.paths import ROOT

WORDS = [
    "harbour",
    "violin",
    "copper",
    "ticket",
    "meadow",
    "lantern",
    "saffron",
    "anchor",
    "pepper",
    "granite",
    "walnut",
    "ribbon",
    "canal",
    "orchid",
    "compass",
    "kettle",
]


def message(at: int, text: str, said: str = "2026-01-01T10:00") -> Message:
    return Message(f"m{at}", "s1", "user", text, said)


@pytest.fixture
def store(tmp_path) -> DistilledStore:
    return DistilledStore(tmp_path / "store.sqlite")


def test_generations_archive_what_they_are_made_of(store):
    store.add(message(at, f"the {word} is here") for at, word in enumerate(WORDS))
    assert len(store.messages(distilled=False)) == len(WORDS)
    first = store.distil(["m0", "m1"], "- the harbour and the violin", "2026-01-02T10:00")
    second = store.distil(["m2"], "- the copper", "2026-01-03T10:00")
    assert [one.key for one in store.messages(distilled=True)] == ["m0", "m1", "m2"]
    third = store.distil_again([first, second], "## Current state: harbour", "2026-01-04T10:00")
    (live,) = store.distillations()
    assert (live.id, live.generation, live.sources, live.archived) == (third, 1, (first, second), False)
    assert [one.id for one in store.distillations(archived=True)] == [first, second]
    found = {(hit.kind, hit.key) for hit in store.recall("harbour violin", 10)}
    assert ("distillation", str(first)) in found and ("message", "m0") in found
    with pytest.raises(UserError, match="is not that of a live distillation"):
        store.distil_again([first], "x", "2026-01-05T10:00")
    with pytest.raises(UserError, match="1 of the messages are not there"):
        store.distil(["m3", "m99"], "x", "2026-01-05T10:00")
    assert not store.messages(distilled=None)[3].distilled, "a change that fails leaves nothing behind"
    with pytest.raises(UserError, match="is told twice under one key"):
        store.add([message(50, "new"), message(0, "again")])
    assert len(store.messages()) == len(WORDS)


def test_two_words_of_an_archived_row_find_it(store):
    rng = random.Random(0)
    rows = [" ".join(rng.sample(WORDS, 3)) + f" {rng.choice(['blue', 'green'])} entry{at}" for at in range(120)]
    store.add(message(at, text) for at, text in enumerate(rows))
    ids = [store.distil([f"m{at}"], f"note: {text}", "2026-01-02T10:00") for at, text in enumerate(rows)]
    store.distil_again(ids, "all of it", "2026-01-03T10:00")
    for at, text in enumerate(rows):
        rarest = sorted(text.split(), key=lambda word: sum(word in other.split() for other in rows))[:2]
        assert ("distillation", str(ids[at])) in {(hit.kind, hit.key) for hit in store.recall(" ".join(rarest), 10)}


def test_recall_relaxes_and_copes_with_anything(store):
    store.add([message(0, "I moved to Graz in March."), message(1, "My sister lives in Oslo."), message(2, "Graz and Oslo.")])
    assert [hit.key for hit in store.recall("Graz Oslo", 3)] == ["m2", "m1", "m0"], "all words first, of equals the later"
    assert [hit.key for hit in store.recall("where does my sister live?", 1, STOP_WORDS)] == ["m1"], "stems"
    for odd in ('"', "NEAR(a b)", "text:graz", "*", "-", "", "AND OR NOT", "é ß 数"):
        store.recall(odd, 3)
    assert store.recall("zebra", 3) == []


def test_old_rows_go_but_never_what_is_not_distilled(store):
    store.add([message(0, "old told", "2026-01-01T10:00"), message(1, "old untold", "2026-01-01T10:00")])
    store.add([message(2, "new told", "2026-05-01T10:00"), message(3, "no date told", "")])
    first = store.distil(["m0", "m2", "m3"], "d", "2026-01-01T10:00")
    store.distil_again([first], "live", "2026-01-01T10:00")
    assert store.prune("2026-05-02T10:00") == 2
    assert [one.key for one in store.messages()] == ["m1", "m2", "m3"]
    assert store.distillations(archived=True) == [] and len(store.distillations()) == 1
    assert store.recall("old told", 5)[0].key == "m1", "what is gone is out of the index too"


@pytest.mark.parametrize("version", range(1, SCHEMA))
def test_a_store_of_each_earlier_schema_opens_at_this_one(tmp_path, monkeypatch, version):
    path = tmp_path / "old.sqlite"
    old = sqlite3.connect(path)
    for at in range(version):
        old.executescript(f"BEGIN; {distilled_store._MIGRATIONS[at]} PRAGMA user_version={at + 1}; COMMIT;")
    old.execute("INSERT INTO message(key, session, role, text, said) VALUES ('m0', 's', 'user', 'the harbour', '')")
    if version >= 3:
        old.execute("INSERT INTO distillation(text, generation, sources, made) VALUES ('violin', 0, '[]', '2026-01-01')")
    old.commit()
    old.close()
    store = DistilledStore(path)
    assert store._file.execute("PRAGMA user_version").fetchone()[0] == SCHEMA
    assert [hit.key for hit in store.recall("harbours", 3)] == ["m0"], "what stood there is in the index"
    assert len(store.recall("violin", 3)) == int(version >= 3) and all(not one.archived for one in store.distillations())
    store.distil(["m0"], "the harbour, again", "2026-01-02")


def test_a_killed_distillation_loses_nothing(tmp_path):
    code = (
        "import sys; from loci.memories.distilled_store import DistilledStore, Message\n"
        "store = DistilledStore(sys.argv[1])\n"
        "store.add(Message(f'm{at}', 's', 'user', f'word{at} here', '') for at in range(20))\n"
        "with store._change() as file:\n"
        "    file.execute('UPDATE message SET distilled = 1')\n"
        "    store._distillation(file, 'half', 0, ['m0'], '2026-01-01')\n"
        "    print('now', flush=True); import time; time.sleep(30)\n"
    )
    path = str(tmp_path / "store.sqlite")
    with subprocess.Popen([sys.executable, "-c", code, path], cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "now\n"
        os.kill(running.pid, signal.SIGKILL)
    store = DistilledStore(path)
    assert len(store.messages(distilled=False)) == 20 and store.distillations(archived=None) == []
    store.distil([one.key for one in store.messages()], "whole", "2026-01-01")


def test_faults_are_named_and_leave_the_file_as_it_was(tmp_path, monkeypatch):
    newer = sqlite3.connect(tmp_path / "newer.sqlite")
    newer.execute(f"PRAGMA user_version={SCHEMA + 1}")
    newer.close()
    with pytest.raises(UserError, match=f"has schema {SCHEMA + 1}, this is {SCHEMA}"):
        DistilledStore(tmp_path / "newer.sqlite")
    (tmp_path / "none.sqlite").write_bytes(b"this is no database, but it is long enough to be looked at" * 20)
    before = (tmp_path / "none.sqlite").read_bytes()
    with pytest.raises(UserError, match="is damaged, or no store"):
        DistilledStore(tmp_path / "none.sqlite")
    assert (tmp_path / "none.sqlite").read_bytes() == before
    monkeypatch.setattr(distilled_store, "_BUSY_MS", 50)
    store, other = DistilledStore(tmp_path / "store.sqlite"), sqlite3.connect(tmp_path / "store.sqlite")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match="is locked by another process"):
        store.add([message(0, "x")])
    other.rollback()
    other.close()
    store.add([message(0, "x")])
    store.close()
    whole = (tmp_path / "store.sqlite").read_bytes()
    (tmp_path / "cut.sqlite").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(UserError, match=r"is damaged|cannot be used"):
        DistilledStore(tmp_path / "cut.sqlite").messages()
    with pytest.raises(UserError, match="cannot be used"):
        DistilledStore(tmp_path / "nowhere" / "store.sqlite")


def test_a_stub_says_what_was_lost():
    output = "src/db.ts:14 ok\nTraceback in lib/app.py\nsee README.md and https://host/x.y\n"
    assert (
        annotated("read", output)
        == "[read: 3 lines, contained errors, paths: src/db.ts, lib/app.py, README.md; recall it for more]"
    )
    assert annotated("ls", "") == "[ls: 0 lines; recall it for more]"
    assert "errors" not in annotated("run", "terrors of failsafe") and annotated("run", "one").startswith("[run: 1 line;")
    many = annotated("grep", "\n".join(f"src/f{at}.py" for at in range(9)))
    assert many.count("src/") == 5 and not re.search(r"\n", many)
