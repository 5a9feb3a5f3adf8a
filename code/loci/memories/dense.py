"""The memory searched by meaning: one vector a note, the notes nearest to the vector of the question ("dense")."""

from weakref import WeakKeyDictionary

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.text import at_positions
from loci.memories.text_trace import TextMemory, TextTrace, best
from loci.models.encoder import Encoder

# Below, the product with every vector takes a few milliseconds; from here (15 ms) FAISS is worth its import and copy.
APPROXIMATE_FROM = 100_000
_SPARE = 4  # notes that FAISS proposes for each that is recalled; with 20 for 5, no neighbour of random vectors was missed
_LIVE: WeakKeyDictionary[TextTrace, object] = WeakKeyDictionary()


def sentence_vectors(encoder: Encoder, notes: tuple[Note, ...]) -> dict[str, np.ndarray]:
    """What a trace keeps of the notes: their vectors of length 1, float32 [N, D]."""
    return {"sentences": encoder.sentences([note.spoken for note in notes])}


def sentence_scores(trace: TextTrace, vector: np.ndarray) -> np.ndarray:
    """Cosine of each note with a vector [D] of length 1, float32 [N]."""
    return trace.arrays["sentences"] @ vector


class DenseMemory(TextMemory):
    """The `k` notes whose vectors have the highest cosine with that of the question, most relevant first.

    Exact below APPROXIMATE_FROM notes. From there FAISS scans the vectors at 8 bits a number and proposes notes, which are
    ranked exactly. A graph or inverted lists would be faster still, but miss neighbours where vectors do not cluster.
    """

    name = "dense"

    def __init__(self, encoder: Encoder, k: int):
        self._encoder, self._k = encoder, k
        self.encoder_sha256 = encoder.sha256

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        return sentence_vectors(self._encoder, notes), {}

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        if not trace.notes:
            return Recall()
        vector = self._encoder.query(query.text)[0]
        if len(trace.notes) < APPROXIMATE_FROM:
            return at_positions(trace, best(sentence_scores(trace, vector), self._k))
        proposed = _proposed(trace, vector, min(_SPARE * self._k, len(trace.notes)))
        return at_positions(trace, proposed[best(trace.arrays["sentences"][proposed] @ vector, self._k)])


def _proposed(trace: TextTrace, vector: np.ndarray, count: int) -> np.ndarray:
    """Positions of the `count` notes that seem nearest at 8 bits a number, in the order of telling."""
    if trace not in _LIVE:
        import faiss  # late: only users of very many notes need it

        vectors = trace.arrays["sentences"]
        index = faiss.IndexScalarQuantizer(vectors.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
        index.add(vectors)
        _LIVE[trace] = index  # not stored: it is made in a fraction of a second and would add a quarter to the file
    return np.sort(_LIVE[trace].search(vector[None], count)[1][0])
