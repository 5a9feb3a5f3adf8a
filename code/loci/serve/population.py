"""Users to measure a server with: a few whose facts are really written, and clones of them in any number.

Writing ten thousand users' facts takes days. A clone has the addresses of a written user, so that the same sentences read
rows, and that user's values moved along, so that they are other rows; what it says means nothing, what it costs is the same.
"""

import random
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from loci.memories.row_examples import Sentence, encode_sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.rows import RowMap
from loci.models.upper import UpperStack
from loci.serve.overlay import ServedGraft
from loci.serve.store import Store, hashed
from loci.serve.traces import to_bytes
from loci.worlds.corpus import build_corpus

TENANT = "measured"
_BATCH = 200  # users of one transaction


@dataclass(frozen=True)
class Population:
    """Rows of written users, in half precision, and token ids of the beginnings of all their sentences."""

    rows: list[RowMap]
    prompts: list[list[list[int]]]

    def rows_of(self, user: int) -> RowMap:
        """A written user's rows, or a clone's."""
        own = self.rows[user % len(self.rows)]
        return own.with_values(own.values.roll(user // len(self.rows), 0))

    def asked(self, user: int, rng: random.Random) -> list[int]:
        """The beginning of one of a user's sentences."""
        return rng.choice(self.prompts[user % len(self.rows)])


def written_population(graft: ServedGraft, tokenizer, count: int, facts: int, write: dict) -> Population:
    """`count` users with `facts` facts each, written by Joint OPT on bare sentences."""
    writer, rows, prompts = Writer(UpperStack(graft), tokenizer), [], []
    for user in range(count):
        sentences = [Sentence(fact.trigger, fact.answer) for fact in build_corpus(facts, user)]
        how = write_settings(write, len(sentences))
        table, _ = write_optimised("rows_joint", writer, sentences, [], how, user)
        rows.append(table.with_values(table.values.half()))
        encoded = [encode_sentence(tokenizer, "", sentence) for sentence in sentences]
        prompts.append([one.ids[: one.answer_start] for one in encoded])
    return Population(rows, prompts)


def fill_store(path: Path, population: Population, users: int, about: dict[str, str]) -> Store:
    """A store with so many registered users, each with rows of its own on disk."""
    store = Store(path)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous=OFF")  # a measurement's store, which is thrown away
    database.execute("INSERT OR IGNORE INTO tenants VALUES (?, ?)", (TENANT, hashed(TENANT)))
    for start in range(0, users, _BATCH):
        database.execute("BEGIN")
        for user in range(start, min(start + _BATCH, users)):
            database.execute("INSERT INTO users VALUES (?, ?)", (name_of(user), TENANT))
            database.execute("INSERT INTO traces VALUES (?, ?)", (name_of(user), to_bytes(population.rows_of(user), about)))
        database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return store


def name_of(user: int) -> str:
    """The name under which the store knows a user."""
    return f"u{user}"
