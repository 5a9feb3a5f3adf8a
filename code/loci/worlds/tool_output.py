"""What tools print while somebody works: files read, tests run, words looked for; each run under a ticket of its own.

Only a little of it is ever asked about: the file that a run names, which a note about the run can hold, and a number deep inside
its output, which nothing but the output holds. No file and no number is that of another run.
"""

import random
from dataclasses import dataclass

TOOLS = ("pytest", "read", "grep")
_PARTS = ("billing", "cart", "ledger", "login", "mailer", "orders", "parser", "queue", "search", "session", "stock", "upload")
_NOUNS = (
    "batch",
    "branch",
    "cache",
    "cursor",
    "entry",
    "filter",
    "handle",
    "index",
    "limit",
    "page",
    "record",
    "token",
    "window",
)
_LINES = (20, 60)  # of an output


@dataclass(frozen=True)
class ToolRun:
    """One run: its ticket ("T482"), the file that it names, the number inside its output, and the output itself."""

    tool: str
    ticket: str
    path: str
    number: str
    output: str
    failed: bool

    @property
    def text(self) -> str:
        """As a message of role "tool"."""
        return f"{self.tool}: {self.output}"


def tool_runs(count: int, rng: random.Random) -> list[ToolRun]:
    """So many runs; tickets, files and numbers all different."""
    tickets, numbers = rng.sample(range(100, 1000), count), rng.sample(range(1000, 10_000), count)
    names = [f"{part}_{noun}" for part in _PARTS for noun in _NOUNS]
    paths = [f"src/{name}.py" for name in rng.sample(names, count)]
    return [_run(f"T{ticket}", path, str(number), rng) for ticket, path, number in zip(tickets, paths, numbers, strict=True)]


def _run(ticket: str, path: str, number: str, rng: random.Random) -> ToolRun:
    tool, failed = rng.choice(TOOLS), rng.random() < 0.5
    lines = [
        f"{rng.choice(_NOUNS)} {rng.choice(_PARTS)} {rng.choice(('done', 'kept', 'seen', 'ready'))}"
        for _ in range(rng.randint(*_LINES))
    ]
    at = rng.randrange(len(lines) // 2, len(lines))
    lines[at] = f"error: expected {number} in the end" if failed else f"checksum {number} in the end"
    return ToolRun(tool, ticket, path, number, "\n".join([f"run for {ticket} in {path}", *lines]), failed)
