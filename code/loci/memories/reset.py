"""Summarise and reset: one text for every question, the older notes distilled by rules and the latest as they were said.

What an assistant does that starts its context anew when it is full (seeds of the [mem] vectors; here without a language model, by
`distiller.four_sections`). It does not look at the question, so it is the twin of the latest notes: as long, but with a memory
for what is older.
"""

from collections.abc import Callable, Sequence

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.distilled_store import Message
from loci.memories.distiller import four_sections, lines_again, lines_of
from loci.memories.text_trace import TextMemory, TextTrace

WORDS = 250  # of the whole text; as long as one distillation of `distilled`
_LATEST = 0.5  # of it, at most, for the latest notes


class ResetMemory(TextMemory):
    """words: of what stands in every prompt, at most."""

    name = "reset"

    def __init__(self, words: int = WORDS):
        self._words = words

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        shown = [(note.spoken, note) for note in notes]
        if length([text for text, _ in shown]) > self._words:
            latest = newest([text for text, _ in shown], int(_LATEST * self._words), length)
            older = notes[: len(notes) - len(latest)]
            messages = [Message(one.key, one.date[:10], one.speaker, one.text, one.date) for one in older]
            distilled = lines_again([four_sections(lines_of(messages), self._words - length(latest))])
            said = [(line.text, _teller(older, line.text, line.day)) for line in distilled]
            shown = [*((_spoken(text, note), note) for text, note in said if note), *shown[len(older) :]]
        return {}, {"lines": [[text, note.key, note.date] for text, note in dict(shown).items()]}

    def recall(self, trace: TextTrace, _query: Query) -> Recall:
        lines = trace.extra["lines"]
        texts, keys, dates = zip(*lines, strict=True) if lines else ((), (), ())
        return Recall(texts, tuple((key,) for key in keys), dates, told=True)


def newest(turns: Sequence[str], budget: int, size: Callable[[Sequence[str]], int]) -> list[str]:
    """The last turns that fit a budget, in their order. size: of some turns, in what the budget is in."""
    kept = len(turns)
    while kept and size(turns[kept - 1 :]) <= budget:
        kept -= 1
    return list(turns[kept:])


def length(turns: Sequence[str]) -> int:
    """Words of some turns."""
    return sum(len(turn.split()) for turn in turns)


def _teller(notes: Sequence[Note], sentence: str, day: str) -> Note | None:
    """The latest note of that day that says a sentence; None for the stub of a tool's output, which nobody said."""
    return next((note for note in reversed(notes) if note.date[:10] == day and sentence in note.text), None)


def _spoken(sentence: str, note: Note) -> str:
    return f"{note.speaker}: {sentence}" if note.speaker else sentence
