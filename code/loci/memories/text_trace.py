"""What memories of text keep of one user: the notes, arrays of an index, and a plain object; saved as one file.

The file is a safetensors file: arrays as they are, everything else as JSON in its header. Loading gives back equal bytes,
and refuses a trace of another memory, another owner, another version or another encoder.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from loci.errors import UserError
from loci.memories.base import Note
from loci.results import write_bytes

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class TextTrace:
    """notes: as told, in order. arrays: an index over them. extra: whatever else, as plain JSON. encoder: SHA-256 of the
    model whose vectors the arrays hold, '' for none. Compared by identity, so that live indices can hang on it."""

    memory: str
    owner: str
    notes: tuple[Note, ...]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    extra: dict = field(default_factory=dict)
    encoder: str = ""

    def __post_init__(self) -> None:
        if len({note.key for note in self.notes}) < len(self.notes):
            keys = [note.key for note in self.notes]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise UserError(f"notes[{twice}]", "is told twice under one key", "update the note instead")

    @property
    def nbytes(self) -> int:
        """Bytes of the notes in UTF-8, of the arrays, and of the plain object as JSON."""
        texts = sum(len(part.encode()) for note in self.notes for part in (note.key, note.text, note.speaker, note.date))
        extra = len(_compact(self.extra).encode()) if self.extra else 0
        return texts + sum(array.nbytes for array in self.arrays.values()) + extra

    def save(self, path: Path) -> None:
        """Write the whole trace or nothing; the same trace gives the same bytes."""
        head = {name: getattr(self, name) for name in ("memory", "owner", "encoder", "extra")}
        notes = [[note.key, note.text, note.speaker, note.date] for note in self.notes]
        metadata = {"loci": _compact({"schema": SCHEMA, **head, "notes": notes})}
        arrays = {name: np.ascontiguousarray(self.arrays[name]) for name in sorted(self.arrays)}
        write_bytes(path, to_safetensors(arrays, metadata))

    @classmethod
    def load(cls, path: Path, memory: str, owner: str, encoder: str = "") -> "TextTrace":
        """The trace of a file; UserError when it is not one, or not of this memory, owner and encoder."""
        remedy = "delete it and write the memory again"
        if not path.is_file():
            raise UserError(path, "no such file", "write the memory first")
        try:
            with safe_open(path, "numpy") as stream:
                head = json.loads((stream.metadata() or {}).get("loci", "null"))
                arrays = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118, not a dict
        except (SafetensorError, json.JSONDecodeError, UnicodeDecodeError):
            raise UserError(path, "truncated or not a trace", remedy) from None
        if not isinstance(head, dict) or "schema" not in head:
            raise UserError(path, "is not a trace of a memory of text", remedy)
        wanted = {"schema": SCHEMA, "memory": memory, "owner": owner, "encoder": encoder}
        for name, value in wanted.items():
            if head.get(name) != value:
                raise UserError(f"{path}: {name}", f"is '{head.get(name)}', not '{value}'", remedy)
        try:
            return cls(memory, owner, tuple(Note(*parts) for parts in head["notes"]), arrays, head["extra"], encoder)
        except (KeyError, TypeError):
            raise UserError(path, "truncated or not a trace", remedy) from None


def updated(notes: Sequence[Note], note: Note) -> tuple[Note, ...]:
    """The notes without what was said under the key of `note`, and with `note` as the latest."""
    return (*(old for old in notes if old.key != note.key), note)


def forgotten(notes: Sequence[Note], key: str) -> tuple[Note, ...]:
    """The notes without the one of that key; UserError where there is none."""
    kept = tuple(note for note in notes if note.key != key)
    if len(kept) == len(notes):
        raise UserError(f"forget: {key}", "nothing was told under this key", "name a key that was written")
    return kept


class TextMemory:
    """Base of memories of text: a subclass says how notes are indexed (`_index`) and how an index is searched (`recall`).

    `update` and `forget` index again; vectors of texts seen before come from the encoder's cache.
    """

    name = ""
    encoder_sha256 = ""

    def write(self, owner: str, notes: Sequence[Note]) -> TextTrace:
        arrays, extra = self._index(tuple(notes))
        return TextTrace(self.name, owner, tuple(notes), arrays, extra, self.encoder_sha256)

    def update(self, trace: TextTrace, note: Note) -> TextTrace:
        return self.write(trace.owner, updated(trace.notes, note))

    def forget(self, trace: TextTrace, key: str) -> TextTrace:
        return self.write(trace.owner, forgotten(trace.notes, key))

    def load(self, path: Path, owner: str) -> TextTrace:
        """A trace that this memory wrote for `owner`."""
        return TextTrace.load(path, self.name, owner, self.encoder_sha256)

    def _index(self, _notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        return {}, {}


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the `k` highest scores [N], highest first; among equals the later note, which is the newer one."""
    positions = np.arange(len(scores))
    if 0 < k < len(scores):  # only what may be among the k is sorted: the rest of 10,000 notes would take most of a recall
        positions = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
    return positions[np.lexsort((-positions, -scores[positions]))][:k]


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
