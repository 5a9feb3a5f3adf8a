"""The memory of distilled text: every message is kept and indexed, older ones are distilled, distillations distilled again.

What a question gets are the rows that recall finds: messages as they were said, and of distillations, archived ones too, the line
that fits. Where that is less than was asked for, what holds according to the live distillations, the latest first, fills up.
`assembled` puts a whole prompt together instead, at a budget of words, as an assistant that works on for months would have it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.distilled_store import DistilledStore, Message
from loci.memories.distiller import Line, flat_log, four_sections, lines_again, lines_of
from loci.memories.lexical import STOP_WORDS, words
from loci.memories.text_trace import TextMemory, TextTrace


@dataclass(frozen=True)
class How:
    """segment: messages of a distillation. merge: live ones that are distilled again. words: of a distillation at most. sections:
    four sections, else a flat log. annotate: stubs of tool output say what was lost. archive: what was distilled again is kept
    for recall, else deleted. shares: of an assembled prompt, for distillations and for the latest messages; recall gets the
    rest."""

    segment: int = 50
    merge: int = 10
    words: int = 250
    sections: bool = True
    annotate: bool = True
    archive: bool = True
    shares: tuple[float, float] = (0.4, 0.3)


class DistilledMemory(TextMemory):
    """`k`: lines a question. The trace's array holds the store as a file of SQLite, which repeats the notes: it is what is
    searched."""

    name = "distilled"

    def __init__(self, k: int, how: How | None = None):
        self._k, self._how = k, how or How()

    def write(self, owner: str, notes: Sequence[Note]) -> TextTrace:
        TextTrace(self.name, owner, tuple(notes))  # refuses a key that is told twice, before the store does
        return super().write(owner, notes)

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        store = DistilledStore(":memory:")
        for at in range(0, len(notes), self._how.segment):
            segment = [
                Message(one.key, one.date[:10], one.speaker, one.text, one.date) for one in notes[at : at + self._how.segment]
            ]
            store.add(segment)
            if len(segment) == self._how.segment:
                distil(store, segment, self._how)
        stored = np.frombuffer(store.as_bytes(), np.uint8)
        store.close()
        return {"store": stored}, {}

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        if not trace.notes:
            return Recall()
        with opened(trace) as store:
            lines = dict(self._found(store, trace, query.text))
            for distillation in reversed(store.distillations()):
                for line in reversed(lines_again([distillation.text])):
                    if len(lines) < self._k and line.kind == "state" and (note := told_in(trace.notes, line.text)):
                        lines.setdefault(note.spoken, note)
        kept = list(lines.values())[: self._k]
        return Recall(tuple(one.spoken for one in kept), tuple((one.key,) for one in kept), tuple(one.date for one in kept))

    def _found(self, store: DistilledStore, trace: TextTrace, query: str) -> Iterator[tuple[str, Note]]:
        by_key, wanted = {note.key: note for note in trace.notes}, set(words(query))
        for hit in store.recall(query, self._k, STOP_WORDS):
            if hit.kind == "message":
                note = by_key[hit.key]
            else:
                fits = max(lines_again([hit.text]), key=lambda line: len(wanted & set(words(line.text))), default=None)
                note = told_in(trace.notes, fits.text) if fits else None
            if note:
                yield note.spoken, note


class opened:
    """The store of a trace for as long as it is needed: `with opened(trace) as store`."""

    def __init__(self, trace: TextTrace):
        self._store = DistilledStore.from_bytes(trace.arrays["store"].tobytes())

    def __enter__(self) -> DistilledStore:
        return self._store

    def __exit__(self, *_fault) -> None:
        self._store.close()


def distil(store: DistilledStore, segment: Sequence[Message], how: How) -> None:
    """A distillation of a segment that the store has, and another of the live ones where there are enough."""
    write, made = writer_of(how), segment[-1].said
    text = write(lines_of(segment, how.annotate), how.words)
    store.distil([one.key for one in segment], text, made)
    live = store.distillations()
    if len(live) >= how.merge:
        store.distil_again([one.id for one in live], write(lines_again(one.text for one in live), how.words), made)
        if not how.archive:
            store.delete_archived()


def writer_of(how: How) -> Callable[[Sequence[Line], int], str]:
    """What makes a text of so many words out of lines."""
    return four_sections if how.sections else flat_log


def assembled(store: DistilledStore, query: str, budget: int, how: How) -> str:
    """A prompt's memory of at most `budget` words: what the live distillations say, cut to their share by the rules that made
    them; what recall finds; the latest messages."""
    room = [int(share * budget) for share in how.shares]
    distilled = writer_of(how)(lines_again(one.text for one in store.distillations()), room[0]).splitlines()
    messages = [f"{one.role}: {one.text}" if one.role else one.text for one in store.messages()]
    latest = _newest(messages, room[1])
    left = budget - sum(map(_length, distilled)) - sum(map(_length, latest))
    found = []
    for hit in store.recall(query, 20, STOP_WORDS):
        if hit.preview not in found and _length(hit.preview) <= left:
            found.append(hit.preview)
            left -= _length(hit.preview)
    return "\n".join([*distilled, *found, *latest])


def told_in(notes: Sequence[Note], sentence: str) -> Note | None:
    """The latest note that says a sentence."""
    return next((note for note in reversed(notes) if sentence in note.text), None)


def _newest(rows: Sequence[str], budget: int) -> list[str]:
    """The last rows that fit so many words, in their order."""
    kept = []
    for row in reversed(rows):
        if _length(row) > budget:
            break
        kept.append(row)
        budget -= _length(row)
    return kept[::-1]


def _length(text: str) -> int:
    return len(text.split())
