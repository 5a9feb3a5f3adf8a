"""Prose for pretraining: a small made-up world told in documents whose every sentence carries its gold triplets.

For language models that read triplets in place of old context, and for extractors that make them. A document's facts are its own
(only where towns lie and what they are known for is the same everywhere), so they can be learned from context alone.

Split "train" shows neither held-out names nor held-out wordings. Split "heldout" goes through four cases in turn, so that each
can be scored apart: new documents of known parts ("none"), held-out names, held-out wordings, both.
"""

import random
from collections.abc import Iterator
from itertools import count

from loci.worlds.checks import require
from loci.worlds.prose_exams import KIND, OF, exam
from loci.worlds.prose_kinds import KINDS
from loci.worlds.prose_records import NOVELTIES, SPLITS, Document


def document(index: int, seed: int, split: str, exams: str = "") -> Document:
    """Document number `index` of a split, the same whichever others are made. exams: a passage with questions
    about it, of one of `prose_exams.OF`.

    Raises UserError for a negative index or an unknown split.
    """
    _check(index, split, exams)
    rng = random.Random(f"{f'exam:{exams}' if exams else 'prose'}:{seed}:{split}:{index}")
    novel = "none" if split == "train" else NOVELTIES[index % len(NOVELTIES)]
    kind = KIND if exams else rng.choice(tuple(KINDS))
    held = novel in ("names", "both"), novel in ("wordings", "both")
    sentences = exam(rng, *held, exams) if exams else KINDS[kind](rng, *held)
    return Document(f"{split}-{seed}-{index:08d}", kind, novel, tuple(sentences))


def documents(seed: int, split: str, first: int = 0, exams: str = "") -> Iterator[Document]:
    """All documents from number `first` on, without end. Raises UserError, at once, as `document` does."""
    _check(first, split, exams)
    return (document(index, seed, split, exams) for index in count(first))


def _check(index: int, split: str, exams: str) -> None:
    require(index >= 0, "first document", f"is {index}", "count documents from 0")
    require(split in SPLITS, "split", f"'{split}' is not known", f"use one of {', '.join(SPLITS)}")
    require(exams in ("", *OF), "exams", f"of '{exams}' are not known", f"use one of {', '.join(OF)}")
