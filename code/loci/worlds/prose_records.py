"""What the prose world hands out: documents of sentences, every sentence with its gold triplets."""

from collections.abc import Iterator
from dataclasses import dataclass

from loci.errors import UserError
from loci.worlds.checks import require

SPLITS = ("train", "heldout")
NOVELTIES = ("none", "names", "wordings", "both")
POLARITIES = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Triplet:
    """One fact that a sentence states. Entities stand by their full name, also where the text has a pronoun.

    `polarity` "yes": the fact holds; "no": it does not. `time` is the story's year for which the sentence says so, or None
    for what holds, or does not hold, throughout the document.
    """

    subject: str
    relation: str
    object: str
    polarity: str
    time: int | None

    def __post_init__(self) -> None:
        if self.polarity not in POLARITIES:
            raise UserError("polarity", f"'{self.polarity}' is not known", f"use {' or '.join(POLARITIES)}")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text, the triplets that it states (none for chatter and for questions), and what separates it from the text before."""

    text: str
    triplets: tuple[Triplet, ...]
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One document, a small world of its own.

    `kind` is a key of `prose.KINDS`. `novel` says what of it is held out: "none" (all of split train), "names", "wordings" or
    "both".
    """

    doc_id: str
    kind: str
    novel: str
    sentences: tuple[Sentence, ...]

    def __post_init__(self) -> None:
        require(self.novel in NOVELTIES, f"{self.doc_id}.novel", f"'{self.novel}' is not known", f"use {', '.join(NOVELTIES)}")

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(sentence.lead + sentence.text for sentence in self.sentences)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Start and end of every sentence in `text` (characters, end excluded)."""
        end = 0
        for sentence in self.sentences:
            start = end + len(sentence.lead)
            end = start + len(sentence.text)
            yield start, end
