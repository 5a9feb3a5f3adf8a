"""Words and vectors together: reciprocal rank fusion of BM25 and sentence vectors (Cormack, Clarke and Büttcher 2009)."""

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.dense import DenseMemory
from loci.memories.lexical import Bm25Memory
from loci.memories.text import at_positions
from loci.memories.text_trace import TextMemory, TextTrace, best
from loci.models.encoder import Encoder

_SMOOTHING = 60  # the constant of the paper


class HybridMemory(TextMemory):
    """The `k` notes with the largest sum of 1 / (60 + rank) over both rankings. A note that shares no word with the question
    has no rank among the words: otherwise the order of equal zeros would count as much as a match."""

    name = "hybrid"

    def __init__(self, encoder: Encoder, k: int):
        self._words, self._vectors, self._k = Bm25Memory(k), DenseMemory(encoder, k), k
        self.encoder_sha256 = encoder.sha256

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        fused = np.zeros(len(trace.notes))
        for scores in (self._words.scores(trace, query), self._vectors.scores(trace, query)):
            ranked = best(scores, len(scores))
            matched = scores[ranked] > 0
            fused[ranked[matched]] += 1 / (_SMOOTHING + 1 + np.arange(len(ranked))[matched])
        return at_positions(trace, best(fused, self._k))

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        words, extra = self._words._index(notes)
        vectors, _ = self._vectors._index(notes)
        return words | vectors, extra
