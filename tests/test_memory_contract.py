"""What every memory of text keeps to, whatever it is made of: the same tests for each name of the registry."""

import hashlib
import os
import subprocess
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from fake_encoder import FakeEncoder

from loci.errors import UserError
from loci.memories.base import Note, Query
from loci.memories.registry import NEEDS_ENCODER, NEEDS_MODEL, TEXT_MEMORIES, text_memory
from loci.memories.text_trace import TextTrace
from loci.paths import ROOT
from loci.worlds.checks import LONGEST_TEXT

K = 4
SHORT = [name for name in TEXT_MEMORIES if name not in ("gold", "all", "reset")]  # at most K lines
KEEPING = [name for name in TEXT_MEMORIES if name != "none"]
# What they keep is a function of the notes that are left. Managed memories decide as they go: what a note once did to
# another one is not undone.
APPEND_ONLY = [name for name in TEXT_MEMORIES if name not in ("managed", "managed_graph", "managed_llm")]
STARTS = {
    "name": "My name is",
    "dentist": "My dentist is",
    "city": "The city I live in is",
    "sister": "My sister works as a",
    "drink": "At breakfast I drink",
    "lock": "The code of my bicycle lock is",
}
VALUES = {
    "ann": dict(zip(STARTS, ("Adela Quist", "Dr. Okonkwo", "Graz", "glassblower", "barley coffee", "4417"), strict=True)),
    "bea": dict(zip(STARTS, ("Bruno Vale", "Dr. Petrosyan", "Tromsø", "falconer", "warm kefir", "9026"), strict=True)),
}
QUESTIONS = ("Who is my dentist?", "Where do I live?", "What does my sister do?", "Zyzzyva?", "9026 Tromsø 4417 Graz")


def sentence(owner, key):
    return f"{STARTS[key]} {VALUES[owner][key]}."


def clean(owner):
    return [Note(key, sentence(owner, key)) for key in STARTS]


def turns(owner):
    """Each fact in a turn of its own, answered by a partner; a session holds three of them."""
    notes = []
    for at, key in enumerate(STARTS):
        date = f"2026-0{1 + at // 3}-14T18:42"
        notes.append(Note(key, sentence(owner, key), owner, date))
        notes.append(Note(f"{key}.reply", f"I see, so much for number {at}.", "friend", date))
    return notes


TOLD = {"clean": clean, "turns": turns}


def make(name, k=K, sha256="fake"):
    encoder = FakeEncoder(sha256=sha256) if name in NEEDS_ENCODER else None
    return text_memory(name, encoder, k, (lambda _prompt: "ADD") if name in NEEDS_MODEL else None)


def saved(trace, folder):
    path = folder / "trace.safetensors"
    trace.save(path)
    return path.read_bytes()


def recalls(memory, trace):
    return [memory.recall(trace, Query(text, ("dentist",) if "dentist" in keys_of(trace) else ())) for text in QUESTIONS]


def keys_of(trace):
    return [note.key for note in trace.notes]


def lines_of(memory, trace):
    return "\n".join(line for found in recalls(memory, trace) for line in found.lines)


@pytest.fixture(params=TOLD)
def told(request):
    return TOLD[request.param]


# The registry


def test_the_registry():
    plain = "none gold all recent bm25 bm25w distilled reset"
    asking = "dense hybrid late managed managed_graph episodic ppr managed_llm"
    assert " ".join(TEXT_MEMORIES) == f"{plain} {asking} distilled_llm"
    assert " ".join(NEEDS_ENCODER) == asking


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_a_memory_is_called_by_its_name(name):
    assert make(name).name == name


def test_bad_names_and_arguments_are_refused():
    with pytest.raises(UserError, match="memory: bm52: is not known; use one of none, gold"):
        text_memory("bm52", None, K)
    with pytest.raises(UserError, match="memory: ppr: needs an encoder"):
        text_memory("ppr", None, K)
    with pytest.raises(UserError, match="memory: managed_llm: needs a language model"):
        text_memory("managed_llm", FakeEncoder(), K)
    for k in (0, -1):
        with pytest.raises(UserError, match=f"k: is {k}; recall at least one line"):
            text_memory("recent", None, k)


# What a recall is


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_lines_are_lines_with_sources_that_were_told(name, told):
    memory, notes = make(name), told("ann")
    trace = memory.write("ann", notes)
    keys = {note.key for note in notes}
    for found in recalls(memory, trace):
        assert len(found.lines) == len(found.sources)
        assert all(source and keys.issuperset(source) for source in found.sources)
        assert all(line.strip() and len(line.splitlines()) == 1 for line in found.lines)
        assert len(set(found.lines)) == len(found.lines)
        assert found.rows is None
        if name in SHORT:
            assert len(found.lines) <= K
    assert bool(lines_of(memory, trace)) == (name != "none")


@pytest.mark.parametrize("name", KEEPING)
def test_what_was_told_is_recalled(name):
    """Asked with the sentence itself, every memory finds it, but for `recent`, which does not look."""
    if name == "recent":
        assert VALUES["ann"]["lock"] in lines_of(make(name), make(name).write("ann", clean("ann")))
        return
    memory = make(name)
    trace = memory.write("ann", clean("ann"))
    for key in STARTS:
        found = memory.recall(trace, Query(sentence("ann", key), (key,)))
        assert any(VALUES["ann"][key] in line for line in found.lines), key


@pytest.mark.parametrize("name", [name for name in TEXT_MEMORIES if name != "gold"])
def test_only_the_text_of_a_query_is_read(name, told):
    memory = make(name)
    trace = memory.write("ann", told("ann"))
    for text in QUESTIONS:
        assert memory.recall(trace, Query(text, ("city", "never told"))) == memory.recall(trace, Query(text))


def test_gold_alone_reads_what_is_needed():
    memory = make("gold")
    trace = memory.write("ann", clean("ann"))
    assert memory.recall(trace, Query("?", ("city", "name"))).lines == (sentence("ann", "city"), sentence("ann", "name"))
    assert memory.recall(trace, Query("?")).lines == ()


# The same again, and apart


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_two_writes_are_equal(name, told, tmp_path):
    first, second = make(name), make(name)
    traces = [first.write("ann", told("ann")), second.write("ann", told("ann")), first.write("ann", told("ann"))]
    assert len({saved(trace, tmp_path) for trace in traces}) == 1
    assert recalls(first, traces[0]) == recalls(second, traces[1]) == recalls(first, traces[2])


def digests(folder):
    """Memory by memory what a history of writing, updating and forgetting leaves, and what it recalls."""
    found = []
    for name in TEXT_MEMORIES:
        memory = make(name)
        trace = memory.write("ann", turns("ann"))
        trace = memory.forget(
            memory.update(trace, Note("city", "The city I live in is Rome.", "ann", "2026-05-01T10:00")), "name"
        )
        text = saved(trace, folder) + repr(recalls(memory, trace)).encode()
        found.append(f"{name} {hashlib.sha256(text).hexdigest()}")
    return found


def test_nothing_depends_on_the_hash_seed(tmp_path):
    code = "import pathlib, sys, test_memory_contract as contract; print(*contract.digests(pathlib.Path(sys.argv[1])), sep='\\n')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "code"), str(Path(__file__).parent)])}
    environment["PYTHONHASHSEED"] = "3" if os.environ.get("PYTHONHASHSEED") != "3" else "4"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == digests(tmp_path)


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_owners_do_not_meet(name, told, tmp_path):
    """One memory, two owners with the same keys: nothing of Bea's history is seen in Ann's trace, file or recalls."""
    memory = make(name)
    ann = memory.write("ann", told("ann"))
    before = saved(ann, tmp_path), recalls(memory, ann)
    bea = memory.write("bea", told("bea"))
    lines = lines_of(memory, bea)
    bea = memory.forget(memory.update(bea, Note("city", "The city I live in is Zadar.", "bea")), "lock")
    lines += lines_of(memory, bea)
    assert (saved(ann, tmp_path), recalls(memory, ann)) == before
    assert not [value for value in VALUES["bea"].values() if value in lines_of(memory, ann)]
    assert not [value for value in VALUES["ann"].values() if value in lines]
    alone = make(name)
    assert recalls(alone, alone.write("ann", told("ann"))) == before[1]


# Files


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_a_trace_comes_back_from_its_file(name, told, tmp_path):
    memory = make(name)
    trace = memory.write("ann", told("ann"))
    path = tmp_path / "a" / "trace.safetensors"
    trace.save(path)
    again = make(name).load(path, "ann")
    assert recalls(make(name), again) == recalls(memory, trace)
    assert again.nbytes == trace.nbytes
    assert saved(again, tmp_path) == path.read_bytes()
    for key in ("name", "lock"):  # and it can be worked on like the first
        note = Note(key, f"{STARTS[key]} Quartz.", "ann")
        assert saved(make(name).update(again, note), tmp_path) == saved(memory.update(trace, note), tmp_path)
        assert saved(make(name).forget(again, key), tmp_path) == saved(memory.forget(trace, key), tmp_path)


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_a_wrong_file_is_refused(name, tmp_path):
    memory, path = make(name), tmp_path / "trace.safetensors"
    with pytest.raises(UserError, match="no such file; write the memory first"):
        memory.load(path, "ann")
    memory.write("ann", clean("ann")).save(path)
    with pytest.raises(UserError, match="owner: is 'ann', not 'bea'"):
        memory.load(path, "bea")
    other = make("all" if name != "all" else "recent")
    with pytest.raises(UserError, match=f"memory: is '{name}', not '{other.name}'"):
        other.load(path, "ann")
    if name in NEEDS_ENCODER:
        with pytest.raises(UserError, match="encoder: is 'fake', not 'another'"):
            make(name, sha256="another").load(path, "ann")
    whole = path.read_bytes()
    for length in (0, 4, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="truncated or not a trace; delete it and write the memory again"):
            memory.load(path, "ann")


# Changes


@pytest.mark.parametrize("name", TEXT_MEMORIES)
@pytest.mark.parametrize("key", STARTS)
def test_forgetting_forgets(name, key, told, tmp_path):
    memory, value = make(name), VALUES["ann"][key]
    trace = memory.write("ann", told("ann"))
    before = saved(trace, tmp_path)
    assert (value.encode() in before) == (name != "none")
    left = memory.forget(trace, key)
    assert value.encode() not in saved(left, tmp_path)
    assert value not in lines_of(memory, left)
    assert key not in {source for found in recalls(memory, left) for sources in found.sources for source in sources}
    assert saved(trace, tmp_path) == before  # the old trace is a value
    if name in APPEND_ONLY:
        never = make(name).write("ann", [note for note in told("ann") if note.key != key])
        assert saved(left, tmp_path) == saved(never, tmp_path)


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_an_update_replaces(name, told, tmp_path):
    memory, old = make(name), VALUES["ann"]["dentist"]
    notes = told("ann")
    trace = memory.write("ann", notes)
    before = saved(trace, tmp_path)
    note = Note("dentist", "My dentist is Dr. Yamada.", notes[0].speaker, "2026-06-01T09:00" if notes[0].date else "")
    after = memory.update(trace, note)
    assert old.encode() not in saved(after, tmp_path)
    assert old not in lines_of(memory, after)
    assert saved(trace, tmp_path) == before
    assert (b"Dr. Yamada" in saved(after, tmp_path)) == (name != "none")
    found = memory.recall(after, Query("My dentist is who?", ("dentist",)))
    assert any("Dr. Yamada" in line for line in found.lines) == (name != "none")
    if name in APPEND_ONLY:
        told_at_once = [*(one for one in notes if one.key != "dentist"), note]
        assert saved(after, tmp_path) == saved(memory.write("ann", told_at_once), tmp_path)
    twice = memory.forget(after, "dentist") if name != "none" else after
    assert b"Dr. Yamada" not in saved(twice, tmp_path) and old.encode() not in saved(twice, tmp_path)


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_an_update_of_what_was_never_told_tells_it(name):
    memory = make(name)
    trace = memory.update(memory.write("ann", []), Note("dentist", "My dentist is Dr. Yamada."))
    assert ("Dr. Yamada" in lines_of(memory, trace)) == (name != "none")


@pytest.mark.parametrize("name", KEEPING)
def test_what_was_never_told_cannot_be_forgotten(name):
    memory = make(name)
    trace = memory.write("ann", clean("ann"))
    with pytest.raises(UserError, match="forget: Dentist: nothing was told under this key"):
        memory.forget(trace, "Dentist")
    with pytest.raises(UserError, match="forget: city: nothing was told under this key"):
        memory.forget(memory.forget(trace, "city"), "city")


@pytest.mark.parametrize("name", KEEPING)
def test_one_key_is_told_once(name):
    with pytest.raises(UserError, match=r"notes\[city\]: is told twice under one key; update the note instead"):
        make(name).write("ann", [*clean("ann"), Note("city", "I live in Rome.")])


# Sizes and odd texts


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_an_empty_memory_works(name, tmp_path):
    memory = make(name)
    trace = memory.write("ann", [])
    assert lines_of(memory, trace) == ""
    trace.save(tmp_path / "empty")
    loaded = memory.load(tmp_path / "empty", "ann")
    assert lines_of(memory, loaded) == ""
    if name != "none":
        emptied = memory.write("ann", clean("ann"))
        for key in STARTS:
            emptied = memory.forget(emptied, key)
        assert lines_of(memory, emptied) == ""
        assert lines_of(memory, memory.update(emptied, Note("dentist", "My dentist is Dr. Yamada.")))


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_odd_texts_are_kept_as_they_are(name, tmp_path):
    texts = [
        "我的牙医是李医生。",
        "Mein Zahnarzt heißt Müller-Lüdenscheidt 🦷.",
        "אני גר בחיפה.",
        unicodedata.normalize("NFD", "Ma sœur habite à Besançon."),
        "?!",
        "the of and",
        "My motto is " + "word " * 700 + "end.",
        "x" * LONGEST_TEXT,
        'I say "quoted", {braced} and \\escaped.',
        "My  name  is   spaced\u00a0out.",
    ]
    memory = make(name, k=20)
    for speaker in ("", "ann"):
        notes = [Note(f"n{at}", text, speaker) for at, text in enumerate(texts)]
        trace = memory.write("ann", notes)
        trace.save(tmp_path / "odd")
        again = memory.load(tmp_path / "odd", "ann")
        for text in ("牙医?", "?!", "the", "🦷", "x" * 2000, 'quoted " braced'):
            assert memory.recall(again, Query(text)) == memory.recall(trace, Query(text))
        if not speaker and name in ("all", "recent", "bm25", "bm25w", "dense", "hybrid", "late", "episodic"):
            assert set(memory.recall(trace, Query("牙医?")).lines) == set(texts)
        if name != "none":
            for note in notes:
                trace = memory.forget(trace, note.key)
            assert memory.recall(trace, Query("牙医?")).lines == ()


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_bytes_are_counted_and_grow(name):
    memory = make(name)
    sizes = [memory.write("ann", clean("ann")[:count]).nbytes for count in range(len(STARTS) + 1)]
    if name == "none":
        assert set(sizes) == {0}
    else:
        assert all(small < large for small, large in pairwise(sizes))
        assert sizes[-1] >= sum(len(VALUES["ann"][key]) for key in STARTS)


def many(count):
    """Facts that differ in slot and value: "My silver kettle number 1 is from Oulu 7919."."""
    colours, things = (
        ("red", "silver", "green", "violet", "black"),
        ("kettle", "lamp", "ladder", "violin", "basket", "tent", "saw"),
    )
    cities = ("Oulu", "Graz", "Porto", "Split", "Turku", "Bergen", "Leiden")
    return [
        Note(f"n{at}", f"My {colours[at % 5]} {things[at % 7]} number {at} is from {cities[at // 7 % 7]} {at * 7919 % 10007}.")
        for at in range(count)
    ]


@pytest.mark.parametrize("name", TEXT_MEMORIES)
def test_ten_thousand_notes(name):
    memory = make(name, k=5)
    trace = memory.write("ann", many(10_000))
    assert len(memory.recall(trace, Query("Where is my violet lamp number 8 from?", ("n8",))).lines) == {
        "none": 0,
        "gold": 1,
        "all": 10_000,
        "reset": 19,  # as many as fit its words
    }.get(name, 5)
    assert isinstance(trace, TextTrace)
