"""Passages with many questions about them: what a memory of a text is asked once the text itself is out of sight.

Sets of questions, each of which needs something else of the old text:

    fact       one value that was stated and never changed
    update     one value that took the place of an earlier one
    past       what held in a year
    confusion  a value, where the text gives another subject another value of the same relation (swapped, it would be wrong)
    yes_no     whether something holds
    silent     what the text does not say
    verbatim   the wording of a sentence that states nothing
"""

import random
from dataclasses import dataclass

from loci.worlds.chance import between, pick
from loci.worlds.prose_kinds import TELLINGS, tell
from loci.worlds.prose_lexicon import frames, relations
from loci.worlds.prose_questions import examine
from loci.worlds.prose_records import Document, Sentence
from loci.worlds.prose_teller import Teller
from loci.worlds.prose_writer import LINE, PARAGRAPH

SETS = ("fact", "update", "past", "confusion", "yes_no", "silent", "verbatim")
KIND = "exam"
# What exams can be of: kinds of text, and relations that it tells of (None: all). A small model learnt to read the first in 1.6
# million tokens; of all it had learnt next to nothing after as many (docs/LOG.md).
OF: dict[str, tuple[tuple[str, ...], frozenset[str] | None]] = {
    "people": (
        ("notes",),
        frozenset(
            ("born_in", "lives_in", "works_as", "studied", "usual_drink", "favourite_dish", "plays", "practises"),
        ),
    ),
    "all": (tuple(TELLINGS), None),
}
_QUESTION, ANSWER = "Question: ", "Answer: "
_WORDS = 130  # of a passage at most
_PERIODS = (1, 2, 2, 3)  # parts of a passage
_ASKED = (6, 10)  # questions about facts
_SHOWN = 3  # words of a sentence that a question shows
_LEAST = 6  # words of a sentence that is asked for
_VERBATIM_RATE = 0.5  # of the passages are asked for a sentence


def exam(rng: random.Random, names_held: bool, wordings_held: bool, of: str) -> list[Sentence]:
    """A passage, then questions with their answers, as two labelled lines each; everybody has the full name. of: one of `OF`."""
    kinds, about = OF[of]
    kind = pick(rng, kinds)
    while True:
        teller = tell(kind, rng, names_held, wordings_held, _PERIODS, about)
        words = sum(len(sentence.text.split()) for sentence in teller.writer.sentences)
        if words <= _WORDS and teller.world.known:
            break
    writer = teller.writer
    passage = tuple(writer.sentences)
    writer.speaker = writer.listener = teller.world.avoid = None
    writer.formal = writer.copied = True
    asked: set[tuple] = set()
    count = between(rng, *_ASKED)
    verbatim_at = between(rng, 0, count) if rng.random() < _VERBATIM_RATE else None
    for at in range(count + 1):
        if at == verbatim_at:
            _ask_verbatim(teller, passage)
        if at < count:
            examine(teller, asked)
    return writer.sentences


def _ask_verbatim(teller: Teller, passage: tuple[Sentence, ...]) -> None:
    """Ask for the rest of a sentence that states nothing and whose first words begin no other sentence."""
    begun = [" ".join(sentence.text.split()[:_SHOWN]) for sentence in passage]
    plain = [
        (start, sentence.text)
        for start, sentence in zip(begun, passage, strict=True)
        if not sentence.triplets and len(sentence.text.split()) >= _LEAST and begun.count(start) == 1 and ":" not in start
    ]
    if plain:
        start, text = pick(teller.rng, plain)
        teller.writer.separate(PARAGRAPH, _QUESTION)
        teller.writer.add(pick(teller.rng, frames()["verbatim"]).replace("{W}", start), ())
        teller.writer.separate(LINE, ANSWER)
        teller.writer.add(text.removeprefix(start).strip(), (), as_it_is=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in an exam: number of its sentence (the answer is the next one), its set of `SETS`, and of set confusion the
    value of the other subject, or ""."""

    sentence: int
    set: str
    other: str = ""


def passage_of(document: Document) -> tuple[Sentence, ...]:
    """The sentences before the first question."""
    first = next((at for at, sentence in enumerate(document.sentences) if sentence.text.startswith(_QUESTION)), None)
    return document.sentences[:first]


def answer_of(sentence: Sentence) -> str:
    """What an answer says, without its label."""
    return sentence.text.removeprefix(ANSWER)


def questions_of(document: Document) -> list[Asked]:
    """The questions of an exam in order."""
    facts = [triplet for sentence in passage_of(document) for triplet in sentence.triplets]
    out = []
    for at, sentence in enumerate(document.sentences):
        if sentence.text.startswith(_QUESTION):
            out.append(_asked(at, sentence.text, document.sentences[at + 1], facts))
    return out


def _asked(at: int, question: str, answer: Sentence, facts: list) -> Asked:
    said = answer_of(answer)
    if not answer.triplets:
        return Asked(at, "silent" if said in frames()["silent"] else "verbatim")
    (triplet,) = answer.triplets
    if said in ("Yes", "No"):
        return Asked(at, "yes_no")
    if triplet.time is not None and str(triplet.time) in question:
        return Asked(at, "past")
    same = [one for one in facts if one.relation == triplet.relation and one.polarity == "yes"]
    if any(one.subject == triplet.subject and one.object != triplet.object for one in same):
        return Asked(at, "update")
    ours = (triplet.subject, triplet.object)
    others = [one.object for one in same if one.subject != triplet.subject and one.object not in ours]
    if others and not relations()[triplet.relation].many:
        return Asked(at, "confusion", others[-1])
    return Asked(at, "fact")
