"""LOCOMO (Maharana et al., ACL 2024): typed records of ten long conversations and the questions about them.

Categories are known by their number alone: published papers exchange the names, and only the counts of the file tell
which is which. The file is not part of Loci (CC BY-NC 4.0); locomo_file.py reads it from wherever it lies.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from loci.worlds.checks import distinct, require

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
ADVERSARIAL = 5
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DEV = ("conv-26", "conv-30")  # prompts and settings are chosen on these two; the other eight are asked once

# What the independent audit (github.com/dial481/locomo-audit) calls its findings. The first kind says that the cited
# turns are wrong while the gold answer is right; all others make a right answer score as wrong, or a wrong one as right.
CITATION_ERROR = "WRONG_CITATION"
CORRUPTING_ERRORS = ("HALLUCINATION", "TEMPORAL_ERROR", "ATTRIBUTION_ERROR", "AMBIGUOUS", "INCOMPLETE")

_DIA_ID = re.compile(r"D([1-9]\d*):[1-9]\d*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `caption` is a machine's description of the picture sent with it, "" without one.

    316 captions of the canonical file come without the address of their picture: `has_image` is false for those. The
    phrase that was used to search for the picture is in no record, since it names things that nobody said.
    """

    dia_id: str
    speaker: str
    text: str
    caption: str = ""
    has_image: bool = False

    def __post_init__(self) -> None:
        form = "write D<session>:<turn>, without leading zeros"
        require(_DIA_ID.fullmatch(self.dia_id) is not None, "dia_id", f"'{self.dia_id}' is not a turn's id", form)
        require(bool(self.text or self.caption), "text", "is empty, and there is no caption", "add the text or drop the turn")


@dataclass(frozen=True, slots=True)
class Session:
    """One sitting. Its `date_time` (no time zone is given) is the only clock: turns have none."""

    number: int
    date_time: datetime
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        for turn in self.turns:
            belongs, remedy = session_number(turn.dia_id) == self.number, "give it the number of this one"
            require(belongs, f"session_{self.number}.dia_id", f"'{turn.dia_id}' is of another session", remedy)


@dataclass(frozen=True, slots=True)
class Correction:
    """What the audit found: its kind, and the answer and turns that it holds to be right.

    The audit's answers are often a sentence of explanation. `evidence` is empty where no turn supports any answer.
    """

    error_type: str
    answer: str
    evidence: tuple[str, ...]

    def __post_init__(self) -> None:
        known = (CITATION_ERROR, *CORRUPTING_ERRORS)
        right = self.error_type in known
        require(right, "error_type", f"'{self.error_type}' is not known", f"use one of {', '.join(known)}")
        require(bool(self.answer), "correct_answer", "is empty", "add the right answer or drop the finding")


@dataclass(frozen=True, slots=True)
class LocomoQuestion:
    """One question: `id` is locomo_<position of the conversation in the file>_qa<index>, as in the audit.

    `answer` is the file's gold, a number as its digits. For category 5 the right answer is that it was not mentioned;
    `adversarial_answer` is the trap, and `answer` is "" in all but two, whose gold is "No". `evidence` holds ids of
    turns that exist, in the file's order, each once; `unresolved` holds what the file cites besides.
    """

    id: str
    conversation: str
    category: int
    text: str
    answer: str
    adversarial_answer: str
    evidence: tuple[str, ...]
    unresolved: tuple[str, ...] = ()
    correction: Correction | None = None

    def __post_init__(self) -> None:
        require(self.category in CATEGORIES, "category", f"is {self.category}", "use a number from 1 to 5")
        require(bool(self.text), "question", "is empty", "write the question")
        if self.category == ADVERSARIAL:
            require(bool(self.adversarial_answer), "adversarial_answer", "is missing", "add the answer that would be wrong")
        else:
            require(bool(self.answer), "answer", "is missing", "add the answer; only category 5 goes without")

    @property
    def corrupt(self) -> bool:
        """Whether the audit found that scoring against `answer` misjudges (99 questions of the canonical file)."""
        return self.correction is not None and self.correction.error_type != CITATION_ERROR

    @property
    def corrected_answer(self) -> str:
        """The audit's answer where the gold is wrong, else the gold (also where the audit only annotates it)."""
        return self.correction.answer if self.corrupt else self.answer

    @property
    def corrected_evidence(self) -> tuple[str, ...]:
        """The audit's turns where it found anything, else the file's."""
        return self.evidence if self.correction is None else self.correction.evidence


@dataclass(frozen=True, slots=True)
class Conversation:
    """Two people over months: sessions in order of their number, and every question about them in the file's order."""

    id: str
    speakers: tuple[str, str]
    sessions: tuple[Session, ...]
    questions: tuple[LocomoQuestion, ...]

    def __post_init__(self) -> None:
        turns = self.turns
        require(bool(turns), "conversation", "has no turns", "add session_<number>, a list of turns")
        ids = distinct((turn.dia_id for turn in turns), "turns", "dia_id")
        for turn in turns:
            stranger = f"'{turn.speaker}' is neither {' nor '.join(self.speakers)}"
            require(turn.speaker in self.speakers, f"{turn.dia_id}.speaker", stranger, "name one of the two")
        for question in self.questions:
            for dia_id in question.evidence:
                require(dia_id in ids, f"{question.id}.evidence", f"{dia_id} is no turn", "cite turns that exist")

    @property
    def split(self) -> str:
        """Either "dev", for the two conversations that anything may be chosen on, or "test"."""
        return "dev" if self.id in DEV else "test"

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All turns in order; made anew at each call."""
        return tuple(turn for session in self.sessions for turn in session.turns)


def turn_text(turn: Turn) -> str:
    """What was said as one line, with the picture's caption in brackets: "Look! [sends a picture: a photo of a kite]"."""
    picture = f"[sends a picture: {turn.caption}]" if turn.caption else ""
    return " ".join(f"{turn.text} {picture}".split())


def session_number(dia_id: str) -> int:
    """The session that a turn's id names: 12 for D12:3."""
    return int(dia_id[1:].partition(":")[0])


def duplicates(conversation: Conversation) -> tuple[tuple[str, ...], ...]:
    """Ids of questions that are asked in the same words, one group a wording, in order of the first.

    All of them are kept, because published scores count each; their answers and evidence may differ.
    """
    groups: dict[str, list[str]] = {}
    for question in conversation.questions:
        groups.setdefault(question.text.casefold(), []).append(question.id)
    return tuple(tuple(ids) for ids in groups.values() if len(ids) > 1)


def counts(conversations: Iterable[Conversation]) -> dict[str, int]:
    """How much of everything there is, questions also by category; CANONICAL_COUNTS holds the same for the pinned file."""
    conversations = list(conversations)
    turns = [turn for conversation in conversations for turn in conversation.turns]
    questions = [question for conversation in conversations for question in conversation.questions]
    categories = Counter(question.category for question in questions)
    return {
        "conversations": len(conversations),
        "sessions": sum(len(conversation.sessions) for conversation in conversations),
        "turns": len(turns),
        "images": sum(turn.has_image for turn in turns),
        "captions": sum(bool(turn.caption) for turn in turns),
        "questions": len(questions),
        "with_evidence": sum(bool(question.evidence) for question in questions),
        **{f"category{category}": categories[category] for category in CATEGORIES},
    }


CANONICAL_COUNTS = {
    "conversations": 10,
    "sessions": 272,
    "turns": 5882,
    "images": 910,
    "captions": 1226,
    "questions": 1986,
    "with_evidence": 1982,
    "category1": 282,
    "category2": 321,
    "category3": 96,
    "category4": 841,
    "category5": 446,
}
