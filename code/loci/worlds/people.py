"""People: users made from authored pools and templates, and the questions about them.

Every user has the same 34 kinds of fact. Each user has a generator of their own, seeded by (seed, index), so that user
17 is the same person whether 20 or 200 are made. Nothing about one fact can be told from another, except that years of
birth fit together: values are drawn independently, and each key has a pool that is (years aside) its own.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

from loci.errors import UserError
from loci.paths import DATA
from loci.results import read_json
from loci.worlds.contexts import KINDS as CONTEXT_KINDS
from loci.worlds.contexts import kind_of, load_contexts
from loci.worlds.records import KINDS, Fact, Question, User

NOW_YEAR = 2026
_FILE = DATA / "people" / "personal.json"
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SPOUSE_WITHIN, _SIBLING_WITHIN = 8, 9  # years from the user's own birth
_PARENT_AGE = (18, 40)  # of the younger parent, when the child is born
_LAST_CHILD_YEAR = 2023  # so that every child is old enough to be spoken of as a person


@dataclass(frozen=True, slots=True)
class Option:
    """One possible value: as data (`raw`: int, float, str or list of days), as an answer, and its accepted variants."""

    raw: object
    answer: str
    accepted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """One kind of fact: sentence template ("My dentist is {}."), question wordings, possible values."""

    key: str
    statement: str
    direct: str
    paraphrases: dict[str, tuple[str, ...]]  # by split; a split's wordings are used for its users only
    options: tuple[Option, ...]


@cache
def stored_keys() -> tuple[KeyPlan, ...]:
    """The kinds of fact that every user has, in order."""
    return tuple(_plan(entry) for entry in read_json(_FILE, "restore it from the repository")["keys"])


@cache
def never_stored_keys() -> tuple[KeyPlan, ...]:
    """Kinds of fact that no user has; their options are the values that a guess could name."""
    return tuple(_plan(entry) for entry in read_json(_FILE, "restore it from the repository")["never_stored"])


def pool_values() -> dict[str, tuple[str, ...]]:
    """Every answer that each key allows, never-stored keys included: for chance, priors and invented answers."""
    return {plan.key: tuple(option.answer for option in plan.options) for plan in stored_keys() + never_stored_keys()}


def build_users(count: int, seed: int, dev: int = 10) -> list[User]:
    """`count` users u000, u001, …; the first `dev` are development users, the others test users.

    Raises UserError for a count below 1 or a `dev` outside 0 … count.
    """
    if count < 1:
        raise UserError("count", f"is {count}", "make at least 1 user")
    if not 0 <= dev <= count:
        raise UserError("dev", f"is {dev} of {count} users", f"use a number from 0 to {count}")
    return [_build_user(index, random.Random(f"{seed}:{index}"), "dev" if index < dev else "test") for index in range(count)]


def sample_questions(user: User, per_kind: dict[str, int], seed: int) -> list[Question]:
    """A fixed sample of a user's questions, `per_kind[kind]` of each kind, in the user's own order.

    It depends on user, seed and sizes alone, so every memory is asked the same. Within a kind, strata take turns: the
    three kinds of context for midconv, the two forms for unknown. Raises UserError where a kind has too few questions.
    """
    chosen: set[str] = set()
    for kind, size in per_kind.items():
        pool = [question for question in user.questions if question.kind == kind]
        if kind not in KINDS or not 0 <= size <= len(pool):
            raise UserError(f"per_kind.{kind}", f"asks for {size} of {user.uid}'s {len(pool)} questions", "ask for fewer")
        chosen.update(_take_in_turn(pool, size, random.Random(f"{seed}:{user.uid}:{kind}")))
    return [question for question in user.questions if question.qid in chosen]


def donor_of(users: list[User], user: User) -> User:
    """The other user of the same split whose answers differ on most keys; the next in order among equals."""
    others = [other for other in users if other.split == user.split and other.uid != user.uid]
    if not others:
        raise UserError("users", f"hold nobody but {user.uid} in split {user.split}", "make at least two users a split")
    start = sum(other.uid < user.uid for other in others)
    # Starting behind the user spreads the donors: among equals, the first in the file would serve everybody.
    return max(others[start:] + others[:start], key=lambda other: _differing(user, other))


def _differing(user: User, other: User) -> int:
    answers = {fact.key: fact.answer for fact in other.facts}
    return sum(answers.get(fact.key) != fact.answer for fact in user.facts)


def _take_in_turn(pool: list[Question], size: int, rng: random.Random) -> list[str]:
    shuffled = rng.sample(pool, len(pool))
    turn: dict[str, int] = {}
    ranked = []
    for question in shuffled:
        stratum = kind_of(question.context_id) if question.context_id else question.form
        ranked.append((turn.setdefault(stratum, 0), question.qid))
        turn[stratum] += 1
    # A stable sort by turn: the first of every stratum, then the second of every stratum, and so on.
    return [qid for _, qid in sorted(ranked, key=lambda pair: pair[0])[:size]]


def _build_user(index: int, rng: random.Random, split: str) -> User:
    uid = f"u{index:03d}"
    years = _birth_years(rng)
    attrs: dict[str, object] = {"now_year": NOW_YEAR}
    facts, questions = [], []
    for plan in stored_keys():
        allowed = [option for option in plan.options if option.raw == years.get(plan.key, option.raw)]
        option = rng.choice(allowed)
        attrs[plan.key] = option.raw
        fact = Fact(plan.key, option.answer, plan.statement.format(option.answer), option.accepted)
        facts.append(fact)
        kind = CONTEXT_KINDS[(len(facts) - 1 + index) % len(CONTEXT_KINDS)]
        context = rng.choice(load_contexts()[split][kind])
        questions += _about(uid, fact, plan.direct, rng.choice(plan.paraphrases[split]), context.id)
    questions += [question for plan in never_stored_keys() for question in _unknown(uid, plan)]
    # Kind by kind in the file, as a reader would look for them.
    questions.sort(key=lambda question: KINDS.index(question.kind))
    return User(uid, split, tuple(facts), tuple(questions), attrs)


def _about(uid: str, fact: Fact, direct: str, paraphrase: str, context_id: str) -> list[Question]:
    def ask(kind: str, text: str, context_id: str = "", form: str = "question") -> Question:
        qid = f"{uid}.{kind}.{fact.key}"
        return Question(qid, kind, fact.key, text, fact.answer, fact.accepted, (fact.key,), context_id, form)

    return [
        ask("statement", fact.trigger, form="statement"),
        ask("direct", direct),
        ask("paraphrase", paraphrase),
        ask("midconv", fact.trigger, context_id, "statement"),
    ]


def _unknown(uid: str, plan: KeyPlan) -> Iterator[Question]:
    trigger = plan.statement.removesuffix("{}.").rstrip(" ")
    for form, text in (("statement", trigger), ("question", plan.direct)):
        yield Question(f"{uid}.unknown.{plan.key}.{form}", "unknown", plan.key, text, "", (), (), form=form)


def _birth_years(rng: random.Random) -> dict[str, int]:
    """Four different years of birth: spouse and sibling near the user, the child young enough for both parents."""
    own = rng.choice([option.raw for plan in stored_keys() if plan.key == "birth_year" for option in plan.options])
    spouse = rng.choice([own + gap for gap in range(-_SPOUSE_WITHIN, _SPOUSE_WITHIN + 1) if gap])
    gaps = [gap for gap in range(-_SIBLING_WITHIN, _SIBLING_WITHIN + 1) if gap and own + gap != spouse]
    sibling = own + rng.choice(gaps)
    younger = max(own, spouse)
    child = rng.randint(younger + _PARENT_AGE[0], min(younger + _PARENT_AGE[1], _LAST_CHILD_YEAR))
    return {"birth_year": own, "spouse_year": spouse, "sibling_year": sibling, "child_year": child}


def _plan(entry: dict) -> KeyPlan:
    paraphrases = {split: tuple(entry[split]) for split in ("dev", "test") if split in entry}
    return KeyPlan(entry["key"], entry["statement"], entry["direct"], paraphrases, tuple(_options(entry)))


def _options(entry: dict) -> Iterator[Option]:
    for raw, variants in _raw_values(entry):
        spelled = _days_phrase(raw) if isinstance(raw, list) else raw
        answer = entry.get("answer", "{}").format(spelled)
        more = (template.format(spelled) for template in entry.get("accepted", ()))
        yield Option(raw, answer, tuple(dict.fromkeys((answer, *variants, *more))))


def _raw_values(entry: dict) -> Iterator[tuple[object, tuple[str, ...]]]:
    """Every value that an entry's rule allows, with the variants that belong to this value alone."""
    if "values" in entry:
        for value in entry["values"]:
            first, *variants = [value] if isinstance(value, str) else value
            yield first, tuple(variants)
    elif "pairs" in entry:
        yield from ((" ".join(names), ()) for names in product(*entry["pairs"]))
    elif "range" in entry:
        first, last, step = entry["range"]
        yield from ((first + step * number, ()) for number in range(int((last - first) / step) + 1))
    elif "clock" in entry:
        first, last = (_clock_units(text) for text in entry["clock"][:2])
        yield from ((f"{units // 60}:{units % 60:02d}", ()) for units in range(first, last + 1, entry["clock"][2]))
    else:
        least, most = entry["days"]
        for days in (days for size in range(least, most + 1) for days in combinations(_DAYS, size)):
            yield list(days), (", ".join(days),)


def _clock_units(text: str) -> int:
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)


def _days_phrase(days: list[str]) -> str:
    return f"{', '.join(days[:-1])} and {days[-1]}"
