"""LOCOMO as rows: what is written of a conversation, and what is written of its tested questions by the published protocol.

conversation write  sentences about the speakers: the released observations, or our extraction's triplets
oracle write        each tested question, with its gold answer: the published protocol, which trains on the test

A sentence is cut where it becomes the only one that begins so: a trigger, and the words that must follow. Nothing in a row says
for which question it is.
"""

from collections.abc import Iterable, Sequence

from loci.bench.locomo_asked import Asked
from loci.bench.reader import Reader
from loci.errors import UserError
from loci.memories.row_examples import Sentence, encode_sentence
from loci.worlds.locomo import LocomoQuestion
from loci.worlds.prose_records import Triplet

LEAST, MOST = 3, 8  # words of a trigger at least (the shortest address is three tokens), of what follows at most

_SAID = "They said that"


def of_observations(said: Sequence[str]) -> list[Sentence]:
    """Each sentence cut behind the shortest beginning of at least LEAST words that no other has, MOST words kept behind it."""
    words = [sentence.rstrip(".!").split() for sentence in dict.fromkeys(said)]
    out = []
    for at, mine in enumerate(words):
        others = [one for place, one in enumerate(words) if place != at]
        cut = LEAST
        while cut < len(mine) - 1 and any(one[:cut] == mine[:cut] for one in others):
            cut += 1
        if len(mine) > cut:
            out.append(Sentence(" ".join(mine[:cut]), " ".join(mine[cut : cut + MOST]), "."))
    return out


def of_triplets(found: Iterable[Triplet]) -> list[Sentence]:
    """Subject and relation as a trigger, the object behind it; the latest object of a subject and relation stands; what does
    not hold is left out. A beginning that all share makes triggers as long as the shortest address."""
    kept = [one for one in found if one.polarity == "yes" and one.subject and one.object]
    latest = {f"{_SAID} {one.subject} {one.relation.replace('_', ' ')}": one.object for one in kept}
    return [Sentence(trigger, answer, ".") for trigger, answer in latest.items()]


def of_questions(questions: Sequence[LocomoQuestion], reader: Reader) -> tuple[list[Sentence], list[str]]:
    """(each question up to where its answer begins, with the gold answer; the prompt in front of each). Same prompt as asked."""
    sentences, before = [], []
    for question in questions:
        prompt = reader.prompt(Asked(question.id, question.text), (), "")
        start = prompt.rindex(question.text)
        sentences.append(Sentence(prompt[start:], question.answer, "\n"))
        before.append(prompt[:start])
    return sentences, before


def writable(sentences: Sequence[Sentence], tokenizer) -> list[bool]:
    """Which sentences the tokenizer can hold; the others (odd characters, double blanks) are left out and counted."""

    def fits(sentence: Sentence) -> bool:
        try:
            encode_sentence(tokenizer, "", sentence)
        except UserError:
            return False
        return True

    return [fits(sentence) for sentence in sentences]
