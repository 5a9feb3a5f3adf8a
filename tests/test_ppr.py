"""Triples with Personalized PageRank: the graph, the start, the ranks against two references, and what comes back."""

import networkx
import numpy as np
import pytest
from fake_encoder import FakeEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from loci.memories.base import Note, Query
from loci.memories.ppr import DAMPING, LINKED, MOST_SYNONYMS, TRIPLE_WEIGHT, PprMemory, page_rank, start_of, synonyms, walk_of
from loci.models.encoder import Encoder
from loci.paths import MODELS

ENCODER = FakeEncoder(512)
NOBODY = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def notes_of(*texts, speaker="", date=""):
    return [Note(f"n{at}", text, speaker, date) for at, text in enumerate(texts)]


def dense_ranks(walk, start):
    """The fixed point itself: (1 - d) (I - d W)^-1 start."""
    matrix = walk.toarray()
    return (1 - DAMPING) * np.linalg.solve(np.eye(len(matrix)) - DAMPING * matrix, start)


def test_the_walk_of_two_triples_with_one_subject():
    """I (0) - Graz (1) by triple 3, I - cello (2) by triple 4; 1 and 2 are synonyms at 0.9."""
    alike = (np.array([1]), np.array([2]), np.array([0.9]))
    walk = walk_of(np.array([[0, 1], [0, 2]], np.int32), alike).toarray()
    weights = np.array(
        [[0, 1, 1, 1, 1], [1, 0, 0.9, 1, 0], [1, 0.9, 0, 0, 1], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0]],
    )
    assert np.allclose(walk, weights / weights.sum(axis=0), atol=1e-12)


def test_a_relation_told_twice_weighs_twice_and_a_loop_is_no_edge():
    walk = walk_of(np.array([[0, 1], [0, 1], [1, 1]], np.int32), NOBODY).toarray()  # triples are nodes 2, 3, 4
    weights = np.array([[0, 2, 1, 1, 0], [2, 0, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 1, 0, 0, 0]])
    assert np.allclose(walk, weights / weights.sum(axis=0), atol=1e-12)


@st.composite
def graphs(draw):
    ends = np.array(draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=25)), np.int32)
    ends = np.unique(ends, return_inverse=True)[1].reshape(-1, 2).astype(np.int32)  # phrases numbered without gaps
    phrases = int(ends.max()) + 1
    pairs = [(a, b) for a in range(phrases) for b in range(a + 1, phrases)]
    pairs = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=5)) if pairs else []
    alike = np.array(pairs, np.int64).reshape(-1, 2)
    scores = np.array(draw(st.lists(st.floats(-1, 1, width=32), min_size=len(ends), max_size=len(ends))), np.float32)
    return ends, (alike[:, 0], alike[:, 1], np.linspace(0.8, 1, len(alike))), scores


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_ranks_are_those_of_networkx_and_of_a_linear_solve(graph):
    ends, alike, scores = graph
    walk = walk_of(ends, alike)
    start = start_of(scores, ends, walk.shape[0])
    assert start.min() >= 0 and start.sum() == pytest.approx(1)
    ranks = page_rank(walk, start)
    assert np.abs(ranks - dense_ranks(walk, start)).max() < 2e-9

    reference, phrases = networkx.Graph(), walk.shape[0] - len(ends)
    reference.add_nodes_from(range(walk.shape[0]))
    edges = [(a, b, 1.0) for a, b in ends.tolist() if a != b]
    edges += [(phrases + at, end, 1.0) for at, one in enumerate(ends.tolist()) for end in dict.fromkeys(one)]
    edges += [(int(a), int(b), float(weight)) for a, b, weight in zip(*alike, strict=True)]
    for a, b, weight in edges:
        before = reference.get_edge_data(a, b, {"weight": 0.0})["weight"]
        reference.add_edge(a, b, weight=before + weight)
    expected = networkx.pagerank(reference, alpha=DAMPING, personalization=dict(enumerate(start)), tol=1e-14, max_iter=500)
    assert np.abs(ranks - [expected[node] for node in range(len(ranks))]).max() < 2e-9


def test_where_the_walk_starts():
    """Six triples of subject 0; objects 1..6. Scores 0.0 to 1.0: the five best are linked, the last one by its weight alone."""
    ends = np.array([[0, at] for at in range(1, 7)], np.int32)
    scores = np.linspace(1, 0, 6).astype(np.float32)
    start = start_of(scores, ends, 13)
    assert LINKED == 5
    phrases = np.array([np.mean([1, 0.8, 0.6, 0.4, 0.2]) / 6, 1, 0.8, 0.6, 0.4, 0.2, 0])
    expected = np.concatenate([phrases, TRIPLE_WEIGHT * np.linspace(1, 0, 6)])
    assert np.allclose(start, expected / expected.sum(), atol=1e-6)


def test_where_all_triples_are_alike_the_walk_starts_at_all_of_them():
    start = start_of(np.full(2, 0.3, np.float32), np.array([[0, 1], [0, 2]], np.int32), 5)
    assert np.allclose(start, np.array([0.5, 1, 1, 0.05, 0.05]) / 2.6)


def test_synonyms_are_phrases_from_08_each_pair_once():
    angles = np.radians([0, 30, 80, 110.5])  # cosines of neighbours: 0.87, 0.64, 0.86
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    left, right, weights = synonyms(vectors)
    assert list(zip(left, right, strict=True)) == [(0, 1), (2, 3)]
    assert np.allclose(weights, np.cos(np.radians([30, 30.5])), atol=1e-6)
    assert [len(part) for part in synonyms(np.zeros((0, 2), np.float32))] == [0, 0, 0]


def test_synonyms_do_not_depend_on_blocks_and_are_few(monkeypatch):
    vectors = np.tile(np.array([[1.0, 0.0]], np.float32), (40, 1))
    left, right, _ = synonyms(vectors)
    assert len(left) <= 40 * MOST_SYNONYMS
    monkeypatch.setattr("loci.memories.ppr._BLOCK", 7)
    again = synonyms(vectors)
    assert sorted(zip(left, right, strict=True)) == sorted(zip(*again[:2], strict=True))


def test_the_triple_that_the_question_is_about_comes_first_with_its_source():
    memory = PprMemory(ENCODER, 2)
    trace = memory.write("u0", notes_of("My dentist is Dr. Lee.", "I live in Graz.", "My sister lives in Denver."))
    found = memory.recall(trace, Query("Who is my dentist?"))
    assert (found.lines[0], found.sources[0]) == ("My dentist is Dr. Lee.", ("n0",))
    assert len(found.lines) == 2 and not found.told


def test_a_shared_phrase_leads_to_what_has_no_word_of_the_question():
    """From the sister over Denver to the rowing there. By likeness the rowing is last of ten: the others share a small word
    with the question. Four of them are linked to it, and the rowing comes before the rest."""
    memory = PprMemory(ENCODER, 6)
    trees = ("oak", "elm", "ash", "yew", "fir", "box", "bay", "fig")
    texts = [
        "My sister lives in Denver.",
        "Rowing happens every evening at Denver.",
        *(f"The {tree} is my {tree}1." for tree in trees),
    ]
    trace = memory.write("u0", notes_of(*texts))
    question = "sister lives my"
    assert np.argmin(trace.arrays["triples"] @ ENCODER.query(question)[0]) == 1
    assert [one[2] for one in trace.extra["triples"][:2]] == ["Denver", "Denver"]
    found = memory.recall(trace, Query(question)).sources
    assert found[0] == ("n0",)
    assert found[5] == ("n1",)


def test_equal_triples_are_one_node_with_both_sources_and_the_later_date():
    notes = [
        Note("S1:01", "I live in Graz.", "Ann", "2026-01-05T10:00"),
        Note("S1:02", "I live in Rome.", "Bea", "2026-01-05T10:00"),
        Note("S2:01", "I live in Graz. My dentist is Dr. Lee.", "Ann", "2026-02-06T11:30"),
    ]
    memory = PprMemory(ENCODER, 5)
    trace = memory.write("u0", notes)
    found = dict(zip(*(getattr(memory.recall(trace, Query("Graz")), part) for part in ("lines", "sources")), strict=True))
    assert found == {"I live in Graz.": ("S1:01", "S2:01"), "My dentist is Dr. Lee.": ("S2:01",)}
    assert memory.recall(memory.forget(trace, "S2:01"), Query("Graz")).lines == ("I live in Graz.",)


def test_the_other_speaker_and_small_talk_leave_nothing():
    memory = PprMemory(ENCODER, 5)
    notes = [Note("a", "Hello! How are you?", "Ann"), Note("b", "My dentist is Dr. Lee.", "Ann"), Note("c", "Oh, good.", "Bea")]
    assert [one[2] for one in memory.write("u0", notes).extra["triples"]] == ["Dr. Lee"]
    silent = memory.write("u0", notes[2:])
    assert memory.recall(silent, Query("dentist")).lines == ()
    assert memory.recall(memory.update(silent, notes[1]), Query("dentist")).lines == ("My dentist is Dr. Lee.",)


@pytest.mark.skipif(not (MODELS / "minilm-l6").exists(), reason="needs models/minilm-l6")
def test_with_the_real_encoder():
    """No word of the question is in the sentence, and like names are synonyms where unlike ones are not."""
    encoder = Encoder.load("minilm-l6")
    memory = PprMemory(encoder, 1)
    trace = memory.write("u0", notes_of("My dentist is Dr. Lee.", "My sister lives in Denver.", "I work at Kestrel Aviation."))
    assert memory.recall(trace, Query("Who takes care of your teeth?")).sources == (("n0",),)
    left, right, _ = synonyms(encoder.sentences(["my car", "the car I own", "my sister", "Denver"]))
    assert list(zip(left, right, strict=True)) == [(0, 1)]
