"""The store of [mem] vectors, the compress tool, marks in a prompt, the auto-compressor, and their twin in words."""

import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
import torch

from loci.errors import UserError
from loci.memories import mem_store
from loci.memories.mem_store import MARK, SCHEMA, MemStore, id_of
from loci.memories.mem_tools import AutoMem, Compressor, injected, newest, reset
from loci.models.mem_vectors import Front, MemSettings
from loci.paths import ROOT

HOW = MemSettings(vectors=1, rate=0.1, steps=8, patience=8, scale=0.1)
VECTORS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def store(tmp_path) -> MemStore:
    return MemStore(tmp_path / "mem.sqlite")


@pytest.fixture
def compressor(llama, store) -> Compressor:
    front = Front(llama.model, llama.tokenizer("Text:", add_special_tokens=False).input_ids)
    return Compressor(llama, front, store, HOW, by=4)


def test_what_is_kept_comes_back_bit_for_bit_after_reopening(store, tmp_path):
    kept = store.put("model a", "a text", VECTORS, True)
    assert MARK.fullmatch(kept.mark)[1] == kept.id == id_of("model a", "a text") != id_of("model b", "a text")
    store.put("model a", "a text", VECTORS + 1, False)
    store.close()
    again = MemStore(tmp_path / "mem.sqlite").get(kept.id, "model a")
    assert again.vectors.tobytes() == VECTORS.tobytes() and again.exact and again.text == "a text", "the first one stays"


def test_unknown_ids_and_vectors_of_another_model_are_refused(store):
    kept = store.put("model a", "a text", VECTORS, True)
    with pytest.raises(UserError, match=r"\[mem-id-000000000000\]: is not in .*; compress its text again"):
        store.get("000000000000", "model a")
    with pytest.raises(UserError, match="is of another model; load the model that made it"):
        store.get(kept.id, "model b")
    assert store.find("model b", "a text") is None
    store._file.execute("UPDATE vector SET width = 4")
    with pytest.raises(UserError, match="has 24 bytes, not 32"):
        store.get(kept.id, "model a")


def test_faults_are_named_and_leave_the_file_as_it_was(tmp_path, monkeypatch):
    newer = sqlite3.connect(tmp_path / "newer.sqlite")
    newer.execute(f"PRAGMA user_version={SCHEMA + 1}")
    newer.close()
    (tmp_path / "none.sqlite").write_bytes(b"this is no database, but it is long enough to be looked at" * 20)
    for name, message in (("newer", f"has schema {SCHEMA + 1}, this is {SCHEMA}"), ("none", "is damaged, or no store")):
        before = (tmp_path / f"{name}.sqlite").read_bytes()
        with pytest.raises(UserError, match=message):
            MemStore(tmp_path / f"{name}.sqlite")
        assert (tmp_path / f"{name}.sqlite").read_bytes() == before
    monkeypatch.setattr(mem_store, "_BUSY_MS", 50)
    store, other = MemStore(tmp_path / "mem.sqlite"), sqlite3.connect(tmp_path / "mem.sqlite")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match="is locked by another process"):
        store.put("m", "text", VECTORS, True)
    other.rollback()
    other.close()
    for at in range(200):
        store.put("m", f"text {at}", VECTORS, True)
    store.close()
    whole = (tmp_path / "mem.sqlite").read_bytes()
    (tmp_path / "cut.sqlite").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(UserError, match=r"is damaged|cannot be used"):
        MemStore(tmp_path / "cut.sqlite")
    assert (tmp_path / "cut.sqlite").read_bytes() == whole[: len(whole) // 3]
    with pytest.raises(UserError, match="cannot be used"):
        MemStore(tmp_path / "nowhere" / "mem.sqlite")


def test_a_killed_writer_leaves_what_was_whole(tmp_path):
    code = (
        "import sys; import numpy as np; from loci.memories.mem_store import MemStore\n"
        "store = MemStore(sys.argv[1]); store.put('m', 'whole', np.ones((1, 2)), True)\n"
        "store._file.execute('BEGIN IMMEDIATE'); store._file.execute('DELETE FROM vector')\n"
        "print('now', flush=True); import time; time.sleep(30)\n"
    )
    path = str(tmp_path / "mem.sqlite")
    with subprocess.Popen([sys.executable, "-c", code, path], cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "now\n"
        os.kill(running.pid, signal.SIGKILL)
    store = MemStore(path)
    assert store.find("m", "whole") is not None
    store.put("m", "later", VECTORS, True)


def test_a_text_is_fitted_once_and_two_at_a_time(compressor, store):
    first, second = compressor.compress(["an obj", "a name"])
    assert first.mark != second.mark and first.vectors.shape == (1, 64) and compressor.fits == ["an obj", "a name"]
    again, new = compressor.compress(["an obj", "xy"])
    assert again.vectors.tobytes() == first.vectors.tobytes() and compressor.fits == ["an obj", "a name", "xy"]
    assert new.id == id_of(compressor.base.model_sha256, "xy")
    with pytest.raises(UserError, match="fit in the model's window"):
        compressor.compress(["fits", "x" * 9000])
    assert store.find(compressor.base.model_sha256, "fits") is None, "nothing of a call that fails is kept"


def test_marks_give_way_to_their_vectors_in_place(llama, store):
    embedding = llama.model.get_input_embeddings()
    vectors = np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32)
    kept = store.put(llama.model_sha256, "a text", vectors, True)

    def read(text: str) -> torch.Tensor:
        return embedding(torch.tensor(llama.tokenizer(text, add_special_tokens=False).input_ids, dtype=torch.int64))

    found = injected(f"I noted {kept.mark}; then {kept.mark}", store, llama)
    wanted = torch.cat([read("I noted "), torch.from_numpy(vectors), read("; then "), torch.from_numpy(vectors)])
    assert torch.equal(found, wanted)
    assert torch.equal(injected("no mark [mem-id-12]", store, llama), read("no mark [mem-id-12]"))
    with pytest.raises(UserError, match=r"\[mem-id-abcdefabcdef\]: is not in"):
        injected("see [mem-id-abcdefabcdef]", store, llama)
    with pytest.raises(UserError, match="is of another model"):
        injected(store.put("other", "a text", vectors, True).mark, store, llama)


def test_the_oldest_turns_give_way_in_order_and_only_once(compressor):
    auto, turns = AutoMem(compressor, 26), ["an obj", "a name", "a list", "its end", "the last"]
    for turn in turns:
        auto.add(turn)
        assert auto.positions <= 26
    marks = [MARK.fullmatch(turn) is not None for turn in auto.turns]
    assert marks == [True, True, True, False, False]
    assert [compressor.store.get(MARK.fullmatch(turn)[1], compressor.base.model_sha256).text for turn in auto.turns[:3]] == turns[
        :3
    ]
    assert auto.turns[3:] == turns[3:] and sorted(compressor.fits) == sorted(set(turns[:3]))
    assert auto.prompt.split("\n") == auto.turns
    before = list(auto.turns)
    with pytest.raises(UserError, match="raise it, or begin a new conversation"):
        AutoMem(compressor, 1).add("an obj")
    assert auto.turns == before


def test_reset_keeps_the_latest_and_says_the_rest_in_fewer_words(llama):
    turns = ["I live in Graz.", "Hm, well.", "Is that so?", "I am allergic to nuts.", "Good.", "Bye."]

    def size(lines) -> int:
        return len("".join(f"{line}\n" for line in lines))

    assert reset(turns, size(turns), llama.tokenizer) == turns
    short = reset(turns, 64, llama.tokenizer)
    assert size(short) <= 64 and short[-2:] == turns[-2:] and any("Graz" in line or "nuts" in line for line in short[:-2])
    assert newest(turns, 11, size) == ["Good.", "Bye."] and newest(turns, 0, size) == []
