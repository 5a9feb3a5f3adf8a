"""Many users in one table: whose value answers, and whether a user is told what only another one has.

Three ways to share. One table: rows of all users at the same addresses, the last write stands. Salted: one table, each user's
addresses laid over with a number of their own. Override: each user's rows stay a map of their own, laid over per request.
"""

from dataclasses import dataclass

from loci.bench.score import contains_any, exact
from loci.errors import UserError
from loci.models.rows import RowMap
from loci.worlds.people import stored_keys
from loci.worlds.records import Fact, User

MODES = ("one_table", "salted", "override")


@dataclass(frozen=True)
class Tenant:
    """What one user stored, canaries among it, and the canary key that this user never told."""

    uid: str
    facts: tuple[Fact, ...]
    absent: Fact


def tenants_of(users: list[User], keys: list[str]) -> list[Tenant]:
    """Tenants that store the facts of `keys` and all their canaries but one, each in turn another one.

    Everybody tells the same kinds of facts in the same words: at each address the users of one table meet.
    """
    canaries = [plan.key for plan in stored_keys() if plan.code]
    known = {plan.key for plan in stored_keys()} - set(canaries)
    if odd := sorted(set(keys) - known):
        raise UserError("tenants.facts", f"{odd[0]} is no kind of fact", f"use some of {', '.join(sorted(known))}")
    out = []
    for at, user in enumerate(users):
        facts = {fact.key: fact for fact in user.facts}  # as first told: nothing is changed or withdrawn here
        missing = [key for key in (*keys, *canaries) if key not in facts]
        if missing:
            raise UserError(f"tenants.facts: {missing[0]}", f"user {user.uid} has none", "name facts that everybody has")
        absent = canaries[at % len(canaries)]
        stored = tuple(facts[key] for key in (*keys, *canaries) if key != absent)
        out.append(Tenant(user.uid, stored, facts[absent]))
    return out


def salted(rows: RowMap, salt: int) -> RowMap:
    """The same rows at addresses that only a reader with this salt looks up."""
    return RowMap.from_unsorted(rows.addresses ^ salt, rows.values)


def judged(answer: dict, canaries: dict[str, dict[str, str]]) -> dict[str, bool]:
    """right: what the user stored is said (False where nothing was). leaked: a canary of somebody else is said.

    answer: {uid, key, accepted, prediction}. canaries: {key: {uid: value}} of all users of the table.
    """
    others = [value for uid, value in canaries.get(answer["key"], {}).items() if uid != answer["uid"]]
    right = exact(answer["prediction"], answer["accepted"], "statement")
    return {"right": right, "leaked": contains_any(answer["prediction"], others)}
