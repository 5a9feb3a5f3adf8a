"""Sentence vectors and inner products: exact, and from 100,000 notes on over a FAISS graph (HNSW, Malkov and Yashunin 2018)."""

from weakref import WeakKeyDictionary

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.text import at_positions
from loci.memories.text_trace import TextMemory, TextTrace, best
from loci.models.encoder import Encoder

APPROXIMATE_FROM = 100_000  # notes; below, one matrix product takes less than a few milliseconds
_LINKS, _BREADTH = 32, 128  # of the graph: neighbours a node, candidates while building and searching


class DenseMemory(TextMemory):
    """The `k` notes whose vectors have the largest inner product with that of the question."""

    name = "dense"

    def __init__(self, encoder: Encoder, k: int):
        self._encoder, self._k, self.encoder_sha256 = encoder, k, encoder.sha256
        self._graphs: WeakKeyDictionary = WeakKeyDictionary()

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        if len(trace.notes) < APPROXIMATE_FROM:
            return at_positions(trace, best(self.scores(trace, query), self._k))
        vector = self._encoder.query(query.text)[0]
        _, found = self._graph(trace).search(vector[None], self._k)
        return at_positions(trace, found[0])

    def scores(self, trace: TextTrace, query: Query) -> np.ndarray:
        """Inner products [N] with all notes."""
        return trace.arrays["vectors"] @ self._encoder.query(query.text)[0]

    def _graph(self, trace: TextTrace):
        if trace not in self._graphs:
            import faiss  # needed for so many notes only

            faiss.omp_set_num_threads(1)  # the graph depends on the order of insertion
            graph = faiss.IndexHNSWFlat(self._encoder.width, _LINKS, faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = graph.hnsw.efSearch = _BREADTH
            graph.add(trace.arrays["vectors"])
            self._graphs[trace] = graph
        return self._graphs[trace]

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        return {"vectors": self._encoder.sentences([note.spoken for note in notes])}, {}
