"""Rows for a reader that recites: written behind its own prompt and mark, where it will say their triggers.

The questions in front are wordings of the training split, about the fact or about another one: no wording of a test user
is seen while writing.
"""

import random

from loci.bench.lessons import asked
from loci.bench.pupils import wordings
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import WriteReport, write_settings
from loci.models.rows import RowMap
from loci.worlds.records import Fact, User

RECITED = "rows_recited"  # the id of such rows among traces


def prompts_before(user: User, seed: int) -> list[list[str]]:
    """Three lists with a text for each fact of the user: a question about it and the reader's mark; the same with another of
    the user's facts recited first, as in answers that need two; and with the fact recited first that sounds most like it, whose
    value the model would otherwise say again."""
    rng, known = random.Random(f"recited:{seed}:{user.uid}"), wordings()
    facts, every = user.final_facts(), [text for texts in known.values() for text in texts]
    first = [asked(rng.choice(known.get(fact.key, every))) + " " for fact in facts]
    others = [[other for other in facts if other.key != fact.key] for fact in facts]
    before = [rng.choice(found) for found in others]
    alike = [max(found, key=lambda other, fact=fact: _likeness(fact, other)) for fact, found in zip(facts, others, strict=True)]
    return [first, *([f"{asked(rng.choice(every))} {other.statement} " for other in told] for told in (before, alike))]


def _likeness(fact: Fact, other: Fact) -> float:
    """Share of the words of both triggers that they have in common."""
    one, two = (set(each.trigger.lower().split()) for each in (fact, other))
    return len(one & two) / len(one | two)


def write_recited(writer: Writer, user: User, settings: dict, seed: int) -> tuple[RowMap, WriteReport]:
    """Rows of a user's facts, optimised with the reader attached, after `prompts_before` and bare. Each sentence ends with a
    full stop, behind numbers too: the reader goes on after it."""
    sentences = [Sentence(fact.trigger, fact.answer, ".") for fact in user.final_facts()]
    how = write_settings(settings["write"], len(sentences))
    return write_optimised("rows", writer, sentences, prompts_before(user, seed), how, seed)
