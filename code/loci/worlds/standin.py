"""A stand-in in the format of LOCOMO, for wherever the file itself is not: dialogues of two timelines, and questions about them.

Two people tell each other what their timelines say, turn by turn, over months. The questions are of LOCOMO's five categories, and
evidence is known, not annotated. It is far easier than LOCOMO: sentences are short, names and wordings few. Results of it carry
their own names and stand for nothing but themselves.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache

from loci.paths import DATA
from loci.results import read_json
from loci.worlds.checks import require
from loci.worlds.locomo import DEV, MONTHS, session_number
from loci.worlds.timeline import Event, build_timeline

_FILE = DATA / "locomo" / "standin.json"
_START = datetime(2023, 1, 9, 9, 0)
_TURNS = 20  # of a session
_DAYS = (2, 12)  # between sessions
_PICTURES = 0.05  # of the turns without news
_ASKED = {"after": 8, "when": 6, "every": 4, "open": 4, "swapped": 6}  # questions of a kind at most, of a conversation
_CATEGORY = {"every": 1, "when": 2, "open": 3, "after": 4, "swapped": 5}


def conversation_names(count: int) -> list[str]:
    """Names of so many conversations; the first two are those that anything may be chosen on, as in LOCOMO."""
    return [*DEV, *(f"stand-in-{at}" for at in range(count - len(DEV)))][:count]


def build_standin(count: int, events: int, seed: int) -> list[dict]:
    """`count` conversations of 2 * `events` turns each, as objects of LOCOMO's file. UserError for a size below its least."""
    people = authored()["people"]
    require(1 <= count <= len(people) // 2, "conversations", f"are {count}", f"make 1 to {len(people) // 2}")
    return [_conversation(name, at, events, seed) for at, name in enumerate(conversation_names(count))]


@cache
def authored() -> dict:
    """The wordings of data/locomo/standin.json."""
    return read_json(_FILE, "restore it from the repository")


class _Told:
    """One conversation: who said what, when, and under which id."""

    def __init__(self, at: int, events: int, seed: int):
        self.rng = random.Random(f"stand-in:{seed}:{at}")
        self.speakers = tuple(authored()["people"][2 * at : 2 * at + 2])
        timelines = [build_timeline(2 * at + place, seed, events).events for place in range(2)]
        self.turns: list[tuple[str, str, Event, str]] = []  # id, speaker, what is said, date
        self.file: dict = {"speaker_a": self.speakers[0], "speaker_b": self.speakers[1]}
        said = [(self.speakers[place], event) for pair in zip(*timelines, strict=True) for place, event in enumerate(pair)]
        when = _START
        for number, first in enumerate(range(0, len(said), _TURNS), 1):
            turns = [self._turn(f"D{number}:{place}", *one) for place, one in enumerate(said[first : first + _TURNS], 1)]
            self.file[f"session_{number}"] = turns
            self.file[f"session_{number}_date_time"] = _clock(when)
            day = f"{when.day} {MONTHS[when.month - 1]} {when.year}"
            self.turns += [(turn["dia_id"], *one, day) for turn, one in zip(turns, said[first:], strict=False)]
            when += timedelta(days=self.rng.randint(*_DAYS), minutes=self.rng.randint(-90, 90))

    def _turn(self, dia_id: str, speaker: str, event: Event) -> dict:
        turn = {"speaker": speaker, "dia_id": dia_id, "text": event.text}
        if event.kind == "chat" and self.rng.random() < _PICTURES:
            turn |= {"blip_caption": self.rng.choice(authored()["captions"])}
        return turn

    def updates(self, speaker: str, key: str) -> list[tuple[str, Event, str]]:
        """(id, event, date) of every value that a speaker gave to an attribute, in order."""
        return [
            (dia_id, event, day)
            for dia_id, who, event, day in self.turns
            if who == speaker and event.kind == "update" and event.attribute == key
        ]


def _conversation(name: str, at: int, events: int, seed: int) -> dict:
    told = _Told(at, events, seed)
    candidates: dict[str, list[dict]] = {kind: [] for kind in _ASKED}
    for kind, question in _questions(told):
        candidates[kind].append({**question, "category": _CATEGORY[kind]})
    chosen = [told.rng.sample(found, min(_ASKED[kind], len(found))) for kind, found in candidates.items()]
    asked = [question for part in chosen for question in part]
    return {"sample_id": name, "conversation": told.file, "qa": asked, "observation": _observations(told)}


def _observations(told: _Told) -> dict[str, dict[str, list[list[str]]]]:
    """What each speaker's news say, as sentences with the turn's id, by session, as LOCOMO's released observations."""
    found: dict[str, dict[str, list[list[str]]]] = {}
    for dia_id, who, event, _ in told.turns:
        if event.kind == "update":
            of = found.setdefault(f"session_{session_number(dia_id)}_observation", {who: [] for who in told.speakers})
            of[who].append([f"{who}'s {event.attribute.replace('_', ' ')} is {event.value}.", dia_id])
    return found


def _questions(told: _Told) -> Iterator[tuple[str, dict]]:
    """(kind, question) of everything that can be asked of a conversation."""
    for place, who in enumerate(told.speakers):
        other = told.speakers[1 - place]
        for key, wordings in authored()["attributes"].items():
            found = told.updates(who, key)
            values = list(dict.fromkeys(event.value for _, event, _ in found))
            for dia_id, event, day in found:
                new, old = event.value, event.previous
                left_once = sum(one.previous == old for _, one, _ in found) == 1
                if old and old in event.text and left_once:
                    yield "after", _asked(wordings["after"].format(who=who, old=old), new, [dia_id])
                if old and sum(one.value == new for _, one, _ in found) == 1:
                    yield "when", _asked(wordings["when"].format(who=who, new=new), day, [dia_id])
                    if new not in {one.value for _, one, _ in told.updates(other, key)}:
                        trap = _asked(wordings["when"].format(who=other, new=new), day, [dia_id])
                        yield "swapped", {"adversarial_answer": trap.pop("answer"), **trap}
            if len(values) > 1:
                yield "every", _asked(wordings["every"].format(who=who), ", ".join(values), [dia_id for dia_id, _, _ in found])
        dia_id, event, _ = told.updates(who, "city")[0]
        for wording, answer in zip(authored()["open"].values(), authored()["cities"][event.value], strict=True):
            yield "open", _asked(wording.format(who=who), f"{answer}; {event.value} is there", [dia_id])


def _asked(text: str, answer: str, evidence: list[str]) -> dict:
    return {"question": text, "answer": answer, "evidence": evidence}


def _clock(when: datetime) -> str:
    """As LOCOMO writes it: 1:56 pm on 8 May, 2023."""
    half = "pm" if when.hour >= 12 else "am"
    return f"{when.hour % 12 or 12}:{when.minute:02d} {half} on {when.day} {MONTHS[when.month - 1]}, {when.year}"
