"""The plain memories of text: nothing, the needed notes (the ceiling of all that fill a prompt), all notes, the latest ones."""

from collections.abc import Sequence

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.text_trace import TextMemory, TextTrace


class NoMemory(TextMemory):
    """Control: the base model and the reader's prompt; whatever is told is dropped."""

    name = "none"

    def write(self, owner: str, _notes: Sequence[Note]) -> TextTrace:
        return TextTrace(self.name, owner, ())

    def update(self, trace: TextTrace, _note: Note) -> TextTrace:
        return trace

    def forget(self, trace: TextTrace, _key: str) -> TextTrace:
        return trace

    def recall(self, _trace: TextTrace, _query: Query) -> Recall:
        return Recall()


class GoldMemory(TextMemory):
    """Ceiling: exactly the notes that the question needs. It is told which; of what is not there it has nothing."""

    name = "gold"

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        by_key = {note.key: note for note in trace.notes}
        return recalled([by_key[key] for key in query.needed if key in by_key])


class AllMemory(TextMemory):
    """Every note, in the order of telling."""

    name = "all"

    def recall(self, trace: TextTrace, _query: Query) -> Recall:
        return recalled(trace.notes, told=True)


class RecentMemory(TextMemory):
    """The `k` latest notes, in the order of telling."""

    name = "recent"

    def __init__(self, k: int):
        self._k = k

    def recall(self, trace: TextTrace, _query: Query) -> Recall:
        return recalled(trace.notes[max(0, len(trace.notes) - self._k) :], told=True)


def recalled(notes: Sequence[Note], told: bool = False) -> Recall:
    """The lines of whole notes."""
    lines, sources = tuple(note.spoken for note in notes), tuple((note.key,) for note in notes)
    return Recall(lines, sources, tuple(note.date for note in notes), told)


def at_positions(trace: TextTrace, positions: np.ndarray) -> Recall:
    """The notes at these positions, most relevant first."""
    return recalled([trace.notes[at] for at in positions])
