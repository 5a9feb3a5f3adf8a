"""A managed memory: statements are extracted, and for each one it is decided whether to add, update, delete or do nothing.

The algorithm is that of Mem0 up to version 1.0 (arXiv 2504.19413), with rules for the two calls of a language model:
`extract` finds the statements, a decider sees each one beside the five nearest memories. Questions get the memories that
are nearest by cosine. What was said is not kept, only what was made of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from loci.errors import UserError
from loci.memories.base import Note, Query, Recall
from loci.memories.extract import Statement, owner_among, statements_of
from loci.memories.slots import Decider, SlotDecider
from loci.memories.text_trace import TextMemory, TextTrace, best
from loci.models.encoder import Encoder

_NEAREST = 5  # memories that a decider sees, as in Mem0's code (its paper says ten)


@dataclass(slots=True)
class Version:
    """What an item said for a time: its text, the date of telling, the keys of the notes that say so."""

    text: str
    date: str
    keys: list[str]


@dataclass(slots=True)
class Items:
    """What is kept of one user while it changes: items, each a list of versions of which the last one holds, and one vector
    an item, float32 [N, D]. speaker: whose statements are taken, '' until a turn was heard. told: the keys of all notes."""

    items: list[list[Version]]
    vectors: np.ndarray
    told: dict[str, None]
    speaker: str = ""
    latest: list[Version] | None = field(default=None)  # the item that was told last, for a correction

    def place(self, at: int, vector: np.ndarray) -> None:
        """Keep the vector of item `at`; room for more grows by doubling."""
        if at >= len(self.vectors):
            room = np.zeros((max(8, 2 * at), len(vector)), np.float32)
            room[: len(self.vectors)] = self.vectors
            self.vectors = room
        self.vectors[at] = vector

    def drop(self, at: int) -> None:
        """Take item `at` away, its earlier versions too."""
        self.vectors[at : len(self.items) - 1] = self.vectors[at + 1 : len(self.items)]
        self.items.pop(at)


class ManagedMemory(TextMemory):
    """`k`: memories a question. `decide`: see `loci.memories.slots`; the rules of SlotDecider unless given.

    An item keeps the versions that came before, each with the keys of the notes that it comes from, as a history. A request
    to forget deletes item and history; a statement that is put right at once leaves no version. `forget` takes back what
    was told under a key, in items and in history; where an older version remains, it holds again. A request to forget
    that was carried out cannot be taken back: what it was about is gone.
    """

    name = "managed"

    def __init__(self, encoder: Encoder, k: int, decide: Decider | None = None):
        self._encoder, self._k = encoder, k
        self._decide = decide or SlotDecider(encoder)
        self.encoder_sha256 = encoder.sha256

    def write(self, owner: str, notes: Sequence[Note]) -> TextTrace:
        kept = Items([], np.zeros((0, self._encoder.width), np.float32), {})
        self._tell(kept, owner, notes)
        return self._trace(owner, kept)

    def update(self, trace: TextTrace, note: Note) -> TextTrace:
        kept = self._opened(trace)
        if note.key in kept.told:
            self._untell(kept, note.key)
        self._tell(kept, trace.owner, [note])
        return self._trace(trace.owner, kept)

    def forget(self, trace: TextTrace, key: str) -> TextTrace:
        kept = self._opened(trace)
        if key not in kept.told:
            raise UserError(f"forget: {key}", "nothing was told under this key", "name a key that was written")
        self._untell(kept, key)
        return self._trace(trace.owner, kept)

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        items = trace.extra["items"]
        if not items:
            return Recall()
        nearest = best(trace.arrays["vectors"] @ self._encoder.query(query.text)[0], self._k)
        found = [[Version(*version) for version in items[at]] for at in nearest]
        lines, dates = tuple(item[-1].text for item in found), tuple(item[-1].date for item in found)
        return Recall(lines, tuple(map(_lineage, found)), dates)

    def _tell(self, kept: Items, owner: str, notes: Sequence[Note]) -> None:
        """Extract and decide, statement by statement."""
        for note in notes:
            if note.key in kept.told:
                raise UserError(f"notes[{note.key}]", "is told twice under one key", "update the note instead")
            kept.told[note.key] = None
        kept.speaker = kept.speaker or owner_among(notes, owner)
        statements = [one for note in notes if note.speaker in ("", kept.speaker) for one in statements_of(note)]
        # One pass over all sentences is faster than one by one; the encoder keeps them.
        self._encoder.sentences([one.text or one.topic for one in statements])
        if isinstance(self._decide, SlotDecider):
            self._decide.read_ahead(statements)
        for statement in statements:
            self._apply(kept, statement)

    def _apply(self, kept: Items, statement: Statement) -> None:
        near = self._near(kept, statement)
        decision = self._decide(statement, [kept.items[at][-1].text for at in near])
        if decision.action == "ADD":
            if statement.kind == "tell":  # a request that a decider did not understand is nothing to keep
                kept.latest = [Version(statement.text, statement.date, [statement.key])]
                kept.items.append(kept.latest)
                kept.place(len(kept.items) - 1, self._vector(statement.text))
            return
        if decision.at < 0:
            return
        at = near[decision.at]
        item = kept.items[at]
        if decision.action == "DELETE":
            kept.drop(at)
            return
        kept.latest = item
        if decision.action == "NOOP":
            if statement.key not in item[-1].keys:
                item[-1].keys.append(statement.key)
            return
        if statement.corrects:
            item.pop()
        item.append(Version(statement.text, statement.date, [statement.key]))
        kept.place(at, self._vector(statement.text))

    def _near(self, kept: Items, statement: Statement) -> list[int]:
        """The items nearest to the statement, and to the topic that it announces; a correction is shown the latest one first."""
        vectors = kept.vectors[: len(kept.items)]
        found = [at for at, item in enumerate(kept.items) if item is kept.latest] if statement.corrects else []
        for text in (statement.text, statement.topic):
            if text and len(vectors):
                found += map(int, best(vectors @ self._vector(text), _NEAREST))
        return list(dict.fromkeys(found))

    def _vector(self, text: str) -> np.ndarray:
        return self._encoder.sentences([text])[0]

    def _untell(self, kept: Items, key: str) -> None:
        """Take the key out of every version; a version that no key tells any more goes, and an item without versions."""
        del kept.told[key]
        kept.latest = None
        for at in range(len(kept.items) - 1, -1, -1):
            item = kept.items[at]
            if not any(key in version.keys for version in item):
                continue
            for version in item:
                version.keys = [one for one in version.keys if one != key]
            item[:] = [version for version in item if version.keys]
            if item:
                kept.place(at, self._vector(item[-1].text))
            else:
                kept.drop(at)

    def _opened(self, trace: TextTrace) -> Items:
        """A copy of what the trace holds, which may change."""
        items = [[Version(text, date, list(keys)) for text, date, keys in item] for item in trace.extra["items"]]
        told = dict.fromkeys(trace.extra["told"])
        latest = items[trace.extra["latest"]] if trace.extra["latest"] >= 0 else None
        return Items(items, trace.arrays["vectors"].copy(), told, trace.extra["speaker"], latest)

    def _trace(self, owner: str, kept: Items) -> TextTrace:
        extra = {
            "items": [[[version.text, version.date, version.keys] for version in item] for item in kept.items],
            "told": list(kept.told),
            "speaker": kept.speaker,
            "latest": next((at for at, item in enumerate(kept.items) if item is kept.latest), -1),
        }
        return TextTrace(self.name, owner, (), {"vectors": kept.vectors[: len(kept.items)].copy()}, extra, self._encoder.sha256)


def _lineage(item: Sequence[Version]) -> tuple[str, ...]:
    """The keys of the notes that an item comes from, the latest last."""
    return tuple(dict.fromkeys(key for version in item for key in version.keys))
