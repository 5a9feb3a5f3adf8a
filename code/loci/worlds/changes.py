"""What changes after a user has told everything: some facts get another value, some are taken back.

Twins change the same facts, to different values. No other question is about a fact that changes, so that every other
answer is right before and after.
"""

import random

from loci.worlds.plans import KeyPlan, World
from loci.worlds.pools import Option
from loci.worlds.records import Change, Question
from loci.worlds.twins import Asked, Twins

UPDATED, DELETED = 4, 2  # facts of a user
_WAYS = {"statement": "statement", "direct": "question", "paraphrase": "question"}  # how it is asked -> form


def draw_changes(
    world: World, split: str, values: tuple[dict[str, Option], dict[str, Option]], rng: random.Random
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """The changes of each twin, in the order in which they happen."""
    plans = rng.sample([plan for plan in world.keys if plan.may_change], UPDATED + DELETED)
    actions = ["update"] * UPDATED + ["delete"] * DELETED
    rng.shuffle(actions)
    pools = world.pools[split]
    pairs = [_change(plan, action, pools[plan.key], values, rng) for plan, action in zip(plans, actions, strict=True)]
    return tuple(one for one, _ in pairs), tuple(other for _, other in pairs)


def ask_about_changes(twins: Twins, rng: random.Random) -> Asked:
    """For each twin three questions about each change: the statement, its published wording and another one."""
    plans = {plan.key: plan for plan in twins.world.keys}
    asked: Asked = ([], [])
    for changes in zip(*twins.changes, strict=True):
        plan = plans[changes[0].key]
        wordings = (plan.trigger, plan.direct, rng.choice(plan.questions[twins.wording_set]))
        for at in range(2):
            stale = twins.facts[at][plan.key].answer
            asked[at].extend(
                _ask(twins.uids[at], changes[at], stale, name, form, text)
                for (name, form), text in zip(_WAYS.items(), wordings, strict=True)
            )
    return asked


def _change(
    plan: KeyPlan, action: str, pool: tuple[Option, ...], values: tuple[dict[str, Option], ...], rng: random.Random
) -> tuple[Change, Change]:
    if action == "delete":
        return Change(plan.key, action), Change(plan.key, action)
    while True:
        new = rng.sample(pool, 2)  # not the same for both twins
        if all(option.answer != old[plan.key].answer for option, old in zip(new, values, strict=True)):
            facts = [plan.fact(option) for option in new]
            return tuple(Change(plan.key, action, one.answer, one.statement, one.accepted, one.wordings) for one in facts)


def _ask(uid: str, change: Change, stale: str, name: str, form: str, text: str) -> Question:
    kind = f"{change.action}d"
    qid = f"{uid}.{kind}.{change.key}.{name}"
    return Question(qid, kind, change.key, text, change.answer, change.accepted, (change.key,), form=form, stale=stale)
