"""The memory as a graph of phrases and triples, searched by Personalized PageRank ("ppr").

After HippoRAG 2 (Gutiérrez et al., arXiv 2502.14802) with its published settings. Where it asks a language model, rules
stand: triples come out of statements by `triple_of`, and the triples that a question is linked to are not filtered. A
passage is one statement here, so triple and passage are one node and have one vector.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array, csr_array

from loci.memories.base import Note, Query, Recall
from loci.memories.extract import owner_among, statements_of
from loci.memories.text_trace import TextMemory, TextTrace, best
from loci.memories.triples import Triple, triple_of
from loci.models.encoder import Encoder

# As published, not tuned.
SYNONYMS_FROM = 0.8  # cosine of two phrases from which an edge joins them
LINKED = 5  # triples that a question is linked to
TRIPLE_WEIGHT = 0.05  # of the chance to start at a triple by its likeness alone, against starting at a linked phrase
DAMPING = 0.5
# Ours: the published 2,047 synonyms a phrase would make ten thousand alike values a graph of 10^8 edges.
MOST_SYNONYMS = 10
_ROUNDS = 30  # after n rounds the ranks are within 2 * DAMPING**n of the fixed point: 2e-9
_BLOCK = 256  # phrases compared with all others at once


class PprMemory(TextMemory):
    """The `k` triples that a random walk from the question visits most, as sentences with the date of the latest telling.

    Nothing is ever replaced or taken out because of what a note says: like the published system it adds triples, and a
    request to forget inside a conversation changes nothing.
    """

    name = "ppr"

    def __init__(self, encoder: Encoder, k: int):
        self._encoder, self._k = encoder, k
        self.encoder_sha256 = encoder.sha256

    def write(self, owner: str, notes: Sequence[Note]) -> TextTrace:
        """Nodes are P phrases, then T triples. Arrays: triples float32 [T, D] their vectors; ends int32 [T, 2] the nodes of
        subject and object; data, indices, indptr: the walk, a sparse matrix [P + T, P + T]. Extra: for each triple its three
        parts and the positions of the notes that tell it."""
        told: dict[Triple, list[int]] = {}
        speaker = owner_among(notes, owner)
        for at, note in enumerate(notes):
            if note.speaker in ("", speaker):
                for statement in statements_of(note):
                    if statement.kind == "tell":
                        told.setdefault(triple_of(statement.text), []).append(at)
        phrases: dict[str, int] = {}
        ends = [[phrases.setdefault(_name(phrase), len(phrases)) for phrase in (one.subject, one.object)] for one in told]
        ends = np.array(ends, np.int32).reshape(-1, 2)
        walk = walk_of(ends, synonyms(self._encoder.sentences(list(phrases))))
        vectors = self._encoder.sentences([triple.line for triple in told])
        arrays = {"triples": vectors, "ends": ends, "data": walk.data, "indices": walk.indices, "indptr": walk.indptr}
        extra = {"triples": [[one.subject, one.relation, one.object, places] for one, places in told.items()]}
        return TextTrace(self.name, owner, tuple(notes), arrays, extra, self.encoder_sha256)

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        triples, arrays = trace.extra["triples"], trace.arrays
        if not triples:
            return Recall()
        size = len(arrays["indptr"]) - 1
        walk = csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(size, size))
        start = start_of(arrays["triples"] @ self._encoder.query(query.text)[0], arrays["ends"], size)
        found = [triples[at] for at in best(page_rank(walk, start)[size - len(triples) :], self._k)]
        sources = tuple(tuple(dict.fromkeys(trace.notes[at].key for at in places)) for *_, places in found)
        lines = tuple(Triple(*parts).line for *parts, _ in found)
        return Recall(lines, sources, tuple(trace.notes[places[-1]].date for *_, places in found))


def synonyms(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(phrase, its synonym, their cosine) of phrases with vectors [P, D] of length 1, each pair once; int [E], int [E],
    float64 [E]. A phrase asks for its MOST_SYNONYMS nearest; it may be asked for by more."""
    pairs: dict[tuple[int, int], float] = {}
    for begin in range(0, len(vectors), _BLOCK):
        cosines = vectors[begin : begin + _BLOCK] @ vectors.T
        cosines[np.arange(len(cosines)), begin + np.arange(len(cosines))] = -1  # not its own synonym
        rows, others = np.divmod(np.flatnonzero(cosines >= SYNONYMS_FROM), len(vectors))
        for near in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows)) + 1) if len(rows) else []:
            row, alike = int(rows[near[0]]), others[near]
            for other in alike[best(cosines[row, alike], MOST_SYNONYMS)].tolist():
                pairs.setdefault((min(begin + row, other), max(begin + row, other)), float(cosines[row, other]))
    ends = np.array(list(pairs), np.int64).reshape(-1, 2)
    return ends[:, 0], ends[:, 1], np.array(list(pairs.values()))


def walk_of(ends: np.ndarray, alike: tuple[np.ndarray, np.ndarray, np.ndarray]) -> csr_array:
    """The walk over P phrases and T triples, float64 [P + T, P + T]: entry (i, j) is the chance to go to i from j.

    ends [T, 2]: the phrases of each triple. Edges go both ways and weigh 1 a triple (between its phrases, and between it and
    each of them), or the cosine of two synonyms.
    """
    phrases = int(ends.max(initial=-1)) + 1
    subjects, objects, triples = ends[:, 0], ends[:, 1], phrases + np.arange(len(ends))
    apart = subjects != objects  # "Graz is Graz" is no edge
    left = np.concatenate([subjects[apart], triples, triples[apart], alike[0]])
    right = np.concatenate([objects[apart], subjects, objects[apart], alike[1]])
    weights = np.concatenate([np.ones(len(left) - len(alike[2])), alike[2]])
    size = phrases + len(ends)
    both = np.concatenate([left, right]), np.concatenate([right, left])
    edges = coo_array((np.tile(weights, 2), both), shape=(size, size)).tocsr()  # equal edges add up
    edges.data /= edges.sum(axis=0)[edges.indices]  # no node is without an edge
    edges.sort_indices()
    edges.indices, edges.indptr = edges.indices.astype(np.int32), edges.indptr.astype(np.int32)
    return edges


def start_of(scores: np.ndarray, ends: np.ndarray, size: int) -> np.ndarray:
    """Where the walk starts and returns to, float64 [size], sum 1. scores [T]: likeness of each triple to the question.

    The phrases of the LINKED best triples get the mean score of those that name them, divided by the number of all triples
    that name them, so that "I" counts for little; every triple gets TRIPLE_WEIGHT times its own score. Scores are scaled to
    0..1 over all triples, as published.
    """
    spread = float(scores.max() - scores.min())
    scaled = (scores.astype(np.float64) - scores.min()) / spread if spread else np.ones(len(scores))
    linked = best(scores, LINKED)
    names = np.array([node for at in linked for node in dict.fromkeys(ends[at].tolist())])
    given = np.array([scaled[at] for at in linked for _ in dict.fromkeys(ends[at].tolist())])
    phrases = size - len(ends)
    total, named = np.bincount(names, given, phrases), np.bincount(names, minlength=phrases)
    told_by = np.bincount(ends[:, 0], minlength=phrases) + np.bincount(ends[ends[:, 0] != ends[:, 1], 1], minlength=phrases)
    start = np.concatenate([total / np.maximum(named, 1) / told_by, TRIPLE_WEIGHT * scaled])
    return start / start.sum()


def page_rank(walk: csr_array, start: np.ndarray) -> np.ndarray:
    """How often a walk with restarts visits each node, float64 [V], sum 1, by power iteration (Page et al., 1999).

    walk [V, V]: columns sum to 1. start [V]: where each restart, with chance 1 - DAMPING, begins.
    """
    ranks = start
    for _ in range(_ROUNDS):
        ranks = DAMPING * (walk @ ranks) + (1 - DAMPING) * start
    return ranks


def _name(phrase: str) -> str:
    """Phrases that differ in case or in blanks alone are one node."""
    return " ".join(phrase.split()).casefold()
