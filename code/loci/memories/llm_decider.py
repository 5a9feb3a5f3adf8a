"""A decider that asks a language model: numbered memories and one new statement in, one word out (Mem0, arXiv 2504.19413).

Small models answer in many forms. What cannot be read as a decision counts as ADD, which loses nothing, and is counted.
"""

import re
from collections.abc import Callable, Sequence

from loci.memories.extract import Statement
from loci.memories.managed import ManagedMemory
from loci.memories.slots import Decision
from loci.models.encoder import Encoder

Complete = Callable[[str], str]  # prompt -> the model's text

_RULES = (
    "You keep the memory of one user. Decide what the new statement does to it.\n"
    "ADD: it says something that no memory says. UPDATE n: it changes or completes memory n.\n"
    "DELETE n: it takes memory n back. NOOP: a memory says the same already.\n"
)
_ANSWER = re.compile(r"^\W*(?:(?P<alone>ADD|NOOP|NONE)|(?P<action>UPDATE|DELETE)\W+(?P<number>\d{1,6}))\b", re.I)


class ModelDecider:
    """`asked` and `invalid` count the calls and the answers that could not be read."""

    def __init__(self, complete: Complete):
        self._complete = complete
        self.asked = self.invalid = 0

    def __call__(self, statement: Statement, memories: Sequence[str]) -> Decision:
        self.asked += 1
        decision = parse(self._complete(prompt_of(statement, memories)), len(memories))
        if decision is None:
            self.invalid += 1
            return Decision("ADD")
        return decision


class ManagedModelMemory(ManagedMemory):
    """A managed memory whose decisions a language model takes; statements are found by rules as in ManagedMemory."""

    name = "managed_llm"

    def __init__(self, encoder: Encoder, k: int, complete: Complete):
        self.decider = ModelDecider(complete)
        super().__init__(encoder, k, self.decider)


def prompt_of(statement: Statement, memories: Sequence[str]) -> str:
    """The rules, the memories numbered from 1, and the new statement; ends where the answer begins."""
    numbered = "".join(f"{number}. {memory}\n" for number, memory in enumerate(memories, 1)) or "(none)\n"
    return f"{_RULES}\nMemories:\n{numbered}\nNew statement: {spoken(statement)}\nDecision:"


def spoken(statement: Statement) -> str:
    """The statement with what was announced about it, as a sentence."""
    if statement.kind == "forget":
        return f"Forget what I said about {statement.topic}."
    if statement.corrects:
        return f"Correction: {statement.text}"
    return f"News about {statement.topic}: {statement.text}" if statement.topic else statement.text


def parse(answer: str, count: int) -> Decision | None:
    """The decision at the beginning of an answer about `count` memories; None where there is none, or no such memory."""
    found = _ANSWER.match(answer)
    if not found:
        return None
    if found["alone"]:
        return Decision("ADD" if found["alone"].upper() == "ADD" else "NOOP")
    at = int(found["number"]) - 1
    return Decision(found["action"].upper(), at) if 0 <= at < count else None
