"""How much shorter old text is as triplets, and what of its facts they keep.

Of a whole document, as if all of it had left the window: tokens a position of the memory zone, with one position for each triplet
that stands (as first proposed) or one for each token of its object and one for the end (spelt); the share of gold facts that
stand among the extracted ones. The unit of intervals is the document.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from loci.bench.evicted import Parts, ReadDocument, standing_before
from loci.bench.statistics import RESAMPLES, Estimate
from loci.models.zones import NOTHING

RATIOS = {"vectors": ("tokens", "triplets"), "spelt": ("tokens", "spelt"), "kept": ("kept", "facts")}


@dataclass(frozen=True)
class Compressed:
    """Counts of one document: tokens of its text, triplets that stand, positions of the spelt ones; facts that truly stand, and
    those of them that are kept."""

    tokens: int
    triplets: int
    spelt: int
    facts: int
    kept: int


def compressed(
    extracted: ReadDocument, gold: ReadDocument, many: Collection[str], tokenizer: Tokenizer, longest: int
) -> Compressed:
    """One document with its extracted and with its gold triplets. longest: tokens after which an object is cut off."""
    parts = Parts(tokenizer, longest)
    stands, truly = (standing_before(one, len(one.ids), many) for one in (extracted, gold))
    spelt = sum(sum(part != NOTHING for part in parts.of(triplet)[2]) + 1 for triplet in stands)
    found = {(one.subject, one.relation, one.object, one.polarity) for one in stands}
    facts = {(one.subject, one.relation, one.object, one.polarity) for one in truly}
    return Compressed(len(extracted.ids) - 1, len(stands), spelt, len(facts), len(facts & found))


def ratio(found: Sequence[Compressed], name: str) -> Estimate:
    """One of `RATIOS` of all documents together, documents resampled; n is the number of documents."""
    above, below = (np.array([getattr(one, field) for one in found], dtype=float) for field in RATIOS[name])
    drawn = np.random.default_rng(0).integers(len(found), size=(RESAMPLES, len(found)))
    low, high = np.percentile(above[drawn].sum(1) / np.maximum(below[drawn].sum(1), 1), [2.5, 97.5])
    return Estimate(float(above.sum() / max(below.sum(), 1)), float(low), float(high), len(found))
