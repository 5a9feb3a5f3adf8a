"""Conversations: dated sessions of turns between a user and one partner, with what each turn says about the facts.

The text is what a memory gets to read. The roles, keys and sentences beside it are the truth that extraction and
retrieval are measured against; a memory never sees them. A fault is a UserError that names the field.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from loci.results import read_json, write_json
from loci.worlds.checks import distinct, each, located, member, require, texts

SCHEMA = 1
TELLING = ("fact", "update", "delete")  # the roles that decide what holds
ROLES = (*TELLING, "distractor", "mention", "chat")
_DATE_FORMAT = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says at once. `statements` are the sentences of `fact_keys`, one a key, verbatim in `text`.

    Roles: "fact" tells facts for the first time in their right form; "update" gives a later value; "delete" asks to
    forget (no statements); "distractor" tells the same kind of fact about somebody else; "mention" touches on a key and
    settles nothing: a question about it (no statements), or a slip of the tongue that is corrected at once (with the
    wrong sentence); "chat" is about no key.
    """

    turn_id: str
    speaker: str
    text: str
    role: str
    fact_keys: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        here = f"turns[{self.turn_id}]"
        require(bool(re.fullmatch(r"S[1-9]\d*:\d\d+", self.turn_id)), f"{here}.turn_id", "is no turn id", "write it like S3:07")
        require(bool(self.speaker.strip()), f"{here}.speaker", "is empty", "name the speaker")
        one_line = bool(self.text.strip()) and len(self.text.splitlines()) == 1
        require(one_line, f"{here}.text", "is empty or broken into lines", "write one line")
        require(self.role in ROLES, f"{here}.role", f"'{self.role}' is not known", f"use one of {', '.join(ROLES)}")
        keyed = bool(self.fact_keys) == (self.role != "chat")
        require(keyed, f"{here}.fact_keys", f"does not fit role {self.role}", "name the keys of every role but chat")
        right = len(self.statements) == len(self.fact_keys)
        if self.role in ("delete", "chat", "mention"):
            right = not self.statements or (right and self.role == "mention")
        require(right, f"{here}.statements", f"does not fit role {self.role}", "give one for each key, none for delete and chat")
        for statement in self.statements:
            require(statement in self.text, f"{here}.statements", f"'{statement}' is not in the text", "repeat it word for word")


@dataclass(frozen=True, slots=True)
class Session:
    """One sitting; `date` is the ISO date and time of its beginning, "2026-03-14T18:42"."""

    number: int
    date: str
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        here = f"sessions[{self.number}]"
        require(_is_date(self.date), f"{here}.date", f"'{self.date}' is no date and time", "write it like 2026-03-14T18:42")
        require(bool(self.turns), f"{here}.turns", "is empty", "leave a session without turns out")
        for index, turn in enumerate(self.turns, 1):
            expected = turn_id(self.number, index)
            require(turn.turn_id == expected, f"{here}.turns[{index - 1}].turn_id", f"is {turn.turn_id}", f"make it {expected}")


@dataclass(frozen=True, slots=True)
class Conversation:
    """All sessions of one user with one partner, in the order of their dates."""

    uid: str
    user_name: str
    partner_name: str
    sessions: tuple[Session, ...]

    def __post_init__(self) -> None:
        require(bool(self.uid), "uid", "is empty", "give the id of the user")
        require(self.user_name != self.partner_name, "partner_name", "is the user's name", "name the speakers differently")
        dates = ["", *(session.date for session in self.sessions)]
        for index, session in enumerate(self.sessions):
            here = f"sessions[{index}]"
            require(session.number == index + 1, f"{here}.number", f"is {session.number}", f"make it {index + 1}")
            require(dates[index] < session.date, f"{here}.date", "is not after the session before", "sort sessions by date")
        for turn in self.turns:
            known = turn.speaker in (self.user_name, self.partner_name)
            require(known, f"turns[{turn.turn_id}].speaker", f"'{turn.speaker}' is neither speaker", "use one of the two names")
            by_user = turn.speaker == self.user_name or turn.role not in TELLING
            require(by_user, f"turns[{turn.turn_id}].role", f"{turn.role} is not said by the user", "let the user say it")

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every turn, in order."""
        return tuple(turn for session in self.sessions for turn in session.turns)

    @property
    def evidence(self) -> dict[str, list[str]]:
        """For each key, the ids of the turns that tell, update or delete it, in order; the last one decides."""
        found: dict[str, list[str]] = {}
        for turn in self.turns:
            if turn.role in TELLING:
                for key in turn.fact_keys:
                    found.setdefault(key, []).append(turn.turn_id)
        return found


def turn_id(session: int, index: int) -> str:
    """The id of the turn `index` (from 1) of a session: "S3:07"."""
    return f"S{session}:{index:02d}"


def replay(conversation: Conversation) -> dict[str, str | None]:
    """The final state by the roles: for each key the sentence that was told last, None where the user deleted it."""
    state: dict[str, str | None] = {}
    for turn in conversation.turns:
        if turn.role == "delete":
            state.update(dict.fromkeys(turn.fact_keys))
        elif turn.role in TELLING:
            state.update(zip(turn.fact_keys, turn.statements, strict=True))
    return state


def dated_turns(conversation: Conversation) -> Iterator[tuple[Turn, str]]:
    """Each turn with its text for an index: "2026-03-14 18:42 Adela: …"."""
    for session in conversation.sessions:
        for turn in session.turns:
            yield turn, f"{_spoken(session.date)} {turn.speaker}: {turn.text}"


def render(conversation: Conversation) -> str:
    """The whole conversation as plain text: a dated heading for each session, one line a turn."""
    lines = []
    for session in conversation.sessions:
        lines += [f"Session {session.number}, {_spoken(session.date)}"]
        lines += [f"{turn.speaker}: {turn.text}" for turn in session.turns] + [""]
    return "\n".join(lines)


def load_conversations(path: Path) -> list[Conversation]:
    """All conversations of a file that `save_conversations` wrote, or of one made by hand in that form."""
    return located(str(path), _conversations, read_json(path, "run code/steps/make_dialogues.py"))


def save_conversations(path: Path, conversations: list[Conversation]) -> None:
    """Write one JSON file {"schema", "conversations"}."""
    write_json(path, {"schema": SCHEMA, "conversations": [conversation_to_json(one) for one in conversations]})


def conversation_to_json(conversation: Conversation) -> dict:
    """A plain object that `load_conversations` reads back to an equal conversation; empty lists are left out."""
    sessions = [
        {"number": session.number, "date": session.date, "turns": [_turn_to_json(turn) for turn in session.turns]}
        for session in conversation.sessions
    ]
    plain = {name: getattr(conversation, name) for name in ("uid", "user_name", "partner_name")}
    return {**plain, "sessions": sessions}


def _turn_to_json(turn: Turn) -> dict:
    plain = {name: getattr(turn, name) for name in ("turn_id", "speaker", "text", "role")}
    return plain | {name: list(values) for name in ("fact_keys", "statements") if (values := getattr(turn, name))}


def _conversations(obj: object) -> list[Conversation]:
    version = member(obj, "schema", int)
    require(version == SCHEMA, "schema", f"is version {version}, this code reads version {SCHEMA}", "make the file again")
    conversations = each(obj, "conversations", _conversation)
    distinct((conversation.uid for conversation in conversations), "conversations", "uid")
    return conversations


def _conversation(obj: object) -> Conversation:
    plain = [member(obj, name, str) for name in ("uid", "user_name", "partner_name")]
    return Conversation(*plain, tuple(each(obj, "sessions", _session)))


def _session(obj: object) -> Session:
    return Session(member(obj, "number", int), member(obj, "date", str), tuple(each(obj, "turns", _turn)))


def _turn(obj: object) -> Turn:
    plain = [member(obj, name, str) for name in ("turn_id", "speaker", "text", "role")]
    return Turn(*plain, texts(obj, "fact_keys", []), texts(obj, "statements", []))


def _is_date(text: str) -> bool:
    try:
        return datetime.strptime(text, _DATE_FORMAT).isoformat(timespec="minutes") == text
    except ValueError:
        return False


def _spoken(date: str) -> str:
    return date.replace("T", " ")
