"""Lessons for readers that go on from the reciting reader: the controls that the growth of memories asks for.

For the reader of retrieval every question stands behind lines that an index found in a memory as large as it will be, other
people's facts among them, and as many of them as it will read. What is not among the lines is "not known". Sums stay in, so that
reasoning is not forgotten. The reader of rows has as many lessons more, about the same questions of the same people, with nothing
in front.
"""

import random
from collections.abc import Sequence

from loci.bench.arithmetic import drills
from loci.bench.lessons import SUMS, Piece, bare_lesson, lesson, sum_lesson, teachable
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
    rng = _drawn(user, seed)
    stored = storable(user, facts, [], seed + _APART)
    memory = text_memory(index, encoder, max(lines))
    trace = memory.write(user.uid, [Note(fact.key, fact.statement) for fact in stored])
    own = {fact.key: fact for fact in stored}
    lessons: list[list[Piece]] = []
    for question, triggers in teachable(user, own, _asked(per_kind), (), rng):
        recall = memory.recall(trace, query_of(question))
        found = (recall.lines if recall.told else recall.lines[::-1])[-rng.choice(lines) :]  # the most relevant last
        there = {key: own[key] for key in question.required_fact_keys if own[key].statement in found}
        lessons.append(lesson("recite", question, triggers, there, found, learn_values=True))
    return lessons + [sum_lesson(*one) for one in drills(rng, per_kind.get(SUMS, 0))]


def firing_lessons(user: User, facts: int, per_kind: dict[str, int], seed: int) -> list[list[Piece]]:
    """A lesson for each of the questions of `finding_lessons`, as rows will answer it: nothing in front."""
    rng, own = _drawn(user, seed), {fact.key: fact for fact in storable(user, facts, [], seed + _APART)}
    lessons = [bare_lesson(*one, own, rng) for one in teachable(user, own, _asked(per_kind), (), rng)]
    return lessons + [sum_lesson(*one) for one in drills(rng, per_kind.get(SUMS, 0))]


def _drawn(user: User, seed: int) -> random.Random:
    return random.Random(f"finding:{seed}:{user.uid}")


def _asked(per_kind: dict[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in per_kind.items() if kind != SUMS}
