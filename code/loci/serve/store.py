"""Tenants, users, facts and rows in one SQLite file: what is committed survives `kill -9`, what is not was never there.

A fact is committed twice. First its text, as `pending`, before the caller is told that it was taken. Then, in one
transaction, the user's rows with the fact in them and the fact's state. Whatever kills the server between the two leaves
the rows as they were and a pending fact, which the next start takes up again. Rows lie in the same file as the facts, so
that one transaction covers both; SQLite's journal (write-ahead, flushed at each commit) is what makes it whole or nothing.

Tokens are 256 random bits and only their SHA-256 is kept. A slow hash protects passwords, which can be guessed; nobody
guesses 256 random bits, and a slow hash would cost every request.
"""

import fcntl
import hashlib
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loci.errors import UserError
from loci.models.canonical import canonical_text

_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR")
UNSETTLED = ("pending", "changing", "going")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tenants (name TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenants (name)) STRICT;
CREATE TABLE IF NOT EXISTS facts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    slot TEXT NOT NULL, statement TEXT NOT NULL, value TEXT NOT NULL, new_value TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL CHECK (state IN ('pending', 'written', 'changing', 'going', 'failed')),
    reason TEXT NOT NULL DEFAULT '',
    UNIQUE (user, slot)
) STRICT;
CREATE INDEX IF NOT EXISTS unsettled ON facts (user) WHERE state IN ('pending', 'changing', 'going');
CREATE TABLE IF NOT EXISTS traces (
    user TEXT PRIMARY KEY REFERENCES users (name) ON DELETE CASCADE, content BLOB NOT NULL
) STRICT;
"""


class Refused(Exception):
    """What was asked cannot be done: an HTTP status, a short reason for programs, and a sentence."""

    def __init__(self, status: int, reason: str, message: str):
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


@dataclass(frozen=True)
class StoredFact:
    """`statement` ends where `value` begins: "My dentist is", "Dr. Lee". state: see the table; reason: why it failed."""

    id: int
    statement: str
    value: str
    new_value: str
    state: str
    reason: str


@dataclass(frozen=True)
class Job:
    """What stands between a user's rows and a user's facts: pairs (statement, value) that stay, go, and come.

    ids: of the facts that come, in their order. settled: ids of all facts that the job settles.
    """

    user: str
    kept: list[tuple[str, str]]
    old: list[tuple[str, str]]
    new: list[tuple[str, str]]
    ids: list[int]
    settled: frozenset[int]


class Store:
    """The file, opened by one server at a time. Methods may be called from any thread."""

    def __init__(self, path: Path):
        self._write_lock, self._reading = threading.Lock(), threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = open(path.with_suffix(".lock"), "w")  # noqa: SIM115 - held as long as the store
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock_file.close()
            raise UserError(path, "is served by another process", "stop that one, or give another --store") from None
        try:
            self._writer, self._reader = self._connect(path), self._connect(path)
            with self._changing() as database:
                for statement in _SCHEMA.split(";\n"):
                    database.execute(statement)
        except sqlite3.DatabaseError as fault:
            self._lock_file.close()
            raise UserError(path, f"cannot be opened ({fault})", "give a file of this server, or a name that is free") from None

    @staticmethod
    def _connect(path: Path) -> sqlite3.Connection:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            database.execute(f"PRAGMA {pragma}")
        return database

    def close(self) -> None:
        self._writer.close()
        self._reader.close()
        self._lock_file.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of the block or nothing. Refused with 507 when the disk is full."""
        with self._write_lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as fault:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                if isinstance(fault, sqlite3.OperationalError) and fault.sqlite_errorname.startswith(_NO_ROOM):
                    raise Refused(507, "disk_full", "the disk is full; nothing was stored") from None
                raise

    def _rows(self, query: str, *values) -> list[tuple]:
        with self._reading:
            return self._reader.execute(query, values).fetchall()

    # Tenants and users

    def add_tenant(self, name: str) -> str:
        """A new tenant's token; only its hash is kept."""
        token = secrets.token_urlsafe(32)
        with self._changing() as database:
            try:
                database.execute("INSERT INTO tenants VALUES (?, ?)", (name, hashed(token)))
            except sqlite3.IntegrityError:
                raise Refused(409, "tenant_exists", f"there is a tenant {name} already") from None
        return token

    def tenant_of(self, token: str) -> str | None:
        """Who holds this token."""
        found = self._rows("SELECT name FROM tenants WHERE token = ?", hashed(token))
        return found[0][0] if found else None

    def add_user(self, tenant: str, user: str, most: int) -> None:
        """Register a user of a tenant, who may have `most`."""
        with self._changing() as database:
            (count,) = database.execute("SELECT count(*) FROM users WHERE tenant = ?", (tenant,)).fetchone()
            if count >= most:
                raise Refused(429, "too_many_users", f"a tenant may register {most} users")
            try:
                database.execute("INSERT INTO users VALUES (?, ?)", (user, tenant))
            except sqlite3.IntegrityError:
                raise Refused(409, "user_exists", f"there is a user {user} already") from None

    def owner_of(self, user: str) -> str | None:
        """The tenant who registered the user."""
        found = self._rows("SELECT tenant FROM users WHERE name = ?", user)
        return found[0][0] if found else None

    def remove_user(self, user: str) -> None:
        """Forget a user, facts and rows; SQLite overwrites their bytes when its journal is folded into the file."""
        with self._changing() as database:
            database.execute("DELETE FROM users WHERE name = ?", (user,))

    # Facts

    def facts(self, user: str) -> list[StoredFact]:
        """In the order of telling."""
        columns = "id, statement, value, new_value, state, reason"
        return [StoredFact(*row) for row in self._rows(f"SELECT {columns} FROM facts WHERE user = ? ORDER BY id", user)]

    def add_facts(self, user: str, told: list[tuple[str, str]], most: int) -> list[int]:
        """Commit facts (statement, value) as pending; a user may have `most`. Their ids."""
        with self._changing() as database:
            self._refuse_second_writer(database, user)
            (count,) = database.execute("SELECT count(*) FROM facts WHERE user = ? AND state != 'failed'", (user,)).fetchone()
            if count + len(told) > most:
                raise Refused(429, "too_many_facts", f"a user may have {most} facts and has {count}")
            ids = []
            for statement, value in told:
                slot = canonical_text(statement)
                database.execute("DELETE FROM facts WHERE user = ? AND slot = ? AND state = 'failed'", (user, slot))
                try:
                    insert = "INSERT INTO facts (user, slot, statement, value, state) VALUES (?, ?, ?, ?, 'pending')"
                    ids.append(database.execute(insert, (user, slot, statement, value)).lastrowid)
                except sqlite3.IntegrityError:
                    raise Refused(409, "fact_exists", f"{statement!r} has a value already; change that fact") from None
            return ids

    def change_fact(self, user: str, fact: int, value: str) -> None:
        """Commit another value; the old one holds until the rows say the new one."""
        self._mark(user, fact, "UPDATE facts SET state = 'changing', new_value = ? WHERE id = ?", value, fact)

    def forget_fact(self, user: str, fact: int) -> None:
        """Commit that a fact goes; one that never reached the rows is gone at once."""
        self._mark(user, fact, "UPDATE facts SET state = 'going' WHERE id = ?", fact)

    def _mark(self, user: str, fact: int, change: str, *values) -> None:
        with self._changing() as database:
            self._refuse_second_writer(database, user)
            found = database.execute("SELECT state FROM facts WHERE user = ? AND id = ?", (user, fact)).fetchone()
            if found is None:
                raise Refused(404, "unknown_fact", f"{user} has no fact {fact}")
            if found[0] == "failed" and "going" in change:
                database.execute("DELETE FROM facts WHERE id = ?", (fact,))
            elif found[0] == "failed":
                database.execute("UPDATE facts SET state = 'pending', value = ?, reason = '' WHERE id = ?", values)
            else:
                database.execute(change, values)

    @staticmethod
    def _refuse_second_writer(database: sqlite3.Connection, user: str) -> None:
        if database.execute("SELECT 1 FROM users WHERE name = ?", (user,)).fetchone() is None:
            raise Refused(404, "unknown_user", f"there is no user {user}")
        query = "SELECT 1 FROM facts WHERE user = ? AND state IN ('pending', 'changing', 'going')"
        if database.execute(query, (user,)).fetchone():
            raise Refused(409, "write_under_way", f"another write for {user} is under way; try again when it is settled")

    # Rows

    def unsettled(self) -> list[str]:
        """Users with facts that are committed and not in their rows yet."""
        query = "SELECT user FROM facts WHERE state IN ('pending', 'changing', 'going') GROUP BY user ORDER BY min(id)"
        return [user for (user,) in self._rows(query)]

    def job(self, user: str) -> Job | None:
        """What there is to do for a user; None when nothing is."""
        facts = self.facts(user)
        if not any(fact.state in UNSETTLED for fact in facts):
            return None
        coming = [fact for fact in facts if fact.state in ("pending", "changing")]
        return Job(
            user,
            [(fact.statement, fact.value) for fact in facts if fact.state == "written"],
            [(fact.statement, fact.value) for fact in facts if fact.state in ("changing", "going")],
            [(fact.statement, fact.new_value or fact.value) for fact in coming],
            [fact.id for fact in coming],
            frozenset(fact.id for fact in facts if fact.state in UNSETTLED),
        )

    def settle(self, job: Job, trace: bytes | None, failed: dict[int, str]) -> bool:
        """Commit a user's new rows and the states of the job's facts, all at once; False when the user is gone.

        trace: None leaves the rows that are there. failed: reasons by fact id; a change that failed leaves the value that was.
        """
        with self._changing() as database:
            query = "SELECT id FROM facts WHERE user = ? AND state IN ('pending', 'changing', 'going')"
            if {number for (number,) in database.execute(query, (job.user,))} != job.settled:
                return False
            for number in sorted(job.settled):
                (state,) = database.execute("SELECT state FROM facts WHERE id = ?", (number,)).fetchone()
                if state == "going":
                    database.execute("DELETE FROM facts WHERE id = ?", (number,))
                elif number in failed:
                    after = "failed" if state == "pending" else "written"
                    change = "UPDATE facts SET state = ?, new_value = '', reason = ? WHERE id = ?"
                    database.execute(change, (after, failed[number], number))
                else:
                    value = "CASE state WHEN 'changing' THEN new_value ELSE value END"
                    change = f"UPDATE facts SET value = {value}, state = 'written', new_value = '', reason = '' WHERE id = ?"
                    database.execute(change, (number,))
            if trace is not None:
                database.execute("INSERT OR REPLACE INTO traces VALUES (?, ?)", (job.user, trace))
        return True

    def trace(self, user: str) -> bytes | None:
        """A user's rows as they were committed last."""
        found = self._rows("SELECT content FROM traces WHERE user = ?", user)
        return found[0][0] if found else None

    def counts(self) -> dict[str, int]:
        """How many tenants, users and facts there are."""
        return {table: self._rows(f"SELECT count(*) FROM {table}")[0][0] for table in ("tenants", "users", "facts")}


def hashed(token: str) -> str:
    """Hex SHA-256 of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
