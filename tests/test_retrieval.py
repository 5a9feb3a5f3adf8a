"""Memories that search: what they keep, how they score (against plain references), and what they recall."""

import hashlib
import math
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from loci.errors import UserError
from loci.memories import dense
from loci.memories.base import Note, Query
from loci.memories.dense import DenseMemory
from loci.memories.hybrid import HybridMemory, reciprocal_ranks
from loci.memories.late import LateMemory, token_scores
from loci.memories.lexical import Bm25Memory, Bm25WindowMemory, index_words, word_scores, words
from loci.memories.text_trace import TextTrace, best
from loci.models.encoder import Encoder
from loci.paths import MODELS, ROOT


class WordEncoder:
    """A stand-in for MiniLM: every word has a random vector of its own, and a sentence is the mean of its words."""

    sha256, width = "of-words", 32

    def tokens(self, texts):
        return [np.array([self._vector(word) for word in words(text)], np.float32).reshape(-1, self.width) for text in texts]

    def sentences(self, texts):
        means = [tokens.sum(axis=0) if len(tokens) else self._vector("") for tokens in self.tokens(texts)]
        return np.array([mean / np.linalg.norm(mean) for mean in means], np.float32).reshape(-1, self.width)

    def query(self, text):
        return self.sentences([text])[0], self.tokens([text])[0]

    def _vector(self, word):
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
        vector = np.random.default_rng(seed).standard_normal(self.width).astype(np.float32)
        return vector / np.linalg.norm(vector)


ENCODER = WordEncoder()
MAKERS = {
    "bm25": Bm25Memory,
    "bm25w": Bm25WindowMemory,
    "dense": lambda k: DenseMemory(ENCODER, k),
    "hybrid": lambda k: HybridMemory(ENCODER, k),
    "late": lambda k: LateMemory(ENCODER, k),
}
FACTS = [
    Note("city", "The city I live in is Denver."),
    Note("dentist", "My dentist is Dr. Jorgensen."),
    Note("pet", "My pet answers to Ziggy."),
    Note("coffee", "My usual coffee order is ristretto."),
    Note("color", "My favorite color is terracotta."),
]
every_memory = pytest.mark.parametrize("name", MAKERS)


def keys(recall):
    return [key for source in recall.sources for key in source]


def asked(memory, trace, text):
    return keys(memory.recall(trace, Query(text)))


# All of them


@every_memory
def test_the_note_that_shares_the_words_comes_first(name):
    memory = MAKERS[name](2)
    # Apart, so that the windows of bm25w are the notes themselves.
    trace = memory.write("u", [Note(note.key, note.text, date=f"2026-01-0{day}T10:00") for day, note in enumerate(FACTS, 1)])
    assert asked(memory, trace, "Which coffee do I order?")[0] == "coffee"
    assert asked(memory, trace, "What is the name of my DENTIST?")[0] == "dentist"
    recall = memory.recall(trace, Query("Which cities did I live in?"))
    assert recall.lines[0] == "The city I live in is Denver."
    assert len(recall.lines) == 2 and not recall.told


@every_memory
def test_few_notes_none_and_notes_without_words(name):
    memory = MAKERS[name](3)
    assert asked(memory, memory.write("u", []), "Where am I?") == []
    assert sorted(asked(memory, memory.write("u", FACTS[:2]), "Who is my dentist?")) == ["city", "dentist"]
    trace = memory.write("u", [Note("a", "I am."), Note("b", "♥"), Note("c", "Is it?")])
    assert asked(memory, trace, "Am I what I was?") == ["c", "b", "a"]
    assert len(asked(memory, trace, "Denver?")) == 3
    mixed = memory.write("u", [Note("a", "♥", date="1"), Note("b", "Denver.", date="2"), Note("c", "I am.", date="3")])
    assert asked(memory, mixed, "Denver?")[0] == "b"


@every_memory
def test_a_saved_trace_recalls_the_same(name, tmp_path):
    memory = MAKERS[name](3)
    trace = memory.write("u", FACTS)
    trace.save(tmp_path / "trace")
    loaded = MAKERS[name](3).load(tmp_path / "trace", "u")
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "trace").read_bytes()
    assert loaded.nbytes == trace.nbytes
    for text in ("Which coffee do I order?", "Who is my dentist?", "What is it?"):
        assert memory.recall(loaded, Query(text)) == memory.recall(trace, Query(text))
    with pytest.raises(UserError, match="owner"):
        memory.load(tmp_path / "trace", "v")


def test_a_trace_of_another_encoder_is_refused(tmp_path):
    other = WordEncoder()
    other.sha256 = "another"
    for of in (DenseMemory, HybridMemory, LateMemory):
        of(ENCODER, 1).write("u", FACTS).save(tmp_path / "trace")
        with pytest.raises(UserError, match=r"encoder: is 'of-words', not 'another'"):
            of(other, 1).load(tmp_path / "trace", "u")


@every_memory
def test_forgetting_leaves_what_was_never_told(name, tmp_path):
    memory = MAKERS[name](5)
    trace = memory.write("u", FACTS)
    memory.recall(trace, Query("Who is my dentist?"))  # a live index hangs on the old trace
    memory.forget(trace, "dentist").save(tmp_path / "forgotten")
    memory.write("u", [note for note in FACTS if note.key != "dentist"]).save(tmp_path / "never")
    assert (tmp_path / "forgotten").read_bytes() == (tmp_path / "never").read_bytes()
    assert b"orgensen" not in (tmp_path / "forgotten").read_bytes()
    assert "dentist" not in asked(memory, memory.forget(trace, "dentist"), "Who is my dentist?")
    assert "dentist" in asked(memory, trace, "Who is my dentist?")
    with pytest.raises(UserError, match=r"forget: boat"):
        memory.forget(trace, "boat")


@every_memory
def test_an_update_replaces(name):
    memory = MAKERS[name](1)
    trace = memory.update(memory.write("u", FACTS), Note("dentist", "My dentist is Dr. Abara."))
    assert trace.notes[-1].text == "My dentist is Dr. Abara."
    assert not any("jorgensen" in word for word in trace.extra.get("words", []))
    single = memory.update(memory.write("u", FACTS[1:2]), Note("dentist", "My dentist is Dr. Abara."))
    assert memory.recall(single, Query("Who is my dentist?")).lines == ("My dentist is Dr. Abara.",)


@every_memory
def test_owners_and_traces_do_not_touch(name):
    memory = MAKERS[name](2)
    one, other = memory.write("a", FACTS), memory.write("b", [Note("city", "The city I live in is Graz.")])
    before = memory.recall(one, Query("Which city do I live in?"))
    assert memory.recall(other, Query("Which city do I live in?")).lines == ("The city I live in is Graz.",)
    assert memory.recall(one, Query("Which city do I live in?")) == before
    assert not any("Graz" in line for line in before.lines)


PRINT_ALL = """
import pathlib, sys
from test_retrieval import MAKERS, file_and_recall
for name in MAKERS:
    print(file_and_recall(name, pathlib.Path(sys.argv[1])))
"""


def file_and_recall(name, path):
    memory = MAKERS[name](3)
    trace = memory.write("u", FACTS)
    trace.save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest(), memory.recall(trace, Query("Which usual color is my coffee?")).lines


def test_files_and_recalls_are_the_same_under_every_hash_seed(tmp_path):
    here = os.pathsep.join((str(ROOT / "code"), str(ROOT / "tests")))
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": here}
    command = [sys.executable, "-c", PRINT_ALL, str(tmp_path / "trace")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True)
    assert done.stdout.splitlines() == [str(file_and_recall(name, tmp_path / "trace")) for name in MAKERS]


# Words


def test_words():
    assert words("My running pace: 39.5!") == ["run", "pace", "39", "5"]
    assert words("The CAFÉ’s cities, ＡＢＣ and straße") == ["café", "s", "citi", "abc", "strass"]
    assert words("What is the … of my —?") == []


def reference_bm25(documents, question, k1=1.5, b=0.75):
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        counts, score = Counter(document), 0.0
        for word in question:
            inside = sum(word in other for other in documents)
            idf = math.log(1 + (len(documents) - inside + 0.5) / (inside + 0.5))
            score += idf * counts[word] / (counts[word] + k1 * (1 - b + b * len(document) / mean))
        scores.append(score)
    return scores


def test_scores_are_those_of_bm25():
    generator = np.random.default_rng(0)
    texts = [
        " ".join(f"w{at}" for at in generator.zipf(1.5, size=generator.integers(1, 12)) if at < 50) or "x" for _ in range(60)
    ]
    arrays, extra = index_words([words(text) for text in texts])
    trace = TextTrace("bm25", "u", tuple(Note(str(at), text) for at, text in enumerate(texts)), arrays, extra)
    for question in ("w1 w2", "w1 w1 w7 nobody", "w3 w40 w11 w5"):
        expected = reference_bm25([words(text) for text in texts], words(question))
        np.testing.assert_allclose(word_scores(trace, question), expected, rtol=1e-5)
    assert word_scores(trace, "nobody knows").tolist() == [0] * 60
    assert {name: str(array.dtype) for name, array in arrays.items()} == {
        "data": "float32",
        "indices": "int32",
        "indptr": "int32",
    }
    assert extra["words"] == list(dict.fromkeys(word for text in texts for word in words(text)))


def test_bm25_falls_back_on_the_latest_notes():
    memory = Bm25Memory(2)
    assert asked(memory, memory.write("u", FACTS), "Zebra crossing?") == ["color", "coffee"]
    assert asked(memory, memory.write("u", FACTS), "Ziggy?") == ["pet", "color"]


TURNS = [
    Note("S1:01", "Do you have a pet?", "Ben", "2026-01-01T10:00"),
    Note("S1:02", "Yes, Ziggy.", "Ada", "2026-01-01T10:00"),
    Note("S1:03", "Sweet.", "Ben", "2026-01-01T10:00"),
    Note("S2:01", "Hello again.", "Ada", "2026-01-02T10:00"),
]


def test_a_window_reaches_one_note_and_not_into_another_session():
    memory = Bm25WindowMemory(4)
    trace = memory.write("u", TURNS)
    expected = [
        ["ben", "you", "have", "pet", "ada", "yes", "ziggi"],
        ["ada", "yes", "ziggi", "ben", "you", "have", "pet", "ben", "sweet"],
        ["ben", "sweet", "ada", "yes", "ziggi"],
        ["ada", "hello", "again"],
    ]
    for text in ("pet", "ziggy", "ben sweet", "hello ada"):
        np.testing.assert_allclose(word_scores(trace, text), reference_bm25(expected, words(text)), rtol=1e-5)
    assert asked(memory, trace, "pet?")[:2] == ["S1:01", "S1:02"]
    assert asked(memory, trace, "Hello?") == ["S2:01", "S1:03", "S1:02", "S1:01"]
    # The turn that answers has no word of the question: note by note it is no better than any other.
    assert asked(Bm25Memory(2), Bm25Memory(2).write("u", TURNS), "pet?") == ["S1:01", "S2:01"]


# Meaning


def test_dense_is_the_order_of_cosines():
    memory = DenseMemory(ENCODER, 5)
    trace = memory.write("u", FACTS)
    assert trace.arrays["sentences"].dtype == np.float32 and trace.arrays["sentences"].shape == (5, 32)
    question = "Is terracotta my favorite coffee?"
    cosines = {note.key: float(ENCODER.sentences([note.text])[0] @ ENCODER.query(question)[0]) for note in FACTS}
    assert asked(memory, trace, question) == sorted(cosines, key=cosines.get, reverse=True)


class RandomEncoder(WordEncoder):
    """Every text is a point of its own in 384 dimensions: nothing clusters, the worst case for an approximate index."""

    width = 384

    def sentences(self, texts):
        return np.array([self._vector(text) for text in texts])


def test_faiss_finds_the_nearest_of_random_vectors(monkeypatch):
    memory = DenseMemory(RandomEncoder(), 5)
    trace = memory.write("u", [Note(str(at), f"Note {at}.") for at in range(3000)])
    questions = [f"Question {at}?" for at in range(40)]
    exact = [asked(memory, trace, text) for text in questions]
    monkeypatch.setattr(dense, "APPROXIMATE_FROM", 3000)
    assert trace not in dense._LIVE
    found = [asked(memory, trace, text) for text in questions]
    assert trace in dense._LIVE  # FAISS was asked
    assert np.mean([len({*a} & {*b}) / 5 for a, b in zip(exact, found, strict=True)]) >= 0.999
    assert asked(DenseMemory(RandomEncoder(), 2000), trace, "Question 0?")[:5] == exact[0]
    forgotten = memory.forget(memory.update(trace, Note("n", "New.")), exact[0][0])
    assert exact[0][0] not in asked(memory, forgotten, questions[0])


# Fusion


def test_reciprocal_ranks():
    fused = reciprocal_ranks(np.array([3.0, 0.0, 5.0, 3.0]), np.array([True, False, True, True]))
    assert fused.tolist() == [1 / 63, 0, 1 / 61, 1 / 62]  # of the two equal ones the later comes first
    assert reciprocal_ranks(np.zeros(3), np.zeros(3, bool)).tolist() == [0, 0, 0]


def test_hybrid_is_the_sum_over_both_rankings():
    memory, by_words, by_meaning = HybridMemory(ENCODER, 5), Bm25Memory(5), DenseMemory(ENCODER, 5)
    question = "Is my usual color Ziggy or is it the coffee?"
    sharing = {note.key for note in FACTS if {*words(note.text)} & {*words(question)}}
    assert sharing == {"pet", "coffee", "color"}
    sums = dict.fromkeys((note.key for note in reversed(FACTS)), 0.0)
    for one in (by_words, by_meaning):
        for rank, key in enumerate(asked(one, one.write("u", FACTS), question), 1):
            if one is by_meaning or key in sharing:
                sums[key] += 1 / (60 + rank)
    assert asked(memory, memory.write("u", FACTS), question) == sorted(sums, key=sums.get, reverse=True)


def test_a_note_without_any_word_gains_nothing_from_bm25():
    """By words alone the latest note would follow; meaning must decide about it alone."""
    memory = HybridMemory(ENCODER, 5)
    assert asked(memory, memory.write("u", FACTS), "zebra") == asked(DenseMemory(ENCODER, 5), memory.write("u", FACTS), "zebra")


# Late interaction


def test_late_scores_are_sums_of_the_best_cosines():
    memory = LateMemory(ENCODER, 5)
    notes = [*FACTS, Note("bare", "♥")]
    trace = memory.write("u", notes)
    assert trace.arrays["tokens"].dtype == np.float16 and trace.arrays["lengths"].tolist() == [3, 3, 3, 4, 3, 0]
    question = ENCODER.query("Does Ziggy order coffee in Denver?")[1]
    expected = [
        sum(max(float(mine @ theirs) for theirs in ENCODER.tokens([note.text])[0]) for mine in question) for note in FACTS
    ]
    np.testing.assert_allclose(token_scores(trace, question, np.arange(6))[:5], expected, atol=4e-3)
    assert token_scores(trace, question, np.array([5]))[0] == -np.inf
    assert asked(memory, trace, "Who am I?") == ["color", "coffee", "pet", "dentist", "city"]


def test_late_compares_the_candidates_of_the_sentence_vectors(monkeypatch):
    memory = LateMemory(ENCODER, 2)
    trace = memory.write("u", FACTS)
    question = "Does Ziggy order coffee in Denver?"
    everything = asked(memory, trace, question)
    dense = DenseMemory(ENCODER, 3)
    nearest = set(asked(dense, dense.write("u", FACTS), question))
    monkeypatch.setattr("loci.memories.late.CANDIDATES", 3)
    few = asked(memory, trace, question)
    assert set(few) <= nearest and len(few) == 2
    assert [key for key in few if key in everything] == [key for key in everything if key in few]
    monkeypatch.setattr("loci.memories.late.CANDIDATES", len(FACTS))
    assert asked(memory, trace, question) == everything


def test_half_precision_is_a_small_error():
    trace = LateMemory(ENCODER, 5).write("u", FACTS)
    exact = np.concatenate(ENCODER.tokens([note.text for note in FACTS]))
    assert 0 < np.abs(trace.arrays["tokens"] - exact).max() < 5e-4


# Ranking


def test_best_sorts_as_a_full_sort_does():
    generator = np.random.default_rng(0)
    for size, k in ((0, 3), (1, 0), (7, 7), (7, 9), (50, 5), (50, 1), (50, 49)):
        for levels in (2, 5, 1000):  # few levels: many ties, also at the k-th place
            scores = generator.integers(levels, size=size).astype(np.float32)
            expected = sorted(range(size), key=lambda at: (-scores[at], -at))[:k]
            assert best(scores, k).tolist() == expected
    assert best(np.array([-np.inf, 1, -np.inf]), 2).tolist() == [1, 2]


def test_ten_thousand_notes():
    notes = [Note(str(at), f"Item {at} lies in drawer {at * 7919 % 9973}.") for at in range(10_000)]
    for make in (MAKERS["bm25"], MAKERS["bm25w"]):
        memory = make(3)
        trace = memory.write("u", notes)
        assert "4321" in asked(memory, trace, "Where is item 4321?")
        assert asked(memory, trace, "?") == ["9999", "9998", "9997"]


# The real encoder


@pytest.mark.skipif(not (MODELS / "minilm-l6").exists(), reason="models/minilm-l6 was not fetched")
def test_minilm_finds_what_shares_no_word():
    encoder = Encoder.load("minilm-l6")
    notes = [*FACTS, Note("spouse", "I am married to Wendell."), Note("commute", "Getting to work takes me 18 minutes.")]
    for memory in (DenseMemory(encoder, 2), HybridMemory(encoder, 2), LateMemory(encoder, 2)):
        trace = memory.write("u", notes)
        assert asked(memory, trace, "Who is my spouse?")[0] == "spouse"
        assert asked(memory, trace, "Who looks after my teeth?")[0] == "dentist"
    bm25 = Bm25Memory(2)
    assert asked(bm25, bm25.write("u", notes[::-1]), "Who looks after my teeth?") == ["city", "dentist"]  # the latest
