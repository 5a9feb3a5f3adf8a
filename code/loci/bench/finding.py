"""Lessons for a reader of retrieval that goes on from the reciting reader: the control that the growth of memories asks for.

Every question stands behind lines that an index found in a memory as large as it will be, other people's facts among them, and as
many of them as it will read. What is not among the lines is "not known". Sums stay in, so that reasoning is not forgotten.
"""

import random
from collections.abc import Sequence

from loci.bench.arithmetic import drills
from loci.bench.lessons import SUMS, Piece, lesson, sum_lesson, teachable
from loci.bench.told import query_of
from loci.memories.base import Note
from loci.memories.registry import text_memory
from loci.models.encoder import Encoder
from loci.worlds.growth import storable
from loci.worlds.records import User

_APART = 1_000  # added to the seed of test users' memories: their acquaintances have other values


def finding_lessons(
    user: User, facts: int, lines: Sequence[int], per_kind: dict[str, int], index: str, encoder: Encoder, seed: int
) -> list[list[Piece]]:
    """A lesson for each of a sample of the user's questions, as `lessons_of` draws them, behind lines of a memory of `facts`
    facts: the user's, the others about acquaintances. lines: how many, one of these drawn for each."""
    rng = random.Random(f"finding:{seed}:{user.uid}")
    stored = storable(user, facts, [], seed + _APART)
    memory = text_memory(index, encoder, max(lines))
    trace = memory.write(user.uid, [Note(fact.key, fact.statement) for fact in stored])
    own = {fact.key: fact for fact in stored}
    asked_kinds = {kind: count for kind, count in per_kind.items() if kind != SUMS}
    lessons: list[list[Piece]] = []
    for question, triggers in teachable(user, own, asked_kinds, (), rng):
        recall = memory.recall(trace, query_of(question))
        found = (recall.lines if recall.told else recall.lines[::-1])[-rng.choice(lines) :]  # the most relevant last
        there = {key: own[key] for key in question.required_fact_keys if own[key].statement in found}
        lessons.append(lesson("recite", question, triggers, there, found, learn_values=True))
    return lessons + [sum_lesson(*one) for one in drills(rng, per_kind.get(SUMS, 0))]
