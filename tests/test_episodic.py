"""Episodic memory: clusters, their union and what comes back, on cases worked out by hand."""

import numpy as np
import pytest
from fake_encoder import FakeEncoder
from hypothesis import given
from hypothesis import strategies as st

from loci.memories.base import Note, Query
from loci.memories.episodic import EpisodicMemory, cluster_of, union

ENCODER = FakeEncoder(512)
CHAT = [  # session, speaker, text
    ("2026-01-05T10:00", "Ann", "Good morning."),
    ("2026-01-05T10:00", "Bea", "Which dentist treats your teeth?"),
    ("2026-01-05T10:00", "Ann", "Ask me something easier."),
    ("2026-01-05T10:00", "Ann", "Dr. Lee, since last spring."),
    ("2026-01-05T10:00", "Bea", "Noted."),
    ("2026-02-06T11:30", "Ann", "The cello is under my bed."),
    ("2026-02-06T11:30", "Bea", "Why there?"),
]
NOTES = [Note(f"n{at}", text, speaker, date) for at, (date, speaker, text) in enumerate(CHAT)]


def recall(question, k, notes=NOTES):
    memory = EpisodicMemory(ENCODER, k)
    return memory.recall(memory.write("u0", notes), Query(question))


def keys(found):
    return [key for (key,) in found.sources]


def test_a_cluster_is_one_back_and_two_forward_within_its_session():
    assert [list(cluster_of(NOTES, at)) for at in range(7)] == [
        [0, 1, 2],
        [0, 1, 2, 3],
        [1, 2, 3, 4],
        [2, 3, 4],
        [3, 4],
        [5, 6],
        [5, 6],
    ]


@pytest.mark.parametrize(
    ("clusters", "limit", "expected"),
    [
        ([(4, range(3, 7))], 4, [3, 4, 5, 6]),
        ([(4, range(3, 7))], 3, [4, 5, 6]),  # two forward before one back
        ([(4, range(3, 7))], 2, [4, 5]),
        ([(4, range(3, 7))], 1, [4]),
        ([(4, range(3, 7)), (0, range(3))], 5, [0, 3, 4, 5, 6]),  # of the second, its nucleus alone
        ([(4, range(3, 7)), (5, range(4, 8)), (9, range(8, 12))], 5, [3, 4, 5, 6, 7]),  # what is chosen already takes no room
        ([(4, range(3, 7)), (9, range(8, 12))], 30, [3, 4, 5, 6, 8, 9, 10, 11]),
        ([], 5, []),
    ],
)
def test_union(clusters, limit, expected):
    assert union(clusters, limit) == expected


@given(st.lists(st.integers(0, 40), max_size=20), st.integers(1, 30))
def test_a_union_is_full_or_holds_everything(nuclei, limit):
    clusters = [(nucleus, range(max(0, nucleus - 1), nucleus + 3)) for nucleus in nuclei]
    everything = {at for _, positions in clusters for at in positions}
    found = union(clusters, limit)
    assert found == sorted(set(found)) and set(found) <= everything
    assert len(found) == min(limit, len(everything))
    assert not nuclei or nuclei[0] in found


def test_the_answer_beside_the_turn_that_was_found_comes_along_in_order_and_with_dates():
    found = recall("Which dentist treats my teeth?", 4)
    assert keys(found) == ["n0", "n1", "n2", "n3"]  # no word of n3 is in the question
    assert found.told
    assert found.lines[3] == "Ann: Dr. Lee, since last spring."
    assert keys(recall("Dr. Lee, since last spring", 1)) == ["n4"]  # the nucleus of the best cluster, not the nearest turn
    assert keys(recall("Where is my cello?", 2)) == ["n5", "n6"]  # not n4, which is of another session


def test_clusters_are_ranked_by_their_whole_text():
    """The nearest turn alone is not enough: the cluster around "red lamp" knows both words of the question, that around the
    lone "lamp" one of them among much else."""
    texts = ["lamp", "alpha beta gamma delta", "epsilon zeta eta theta", "iota kappa", "red", "red lamp red", "lamp red"]
    notes = [Note(f"n{at}", text) for at, text in enumerate(texts)]
    memory = EpisodicMemory(ENCODER, 3)
    trace = memory.write("u0", notes)
    vector = ENCODER.query("lamp")[0]
    assert np.argmax(trace.arrays["turns"] @ vector) == 0
    assert keys(memory.recall(trace, Query("lamp"))) == ["n4", "n5", "n6"]


def test_clean_sentences_have_neighbours_in_telling():
    notes = [Note(f"n{at}", text) for at, text in enumerate(["I am called Ann.", "My dentist is Dr. Lee.", "I sing.", "I row."])]
    assert keys(recall("dentist", 3, notes)) == ["n1", "n2", "n3"]
    assert recall("dentist", 3, []).lines == ()


def test_few_of_many_are_proposed():
    """Of 300 notes 200 are proposed for a limit of 50: notes at the far end of the ranking never become a nucleus."""
    notes = [Note(f"n{at}", f"word{at} lamp", date=f"2026-01-01T00:{at:03d}") for at in range(300)]
    memory = EpisodicMemory(ENCODER, 250)
    trace = memory.write("u0", notes)  # a session each, so that no neighbour comes along
    assert len(memory.recall(trace, Query("lamp")).lines) == 200
    assert len(EpisodicMemory(ENCODER, 3).recall(trace, Query("lamp")).lines) == 3
