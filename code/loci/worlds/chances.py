"""How likely a guess is right, and whether a value could have been met in training."""

from functools import cache

from loci.errors import UserError
from loci.worlds.indirect import variants_of
from loci.worlds.plans import load_world
from loci.worlds.pools import TESTED
from loci.worlds.records import UNANSWERED, Fact, Question, User


def chance_of(question: Question, split: str, world: str = "personal") -> float:
    """1 / the number of answers that this question can have for a user of that split, whatever stands in its slots.

    UserError for a question that has no answer to be guessed (unknown, deleted), or that this world does not ask.
    """
    counts = _answers(world, split)
    if question.kind in UNANSWERED or question.key not in counts:
        raise UserError(f"questions[{question.qid}].key", f"'{question.key}' has no answers to guess", "leave the question out")
    return 1 / counts[question.key]


def seen_in_training(key: str, answer: str, world: str = "personal") -> bool:
    """Whether a training user can have this answer for this key. A canary is its owner's alone, so never seen."""
    return _parts(world).get((key, answer), TESTED) != TESTED


def rests_on_seen(question: Question, user: User) -> bool:
    """Whether every value that the question needs (for `updated`, the new one) could have been met in training."""
    world = user.attrs["world"]
    if question.kind == "updated":
        return seen_in_training(question.key, question.answer, world)
    return all(_seen(user.fact(key), world) for key in question.required_fact_keys)


def unseen_values(world: str = "personal") -> dict[str, tuple[str, ...]]:
    """By key, the values that only test users can have; empty for keys whose pool all splits share."""
    return {plan.key: tuple(one.answer for one in plan.options if one.part == TESTED) for plan in load_world(world).keys}


def _seen(fact: Fact, world: str) -> bool:
    return seen_in_training(fact.key, fact.answer, world)


@cache
def _answers(world: str, split: str) -> dict[str, int]:
    """How many answers each key of a question allows."""
    plan = load_world(world)
    counts = {key: len(pool) for key, pool in plan.pools[split].items()}
    counts |= {canary.key: len(canary.code) for canary in plan.canaries}
    return counts | {variant.name: variant.answers(plan.pools[split]) for variant in variants_of(plan)}


@cache
def _parts(world: str) -> dict[tuple[str, str], int]:
    return {(plan.key, option.answer): option.part for plan in load_world(world).keys for option in plan.options}
