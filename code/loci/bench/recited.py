"""Rows for a reader that recites: written behind its own prompt and mark, where it will say their triggers.

The questions in front are wordings of the training split, about the fact or about another one: no wording of a test user
is seen while writing.
"""

import random
from collections.abc import Sequence

from loci.bench.lessons import asked
from loci.bench.pupils import wordings
from loci.errors import UserError
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import WriteReport, write_settings
from loci.models.rows import RowMap
from loci.worlds.records import Fact

RECITED = "rows_recited"  # the id of such rows among traces


def prompts_before(facts: Sequence[Fact], name: str) -> list[list[str]]:
    """Three lists with a text for each fact of one owner: a question about it and the reader's mark; the same with another of
    the facts recited first, as in answers that need two; and with the fact recited first that sounds most like it, whose value
    the model would otherwise say again. name: seeds the choice.

    A fact of a kind that nobody asks about stands behind a question about something else.
    """
    rng, known = random.Random(f"recited:{name}"), wordings()
    every = [text for texts in known.values() for text in texts]
    first = [asked(rng.choice(known.get(fact.key, every))) + " " for fact in facts]
    words = [set(fact.trigger.lower().split()) for fact in facts]
    told = [(_another(rng, len(facts), at), _most_alike(words, at)) for at in range(len(facts))]
    return [
        first,
        *([f"{asked(rng.choice(every))} {facts[at].statement} " for at in chosen] for chosen in zip(*told, strict=True)),
    ]


def _another(rng: random.Random, count: int, at: int) -> int:
    return (at + rng.randrange(1, count)) % count


def _most_alike(words: list[set[str]], at: int) -> int:
    """The other set of words that has the largest share in common with the one at `at`; the first of equals."""
    others = [other for other in range(len(words)) if other != at]
    return max(others, key=lambda other: len(words[at] & words[other]) / len(words[at] | words[other]))


def write_recited(writer: Writer, facts: Sequence[Fact], name: str, settings: dict, seed: int) -> tuple[RowMap, WriteReport]:
    """Rows of one owner's facts, optimised with the reader attached, after `prompts_before` and bare. Each sentence ends with a
    full stop, behind numbers too: the reader goes on after it. name: of the owner. UserError for fewer than two facts."""
    if len(facts) < 2:
        raise UserError(f"user {name}", f"has {len(facts)} facts", "give at least two")
    sentences = [Sentence(fact.trigger, fact.answer, ".") for fact in facts]
    how = write_settings(settings["write"], len(sentences))
    return write_optimised("rows", writer, sentences, prompts_before(facts, f"{seed}:{name}"), how, seed)
