"""The memory searched by words and by meaning: the two rankings fused by reciprocal ranks ("hybrid")."""

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.dense import sentence_scores, sentence_vectors
from loci.memories.lexical import index_words, word_scores, words
from loci.memories.text import at_positions
from loci.memories.text_trace import TextMemory, TextTrace, best
from loci.models.encoder import Encoder

K0 = 60  # Cormack, Clarke and Büttcher, SIGIR 2009; not tuned


def reciprocal_ranks(scores: np.ndarray, found: np.ndarray) -> np.ndarray:
    """1 / (K0 + rank) for each document, float64 [N]; ranks count from 1, and what is not `found` [N] gets 0."""
    ranked = np.flatnonzero(found)
    ranked = ranked[best(scores[ranked], len(ranked))]
    fused = np.zeros(len(scores))
    fused[ranked] = 1 / (K0 + 1 + np.arange(len(ranked)))
    return fused


class HybridMemory(TextMemory):
    """The `k` notes with the highest sum of reciprocal ranks under BM25 and under cosine, most relevant first.

    Notes without any word of the question are not in the ranking of BM25 and get nothing from it.
    """

    name = "hybrid"

    def __init__(self, encoder: Encoder, k: int):
        self._encoder, self._k = encoder, k
        self.encoder_sha256 = encoder.sha256

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        arrays, extra = index_words([words(note.spoken) for note in notes])
        return arrays | sentence_vectors(self._encoder, notes), extra

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        if not trace.notes:
            return Recall()
        by_words = word_scores(trace, query.text)
        by_meaning = sentence_scores(trace, self._encoder.query(query.text)[0])
        everything = np.ones(len(trace.notes), bool)
        fused = reciprocal_ranks(by_words, by_words > 0) + reciprocal_ranks(by_meaning, everything)
        return at_positions(trace, best(fused, self._k))
