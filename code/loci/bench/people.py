"""Which users the bench asks, what it asks them, and whose rows stand in for the control."""

import random

from loci.errors import UserError
from loci.worlds.contexts import KINDS, load_contexts
from loci.worlds.people import canary_questions, donor_of, sample_questions
from loci.worlds.records import Question, User


def asked_users(users: list[User], settings: dict) -> list[User]:
    """The first `people.test_users` test users."""
    wanted = settings["people"]["test_users"]
    tested = [user for user in users if user.split == "test"]
    if len(tested) < wanted:
        raise UserError("people.test_users", f"asks for {wanted} of {len(tested)} test users", "make more users or ask fewer")
    return tested[:wanted]


def asked_questions(user: User, everybody: list[User], settings: dict, more: dict[str, int] | None = None) -> list[Question]:
    """The user's fixed stratified sample; for kind "other", questions about what other test users told.

    more: kinds of which another number is asked than in the matrix.
    """
    matrix = settings["matrix"]
    sizes = {kind: size for kind, size in (matrix["questions"] | (more or {})).items() if kind != "other"}
    own = sample_questions(user, sizes, matrix["sample_seed"])
    leaks = leak_questions(user, everybody)
    wanted = matrix["questions"].get("other", 0)
    if wanted > len(leaks):
        raise UserError("matrix.questions.other", f"asks for {wanted} of {user.uid}'s {len(leaks)} questions", "ask for fewer")
    return own + random.Random(f"{matrix['sample_seed']}:{user.uid}:other").sample(leaks, wanted)


def leak_questions(user: User, everybody: list[User]) -> list[Question]:
    """Every question about a canary of another test user, each in its owner's words and with its owner's name."""
    return canary_questions(user, [other for other in everybody if other.split == "test"])


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
