"""Memories that grow: what else one person tells, and what many people tell one shared index.

Half of what is added to a user's own facts is about other people, in the same terms ("My hairdresser's dentist is Dr.
Patel."), the other half about organisations and collections: a search that only looks for the kind of fact finds the former.
"""

import random
from collections.abc import Iterator
from dataclasses import replace

from loci.errors import UserError
from loci.worlds.dialogue_lines import key_lines, others
from loci.worlds.people import stored_keys
from loci.worlds.records import Fact, User


def about_others(seed: int) -> list[tuple[str, str]]:
    """(key, sentence) of every kind of fact about every acquaintance, each once, values drawn by the seed."""
    return [(key, sentence) for key, sentence, _ in _acquaintances(seed)]


def _acquaintances(seed: int) -> list[tuple[str, str, str]]:
    rng, told = random.Random(f"growth:others:{seed}"), []
    for who in others():
        for plan in stored_keys():
            template = key_lines(plan.key).other
            if template and not plan.code:
                answer = rng.choice(plan.options).answer
                told.append((f"other.{who}.{plan.key}", template.format(who=who, whose=f"{who}'s", answer=answer), answer))
    return told


def own_facts(user: User) -> list[tuple[str, str]]:
    """(key, sentence) of the user's facts as first told, without the canaries: the N = 34 of the curve."""
    canaries = {plan.key for plan in stored_keys() if plan.code}
    return [(fact.key, fact.statement) for fact in user.facts if fact.key not in canaries]


def grown(user: User, size: int, corpus: list[Fact], seed: int) -> list[tuple[str, str]]:
    """`size` (key, sentence) pairs in random order: the user's own facts and as much about others as about the corpus."""
    own, rng = own_facts(user), random.Random(f"growth:{seed}:{user.uid}:{size}")
    added = size - len(own)
    acquaintances = about_others(seed)
    if not 0 <= added <= len(acquaintances) + len(corpus):
        most = len(own) + len(acquaintances) + len(corpus)
        raise UserError("growth.facts", f"{size} is out of reach", f"use {len(own)} to {most}")
    people = rng.sample(acquaintances, min(len(acquaintances), max(added // 2, added - len(corpus))))
    things = [(f"corpus.{at}", corpus[at].statement) for at in rng.sample(range(len(corpus)), added - len(people))]
    told = own + people + things
    rng.shuffle(told)
    return told


def storable(user: User, size: int, corpus: list[Fact], seed: int) -> list[Fact]:
    """`size` facts for memories that store sentences by their beginning: the user's own after all changes, without canaries,
    and as much about others as about the corpus. Every sentence ends with its value."""
    canaries = {plan.key for plan in stored_keys() if plan.code}
    own = [fact for fact in user.final_facts() if fact.key not in canaries]
    people = [
        Fact(key, answer, sentence, (answer,))
        for key, sentence, answer in _acquaintances(seed)
        if sentence.endswith(f"{answer}.")
    ]
    added = size - len(own)
    if not 0 <= added <= len(people) + len(corpus):
        most = len(own) + len(people) + len(corpus)
        raise UserError("layered_growth.sizes or finder.facts", f"{size} is out of reach", f"use {len(own)} to {most}")
    rng = random.Random(f"storable:{seed}:{user.uid}:{size}")
    chosen = rng.sample(people, min(len(people), max(added // 2, added - len(corpus))))
    # Corpora of several kinds count their facts alike.
    things = [replace(corpus[at], key=f"corpus.{at}") for at in rng.sample(range(len(corpus)), added - len(chosen))]
    return [*own, *chosen, *things]


def population(users: Iterator[User]) -> list[tuple[str, str]]:
    """("uid/key", sentence) of every fact of many users, canaries included."""
    return [(f"{user.uid}/{fact.key}", fact.statement) for user in users for fact in user.facts]
