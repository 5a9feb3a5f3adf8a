"""A memory of one's own, whole: it recalls the notes that share the user's rarest words with the question, newest first.

What is kept beside the notes comes from `_index` (arrays, and plain JSON); `recall` searches it. Writing, updating, forgetting,
saving and loading come with `TextMemory`. To put it on the bench: docs/adding_a_memory.md.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.lexical import words
from loci.memories.text import at_positions
from loci.memories.text_trace import TextMemory, TextTrace, best


class RareWordsMemory(TextMemory):
    """k: notes that a question gets at most."""

    name = "rare_words"

    def __init__(self, k: int):
        self._k = k

    def _index(self, notes: Sequence[Note]) -> tuple[dict[str, np.ndarray], dict]:
        told = [sorted(set(words(note.spoken))) for note in notes]
        return {}, {"words": told, "in_notes": dict(Counter(word for one in told for word in one))}

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        wanted, in_notes = set(words(query.text)), trace.extra["in_notes"]
        scores = np.array([sum(1 / in_notes[word] for word in wanted & set(told)) for told in trace.extra["words"]])
        found = best(scores, self._k)  # of equal scores the newer note first
        return at_positions(trace, [at for at in found if scores[at] > 0])
