"""Which users the bench asks, what it asks them, and whose rows stand in for the control."""

import random

from loci.errors import UserError
from loci.worlds.contexts import KINDS, load_contexts
from loci.worlds.people import donor_of, sample_questions
from loci.worlds.records import Question, User


def asked_users(users: list[User], settings: dict) -> list[User]:
    """The first `people.test_users` test users."""
    wanted = settings["people"]["test_users"]
    tested = [user for user in users if user.split == "test"]
    if len(tested) < wanted:
        raise UserError("people.test_users", f"asks for {wanted} of {len(tested)} test users", "make more users or ask fewer")
    return tested[:wanted]


def asked_questions(user: User, settings: dict) -> list[Question]:
    """The user's fixed stratified sample."""
    matrix = settings["matrix"]
    return sample_questions(user, matrix["questions"], matrix["sample_seed"])


def donors(users: list[User]) -> dict[str, User]:
    """For each asked user, another asked user whose rows serve as the control."""
    return {user.uid: donor_of(users, user) for user in users}


def writing_contexts(per_kind: int, seed: int) -> list[str]:
    """Preceding contexts used while writing, `per_kind` of each kind drawn by the seed; none of them is ever asked after."""
    kinds = load_contexts()["write"]
    if per_kind > min(len(kinds[kind]) for kind in KINDS):
        raise UserError("write.contexts_per_kind", f"{per_kind} is more than there are", "lower it or author more contexts")
    rng = random.Random(f"contexts:{seed}")
    return [context.text for kind in KINDS for context in rng.sample(kinds[kind], per_kind)]


def context_text(context_id: str) -> str:
    """The text of a context id; '' for no context."""
    if not context_id:
        return ""
    split, kind, _ = context_id.split(".")
    return next(context.text for context in load_contexts()[split][kind] if context.id == context_id)
