"""Ask a frozen model whose prompt holds vectors, or trained keys and values, in the place of facts.

The worked examples of the reader's prompt stand first, the same for all, and are read once. Then comes what a memory brings:
lines of text, [mem] vectors in the place of a line, a prefix; then the question. Nothing is written from a test question: what a
prefix studies is asked in the words in which facts are told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import torch

from loci.bench.decode import newline_tokens
from loci.bench.reader import Reader
from loci.models.base import Base
from loci.models.kv_prefix import Studied, first_layers, fit_prefix, next_token_loss, study, study_loss
from loci.models.mem_vectors import Front, MemSettings, greedy, grow
from loci.models.tuning import Layers
from loci.worlds.records import Fact

MOST = 16  # tokens of an answer
_CUE = "{cue} what?"


@dataclass(frozen=True)
class Asker:
    """A model with the reader's worked examples read."""

    base: Base
    reader: Reader
    front: Front

    @classmethod
    def of(cls, base: Base) -> "Asker":
        reader = Reader.load()
        alone = SimpleNamespace(form="question", text="")
        tail = "\n".join([reader.parts["no_facts"], reader.parts["question"].format(question=""), reader.parts["answer"]])
        worked = reader.prompt(alone, (), "").removesuffix(tail)
        return cls(base, reader, Front(base.model, base.tokenizer(worked, add_special_tokens=False).input_ids))

    def ids(self, text: str) -> list[int]:
        return self.base.tokenizer(text, add_special_tokens=False).input_ids

    def embedded(self, text: str) -> torch.Tensor:
        """Embeddings [T, d] of a text."""
        return self.front.embedding(torch.tensor(self.ids(text), dtype=torch.int64))

    def question(self, text: str) -> str:
        """The last lines of a prompt, from the question on."""
        return f"{self.reader.parts['question'].format(question=text)}\n{self.reader.parts['answer']}"

    def told(self, lines: Sequence[str], question: str) -> torch.Tensor:
        """Input with lines of text before the question, or the reader's word for none."""
        return self.embedded("\n".join([*(lines or [self.reader.parts["no_facts"]]), self.question(question)]))

    def behind(self, vectors: torch.Tensor, question: str, lines: Sequence[str] = ()) -> torch.Tensor:
        """Input with vectors [K, d] in the place of a line, then maybe lines of text, before the question."""
        return torch.cat([vectors, self.embedded("\n" + "\n".join([*lines, self.question(question)]))])

    def answers(self, inputs: Sequence[torch.Tensor], front: Front | None = None) -> list[str]:
        """What the model says to each input, up to the end of the line."""
        if not inputs:
            return []
        said = greedy(front or self.front, inputs, MOST, newline_tokens(self.base.tokenizer))
        return [self.base.tokenizer.decode(one, skip_special_tokens=True).strip() for one in said]


def vectors_of(
    front: Front, texts: Sequence[str], tokenizer, settings: MemSettings, by: int, seed: int
) -> tuple[torch.Tensor, list]:
    """Vectors [B, K, d] of texts, and what came out for each."""
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    *_, (_, found) = grow(front, ids, settings, front.draw(len(texts), settings, seed), by)
    return torch.stack([one.vectors for one in found]), found


def texts_of(facts: Sequence[Fact]) -> list[str]:
    """What a prefix is to hold: the facts as they were told, then the same in each other wording that all of them have."""
    wordings = [(fact.statement, *fact.wordings) for fact in facts]
    return ["".join(f"{one[at]}\n" for one in wordings) for at in range(min(map(len, wordings)))]


def cues_of(fact: Fact) -> list[str]:
    """Questions that repeat how the fact may be told, up to the value; none of them is asked by the bench."""
    before = [wording.partition(fact.answer)[0].strip() for wording in (fact.statement, *fact.wordings)]
    return [_CUE.format(cue=cue) for cue in before if cue]


def first_prefix(asker: Asker, facts: Sequence[Fact], how: dict) -> Layers:
    """Where a prefix starts: keys and values of the first tokens of what was told."""
    return first_layers(asker.front, asker.ids(texts_of(facts)[0]), how["positions"])


def next_prefix(asker: Asker, facts: Sequence[Fact], how: dict) -> Layers:
    """A prefix fitted to the sentences by the loss of their next tokens, one wording after the other."""
    losses = [next_token_loss(asker.front, asker.ids(text)) for text in texts_of(facts)]

    def loss_at(layers: Layers, step: int) -> torch.Tensor:
        return losses[step % len(losses)](layers)

    return fit_prefix(first_prefix(asker, facts, how), loss_at, **how["next"])[0]


def studied_of(asker: Asker, facts: Sequence[Fact]) -> list[Studied]:
    """The model's own answers to the cues of each fact, with that fact in its prompt; the end of the line is part of an answer.
    What is kept for the prefix is the question, the answer and how sure the teacher was of each token of it."""
    pairs = [(fact, asker.question(cue)) for fact in facts for cue in cues_of(fact)]
    asked = [asker.ids(question) for _, question in pairs]
    seen = [asker.ids(f"{fact.statement}\n") for fact, _ in pairs]
    inputs = [asker.front.embedding(torch.tensor([*line, *question])) for line, question in zip(seen, asked, strict=True)]
    said = greedy(asker.front, inputs, MOST, newline_tokens(asker.base.tokenizer))
    return study(asker.front, seen, asked, [[*answer, *asker.ids("\n")] for answer in said])


def study_prefix(asker: Asker, facts: Sequence[Fact], how: dict, seed: int) -> Layers:
    """A prefix fitted to the model's own answers with the facts in its prompt."""
    loss = study_loss(asker.front, studied_of(asker, facts), how["batch"], seed)
    return fit_prefix(first_prefix(asker, facts, how), loss, **how["study"])[0]
