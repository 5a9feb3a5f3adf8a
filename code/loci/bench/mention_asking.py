"""Questions that mention a fact by its phrase: asked of the model with the fact in its prompt, and with rows at the mention."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from loci.bench.decode import PromptBatch, newline_tokens
from loci.bench.reader import Reader
from loci.bench.score import exact
from loci.memories.mention_rows import Lesson
from loci.models.engram import Graft
from loci.models.rows import RowBatch, RowMap
from loci.worlds.mentions import load_mentions
from loci.worlds.records import Fact, Question


@dataclass(frozen=True)
class Asked:
    """One question about one fact; `shown` is the line that the teacher has in its prompt."""

    key: str
    text: str
    accepted: tuple[str, ...]
    shown: str


def questions_of(facts: Sequence[Fact], name: str, count: int) -> list[Asked]:
    """The first `count` wordings of a set about every fact."""
    texts = load_mentions().texts
    return [Asked(fact.key, text, fact.accepted, fact.statement) for fact in facts for text in texts(fact.key, name)[:count]]


class Asker:
    """Prompts and greedy answers of one grafted model."""

    def __init__(self, graft: Graft, tokenizer, matrix: dict):
        self.graft, self.tokenizer, self.reader, self._matrix = graft, tokenizer, Reader.load(), matrix
        self._newline = tokenizer("\n", add_special_tokens=False).input_ids[-1]

    def prompt(self, one: Asked, told: bool) -> list[int]:
        """The reader's prompt of a question, with its fact or with nothing noted."""
        question = Question(one.key, "direct", one.key, one.text, one.accepted[0], one.accepted, (one.key,))
        return self.tokenizer(self.reader.prompt(question, (one.shown,) if told else (), "")).input_ids

    @torch.no_grad()
    def answers(self, asked: Sequence[Asked], rows: RowMap | None = None) -> list[list[int]]:
        """Tokens of the answers: under rows without the facts, or with the facts where there are no rows."""
        prompts = [self.prompt(one, told=rows is None) for one in asked]
        rows, out = self.graft.empty_rows() if rows is None else rows, []
        ends, size = newline_tokens(self.tokenizer), self._matrix["batch"]
        for start in range(0, len(prompts), size):
            part = prompts[start : start + size]
            batch = PromptBatch(self.graft, part, self.tokenizer.pad_token_id, ends, self._matrix["max_tokens"])
            out += [found.tokens for found in batch.answer(RowBatch.shared(rows, len(part)))]
        return out

    def said(self, answers: Sequence[list[int]]) -> list[str]:
        """The first line of each answer."""
        return [self.tokenizer.decode(tokens, skip_special_tokens=True).partition("\n")[0].strip() for tokens in answers]

    def lessons(self, asked: Sequence[Asked], answers: Sequence[list[int]]) -> list[Lesson]:
        """What a student learns from the teacher's answers, which end with their line."""
        pairs = zip(asked, answers, strict=True)
        return [Lesson(self.prompt(one, False), self.prompt(one, True), [*said, self._newline]) for one, said in pairs]


def right(asked: Sequence[Asked], texts: Sequence[str]) -> list[bool]:
    """Whether each answer is exact."""
    return [exact(text, one.accepted, "question") for text, one in zip(texts, asked, strict=True)]


def passing(fact: Fact) -> list[str]:
    """Sentences about something else in which the fact's phrase stands."""
    return load_mentions().texts(fact.key, "elsewhere")
