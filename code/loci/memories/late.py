"""Late interaction: every word of the question finds its best word in a note (ColBERT, Khattab and Zaharia 2020)."""

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.text import at_positions
from loci.memories.text_trace import TextMemory, TextTrace, best
from loci.models.encoder import Encoder


class LateMemory(TextMemory):
    """The `k` notes with the largest sum, over the question's tokens, of the largest inner product with one of their tokens.

    The token vectors are those of a sentence encoder that was not trained for this; exact, over all notes.
    """

    name = "late"

    def __init__(self, encoder: Encoder, k: int):
        self._encoder, self._k, self.encoder_sha256 = encoder, k, encoder.sha256

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        if not trace.notes:
            return Recall()
        asked = self._encoder.query(query.text)[1]  # [Q, D]
        similar = trace.arrays["tokens"] @ asked.T  # [T, Q]
        scores = np.maximum.reduceat(similar, trace.arrays["starts"]).sum(1)  # [N]
        return at_positions(trace, best(scores, self._k))

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        found = self._encoder.tokens([note.spoken for note in notes])
        # A note of nothing that the tokenizer knows still has a place: one zero vector, similar to nothing.
        found = [tokens if len(tokens) else np.zeros((1, self._encoder.width), np.float32) for tokens in found]
        tokens = np.concatenate([np.zeros((0, self._encoder.width), np.float32), *found])  # [T, D]
        lengths = np.array([len(tokens) for tokens in found], np.int64)
        return {"tokens": tokens, "starts": np.cumsum(lengths) - lengths}, {}
