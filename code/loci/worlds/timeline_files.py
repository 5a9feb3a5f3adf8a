"""Timelines as files: one JSONL of events a person, and one JSON of all questions that names them."""

from dataclasses import asdict
from pathlib import Path

from loci.results import read_json, read_jsonl, write_json, write_jsonl
from loci.worlds.checks import each, located, member, require, texts
from loci.worlds.timeline import Event, Timeline, TimelineQuestion

SCHEMA = 1
QUESTIONS = "questions.json"
_REMEDY = "run code/steps/make_timeline.py"


def save_events(folder: Path, timeline: Timeline) -> None:
    """Write `folder`/<pid>.events.jsonl, one event a line, without the fields that an event leaves empty."""
    write_jsonl(_events_file(folder, timeline.pid), ({k: v for k, v in asdict(e).items() if v} for e in timeline.events))


def save_questions(folder: Path, questions: dict[str, list[TimelineQuestion]], seed: int) -> None:
    """Write `folder`/questions.json, all questions by person. To be written last: whoever is in it has events."""
    people = [{"pid": pid, "questions": [asdict(one) for one in of]} for pid, of in questions.items()]
    write_json(Path(folder) / QUESTIONS, {"schema": SCHEMA, "seed": seed, "people": people})


def load_questions(folder: Path) -> dict[str, list[TimelineQuestion]]:
    """All questions by person id, as saved; a UserError names the file and the field at fault."""
    path = Path(folder) / QUESTIONS
    return located(str(path), _people, read_json(path, _REMEDY))


def load_timeline(folder: Path, pid: str) -> Timeline:
    """The events of one person; a UserError names the file and the field at fault."""
    path = _events_file(folder, pid)
    lines = enumerate(read_jsonl(path, _REMEDY), 1)
    return located(str(path), Timeline, pid, tuple(located(f"{path}: line {number}", _event, line) for number, line in lines))


def _events_file(folder: Path, pid: str) -> Path:
    return Path(folder) / f"{pid}.events.jsonl"


def _event(obj: object) -> Event:
    state = (member(obj, name, str, "") for name in ("attribute", "value", "previous"))
    return Event(member(obj, "t", int), member(obj, "kind", str), member(obj, "text", str), *state)


def _people(obj: object) -> dict[str, list[TimelineQuestion]]:
    version = member(obj, "schema", int)
    require(version == SCHEMA, "schema", f"is version {version}, this code reads version {SCHEMA}", "make the file again")
    return dict(each(obj, "people", lambda one: (member(one, "pid", str), each(one, "questions", _question))))


def _question(obj: object) -> TimelineQuestion:
    qid, form, attribute, text, answer = (member(obj, name, str) for name in ("qid", "form", "attribute", "text", "answer"))
    t, about, wording, updated_at, distance = (
        member(obj, name, int) for name in ("t", "about", "wording", "updated_at", "distance")
    )
    accepted, stale = texts(obj, "accepted"), texts(obj, "stale")
    return TimelineQuestion(qid, t, form, attribute, about, wording, text, answer, accepted, stale, updated_at, distance)
