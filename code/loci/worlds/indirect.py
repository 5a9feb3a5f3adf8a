"""Indirect and chained questions of twins: texts from the plan, answers and recitations from the computation."""

import random

from loci.worlds.medical_questions import medical_variants
from loci.worlds.personal_questions import personal_variants
from loci.worlds.plans import World
from loci.worlds.records import Fact, Question
from loci.worlds.twins import Asked, Twins
from loci.worlds.variants import Solved, Variant

_VARIANTS = {"personal": personal_variants, "medical": medical_variants}
CHAINED = "chained"


def variants_of(world: World) -> tuple[Variant, ...]:
    """All computations of a world, in the order in which they are asked."""
    return _VARIANTS[world.name]()


def ask_indirectly(twins: Twins, rng: random.Random) -> Asked:
    """For each twin the indirect and the chained questions, but for those that touch a fact which changes."""
    asked: Asked = ([], [])
    for variant in variants_of(twins.world):
        if twins.changed.isdisjoint(variant.touches):
            wording = twins.world.wordings[variant.name]
            slots = variant.slots(*twins.values, rng)
            text = rng.choice(wording.questions[twins.wording_set]).format(**slots)
            for at in range(2):
                solved = variant.solve(twins.values[at], slots)
                reason = wording.reason.get(solved.case) or wording.reason[""]
                line = reason.format(answer=solved.answer, **{**slots, **solved.fields})
                line = line[0].upper() + line[1:]
                asked[at].append(_question(twins.uids[at], variant.name, text, solved, twins.facts[at], line))
    return asked


def _question(uid: str, name: str, text: str, solved: Solved, facts: dict[str, Fact], line: str) -> Question:
    family = name.split(".")[0]
    kind = CHAINED if family == CHAINED else "indirect"
    accepted = tuple(dict.fromkeys((solved.answer, *solved.accepted)))
    recitation = " ".join((*(facts[key].statement for key in solved.needs), line))
    qid = f"{uid}.{name}" if kind == CHAINED else f"{uid}.{kind}.{name}"
    return Question(qid, kind, name, text, solved.answer, accepted, solved.needs, family=family, recitation=recitation)
