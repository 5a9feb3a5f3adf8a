"""What a memory of distilled text keeps: messages, distillations of several generations, and an index of the words of both.

One SQLite file (FTS5 for the index, standard library). Every change is one transaction, so that a killed process leaves either
all of it or nothing. A distillation of distillations archives what it was made of: archived rows are in no prompt, and recall
still finds them. After Lore (BYK/opencode-lore, pull request 35), whose schema this is not.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from loci.errors import UserError

RETENTION_DAYS = 120
_BUSY_MS = 2000  # how long a lock of another process is waited for
_INDEX = """
    CREATE VIRTUAL TABLE {table}_words USING fts5(text, content='{table}', content_rowid='id', tokenize='porter unicode61');
    CREATE TRIGGER {table}_added AFTER INSERT ON {table} BEGIN
        INSERT INTO {table}_words(rowid, text) VALUES (new.id, new.text);
    END;
    CREATE TRIGGER {table}_gone AFTER DELETE ON {table} BEGIN
        INSERT INTO {table}_words({table}_words, rowid, text) VALUES ('delete', old.id, old.text);
    END;
    INSERT INTO {table}_words(rowid, text) SELECT id, text FROM {table};
"""
_MIGRATIONS = (  # schema n is reached by running the first n
    """CREATE TABLE message (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, session TEXT NOT NULL, role TEXT NOT NULL, text TEXT NOT NULL,
        said TEXT NOT NULL);""",
    _INDEX.format(table="message"),
    """ALTER TABLE message ADD COLUMN distilled INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE distillation (
        id INTEGER PRIMARY KEY, text TEXT NOT NULL, generation INTEGER NOT NULL, sources TEXT NOT NULL, made TEXT NOT NULL);
    CREATE INDEX message_distilled ON message(distilled);""",
    """ALTER TABLE distillation ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX distillation_archived ON distillation(archived);""",
    _INDEX.format(table="distillation"),
)
SCHEMA = len(_MIGRATIONS)
_REMEDY = "restore it from a copy, or give another path to begin anew"
_PREVIEW = 48  # tokens of a preview
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Message:
    """key: the caller's handle, unique. said: ISO date and time, '' where nobody knows. distilled: part of a distillation."""

    key: str
    session: str
    role: str
    text: str
    said: str
    distilled: bool = False


@dataclass(frozen=True)
class Distillation:
    """sources: keys of messages (generation 0) or ids of distillations that it was made of."""

    id: int
    text: str
    generation: int
    sources: tuple
    made: str
    archived: bool


@dataclass(frozen=True)
class Hit:
    """One row that recall found: a message (its key) or a distillation (its id), its text, and what of it fits the query:
    the text as one line, or some words of a longer one."""

    kind: str
    key: str
    text: str
    preview: str


class DistilledStore:
    """An open file; `close` lets go of it. UserError for a file that is locked, damaged, or of a newer schema."""

    def __init__(self, path: Path | str):
        self._path = path
        with self._guarded():
            self._file = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_MS / 1000)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._migrate()

    def _migrate(self) -> None:
        """Bring an open file to this schema, each step in a transaction of its own."""
        with self._guarded():
            found = self._file.execute("PRAGMA user_version").fetchone()[0]
            if found > SCHEMA:
                self._file.close()
                raise UserError(self._path, f"has schema {found}, this is {SCHEMA}", "open it with a newer Loci")
            if found and (fault := self._file.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(fault)  # a file that was cut opens, and would fail at whatever is missing
            for version in range(found, SCHEMA):
                # executescript ends a transaction that is open, so it brings its own.
                self._file.executescript(f"BEGIN; {_MIGRATIONS[version]} PRAGMA user_version={version + 1}; COMMIT;")

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

    @contextmanager
    def _change(self):
        with self._guarded():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield self._file
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    def add(self, messages: Iterable[Message]) -> None:
        """Keep messages, all of them or none; UserError for a key that is there."""
        rows = [(one.key, one.session, one.role, one.text, one.said) for one in messages]
        try:
            with self._change() as file:
                file.executemany("INSERT INTO message(key, session, role, text, said) VALUES (?, ?, ?, ?, ?)", rows)
        except UserError as fault:
            if "UNIQUE" in str(fault):
                raise UserError("message.key", "is told twice under one key", "give every message a key of its own") from None
            raise

    def messages(self, distilled: bool | None = None) -> list[Message]:
        """All messages in the order of telling, or those that are (not) part of a distillation."""
        which = "" if distilled is None else f"WHERE distilled = {int(distilled)}"
        with self._guarded():
            rows = self._file.execute(f"SELECT key, session, role, text, said, distilled FROM message {which} ORDER BY id")
            return [Message(*row[:5], bool(row[5])) for row in rows]

    def distil(self, keys: Sequence[str], text: str, made: str) -> int:
        """A distillation of generation 0 of these messages, which are marked; its id."""
        with self._change() as file:
            marked = sum(file.execute("UPDATE message SET distilled = 1 WHERE key = ?", (key,)).rowcount for key in keys)
            if marked != len(keys):
                raise UserError("distil", f"{len(keys) - marked} of the messages are not there", "distil messages of this store")
            return self._distillation(file, text, 0, keys, made)

    def distil_again(self, ids: Sequence[int], text: str, made: str) -> int:
        """A distillation of live distillations, one generation above the highest of them; they are archived. Its id."""
        with self._change() as file:
            marks = ", ".join("?" * len(ids))
            found = file.execute(f"SELECT generation FROM distillation WHERE archived = 0 AND id IN ({marks})", ids).fetchall()
            if len(found) != len(ids):
                raise UserError("distil_again", "an id is not that of a live distillation", "give ids of `live`")
            file.execute(f"UPDATE distillation SET archived = 1 WHERE id IN ({marks})", ids)
            return self._distillation(file, text, 1 + max(one for (one,) in found), ids, made)

    @staticmethod
    def _distillation(file, text: str, generation: int, sources: Sequence, made: str) -> int:
        row = (text, generation, json.dumps(list(sources)), made)
        return file.execute("INSERT INTO distillation(text, generation, sources, made) VALUES (?, ?, ?, ?)", row).lastrowid

    def distillations(self, archived: bool | None = False) -> list[Distillation]:
        """The live ones in the order in which they were made; archived ones, or all (None)."""
        which = "" if archived is None else f"WHERE archived = {int(archived)}"
        with self._guarded():
            rows = self._file.execute(
                f"SELECT id, text, generation, sources, made, archived FROM distillation {which} ORDER BY id"
            )
            return [Distillation(*row[:3], tuple(json.loads(row[3])), row[4], bool(row[5])) for row in rows]

    def recall(self, query: str, k: int, stop: frozenset[str] = frozenset()) -> list[Hit]:
        """The `k` rows, archived ones among them, that fit a query best by BM25, the best first: messages and distillations in
        turn, as scores of two indices cannot be compared. What has all the words comes before what has some; of equals the
        later. stop: words that are not looked for, unless there are no others."""
        words = list(dict.fromkeys(word.lower() for word in _WORD.findall(query)))
        words = [word for word in words if word not in stop] or words
        if not words:
            return []
        quoted, hits = [f'"{word}"' for word in words], {}
        for match in dict.fromkeys((" AND ".join(quoted), " OR ".join(quoted))):
            found = []
            for table, key in (("message", "key"), ("distillation", "id")):
                with self._guarded():
                    snippet = f"snippet({table}_words, 0, '', '', '...', {_PREVIEW})"
                    rows = self._file.execute(
                        f"SELECT t.{key}, t.text, {snippet} FROM {table}_words JOIN {table} t ON t.id = {table}_words.rowid"
                        f" WHERE {table}_words MATCH ? ORDER BY bm25({table}_words), t.id DESC LIMIT ?",
                        (match, k),
                    ).fetchall()
                for place, (name, text, preview) in enumerate(rows):
                    found.append((place, Hit(table, str(name), text, " ".join(preview.split()))))
            for _, hit in sorted(found, key=lambda one: one[0]):
                hits.setdefault((hit.kind, hit.key), hit)
            if len(hits) >= k:
                break
        return list(hits.values())[:k]

    def prune(self, now: str, days: int = RETENTION_DAYS) -> int:
        """Delete messages that are distilled and archived distillations, both older than so many days; how many. What is not
        distilled yet, and what is live, stays however old it is."""
        before = (datetime.fromisoformat(now) - timedelta(days=days)).isoformat()
        with self._change() as file:
            gone = file.execute("DELETE FROM message WHERE distilled = 1 AND said != '' AND said < ?", (before,)).rowcount
            return gone + file.execute("DELETE FROM distillation WHERE archived = 1 AND made < ?", (before,)).rowcount

    def delete_archived(self) -> int:
        """Delete what is archived, for those who do not want an archive; how many."""
        with self._change() as file:
            return file.execute("DELETE FROM distillation WHERE archived = 1").rowcount

    def as_bytes(self) -> bytes:
        """The whole store as the content of a file; the same changes give the same bytes."""
        with self._guarded():
            return self._file.serialize()

    @classmethod
    def from_bytes(cls, content: bytes) -> "DistilledStore":
        """A store in memory with this content; changes to it change nothing else."""
        store = cls(":memory:")
        with store._guarded():
            store._file.deserialize(content)
        store._migrate()
        return store

    @property
    def nbytes(self) -> int:
        """Bytes of the file's pages, index included."""
        with self._guarded():
            pages, size = (self._file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return pages * size

    def close(self) -> None:
        self._file.close()
