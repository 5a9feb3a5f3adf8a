"""The memory searched token by token: late interaction over the token vectors of a sentence encoder ("late").

As in ColBERT (Khattab and Zaharia, SIGIR 2020), each token of the question looks for the token of a note that is most
like it, and the score of the note is the sum of these cosines. The encoder was not trained for it. Among many notes only
the CANDIDATES nearest by sentence vector are compared token by token: the retrieve-then-rerank of the same paper.
"""

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.dense import sentence_scores, sentence_vectors
from loci.memories.text import at_positions
from loci.memories.text_trace import TextMemory, TextTrace, best
from loci.models.encoder import Encoder

CANDIDATES = 200  # with these, no first five of 200 development questions among 3,000 notes changed


def token_vectors(encoder: Encoder, notes: tuple[Note, ...]) -> dict[str, np.ndarray]:
    """What a trace keeps of the notes: tokens float16 [T, D], note after note, and how many each has, lengths int32 [N].

    Half precision halves the file; for 50 questions over 2,272 turns of development users no first five changed.
    """
    tokens = encoder.tokens([note.spoken for note in notes])
    lengths = np.array([len(vectors) for vectors in tokens], np.int32)
    every = np.concatenate([np.zeros((0, encoder.width), np.float32), *tokens])
    return {"tokens": every.astype(np.float16), "lengths": lengths}


def token_scores(trace: TextTrace, question: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """MaxSim of the notes at positions `chosen` [C] with the token vectors [Q, D] of a question, float32 [C]; -inf for a note
    without tokens."""
    lengths = trace.arrays["lengths"][chosen]
    starts = (np.cumsum(trace.arrays["lengths"]) - trace.arrays["lengths"])[chosen]
    told = lengths > 0  # an empty run has no maximum
    scores = np.full(len(chosen), -np.inf, np.float32)
    if told.any():
        rows = np.concatenate([np.arange(start, start + length) for start, length in zip(starts, lengths, strict=True)])
        similar = question @ trace.arrays["tokens"][rows].astype(np.float32).T  # [Q, T]
        ends = np.cumsum(lengths)
        scores[told] = np.maximum.reduceat(similar, (ends - lengths)[told], axis=1).sum(axis=0)
    return scores


class LateMemory(TextMemory):
    """The `k` notes with the highest MaxSim, most relevant first."""

    name = "late"

    def __init__(self, encoder: Encoder, k: int):
        self._encoder, self._k = encoder, k
        self.encoder_sha256 = encoder.sha256

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        return {**token_vectors(self._encoder, notes), **sentence_vectors(self._encoder, notes)}, {}

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        if not trace.notes:
            return Recall()
        sentence, tokens = self._encoder.query(query.text)
        chosen = np.sort(best(sentence_scores(trace, sentence), CANDIDATES))  # in the order of telling, for equal scores
        return at_positions(trace, chosen[best(token_scores(trace, tokens, chosen), self._k)])
