"""Find and read the LOCOMO file and its audit, with all their known faults.

What is tolerated, because the canonical file has it: dates of sessions that do not exist, numbers as answers, several
ids in one evidence text, leading zeros and stray colons in ids, ids without number, ids of no turn, no evidence at all.
Everything else that does not fit is refused in one line that names conversation, question and field.
"""

import hashlib
import http.client
import json
import re
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from loci.errors import UserError
from loci.paths import GENERATED
from loci.results import read_json, sha256_file, sha256_text, write_bytes
from loci.worlds.checks import distinct, located, member, require
from loci.worlds.locomo import CANONICAL_COUNTS, MONTHS, Conversation, Correction, LocomoQuestion, Session, Turn, counts

SHA256 = "79fa87e90f04081343b8c8debecb80a9a6842b76a7aa537dc9fdf651ea698ff4"
URL = "https://raw.githubusercontent.com/snap-research/locomo/main/data/locomo10.json"

LOCOMO, STAND_IN = "locomo", "standin"  # what results are named after, and never the one for the other

_TIMEOUT_SECONDS = 30
_GET_IT = f"get it from {URL} (CC BY-NC 4.0, so Loci does not contain it) and give its path, or that address itself"
_DATE = re.compile(r"(\d{1,2}):(\d{2})\s*([ap]m)\s+on\s+(\d{1,2})\s+([a-z]+),?\s+(\d{4})", re.ASCII | re.IGNORECASE)
_SESSION = re.compile(r"session_([1-9]\d*)", re.ASCII)
_EVIDENCE = re.compile(r"D:?0*([1-9]\d*):0*([1-9]\d*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Locomo:
    """A file's conversations in its order, its hash, and one line on how it differs from the canonical file ("" if not)."""

    conversations: tuple[Conversation, ...]
    sha256: str
    warning: str

    @property
    def questions(self) -> tuple[LocomoQuestion, ...]:
        """The questions of all conversations, in the file's order."""
        return tuple(question for conversation in self.conversations for question in conversation.questions)


def load_locomo(
    source: str | Path | None, audit: Path | None = None, accept_other: bool = False, cache: Path = GENERATED / "locomo"
) -> Locomo:
    """Read LOCOMO from a path or an https address, with the corrections of an `audit` file (errors.json) joined on.

    A UserError says what is absent, has another hash (unless `accept_other`) or does not fit, and the remedy.
    """
    path = locate(source, accept_other, cache)
    conversations = located(str(path), _conversations, read_json(path, _GET_IT))
    if audit is not None:
        remedy = "give the errors.json of github.com/dial481/locomo-audit, or no audit"
        conversations = located(str(audit), _joined, conversations, read_json(audit, remedy))
    found = sha256_file(path)
    return Locomo(conversations, found, "" if found == SHA256 else f"{path}: {_differences(conversations)}")


def load_or_stand_in(
    source: str | Path | None, stand_in: Path, audit: Path | None = None, cache: Path = GENERATED / "locomo"
) -> tuple[str, Locomo]:
    """("locomo", the file) where one is given, else ("standin", what make_standin.py wrote). A file that is given and missing
    is a UserError, never the stand-in."""
    if source:
        return LOCOMO, load_locomo(source, audit, cache=cache)
    require(stand_in.is_file(), str(stand_in), "no such file", "run code/steps/make_standin.py, or give the file of LOCOMO")
    return STAND_IN, load_locomo(stand_in, accept_other=True, cache=cache)


def absent(source: str | Path | None) -> UserError | None:
    """The fault that there is no such file, or None when there is one; an address counts as there until it is fetched."""
    if source is None:
        return UserError("LOCOMO file", "not given", _GET_IT)
    if _is_address(source) or Path(source).exists():
        return None
    return UserError(source, "no such file", _GET_IT)


def locate(source: str | Path | None, accept_other: bool = False, cache: Path = GENERATED / "locomo") -> Path:
    """The path of the file, downloaded into the folder `cache` at most once, with its hash checked."""
    if fault := absent(source):
        raise fault
    if _is_address(source):
        return _downloaded(str(source), accept_other, cache)
    require(Path(source).is_file(), str(source), "is a folder, not a file", _GET_IT)
    if not accept_other:
        _require_hash(source, sha256_file(source))
    return Path(source)


def _is_address(source: str | Path) -> bool:
    return "://" in str(source)


def _require_hash(where: str | Path, found: str) -> None:
    remedy = "give the canonical data/locomo10.json, or accept this one with accept_other=True (--accept-other-file in the step)"
    require(found == SHA256, str(where), f"SHA-256 is {found}, the canonical file's is {SHA256}", remedy)


def _downloaded(address: str, accept_other: bool, cache: Path) -> Path:
    require(address.startswith("https://"), address, "is not an https address", f"give a path, or for example {URL}")
    path = cache / f"{sha256_text(address)[:16]}.json"
    if path.is_file() and (accept_other or sha256_file(path) == SHA256):
        return path
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as response:
            content = response.read()
    except (OSError, http.client.HTTPException, ValueError) as fault:  # no network, cut short, not an address after all
        remedy = "check the address and the network, or download it elsewhere and give its path"
        raise UserError(address, f"cannot be downloaded ({fault})", remedy) from None
    if not accept_other:
        _require_hash(address, hashlib.sha256(content).hexdigest())
    try:
        json.loads(content)
    except ValueError:  # a log-in page, say: it must not be kept and read again
        raise UserError(address, "does not hold JSON", _GET_IT) from None
    write_bytes(path, content)
    return path


def _conversations(obj: object) -> tuple[Conversation, ...]:
    require(isinstance(obj, list) and bool(obj), "top level", "is not a list of conversations", _GET_IT)
    conversations = []
    for position, one in enumerate(obj):
        name = located(f"[{position}]", member, one, "sample_id", str)
        conversations.append(located(name, _conversation, one, name, position))
    distinct((conversation.id for conversation in conversations), "", "sample_id")
    return tuple(conversations)


def _conversation(obj: object, name: str, position: int) -> Conversation:
    spoken = member(obj, "conversation", dict)
    speakers = (member(spoken, "speaker_a", str).strip(), member(spoken, "speaker_b", str).strip())
    # By sessions, never by dates: conv-26 has sixteen dates for which nothing was said.
    numbers = sorted(int(match[1]) for match in map(_SESSION.fullmatch, spoken) if match and spoken[match[0]] != [])
    sessions = tuple(_session(spoken, number) for number in numbers)
    ids = {turn.dia_id for session in sessions for turn in session.turns}
    questions = tuple(
        located(f"locomo_{position}_qa{index}", _question, one, f"locomo_{position}_qa{index}", name, ids)
        for index, one in enumerate(member(obj, "qa", list))
    )
    return Conversation(name, speakers, sessions, questions)


def _session(spoken: dict, number: int) -> Session:
    field = f"session_{number}"
    turns = tuple(located(f"{field}[{index}]", _turn, one) for index, one in enumerate(member(spoken, field, list)))
    return Session(number, _date_time(spoken, f"{field}_date_time"), turns)


def _turn(obj: object) -> Turn:
    plain = [member(obj, name, str).strip() for name in ("dia_id", "speaker", "text")]
    return Turn(*plain, member(obj, "blip_caption", str, "").strip(), bool(member(obj, "img_url", list, [])))


def _date_time(spoken: dict, field: str) -> datetime:
    text = member(spoken, field, str)
    match = _DATE.fullmatch(text.strip())
    remedy = "write it like 1:56 pm on 8 May, 2023"
    require(match is not None, field, f"'{text}' is not a date and time", remedy)
    hour, minute, half, day, month, year = match.groups()
    # strptime would read month names and am/pm in the language of the machine.
    named, clock = month.capitalize() in MONTHS, 1 <= int(hour) <= 12
    require(named and clock, field, f"'{text}' is not a date and time", remedy)
    hours = int(hour) % 12 + 12 * (half.lower() == "pm")
    try:
        return datetime(int(year), MONTHS.index(month.capitalize()) + 1, int(day), hours, int(minute))
    except ValueError:
        raise UserError(field, f"'{text}' is not a date and time", remedy) from None


def _question(obj: object, name: str, conversation: str, ids: set[str]) -> LocomoQuestion:
    category, text = member(obj, "category", int), member(obj, "question", str).strip()
    answer, trap = _answer(obj, "answer"), _answer(obj, "adversarial_answer")
    evidence, unresolved = _evidence(obj, "evidence", ids)
    return LocomoQuestion(name, conversation, category, text, answer, trap, evidence, unresolved)


def _answer(obj: dict, field: str) -> str:
    """An answer as text; "" where it is missing, which the record then judges by category."""
    value = obj.get(field)
    return str(value) if type(value) is int else member(obj, field, str, "").strip()


def _evidence(obj: dict, field: str, ids: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(ids of turns that exist, what else is cited), each once and in order, from a text or a list of texts."""
    value = obj.get(field)
    cited = [value] if isinstance(value, str) else member(obj, field, list)
    resolved, unresolved = [], []
    for text in cited:
        require(isinstance(text, str), field, f"holds {text!r}", "cite turns as texts, like D3:12")
        for part in re.split(r"[\s;,]+", text.strip()):
            match = _EVIDENCE.fullmatch(part)
            known = match is not None or part in ("", "D")
            require(known, field, f"'{part}' is not a turn's id", "cite turns like D3:12, several with blanks between")
            dia_id = f"D{match[1]}:{match[2]}" if match else part
            (resolved if dia_id in ids else unresolved).append(dia_id)
    return tuple(dict.fromkeys(resolved)), tuple(dict.fromkeys(filter(None, unresolved)))


def _joined(conversations: Sequence[Conversation], audit: object) -> tuple[Conversation, ...]:
    require(isinstance(audit, list), "top level", "is not a list of findings", "give the audit's errors.json")
    places = {question.id: conversation for conversation in conversations for question in conversation.questions}
    questions = {question.id: question for conversation in conversations for question in conversation.questions}
    distinct((located(f"[{at}]", member, one, "question_id", str) for at, one in enumerate(audit)), "", "question_id")
    for finding in audit:
        name = finding["question_id"]
        require(name in questions, name, "is no question of the LOCOMO file", "give the audit of that file, or none")
        questions[name] = located(name, _corrected, questions[name], finding, places[name])
    return tuple(
        replace(conversation, questions=tuple(questions[question.id] for question in conversation.questions))
        for conversation in conversations
    )


def _corrected(question: LocomoQuestion, finding: dict, conversation: Conversation) -> LocomoQuestion:
    # Ids are positions: in an edited file they may name another question than the one that was audited.
    audited = {"question": question.text, "golden_answer": question.answer, "category": question.category}
    for field, ours in audited.items():
        theirs = member(finding, field, type(ours))
        same = (theirs.strip() if isinstance(theirs, str) else theirs) == ours
        require(same, field, "is not that of the LOCOMO file", "give the audit of that file, or none")
    evidence, _ = _evidence(finding, "correct_evidence", {turn.dia_id for turn in conversation.turns})
    answer = member(finding, "correct_answer", str).strip()
    return replace(question, correction=Correction(member(finding, "error_type", str), answer, evidence))


def _differences(conversations: Sequence[Conversation]) -> str:
    found = counts(conversations)
    changed = [f"{found[name]} {name} instead of {usual}" for name, usual in CANONICAL_COUNTS.items() if found[name] != usual]
    return f"not the canonical file: {', '.join(changed) or 'all counts are the same, but not the bytes'}"
