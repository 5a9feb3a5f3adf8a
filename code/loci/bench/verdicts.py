"""Verdicts that were paid for, in time or money: kept one by one under a hash of question, gold and answer.

A file belongs to one judge, that is, one model and one prompt; verdicts of another are never read. SQLite commits each verdict,
so that a killed run loses none; texts are not kept, only their hashes.
"""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from loci.bench.judge_prompts import Pair
from loci.errors import UserError
from loci.results import sha256_text

_REMEDY = "give another folder, or delete the file to have everything judged again"


class Verdicts:
    """What a judge said of pairs: a number or True and False; None where it said nothing that could be read."""

    def __init__(self, path: Path, judge: dict):
        """judge: everything that its verdicts depend on. UserError for a file of another judge, or one that is no such file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted = json.dumps(judge, sort_keys=True)
        try:
            self._file = sqlite3.connect(path, isolation_level=None)
            self._file.execute("CREATE TABLE IF NOT EXISTS judge (about TEXT NOT NULL)")
            self._file.execute("CREATE TABLE IF NOT EXISTS verdict (pair TEXT PRIMARY KEY, said TEXT NOT NULL)")
            about = self._file.execute("SELECT about FROM judge").fetchone()
            if about is None:
                self._file.execute("INSERT INTO judge VALUES (?)", (wanted,))
        except sqlite3.DatabaseError as fault:
            raise UserError(path, f"is no file of verdicts ({fault})", _REMEDY) from None
        if about is not None and about[0] != wanted:
            kept = json.loads(about[0])
            other = ", ".join(sorted(name for name in {*kept, *judge} if kept.get(name) != judge.get(name)))
            raise UserError(path, f"holds verdicts of another judge (differs in {other})", _REMEDY)

    def known(self, pairs: Iterable[Pair]) -> dict[Pair, bool | float | None]:
        """What is known of these pairs."""
        said = dict(self._file.execute("SELECT pair, said FROM verdict"))
        return {pair: json.loads(said[key]) for pair in pairs if (key := key_of(pair)) in said}

    def keep(self, found: Iterable[tuple[Pair, bool | float | None]]) -> None:
        """Keep verdicts, all of them or none."""
        rows = [(key_of(pair), json.dumps(said)) for pair, said in found]
        with self._file:
            self._file.execute("BEGIN")
            self._file.executemany("INSERT OR REPLACE INTO verdict VALUES (?, ?)", rows)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def key_of(pair: Pair) -> str:
    """The hash under which a pair is kept."""
    return sha256_text(json.dumps([pair.question, pair.gold, pair.answer]))


def file_of(folder: Path, name: str, judge: dict) -> Path:
    """Where a judge's verdicts lie in a folder: one file a judge, named after all that its verdicts depend on."""
    return folder / f"{name}.{sha256_text(json.dumps(judge, sort_keys=True))[:12]}.sqlite"
