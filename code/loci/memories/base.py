"""The small protocol that every memory follows, and what passes between its parts.

Notes -> Memory.write -> Trace -> Memory.recall(query) -> Recall -> reader. A `Note` is what a memory is told, a `Trace`
what it keeps of one user, a `Recall` what the reader gets for one question: lines for the prompt, rows for the model, or
neither. Traces are values: `update` and `forget` give a new one and leave the old one as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from loci.errors import UserError
from loci.models.rows import RowMap
from loci.worlds.checks import LONGEST_QUESTION, LONGEST_TEXT, check_line


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that is told: a clean sentence, or one turn of a conversation.

    `key` is the handle under which the caller may replace or forget it (a fact key, a turn id). `speaker` and `date`
    (ISO, "2026-03-14T18:42") are empty for clean sentences. Raises UserError for a key or text that is empty, and for a
    field that is too long or not one line of printable characters.
    """

    key: str
    text: str
    speaker: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        if not self.key:
            raise UserError("note.key", "is empty", "give the note the key of its fact or turn")
        check_line(f"note[{self.key}].text", self.text, LONGEST_TEXT)
        for name in ("key", "speaker", "date"):  # they stand in the reader's line or in the file beside the text
            if value := getattr(self, name):
                check_line(f"note[{self.key}].{name}", value, LONGEST_TEXT)

    @property
    def spoken(self) -> str:
        """What an index and a reader get: "Adela: I moved to Graz.", or the clean sentence."""
        return f"{self.speaker}: {self.text}" if self.speaker else self.text


@dataclass(frozen=True, slots=True)
class Query:
    """A question as a memory sees it. Only the control `gold` may look at `needed`, the keys of the notes that answer it."""

    text: str
    needed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_line("question.text", self.text, LONGEST_QUESTION)


@dataclass(frozen=True)
class Recall:
    """lines: for the prompt, most relevant first. sources: for each line the keys of the notes that it comes from.

    dates: for each line when it was said ("" where nobody knows); whether the reader shows them is the bench's choice. told:
    the lines already stand in the order of telling, which the reader keeps. rows: attached to the model while it answers.
    """

    lines: tuple[str, ...] = ()
    sources: tuple[tuple[str, ...], ...] = ()
    dates: tuple[str, ...] = ()
    told: bool = False
    rows: RowMap | None = None


class Trace(Protocol):
    """What a memory keeps of one user."""

    @property
    def nbytes(self) -> int:
        """Bytes at rest, indices included."""


class Memory(Protocol):
    """One substrate. `name` is the memory id of files and ledger."""

    name: str

    def write(self, owner: str, notes: Sequence[Note]) -> Trace:
        """A trace of everything that `owner` was heard to say, in the order of `notes`; no notes are fine."""

    def recall(self, trace: Trace, query: Query) -> Recall: ...

    def update(self, trace: Trace, note: Note) -> Trace:
        """The trace after `note.key` says something new: what it said before is gone; the new note is the latest one."""

    def forget(self, trace: Trace, key: str) -> Trace:
        """The trace as if nothing had been told under `key`; UserError where nothing was."""
