"""Conversation into less text by rules: a flat log, or a working context in four sections.

What the published systems ask a language model for (Lore, pull request 35), done so that it can be repeated: sentences are taken
as they are, never reworded, and the least telling go first when the budget is short. Telling is a sentence that states something
lasting about its speaker, announces a change or a decision, names files or errors, or holds names and numbers.

flat log         every line with its day, in the order of telling
four sections    current state (of statements that begin alike the latest), key decisions, technical changes, session timeline
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loci.memories.distilled_store import Message
from loci.memories.extract import is_own_fact, sentences_of
from loci.memories.tool_stubs import BARE, annotated

TOOL = "tool"  # role of a message that is a tool's output; the tool's name is the first word of its text, before a colon
SECTIONS = ("Current state", "Key decisions", "Technical changes", "Session timeline")
_SHARES = (0.4, 0.2, 0.2, 0.2)  # of the budget, in the order of SECTIONS; what a section leaves goes to the next
_DECISION = re.compile(
    r"\b(?:decid\w+|chose|chosen|choose|agreed|switch\w*|instead of|rather than|changed? (?:to|from|my)|no longer|any ?more"
    r"|moved to|from now on|will use|going with|settled on|gave up|cancel\w*|replac\w+|update)\b",
    re.IGNORECASE,
)
_TECHNICAL = re.compile(
    r"\b[\w.-]+/[\w./-]+\b|\b\w+\.(?:py|ts|js|md|json|yaml|sql)\b|\b(?:error|exception|traceback|commit)\b", re.I
)
_NAMES = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z][\w'-]+|\d+")
_LINE = re.compile(r"- (?:\[(?P<day>[\d-]*)\] )?(?P<text>.+)")
_STATE_WORDS = 3  # statements whose first words are the same are about the same thing


@dataclass(frozen=True)
class Line:
    """One sentence, or the stub of a tool's output, as it may stand in a distillation. day: ISO date or ''."""

    day: str
    text: str
    kind: str  # "state", "decision", "technical", "other"
    weight: float

    @property
    def words(self) -> int:
        """As it is shown: a dash, the day where there is one, the text."""
        return len(self.text.split()) + 1 + bool(self.day)


def lines_of(messages: Iterable[Message], annotate: bool = True) -> list[Line]:
    """Everything that may stand in a distillation of these messages, in the order of telling."""
    out = []
    for one in messages:
        day = one.said[:10]
        if one.role == TOOL:
            tool, _, output = one.text.partition(":")
            out.append(Line(day, annotated(tool.strip(), output) if annotate else BARE, "technical", 2.0))
        else:
            out += [line_of(day, sentence) for sentence in sentences_of(one.text)]
    return out


def line_of(day: str, sentence: str) -> Line:
    """A sentence with its kind, and how telling it is."""
    named = len(_NAMES.findall(sentence))
    if _TECHNICAL.search(sentence):
        return Line(day, sentence, "technical", 2.0 + 0.1 * named)
    if _DECISION.search(sentence) and not sentence.endswith("?"):
        return Line(day, sentence, "decision", 2.0 + 0.1 * named)
    if is_own_fact(sentence):
        return Line(day, sentence, "state", 2.0 + 0.1 * named)
    return Line(day, sentence, "other", 0.1 * named)


def flat_log(lines: Sequence[Line], budget: int) -> str:
    """The most telling lines that fit `budget` words, in the order of telling, each with its day."""
    return "\n".join(_shown(line) for line in _chosen(lines, budget))


def four_sections(lines: Sequence[Line], budget: int) -> str:
    """A working context of at most `budget` words; sections without anything in them are left out."""
    latest = {tuple(line.text.lower().split()[:_STATE_WORDS]): line for line in lines if line.kind == "state"}
    state = [line for line in lines if line.kind == "state" and latest[tuple(line.text.lower().split()[:_STATE_WORDS])] is line]
    days: dict[str, Line] = {}
    for line in lines:
        if line.day not in days or line.weight > days[line.day].weight:
            days[line.day] = line
    parts = (state, *([line for line in lines if line.kind == kind] for kind in ("decision", "technical")), list(days.values()))
    out, left, told = [], 0.0, set()
    for title, share, found in zip(SECTIONS, _SHARES, parts, strict=True):
        room = left + share * budget - len(title.split()) - 1
        kept = _chosen([line for line in dict.fromkeys(found) if line not in told], int(room))
        told |= set(kept)
        left = room - sum(line.words for line in kept)
        if kept:
            out += [f"## {title}", *(_shown(line) for line in kept)]
    return "\n".join(out)


def lines_again(texts: Iterable[str]) -> list[Line]:
    """The lines of distillations, each once, to be distilled again: by their days, and as they stand where those are equal."""
    found = [match for text in texts for row in text.splitlines() if (match := _LINE.fullmatch(row))]
    lines = dict.fromkeys(_again(match["day"] or "", match["text"]) for match in found)
    return sorted(lines, key=lambda line: line.day)


def _again(day: str, text: str) -> Line:
    return Line(day, text, "technical", 2.0) if text.startswith("[") else line_of(day, text)


def _chosen(lines: Sequence[Line], budget: int) -> list[Line]:
    """The heaviest lines that fit, of equals the later, in their own order."""
    order = sorted(range(len(lines)), key=lambda at: (-lines[at].weight, -at))
    kept, left = [], budget
    for at in order:
        if lines[at].words <= left:
            kept.append(at)
            left -= lines[at].words
    return [lines[at] for at in sorted(kept)]


def _shown(line: Line) -> str:
    return f"- [{line.day}] {line.text}" if line.day else f"- {line.text}"
