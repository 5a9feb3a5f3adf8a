"""Pupils: users of the training split, asked in more wordings, from whom the shared readers learn.

The further wordings (data/reader/lessons.json) were written by somebody who had seen neither those of development nor those
of test users; what came out equal to one of them is refused here.
"""

import string
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from loci.paths import DATA
from loci.results import read_json
from loci.worlds.checks import distinct, located, member, require
from loci.worlds.people import iter_users
from loci.worlds.plans import World, load_world
from loci.worlds.records import User

_FILE = DATA / "reader" / "lessons.json"


def iter_pupils(indices: range, seed: int) -> Iterator[User]:
    """Training users of the personal world, asked in the wordings of the set "write" and in those of lessons."""
    return iter_users(lesson_world(), "train", indices, seed)


@cache
def lesson_world() -> World:
    """The personal world with the further wordings; UserError for a fault in their file."""
    return read_lesson_world(read_json(_FILE, "restore it from the repository"), _FILE)


@cache
def wordings() -> dict[str, tuple[str, ...]]:
    """Questions about one fact in the wordings that may be learnt from, by key."""
    world = lesson_world()
    return {plan.key: plan.questions["write"] for plan in (*world.keys, *world.canaries)}


def read_lesson_world(authored: dict, path: Path) -> World:
    """The personal world widened by a parsed file; a UserError names the file and the field at fault."""
    return located(str(path), _widened, authored)


def _widened(authored: dict) -> World:
    world = load_world("personal")
    facts, never, variants = (member(authored, name, dict) for name in ("facts", "never", "variants"))
    known = [plan.key for plan in (*world.keys, *world.canaries)]
    for name, found, wanted in (
        ("facts", facts, known),
        ("never", never, [plan.key for plan in world.never_stored]),
        ("variants", variants, list(world.wordings)),
    ):
        odd = sorted(set(found) ^ set(wanted))
        require(not odd, name, f"does not fit the personal world: {', '.join(odd)}", "list each of its keys once")
    texts = [text for part in (facts, never, variants) for wordings in part.values() for text in wordings]
    distinct((text.casefold() for text in texts), "wordings", "wording")
    kept = _later_wordings(world)
    for text in texts:
        require(text.casefold() not in kept, "wordings", f"'{text}' is asked of development or test users", "leave it out")
    for name, wordings in variants.items():
        slots = _slots(world.wordings[name].questions["write"][0])
        for text in wordings:
            require(_slots(text) == slots, f"variants.{name}", f"'{text}' has other slots", f"use {slots} once each")
    return replace(
        world,
        keys=tuple(_asked_more(plan, facts) for plan in world.keys),
        canaries=tuple(_asked_more(plan, facts) for plan in world.canaries),
        never_stored=tuple(replace(plan, questions={"write": tuple(never[plan.key])}) for plan in world.never_stored),
        wordings={name: _asked_more(wording, variants, name) for name, wording in world.wordings.items()},
    )


def _asked_more(plan, further: dict[str, list[str]], name: str = ""):
    """A KeyPlan or a Wording whose set "write" has the further wordings too."""
    more = tuple(further[name or plan.key])
    return replace(plan, questions={**plan.questions, "write": (*plan.questions["write"], *more)})


def _later_wordings(world: World) -> set[str]:
    """All question wordings of development and test users, case folded."""
    plans = (*world.keys, *world.canaries, *world.wordings.values())
    return {text.casefold() for plan in plans for name in ("dev", "test") for text in plan.questions[name]}


def _slots(text: str) -> list[str]:
    return sorted(field for _, field, _, _ in string.Formatter().parse(text) if field)
