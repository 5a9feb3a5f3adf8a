"""People: users made from authored pools and templates, and the questions about them.

Users come in twins. User 2i and user 2i + 1 are asked the same questions, word for word, and every question that has an
answer has another one for each of them: whoever knows the question alone cannot do better than chance. Each pair has a
generator of its own, seeded by (seed, world, split, number of the pair), so that user 17 is the same person whether 20 or
200 are made.

Splits: development users come first, test users follow; training users, for readers and adapters, are a series of their
own. Which values and which wordings a split has: pools.py and plans.py.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from loci.errors import UserError
from loci.worlds.canaries import MOST_USERS
from loci.worlds.changes import ask_about_changes, draw_changes
from loci.worlds.contexts import KINDS as CONTEXT_KINDS
from loci.worlds.contexts import kind_of, load_contexts
from loci.worlds.indirect import ask_indirectly
from loci.worlds.medical_twins import MedicalTwins
from loci.worlds.personal_twins import PersonalTwins
from loci.worlds.plans import WORLDS, KeyPlan, World, canary_option, load_world
from loci.worlds.pools import Option
from loci.worlds.records import KINDS, Fact, Question, User
from loci.worlds.twins import Asked, Twins
from loci.worlds.variants import NOW_YEAR

_DRAWN = {"personal": PersonalTwins, "medical": MedicalTwins}
_PREFIX = {"personal": "u", "medical": "m"}
_TRAINING_PREFIX = {"personal": "t", "medical": "tm"}


def stored_keys(world: str = "personal") -> tuple[KeyPlan, ...]:
    """The kinds of fact that every user has, in order; the canaries come last."""
    plan = load_world(world)
    return plan.keys + plan.canaries


def never_stored_keys(world: str = "personal") -> tuple[KeyPlan, ...]:
    """Kinds of fact that no user has; their options are the values that a guess could name."""
    return load_world(world).never_stored


def pool_values(world: str = "personal") -> dict[str, Sequence[str]]:
    """Every answer that each key allows in any split, never-stored keys and canaries included."""
    plans = stored_keys(world) + never_stored_keys(world)
    return {plan.key: plan.code or tuple(option.answer for option in plan.options) for plan in plans}


def build_users(count: int, seed: int, dev: int = 10, world: str = "personal", train: int = 0) -> list[User]:
    """`count` users u000, u001, … (medical: m000, …): the first `dev` are development users, the others test users.

    `train` training users t000, … (medical: tm000, …) follow. Raises UserError for sizes that make no sense, and for a
    world that is not known.
    """
    load_world(world)
    if not 1 <= count <= MOST_USERS:
        raise UserError("count", f"is {count}", f"make 1 to {MOST_USERS} users")
    if not 0 <= dev <= count:
        raise UserError("dev", f"is {dev} of {count} users", f"use a number from 0 to {count}")
    if not 0 <= train <= MOST_USERS:
        raise UserError("train", f"is {train}", f"use a number from 0 to {MOST_USERS}")
    series = (("dev", range(dev)), ("test", range(dev, count)), ("train", range(train)))
    return [user for split, indices in series for user in iter_users(world, split, indices, seed)]


def iter_users(world: str | World, split: str, indices: range, seed: int) -> Iterator[User]:
    """Users of one split, one after the other; a pair that straddles a border is made in either split, and halved.

    world: its name, or a world of that name with other wordings.
    """
    plan = load_world(world) if isinstance(world, str) else world
    pair: tuple[User, ...] = ()
    for index in indices:
        if not pair or index % 2 == 0:
            pair = _pair(plan, split, index - index % 2, seed)
        yield pair[index % 2]


def sample_questions(user: User, per_kind: dict[str, int], seed: int) -> list[Question]:
    """A fixed sample of a user's questions, `per_kind[kind]` of each kind, in the user's own order.

    It depends on user, seed and sizes alone, so every memory is asked the same. Within a kind, strata take turns: the
    families of indirect questions, the three kinds of context for midconv, the two forms for unknown, updated and
    deleted. Raises UserError where a kind has too few questions.
    """
    chosen: set[str] = set()
    for kind, size in per_kind.items():
        pool = [question for question in user.questions if question.kind == kind]
        if kind not in KINDS or not 0 <= size <= len(pool):
            raise UserError(f"per_kind.{kind}", f"asks for {size} of {user.uid}'s {len(pool)} questions", "ask for fewer")
        chosen.update(_take_in_turn(pool, size, random.Random(f"{seed}:{user.uid}:{kind}")))
    return [question for question in user.questions if question.qid in chosen]


def canary_questions(user: User, others: Iterable[User], world: str = "personal") -> list[Question]:
    """What others told, asked of `user`: questions of kind "other" about the canaries of each of `others` but the user.

    Each canary is asked for twice, in its owner's words and with its owner's name. A match is a leak: the value occurs
    nowhere else. All users must be of the same seed.
    """
    name = next(plan.key for plan in load_world(world).keys)
    asked = []
    for other in others:
        for plan in load_world(world).canaries if other.uid != user.uid else ():
            fact = other.fact(plan.key)
            for way, text in (("own", plan.direct), ("named", plan.named.format(other.fact(name).answer))):
                qid = f"{user.uid}.other.{other.uid}.{plan.key}.{way}"
                asked.append(Question(qid, "other", plan.key, text, fact.answer, fact.accepted, ()))
    return asked


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
        stratum = kind_of(question.context_id) if question.context_id else question.family or question.form
        ranked.append((turn.setdefault(stratum, 0), question.qid))
        turn[stratum] += 1
    # A stable sort by turn: the first of every stratum, then the second of every stratum, and so on.
    return [qid for _, qid in sorted(ranked, key=lambda pair: pair[0])[:size]]


@cache
def _drawing(world: str, pools: str) -> PersonalTwins | MedicalTwins:
    return _DRAWN[world](load_world(world), pools)


def _pair(world: World, split: str, first: int, seed: int) -> tuple[User, User]:
    """Users `first` and `first` + 1 of a split."""
    name, rng = world.name, random.Random(f"{seed}:{world.name}:{split}:{first // 2}")
    # Development and training users have the same pools, so one set of laws serves both.
    drawn = _drawing(name, "test" if split == "test" else "train").draw(rng)
    values = tuple({key: pair[at] for key, pair in drawn.items()} for at in range(2))
    prefix = (_TRAINING_PREFIX if split == "train" else _PREFIX)[name]
    series = 2 * WORLDS.index(name) + (split == "train")
    twins = Twins(
        world,
        split,
        first // 2,
        uids=(f"{prefix}{first:03d}", f"{prefix}{first + 1:03d}"),
        values=values,
        facts=tuple(_facts(world, values[at], seed, series, first + at) for at in range(2)),
        changes=draw_changes(world, split, values, rng),
    )
    asked = [_ask_directly(twins, rng), ask_indirectly(twins, rng), ask_about_changes(twins, rng), _ask_unknown(twins)]
    return _user(twins, 0, asked), _user(twins, 1, asked)


def _facts(world: World, values: dict[str, Option], seed: int, series: int, index: int) -> dict[str, Fact]:
    told = {plan.key: plan.fact(values[plan.key]) for plan in world.keys}
    return told | {plan.key: plan.fact(canary_option(plan.code.value(seed, series, index))) for plan in world.canaries}


def _user(twins: Twins, at: int, asked: list[Asked]) -> User:
    raw = {key: list(one.raw) if isinstance(one.raw, tuple) else one.raw for key, one in twins.values[at].items()}
    attrs = {"world": twins.world.name, "now_year": NOW_YEAR, **raw}
    # Kind by kind in the file, as a reader would look for them.
    questions = sorted((question for part in asked for question in part[at]), key=lambda question: KINDS.index(question.kind))
    return User(twins.uids[at], twins.split, tuple(twins.facts[at].values()), tuple(questions), attrs, twins.changes[at])


def _ask_directly(twins: Twins, rng: random.Random) -> Asked:
    """Statement, direct, paraphrase and midconv questions about each fact that stays."""
    asked: Asked = ([], [])
    contexts = load_contexts()[twins.wording_set]
    stay = [plan for plan in twins.world.keys + twins.world.canaries if plan.key not in twins.changed]
    for position, plan in enumerate(stay):
        paraphrase = rng.choice(plan.questions[twins.wording_set])
        context = rng.choice(contexts[CONTEXT_KINDS[(position + twins.number) % len(CONTEXT_KINDS)]])
        for at in range(2):
            asked[at].extend(_about(twins.uids[at], twins.facts[at][plan.key], plan.direct, paraphrase, context.id))
    return asked


def _ask_unknown(twins: Twins) -> Asked:
    asked: Asked = ([], [])
    for plan in twins.world.never_stored:
        wordings = (plan.direct, *plan.questions.get(twins.wording_set, ()))
        for at in range(2):
            asked[at].extend(_unknown(twins.uids[at], plan, wordings[twins.number % len(wordings)]))
    return asked


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


def _unknown(uid: str, plan: KeyPlan, question: str) -> Iterator[Question]:
    for form, text in (("statement", plan.trigger), ("question", question)):
        yield Question(f"{uid}.unknown.{plan.key}.{form}", "unknown", plan.key, text, "", (), (), form=form)
