"""Where [mem] vectors of texts are kept: one SQLite file, each text once for each model.

The id of a row is a hash of the model's weights and the text, so whoever compresses a text again finds what is there. Every
change is one transaction; a fault leaves the file as it was.
"""

import re
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loci.errors import UserError
from loci.results import sha256_text

SCHEMA = 1
MARK = re.compile(r"\[mem-id-([0-9a-f]{12})\]")
_BUSY_MS = 2000  # how long a lock of another process is waited for
_TABLE = """CREATE TABLE vector (
    id TEXT PRIMARY KEY, model TEXT NOT NULL, text TEXT NOT NULL, count INTEGER NOT NULL, width INTEGER NOT NULL,
    exact INTEGER NOT NULL, vectors BLOB NOT NULL);"""
_REMEDY = "restore it from a copy, or give another path to begin anew"


@dataclass(frozen=True, eq=False)
class Kept:
    """vectors: float32 [K, d]. exact: the model says the whole text behind them."""

    id: str
    model: str
    text: str
    exact: bool
    vectors: np.ndarray

    @property
    def mark(self) -> str:
        """What stands for the text in a prompt: "[mem-id-0123456789ab]"."""
        return f"[mem-id-{self.id}]"


def id_of(model: str, text: str) -> str:
    """Twelve hex digits. model: SHA-256 of its weights."""
    return sha256_text(f"{model}\0{text}")[:12]


class MemStore:
    """An open file; `close` lets go of it. UserError for a file that is locked, damaged, or of a newer schema."""

    def __init__(self, path: Path | str):
        self._path = path
        with self._guarded():
            self._file = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_MS / 1000)
            found = self._file.execute("PRAGMA user_version").fetchone()[0]
            if found > SCHEMA:
                self._file.close()
                raise UserError(path, f"has schema {found}, this is {SCHEMA}", "open it with a newer Loci")
            if found and (fault := self._file.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(fault)  # a file that was cut opens, and would fail at whatever is missing
            if not found:
                self._file.executescript(f"BEGIN; {_TABLE} PRAGMA user_version={SCHEMA}; COMMIT;")

    @contextmanager
    def _guarded(self):
        try:
            yield
        except sqlite3.OperationalError as fault:
            if "locked" in str(fault) or "busy" in str(fault):
                raise UserError(self._path, "is locked by another process", "wait until it is done, then try again") from None
            raise UserError(self._path, f"cannot be used ({fault})", _REMEDY) from None
        except sqlite3.DatabaseError as fault:
            raise UserError(self._path, f"is damaged, or no store ({fault})", _REMEDY) from None

    def put(self, model: str, text: str, vectors: np.ndarray, exact: bool) -> Kept:
        """Keep the vectors [K, d] of a text; what is there already stays."""
        kept = Kept(id_of(model, text), model, text, exact, np.ascontiguousarray(vectors, np.float32))
        row = (kept.id, model, text, *kept.vectors.shape, int(exact), kept.vectors.tobytes())
        with self._guarded():
            self._file.execute("INSERT OR IGNORE INTO vector VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return self.get(kept.id, model)

    def find(self, model: str, text: str) -> Kept | None:
        """What is kept of a text, or None."""
        key = id_of(model, text)
        return self.get(key, model) if key in self else None

    def __contains__(self, key: str) -> bool:
        with self._guarded():
            return self._file.execute("SELECT 1 FROM vector WHERE id = ?", (key,)).fetchone() is not None

    def get(self, key: str, model: str) -> Kept:
        """The row of an id; UserError for one that is not there, is of another model, or does not fit its own size."""
        with self._guarded():
            row = self._file.execute(
                "SELECT model, text, count, width, exact, vectors FROM vector WHERE id = ?", (key,)
            ).fetchone()
        if row is None:
            raise UserError(f"[mem-id-{key}]", f"is not in {self._path}", "compress its text again")
        owner, text, count, width, exact, stored = row
        if owner != model:
            raise UserError(f"[mem-id-{key}]", "is of another model", "load the model that made it, or compress its text again")
        if len(stored) != 4 * count * width:
            raise UserError(f"[mem-id-{key}]", f"has {len(stored)} bytes, not {4 * count * width}", _REMEDY)
        return Kept(key, owner, text, bool(exact), np.frombuffer(stored, np.float32).reshape(count, width).copy())

    def close(self) -> None:
        self._file.close()
