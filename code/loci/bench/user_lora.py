"""One adapter per user: what it is taught about the user's facts, and how.

Formats: "statement" learns the value behind a stored sentence's trigger; "sentence" every token of it (as published);
"question" the answer to the published question and to one in a wording of the training split; "both" statement and question.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from loci.bench.lessons import asked
from loci.bench.pupils import wordings
from loci.errors import UserError
from loci.memories.row_examples import Sentence, encode_sentence
from loci.models.adapters import LoraSpec
from loci.models.fitting import FitSettings
from loci.models.tuning import Example
from loci.worlds.contexts import load_contexts
from loci.worlds.records import Fact, User

FORMATS = ("statement", "sentence", "question", "both")


@dataclass(frozen=True)
class Teaching:
    """How a user's adapter is taught; the fields of `FitSettings` and `LoraSpec`, and the format."""

    format: str
    rank: int
    targets: str
    rate: float
    passes: int
    recall: float
    tokens: int
    keep: float

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise UserError("user_lora.format", f"'{self.format}' is not known", f"use one of {', '.join(FORMATS)}")

    @property
    def spec(self) -> LoraSpec:
        return LoraSpec(self.rank, self.targets)

    @property
    def fitting(self) -> FitSettings:
        return FitSettings(self.rate, self.passes, self.recall, self.tokens, self.keep)

    @property
    def knows_questions(self) -> bool:
        """Whether it has learnt to answer questions: if not, it is asked behind the reader's examples."""
        return self.format in ("question", "both")


def examples_of(user: User, how: Teaching, tokenizer, seed: int, facts: Sequence[Fact] | None = None) -> list[Example]:
    """All that the user's adapter learns. facts: in place of the user's own after all changes. UserError for no facts."""
    facts = user.final_facts() if facts is None else facts
    if not facts:
        raise UserError(f"user {user.uid}", "has no facts", "leave the user out")
    out: list[Example] = []
    if how.format in ("statement", "sentence", "both"):
        out += [_stated(fact, how.format == "sentence", tokenizer) for fact in facts]
    if how.knows_questions:
        rng, known = random.Random(f"user_lora:{seed}:{user.uid}"), wordings()
        direct = {question.key: question.text for question in user.questions if question.kind == "direct"}
        for fact in facts:
            texts = [direct[fact.key]] if fact.key in direct else []
            texts += [rng.choice(known[fact.key])] if fact.key in known else []
            out += [_answered(text, fact, tokenizer) for text in texts]
    return out


def texts_to_keep(tokenizer, tokens: int) -> list[Example]:
    """Texts on which the adapter is to stay near the base model, at most `tokens` of each: the contexts of the set "write",
    none of which is measured later. Every token but the first counts."""
    texts = [context.text for contexts in load_contexts()["write"].values() for context in contexts]
    encoded = [tuple(tokenizer(text).input_ids[:tokens]) for text in texts]
    return [Example(ids, (False, *[True] * (len(ids) - 1))) for ids in encoded if len(ids) > 1]


def _stated(fact: Fact, whole: bool, tokenizer) -> Example:
    found = encode_sentence(tokenizer, "", Sentence(fact.trigger, fact.answer))
    ids = (*found.ids, found.stop)
    return Example(ids, tuple(whole or at >= found.answer_start for at in range(len(ids))))


def _answered(text: str, fact: Fact, tokenizer) -> Example:
    prompt = asked(text, recited=False)
    tokens = tokenizer(f"{prompt} {fact.answer}\n", return_offsets_mapping=True)
    return Example(tuple(tokens.input_ids), tuple(end > len(prompt) for _, end in tokens.offset_mapping))
