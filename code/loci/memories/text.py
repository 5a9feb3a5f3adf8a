"""Memories that keep sentences: nothing at all, and the needed facts (the ceiling of every memory that fills a prompt)."""

from dataclasses import dataclass

from loci.memories.base import Recall
from loci.worlds.records import Question, User


@dataclass(frozen=True)
class TextTrace:
    """Sentences by fact key."""

    sentences: dict[str, str]

    @property
    def nbytes(self) -> int:
        """Bytes of the sentences in UTF-8."""
        return sum(len(sentence.encode()) for sentence in self.sentences.values())


class NoMemory:
    """Control: the base model and the reader's prompt, no fact of the user anywhere."""

    name = "none"

    def write(self, _user: User) -> TextTrace:
        return TextTrace({})

    def recall(self, _trace: TextTrace, _question: Question) -> Recall:
        return Recall()


class GoldMemory:
    """Ceiling: exactly the facts that the question needs, in the prompt. For an unknown it has nothing to give."""

    name = "gold"

    def write(self, user: User) -> TextTrace:
        return TextTrace({fact.key: fact.statement for fact in user.facts})

    def recall(self, trace: TextTrace, question: Question) -> Recall:
        return Recall(sentences=tuple(trace.sentences[key] for key in question.required_fact_keys))
