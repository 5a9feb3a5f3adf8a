"""Triplets out of LOCOMO's conversations: how much of what is asked stands in them, and whether they stand in the text.

Nobody annotated triplets there. Coverage is the share of questions whose gold answer is made of words that stand in the
triplets of the turns that the question cites; beside it the share whose words stand in those turns at all, which no extractor
that copies can pass. Answers that are worked out (dates from "last week", inferences) are in neither. A triplet is in the text
when the words of its subject and its object have been said in the conversation up to its own sentence; whether the sentence
states it, nobody has judged here.
"""

import re
from collections.abc import Iterator, Sequence

from loci.memories.lexical import words
from loci.worlds.locomo import ADVERSARIAL, Conversation, LocomoQuestion, Session
from loci.worlds.prose_records import Document, Sentence, Triplet

Records = list[tuple[str, str, float]]
_END = re.compile(r"(?<=[.!?])\s+")


def document_of(conversation: Conversation, session: Session) -> tuple[Document, list[str]]:
    """A session as the extractor reads dialogue, a labelled line a turn, and the turn's id of each of its sentences."""
    sentences, turns = [], []
    for turn in session.turns:
        for at, text in enumerate(part for part in _END.split(" ".join(turn.text.split())) if part):
            label = "" if at else f"{turn.speaker.split()[0]}: "
            sentences.append(Sentence(f"{label}{text}", (), " " if at else "\n" if sentences else ""))
            turns.append(turn.dia_id)
    return Document(f"{conversation.id}-{session.number}", "dialogue", "none", tuple(sentences)), turns


def told(triplet: Triplet) -> set[str]:
    """The words of a triplet's parts, stemmed."""
    return set(words(f"{triplet.subject} {triplet.relation.replace('_', ' ')} {triplet.object}"))


def asked(conversation: Conversation) -> Iterator[LocomoQuestion]:
    """Questions whose answer can be looked for: not adversarial, not corrupt by the audit, with evidence and a word to find."""
    for question in conversation.questions:
        if question.category != ADVERSARIAL and not question.corrupt and question.evidence and words(question.answer):
            yield question


def coverage(conversation: Conversation, by_turn: dict[str, list[Triplet]]) -> dict[str, Records]:
    """(conversation, question, whether covered) by "<category>.<where>", where: "triplets" and "text" of the cited turns, and
    "anywhere", the triplets of the whole conversation. by_turn: what was extracted from each turn."""
    texts = {turn.dia_id: set(words(f"{turn.speaker} {turn.text}")) for turn in conversation.turns}
    whole = set().union(*(told(one) for found in by_turn.values() for one in found), set())
    found: dict[str, Records] = {}
    for question in asked(conversation):
        answer = set(words(question.answer))
        cited = set().union(*(told(one) for turn in question.evidence for one in by_turn.get(turn, [])), set())
        said = set().union(*(texts[turn] for turn in question.evidence))
        for where, there in (("triplets", cited), ("text", said), ("anywhere", whole)):
            for category in (str(question.category), "all"):
                one = (conversation.id, question.id, float(answer <= there))
                found.setdefault(f"{category}.{where}", []).append(one)
    return found


def in_text(document: Document, extracted: Sequence[Sequence[Triplet]], before: set[str]) -> Iterator[float]:
    """Of each triplet whether the words of its subject and object stand in the conversation up to its sentence. before: the words
    of earlier sessions and of the speakers' names; this document's are added to them."""
    for sentence, triplets in zip(document.sentences, extracted, strict=True):
        before |= set(words(sentence.text))
        for one in triplets:
            yield float(set(words(f"{one.subject} {one.object}")) <= before)
