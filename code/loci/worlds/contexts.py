"""What was said before a question: preceding contexts for probes in the middle of a conversation.

Three kinds, in three disjoint sets: "write" while memories are written, "dev" for choices, "test" for results. The
parts are authored (data/contexts.json); the layout of each kind is made here, so that all of one kind look alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from loci.paths import DATA
from loci.results import read_json

KINDS = ("five_example", "chat", "paragraph")
_FILE = DATA / "contexts.json"


@dataclass(frozen=True, slots=True)
class Context:
    """A text to put, as it is, in front of a statement or a question; `id` is "<split>.<kind>.<number>"."""

    id: str
    kind: str
    text: str


def kind_of(context_id: str) -> str:
    """The kind that a context id names."""
    return context_id.split(".")[1]


@cache
def load_contexts() -> dict[str, dict[str, list[Context]]]:
    """All authored contexts, as {split: {kind: [Context, …]}}."""
    authored = read_json(_FILE, "restore it from the repository")["contexts"]
    return {
        split: {kind: [_context(split, kind, number, part) for number, part in enumerate(kinds[kind])] for kind in KINDS}
        for split, kinds in authored.items()
    }


def _context(split: str, kind: str, number: int, part: object) -> Context:
    return Context(f"{split}.{kind}.{number}", kind, _LAYOUTS[kind](part))


def _five_example(pairs: list[list[str]]) -> str:
    return "".join(f"Question: {question}\nAnswer: {answer}\n\n" for question, answer in pairs)


def _chat(turns: list[str]) -> str:
    # An even number of turns, so that A has the word when the probe begins.
    return "".join(f"{'AB'[number % 2]}: {turn}\n" for number, turn in enumerate(turns)) + "A: "


def _paragraph(text: str) -> str:
    return f"{text}\n\n"


_LAYOUTS: dict[str, Callable] = dict(zip(KINDS, (_five_example, _chat, _paragraph), strict=True))
