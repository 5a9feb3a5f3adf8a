"""Distillations that a language model writes, in the four sections of the rules, from the same lines.

A small model answers in many forms: what has no section with a row in it is counted, and the rules write instead. What it words
anew is shown as the message that it comes from; a row that no message bears out is counted, and never recalled.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.distilled import DistilledMemory, How, opened
from loci.memories.distilled_store import DistilledStore, Message
from loci.memories.distiller import SECTIONS, Line, four_sections, lines_again, lines_of
from loci.memories.lexical import STOP_WORDS, words
from loci.memories.llm_decider import Complete

TOKENS = 400  # of a distillation; 250 words
_BORNE_OUT = 0.6  # of a row's words that count have to stand in one message
_RULES = (
    "Rewrite the notes as a working context of at most {budget} words for whoever goes on. Keep names, numbers, dates and\n"
    "files as they are. Where notes contradict each other, the later one holds. Four sections, each a heading and rows:\n"
    "{headings}\n\nNotes:\n{notes}\n\nWorking context:\n## {first}\n"
)


class ModelDistiller:
    """Lines -> a distillation. `asked` and `invalid` count texts and those that could not be read as four sections."""

    def __init__(self, complete: Complete):
        self._complete = complete
        self.asked = self.invalid = 0

    def __call__(self, lines: Sequence[Line], budget: int) -> str:
        self.asked += 1
        text = parse(self._complete(prompt_of(lines, budget)), budget)
        if text is None:
            self.invalid += 1
            return four_sections(lines, budget)
        return text


class DistilledModelMemory(DistilledMemory):
    """`decider`: what writes the distillations."""

    name = "distilled_llm"

    def __init__(self, k: int, complete: Complete):
        super().__init__(k, How())
        self.decider = ModelDistiller(complete)

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        store, how = DistilledStore(":memory:"), self._how
        for at in range(0, len(notes), how.segment):
            told = notes[at : at + how.segment]
            segment = [Message(one.key, one.date[:10], one.speaker, one.text, one.date) for one in told]
            store.add(segment)
            if len(segment) < how.segment:
                continue
            store.distil([one.key for one in segment], self.decider(lines_of(segment), how.words), segment[-1].said)
            live = store.distillations()
            if len(live) >= how.merge:
                again = self.decider(lines_again(one.text for one in live), how.words)
                store.distil_again([one.id for one in live], again, segment[-1].said)
        stored = np.frombuffer(store.as_bytes(), np.uint8)
        store.close()
        return {"store": stored}, {}

    def recall(self, trace, query: Query) -> Recall:
        if not trace.notes:
            return Recall()
        wanted, found = set(words(query.text)), {}
        with opened(trace) as store:
            for hit in store.recall(query.text, self._k, STOP_WORDS):
                if hit.kind == "message":
                    found.update({note.key: note for note in trace.notes if note.key == hit.key})
                else:
                    rows = sorted(lines_again([hit.text]), key=lambda line: -len(wanted & set(words(line.text))))
                    found.update({note.key: note for note in borne_out(trace.notes, rows[:1])})
            for distillation in reversed(store.distillations()):
                rows = [row for row in reversed(lines_again([distillation.text])) if row.kind == "state"]
                for note in borne_out(trace.notes, rows):
                    if len(found) < self._k:
                        found.setdefault(note.key, note)
        kept = list(found.values())[: self._k]
        return Recall(tuple(one.spoken for one in kept), tuple((one.key,) for one in kept), tuple(one.date for one in kept))


def prompt_of(lines: Sequence[Line], budget: int) -> str:
    """The rules and the lines in their order; ends in the first section."""
    notes = "\n".join(f"- [{line.day}] {line.text}" if line.day else f"- {line.text}" for line in lines)
    headings = "\n".join(f"## {name}" for name in SECTIONS)
    return _RULES.format(budget=budget, headings=headings, notes=notes, first=SECTIONS[0])


def parse(answer: str, budget: int) -> str | None:
    """Known sections with their rows, from the beginning, as many as fit `budget` words; None where there is no row at all."""
    out, left, held, known = [], budget, [f"## {SECTIONS[0]}"], True
    for row in map(str.strip, answer.splitlines()):
        if row.startswith("#"):
            title = row.lstrip("# ").rstrip(": ")
            known = title in SECTIONS
            held = [f"## {title}"] if known else []
        elif row.startswith("- ") and len(row.split()) > 1 and known:
            size = sum(len(one.split()) for one in (*held, row))
            if size > left:
                break
            out += [*held, row]
            left, held = left - size, []
    return "\n".join(out) or None


def borne_out(notes: Sequence[Note], rows: Sequence[Line]) -> Iterator[Note]:
    """For each row the latest note that holds most of its words that count; none where no note holds enough of them."""
    told = [(set(words(note.text)), note) for note in reversed(notes)]
    for row in rows:
        content = set(words(row.text)) - STOP_WORDS
        share, note = max(((len(content & held) / max(1, len(content)), note) for held, note in told), key=lambda pair: pair[0])
        if share >= _BORNE_OUT:
            yield note
