"""Wordings of lessons: whole, apart from those of development and test users, and in pupils' questions."""

import copy
from pathlib import Path

import pytest

from loci.bench.pupils import iter_pupils, lesson_world, read_lesson_world, wordings
from loci.errors import UserError
from loci.paths import DATA
from loci.results import read_json
from loci.worlds.people import iter_users
from loci.worlds.plans import load_world

AUTHORED = read_json(DATA / "reader" / "lessons.json", "restore it")


def test_pupils_are_the_training_users_asked_in_more_wordings():
    plain, widened = (
        list(make(range(8), 0)) for make in (lambda at, seed: iter_users("personal", "train", at, seed), iter_pupils)
    )
    assert [user.uid for user in plain] == [user.uid for user in widened]
    assert [user.facts for user in plain] == [user.facts for user in widened], "the people are the same"
    few, many = ({q.text for user in users for q in user.questions if q.kind == "paraphrase"} for users in (plain, widened))
    assert len(many - few) > len(few)
    unknown = {
        q.text for user in iter_pupils(range(40), 0) for q in user.questions if q.kind == "unknown" and q.form == "question"
    }
    assert len(unknown) > 3 * len(load_world("personal").never_stored)


def test_no_wording_of_a_later_user_is_learnt():
    world = load_world("personal")
    later = {
        text.casefold()
        for plan in (*world.keys, *world.canaries, *world.wordings.values())
        for name in ("dev", "test")
        for text in plan.questions[name]
    }
    taught = [text for part in ("facts", "never", "variants") for texts in AUTHORED[part].values() for text in texts]
    assert len(taught) > 700 and later.isdisjoint(text.casefold() for text in taught)
    assert all(len(texts) >= 8 for texts in wordings().values())
    changed = lesson_world()
    for plan, widened in zip(world.keys, changed.keys, strict=True):
        assert widened.questions["test"] == plan.questions["test"] and widened.questions["dev"] == plan.questions["dev"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda data: data["facts"].pop("city"), "facts: does not fit the personal world: city"),
        (lambda data: data["never"].update(moon=["Where is my moon?"]), "never: does not fit the personal world: moon"),
        (lambda data: data["facts"]["city"].append(data["facts"]["job"][0]), "twice"),
        (lambda data: data["facts"]["city"].append("Name the city where I reside."), "is asked of development or test users"),
        (lambda data: data["variants"]["age.later"].append("How old am I?"), "has other slots"),
    ],
)
def test_faults_are_named(fault, message):
    data = copy.deepcopy(AUTHORED)
    fault(data)
    with pytest.raises(UserError, match=message):
        read_lesson_world(data, Path("lessons.json"))
