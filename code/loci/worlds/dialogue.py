"""Conversations: each user's facts, told over months to a friend or to an assistant, among much that is no fact.

The same facts exist as clean sentences (`User.facts`, `User.changes`); here each one is told once, word for word, inside
a turn, and everything around it varies. Some facts are asked for; some come out wrong and are corrected at once;
changes are told in later sessions; facts of other people, from other users' values, lie in between. Around one turn in
six tells a fact.

Each conversation has a generator of its own, seeded by (seed, uid). It depends on the other users only through the
values that it borrows from them for slips and distractors.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial

from loci.errors import UserError
from loci.worlds.checks import located
from loci.worlds.dialogue_lines import PARTNERS, assistant, friends, key_lines, related_keys
from loci.worlds.dialogue_parts import Draft, Part, Voice, chain, distract, forget, length, recall, slip, tell, update
from loci.worlds.dialogue_records import Conversation, Session, Turn, turn_id
from loci.worlds.records import Fact, User

FIRST_DAY, LAST_DAY = date(2026, 1, 1), date(2026, 11, 30)  # of the sessions; questions are asked after the last day
SESSIONS = (8, 20)
TURNS_A_FACT = 6
_PAIRED, _SLIPPED, _DISTRACTORS, _RECALLED = 0.08, 0.05, 0.2, 0.1  # shares of a user's facts
_HOURS = (7, 22)
_LONG_GAP, _SHORT_GAP = 21, 3  # days between two sessions that people remark upon


@dataclass(frozen=True, slots=True)
class _Lender:
    """What other people have to lend to one user: for each key their facts, without the values of the user's own."""

    facts: dict[str, list[Fact]]
    voice: Voice

    def borrow(self, key: str) -> Fact | None:
        """Somebody else's fact of that key; None where all that there is belongs to the user as well."""
        pool = [fact for fact in self.facts.get(key, ()) if self.voice.allows(fact.answer)]
        return self.voice.rng.choice(pool) if pool else None


def build_conversations(users: Sequence[User], seed: int, private: Sequence[str] = ()) -> list[Conversation]:
    """One conversation a user, in the users' order.

    The facts of `private` keys are told by their owner and never lent to anybody else: values that must occur nowhere
    else, such as canaries, stay where they belong. Raises UserError for a private key that no user has, for a user
    without facts and for a fact that changes more often than there can be later sessions.
    """
    lent: dict[str, list[tuple[str, Fact]]] = {}
    for user in users:
        for fact in user.facts:
            lent.setdefault(fact.key, []).append((user.uid, fact))
    for key in private:
        if key not in lent:
            raise UserError("private", f"names '{key}', which is a key of no user", "name keys of the users' facts")
        lent[key] = []
    return [located(f"user {user.uid}", _conversation, user, lent, seed) for user in users]


def _conversation(user: User, lent: dict[str, list[tuple[str, Fact]]], seed: int) -> Conversation:
    if not user.facts:
        raise UserError("facts", "is empty", "give the user at least one fact")
    rng = random.Random(f"dialogue:{seed}:{user.uid}")
    values = [value for told in (*user.facts, *user.changes) for value in told.accepted]
    voice = Voice(rng.choice(PARTNERS), values, rng)
    user_name, partner_name = _names(user, voice)
    lender = _Lender({key: [fact for uid, fact in of if uid != user.uid] for key, of in lent.items()}, voice)
    plan = _plan(user, lender, voice)
    sessions, before = [], None
    for number, (when, body) in enumerate(zip(_dates(len(plan), rng), plan, strict=True), 1):
        parts = [voice.framing("openers", _opening(when, before, rng)), *body, voice.framing("closers", _closing(when, rng))]
        drafts = chain(voice, parts)
        turns = (_turn(turn_id(number, i), draft, user_name, partner_name) for i, draft in enumerate(drafts, 1))
        sessions.append(Session(number, when.isoformat(timespec="minutes"), tuple(turns)))
        before = when
    return Conversation(user.uid, user_name, partner_name, tuple(sessions))


def _names(user: User, voice: Voice) -> tuple[str, str]:
    """What the speakers are called: the user by the first word of the fact "name", so that no label gives it away."""
    user_name = next((fact.answer.split()[0] for fact in user.facts if fact.key == "name"), "User")
    free = [name for name in friends() if name != user_name and voice.allows(name)]
    if voice.partner == "friend" and free:
        return user_name, voice.rng.choice(free)
    return user_name if user_name != assistant() else "User", assistant()


def _plan(user: User, lender: _Lender, voice: Voice) -> list[list[Part]]:
    """The parts of each session between greeting and goodbye."""
    rng = voice.rng
    changes: dict[str, list] = {}
    for change in user.changes:
        changes.setdefault(change.key, []).append(change)
    for key, of in changes.items():
        if len(of) >= SESSIONS[1]:
            raise UserError(f"changes[{key}]", f"are {len(of)}", f"use at most {SESSIONS[1] - 1}, one for each later session")
    count = max(rng.randint(*SESSIONS), 1 + max(map(len, changes.values()), default=0))
    # Only planned here and said later, in the order of the sessions: then the lines of a deck come in that order, too.
    sessions: list[list[Callable[[], Part]]] = [[] for _ in range(count)]
    for fact in user.facts:
        if fact.key in changes:
            first, *later = sorted(rng.sample(range(count), 1 + len(changes[fact.key])))
            sessions[first].append(partial(tell, voice, [fact]))
            for session, change in zip(later, changes[fact.key], strict=True):
                said = partial(update, voice, change) if change.action == "update" else partial(forget, voice, fact.key)
                sessions[session].append(said)
    units = _units([fact for fact in user.facts if fact.key not in changes], int(_PAIRED * len(user.facts)), rng)
    seats = [index % count for index in range(len(units))]
    rng.shuffle(seats)
    slips = _slips(units, lender, _about(_SLIPPED * len(user.facts), rng))
    for seat, unit in zip(seats, units, strict=True):
        wrong = slips.get(unit[0].key)
        sessions[seat].append(partial(slip, voice, unit[0], wrong) if wrong else partial(tell, voice, unit))
    told = [(seat, fact.key) for seat, unit in zip(seats, units, strict=True) for fact in unit if seat < count - 1]
    for seat, key in rng.sample(told, min(len(told), _about(_RECALLED * len(user.facts), rng))):
        sessions[rng.randrange(seat + 1, count)].append(partial(recall, voice, key))
    for key in rng.sample([fact.key for fact in user.facts], _about(_DISTRACTORS * len(user.facts), rng)):
        if borrowed := lender.borrow(key):
            rng.choice(sessions).append(partial(distract, voice, borrowed))
    return _filled(sessions, TURNS_A_FACT * len(user.facts), voice)


def _units(facts: list[Fact], pairs: int, rng: random.Random) -> list[list[Fact]]:
    """The facts that are told together, in random order: at most `pairs` pairs of related ones, the others alone."""
    left = {fact.key: fact for fact in facts}
    units = []
    for first, second in rng.sample(related_keys(), len(related_keys())):
        if len(units) < pairs and first in left and second in left:
            units.append([left.pop(first), left.pop(second)])
    units += [[fact] for fact in left.values()]
    rng.shuffle(units)
    return units


def _slips(units: list[list[Fact]], lender: _Lender, count: int) -> dict[str, Fact]:
    """The wrong fact for at most `count` keys, of facts that are told alone and are easily confused."""
    chosen: dict[str, Fact] = {}
    for unit in units:
        fact = unit[0]
        if len(unit) == 1 and len(chosen) < count and key_lines(fact.key).slips and (wrong := lender.borrow(fact.key)):
            chosen[fact.key] = wrong
    return chosen


def _filled(plan: list[list[Callable[[], Part]]], turns: int, voice: Voice) -> list[list[Part]]:
    """The parts of each session in random order, and plain chat in between until there are about so many turns."""
    sessions = []
    for planned in plan:
        parts = [part for say in voice.rng.sample(planned, len(planned)) if (part := say())]
        parts.insert(voice.rng.randint(0, len(parts)), voice.script())
        sessions.append(parts)
    framing = 3 * len(sessions)  # greeting and goodbye are two turns each, one of which often merges with its neighbor
    while framing + sum(map(length, sessions)) < turns:
        parts = voice.rng.choice(sessions)
        parts.insert(voice.rng.randint(0, len(parts)), voice.script())
    return sessions


def _dates(count: int, rng: random.Random) -> list[datetime]:
    """The beginnings of so many sessions, on different days, in order."""
    days = sorted(rng.sample(range((LAST_DAY - FIRST_DAY).days + 1), count))
    return [datetime.combine(FIRST_DAY + timedelta(days=day), time(rng.randint(*_HOURS), rng.randrange(60))) for day in days]


def _opening(when: datetime, before: datetime | None, rng: random.Random) -> str:
    """An occasion that fits the time and the days since the session before."""
    if before is None:
        return "first"
    gap = (when.date() - before.date()).days
    fitting = {
        "new_year": (when.month, when.day) <= (1, 7),
        "long_gap": gap >= _LONG_GAP,
        "soon": gap <= _SHORT_GAP,
        "morning": when.hour < 10,
        "evening": when.hour >= 19,
        "weekend_ahead": when.weekday() in (3, 4),
        "plain": True,
    }
    return rng.choice([occasion for occasion, fits in fitting.items() if fits])


def _closing(when: datetime, rng: random.Random) -> str:
    fitting = {"day": when.hour < 16, "evening": when.hour >= 20, "plain": True}
    return rng.choice([occasion for occasion, fits in fitting.items() if fits])


def _about(size: float, rng: random.Random) -> int:
    """A whole number whose mean is `size`: 1.7 becomes 1 or 2."""
    return int(size) + (rng.random() < size % 1)


def _turn(name: str, draft: Draft, user_name: str, partner_name: str) -> Turn:
    speaker = user_name if draft.by_user else partner_name
    return Turn(name, speaker, draft.text, draft.role, draft.keys, draft.statements)
