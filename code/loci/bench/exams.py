"""Questions about text that is out of sight: what stands in the window and in the memory zone when they are asked.

A question stands right behind its passage, alone, so that no other question gives its answer away. A model with a window of T
tokens sees the last T of both; sentences that ended before those are evicted, and only their triplets, or vectors made of their
tokens, can stand in its memory zone. A question is about evicted text when every sentence that states its answer is evicted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from tokenizers import Tokenizer

from loci.bench.evicted import ReadDocument, Window, read, standing_before
from loci.worlds.prose_exams import Asked, answer_of, passage_of, questions_of
from loci.worlds.prose_lexicon import frames, relations
from loci.worlds.prose_records import Document, Sentence, Triplet
from loci.worlds.prose_writer import LINE

_REST = Sentence("Answer:", (), LINE)


@dataclass(frozen=True)
class Posed:
    """A question behind its passage, as tokens up to "Answer:".

    qid: document and number of the question. kind: one of `prose_exams.SETS`. accepted: right answers. other: of kind confusion,
    the other subject's value. fact: the gold triplet that answers it, if one does. told: tokens up to the end of the last
    sentence that bears on it, 0 where none does.
    """

    qid: str
    kind: str
    question: str
    accepted: tuple[str, ...]
    other: str
    fact: Triplet | None
    told: int
    text: ReadDocument

    def is_evicted(self, window: int) -> bool:
        """Whether a window of so many tokens shows nothing of what bears on the question."""
        return 0 < self.told <= len(self.text.ids) - window

    def seen(self, window: int, many: Collection[str]) -> Window:
        """What stands in the window, and the triplets that stand of the text before it."""
        start = max(0, len(self.text.ids) - window)
        return Window(self.text, start, standing_before(self.text, start, many))


def posed(document: Document, tokenizer: Tokenizer, extracted: Sequence[Sequence[Triplet]] | None = None) -> list[Posed]:
    """The questions of an exam, each alone behind the passage. extracted: triplets of each sentence of the exam in place of the
    gold ones."""
    passage, out = passage_of(document), []
    for asked in questions_of(document):
        question, answer = document.sentences[asked.sentence], document.sentences[asked.sentence + 1]
        alone = replace(document, sentences=(*passage, replace(question, triplets=()), _REST))
        known = None if extracted is None else [*extracted[: len(passage)], (), ()]
        text = read(alone, tokenizer, known)
        accepted = tuple(frames()["silent"]) if asked.set == "silent" else (answer_of(answer),)
        told = _told(asked, question, answer, passage, text.ends)
        qid = f"{document.doc_id}.{asked.sentence}"
        fact = answer.triplets[0] if answer.triplets else None
        out.append(Posed(qid, asked.set, question.text, accepted, asked.other, fact, told, text))
    return out


def _told(asked: Asked, question: Sentence, answer: Sentence, passage: Sequence[Sentence], ends: Sequence[int]) -> int:
    """Tokens up to the end of the last sentence of the passage that bears on the answer.

    Of a fact, that says anything of subject and relation; of a sentence to be written out, that sentence; of what is nowhere
    said, the first sentence, so that it counts as soon as anything is evicted.
    """
    if asked.set == "silent":
        return ends[0]
    if asked.set == "verbatim":
        rest = answer_of(answer).casefold()
        bearing = [at for at, one in enumerate(passage) if not one.triplets and one.text.casefold().endswith(rest)]
    else:
        (fact,) = answer.triplets
        slots = {(fact.subject, fact.relation)}
        if relations()[fact.relation].symmetric:
            slots.add((fact.object, fact.relation))
        bearing = [at for at, one in enumerate(passage) if any((each.subject, each.relation) in slots for each in one.triplets)]
    return ends[bearing[-1]] if bearing else 0
