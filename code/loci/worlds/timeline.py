"""A timeline: one person's own sentences at t = 1, 2, 3, …, and questions about now and about then.

The state is a value for each of ten attributes. Each attribute changes at a rate of its own, from a mood (every 12 events
on average) to an employer (every 3,500), so what a memory must keep is between a few and ten thousand events old. Every t
has one event: an update of one attribute, a mention that confirms one, or chat about nothing. After the NanoChat-THEN
idea of one coherent timeline with a slowly evolving state, in place of independent samples.

Every update draws uniformly from the attribute's pool without the present and the preceding value. So each value of a
pool is as likely as any other at any time, and a guesser who sees only the question stays at chance, 1 / pool size.
"""

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from loci.paths import DATA
from loci.results import read_json
from loci.worlds.checks import require

EVENT_KINDS = ("update", "mention", "chat")
FORMS = ("now", "then")
_FILE = DATA / "timeline.json"
_MENTION_RATE = 0.25  # of the events that are no update
_LANDMARK_RATE = 0.5  # of the questions about then that could name another value instead of a number


@dataclass(frozen=True, slots=True)
class Attribute:
    """One part of a person's state: its mean update interval (events), its pool, and the authored wordings.

    `pool` maps each value to everything that counts as saying it, the value itself first. `first` introduces a value,
    `anchors` recall it ("when I lived in {}").
    """

    key: str
    interval: float
    pool: dict[str, tuple[str, ...]]
    first: tuple[str, ...]
    updates: tuple[str, ...]
    mentions: tuple[str, ...]
    now: tuple[str, ...]
    then: tuple[str, ...]
    anchors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """What the person says at time `t`. Chat has neither attribute nor value; a first update has previous ""."""

    t: int
    kind: str
    text: str
    attribute: str = ""
    value: str = ""
    previous: str = ""

    def __post_init__(self) -> None:
        here = f"events[{self.t}]"
        require(self.t >= 1, f"{here}.t", "is below 1", "count events from 1")
        require(self.kind in EVENT_KINDS, f"{here}.kind", f"'{self.kind}' is not known", f"use one of {', '.join(EVENT_KINDS)}")
        require(bool(self.text.strip()), f"{here}.text", "is empty", "write what the person says")
        stateful = bool(self.attribute and self.value)
        require(
            stateful == (self.kind != "chat"),
            f"{here}.value",
            "does not fit the kind",
            "give attribute and value, but not for chat",
        )
        fits = not self.previous or (self.kind == "update" and self.previous != self.value)
        require(fits, f"{here}.previous", "does not fit", "give it for an update only, and as another value")

    @property
    def line(self) -> str:
        """The event as a memory reads it, with its time in front: "t=512: I live in Basel now."."""
        return f"t={self.t}: {self.text}"


@dataclass(frozen=True, slots=True)
class TimelineQuestion:
    """A question asked after the event at time `t`, about the state then or (form "then") at the earlier time `about`.

    `accepted` and `stale` hold every wording of the right and of the stale value. Stale is, for "now", the value before the
    last update (empty where there was none); for "then", the present value. `updated_at` is the time of the update that
    made the answer true, `distance` = t - updated_at in events. `wording` numbers the authored wording.
    """

    qid: str
    t: int
    form: str
    attribute: str
    about: int
    wording: int
    text: str
    answer: str
    accepted: tuple[str, ...]
    stale: tuple[str, ...]
    updated_at: int
    distance: int

    def __post_init__(self) -> None:
        here = f"questions[{self.qid}]"
        require(self.form in FORMS, f"{here}.form", f"'{self.form}' is not known", f"use one of {', '.join(FORMS)}")
        require(bool(self.text.strip()), f"{here}.text", "is empty", "write the question")
        in_order = 1 <= self.updated_at <= self.about <= self.t and (self.form == "then" or self.about == self.t)
        require(in_order, f"{here}.about", "is out of order", "keep 1 <= updated_at <= about <= t, and about = t for form now")
        require(self.distance == self.t - self.updated_at, f"{here}.distance", "is not t - updated_at", "make the file again")
        require(self.answer in self.accepted, f"{here}.accepted", "lacks the answer itself", f"add '{self.answer}' to it")
        clean = not any(value in self.accepted for value in self.stale)
        require(clean, f"{here}.stale", "holds an accepted answer", "take it out of one of them")


@dataclass(frozen=True, slots=True)
class Timeline:
    """One person: `events[i]` is said at t = i + 1."""

    pid: str
    events: tuple[Event, ...]

    def __post_init__(self) -> None:
        for number, event in enumerate(self.events, 1):
            require(event.t == number, f"{self.pid}: events[{number - 1}].t", f"is {event.t}", f"make it {number}")


@cache
def attributes() -> dict[str, Attribute]:
    """All attributes by key, the fastest first."""
    return {entry["key"]: _attribute(entry) for entry in _authored()["attributes"]}


def build_timeline(person: int, seed: int, length: int = 10_000) -> Timeline:
    """Person number `person` of that seed, the same whoever else is made; a shorter timeline begins a longer one.

    Raises UserError for a negative person or a length below the number of attributes.
    """
    require(person >= 0, "person", f"is {person}", "count people from 0")
    require(length >= len(attributes()), "length", f"is {length}", f"use at least {len(attributes())} events")
    rng = random.Random(f"timeline:{seed}:{person}")
    return Timeline(f"t{person:03d}", tuple(_events(length, rng)))


def _events(length: int, rng: random.Random) -> list[Event]:
    plans = tuple(attributes().values())
    # Everybody introduces the whole state at first, in an order of their own.
    due = dict(zip(rng.sample([plan.key for plan in plans], len(plans)), range(1, len(plans) + 1), strict=True))
    values: dict[str, str] = {}
    before: dict[str, str] = {}
    events = []
    for t in range(1, length + 1):
        # Several may be due: the rarest speaks, the others wait for an event or two.
        plan = next((plan for plan in reversed(plans) if due[plan.key] <= t), None)
        if plan is not None:
            key, old = plan.key, values.get(plan.key, "")
            new = rng.choice([value for value in plan.pool if value not in (old, before.get(key))])
            before[key], values[key] = old, new
            due[key] = t + 1 + int(rng.expovariate(1 / plan.interval))
            wording = rng.choice(plan.updates if old else plan.first)
            events.append(Event(t, "update", _fill(wording, old=old, new=new, now=new), key, new, old))
        elif rng.random() < _MENTION_RATE:
            plan = rng.choice(plans)
            value = values[plan.key]
            events.append(Event(t, "mention", _fill(rng.choice(plan.mentions), now=value), plan.key, value))
        else:
            events.append(Event(t, "chat", _chat(rng)))
    return events


def ask(timeline: Timeline, times: Sequence[int], seed: int) -> list[TimelineQuestion]:
    """Two questions at every requested time, one about now and one about then; attributes take turns.

    Only an attribute that has changed by then is asked about, so that every question has a stale answer. At a time when
    nothing can be asked, the question is left out: nothing has changed yet, or no value of the past differs from the
    present one. Raises UserError for a time outside 1 … length or one that is requested twice.
    """
    rng = random.Random(f"timeline-questions:{seed}:{timeline.pid}")
    history = _history(timeline)
    turns = {form: rng.sample(list(history), len(history)) for form in FORMS}
    questions, seen = [], set()
    for place, t in enumerate(times):
        require(1 <= t <= len(timeline.events), f"times[{place}]", f"is {t}", f"use a time from 1 to {len(timeline.events)}")
        require(t not in seen, f"times[{place}]", f"asks for {t} twice", "ask for each time once")
        seen.add(t)
        for form, make in (("now", _now), ("then", _then)):
            for key in turns[form]:
                question = make(timeline.pid, attributes()[key], history, t, rng)
                if question is not None:
                    questions.append(question)
                    # Whoever was asked goes to the end, so that a fast attribute does not crowd out the rare ones.
                    turns[form] = [other for other in turns[form] if other != key] + [key]
                    break
    return questions


@dataclass(frozen=True, slots=True)
class _Past:
    """The updates of one attribute: their times, ascending, and the values they brought."""

    times: tuple[int, ...]
    values: tuple[str, ...]

    def at(self, t: int) -> int:
        """Number of the update in force at time t; -1 before the first."""
        return bisect_right(self.times, t) - 1


def _history(timeline: Timeline) -> dict[str, _Past]:
    updates = {
        key: [event for event in timeline.events if event.kind == "update" and event.attribute == key] for key in attributes()
    }
    return {key: _Past(tuple(e.t for e in of), tuple(e.value for e in of)) for key, of in updates.items()}


def _now(pid: str, plan: Attribute, history: dict[str, _Past], t: int, rng: random.Random) -> TimelineQuestion | None:
    past = history[plan.key]
    last = past.at(t)
    if last < 1:
        return None
    wording = rng.randrange(len(plan.now))
    stale = plan.pool[past.values[last - 1]]
    return _question(f"{pid}.now.{t}", t, "now", plan, t, wording, plan.now[wording], past, stale)


def _then(pid: str, plan: Attribute, history: dict[str, _Past], t: int, rng: random.Random) -> TimelineQuestion | None:
    past = history[plan.key]
    last = past.at(t)
    closed = [number for number in range(last) if past.values[number] != past.values[last]]
    if not closed:
        return None
    # Uniform over the past values and not over time, or the value that stayed longest would take nearly every question.
    number = rng.choice(closed)
    first, end = past.times[number], past.times[number + 1]
    about, when = rng.randrange(first, end), _authored()["when"]
    landmarks = _landmarks(plan.key, history, first, end, t)
    if landmarks and rng.random() < _LANDMARK_RATE:
        about, when = rng.choice(landmarks)
    wording = rng.randrange(len(plan.then))
    text = _fill(plan.then[wording], when=rng.choice(when).format(about))
    return _question(f"{pid}.then.{t}", t, "then", plan, about, wording, text, past, plan.pool[past.values[last]])


def _landmarks(key: str, history: dict[str, _Past], first: int, end: int, t: int) -> list[tuple[int, tuple[str, ...]]]:
    """Times within [first, end) that can be named by a value of another attribute, each with its namings.

    The other value must have come and gone within that span, so that the answer held all the while, and must have held
    at no other time up to t: "back when I lived in Basel" then names one time only.
    """
    found = []
    for other, past in history.items():
        said = past.values[: past.at(t) + 1]
        low, high = bisect_left(past.times, first), past.at(end)
        if other != key and low < high:
            counts = Counter(said)
            for number in range(low, high):
                if counts[said[number]] == 1:
                    clauses = tuple(f"back {anchor.format(said[number])}" for anchor in attributes()[other].anchors)
                    found.append((past.times[number], clauses))
    return found


def _question(
    qid: str, t: int, form: str, plan: Attribute, about: int, wording: int, text: str, past: _Past, stale: tuple[str, ...]
) -> TimelineQuestion:
    updated_at, answer = past.times[past.at(about)], past.values[past.at(about)]
    return TimelineQuestion(
        qid, t, form, plan.key, about, wording, text, answer, plan.pool[answer], stale, updated_at, t - updated_at
    )


def _fill(wording: str, **values: str) -> str:
    capitals = {name.capitalize(): value[:1].upper() + value[1:] for name, value in values.items()}
    return wording.format(**values, **capitals)


def _chat(rng: random.Random) -> str:
    chat = _authored()["chat"]
    text = rng.choice(chat["openings"]) + rng.choice(chat["bodies"]) + rng.choice(chat["endings"])
    return text[0].upper() + text[1:]


@cache
def _authored() -> dict:
    return read_json(_FILE, "restore it from the repository")


def _attribute(entry: dict) -> Attribute:
    spelled = [[value] if isinstance(value, str) else value for value in entry["values"]]
    pool = {value[0]: tuple(value) for value in spelled}
    wordings = (tuple(entry[name]) for name in ("first", "updates", "mentions", "now", "then", "anchors"))
    return Attribute(entry["key"], entry["interval"], pool, *wordings)
