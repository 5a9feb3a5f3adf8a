"""The memory searched token by token: late interaction over the token vectors of a sentence encoder ("late").

As in ColBERT (Khattab and Zaharia, SIGIR 2020), each token of the question looks for the token of a note that is most
like it, and the score of the note is the sum of these cosines. Every token is compared; the encoder was not trained for it.
"""

from weakref import WeakKeyDictionary

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.text import at_positions
from loci.memories.text_trace import TextMemory, TextTrace, best
from loci.models.encoder import Encoder

_LIVE: WeakKeyDictionary[TextTrace, np.ndarray] = WeakKeyDictionary()


def token_vectors(encoder: Encoder, notes: tuple[Note, ...]) -> dict[str, np.ndarray]:
    """What a trace keeps of the notes: tokens float16 [T, D], note after note, and how many each has, lengths int32 [N].

    Half precision halves the file; for 50 questions over 2,272 turns of development users no first five changed.
    """
    tokens = encoder.tokens([note.spoken for note in notes])
    lengths = np.array([len(vectors) for vectors in tokens], np.int32)
    every = np.concatenate([np.zeros((0, encoder.width), np.float32), *tokens])
    return {"tokens": every.astype(np.float16), "lengths": lengths}


def token_scores(trace: TextTrace, question: np.ndarray) -> np.ndarray:
    """MaxSim of each note with the token vectors [Q, D] of a question, float32 [N]; -inf for a note without tokens."""
    if trace not in _LIVE:  # numpy multiplies half precision slowly; with tokens in columns the product is fastest
        _LIVE[trace] = np.ascontiguousarray(trace.arrays["tokens"].T, np.float32)
    lengths = trace.arrays["lengths"]
    ends = np.cumsum(lengths)
    told = lengths > 0  # an empty run has no maximum
    scores = np.full(len(lengths), -np.inf, np.float32)
    if told.any():
        similar = question @ _LIVE[trace]  # [Q, T]
        scores[told] = np.maximum.reduceat(similar, (ends - lengths)[told], axis=1).sum(axis=0)
    return scores


class LateMemory(TextMemory):
    """The `k` notes with the highest MaxSim, most relevant first."""

    name = "late"

    def __init__(self, encoder: Encoder, k: int):
        self._encoder, self._k = encoder, k
        self.encoder_sha256 = encoder.sha256

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        return token_vectors(self._encoder, notes), {}

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        if not trace.notes:
            return Recall()
        return at_positions(trace, best(token_scores(trace, self._encoder.query(query.text)[1]), self._k))
