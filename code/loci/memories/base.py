"""The small protocol that every memory follows, and what passes between its parts.

User -> Memory.write -> Trace -> Memory.recall(question) -> Recall -> reader. A `Trace` is what a memory keeps of one
user; a `Recall` is what the reader gets for one question: sentences for the prompt, rows for the model, or neither.
"""

from dataclasses import dataclass
from typing import Protocol

from loci.models.rows import RowMap
from loci.worlds.records import Question, User


@dataclass(frozen=True)
class Recall:
    """sentences: put into the prompt, in order. rows: attached to the model while it answers."""

    sentences: tuple[str, ...] = ()
    rows: RowMap | None = None


class Trace(Protocol):
    """What a memory keeps of one user."""

    @property
    def nbytes(self) -> int:
        """Bytes at rest, indices included."""


class Memory(Protocol):
    """One substrate. `name` is the memory id of files and ledger."""

    name: str

    def write(self, user: User) -> Trace: ...

    def recall(self, trace: Trace, question: Question) -> Recall: ...
