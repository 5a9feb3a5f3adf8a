"""Texts that [mem] vectors are to hold: excerpts of documentation, and random words out of the same source.

The source is the language reference that ships with CPython (`texts.prose_sha256` identifies it). Random texts draw from its own
lower-case words, each as likely as the other: the words are known, their order is not.
"""

import pydoc_data.topics
import random
import re

from loci.bench.texts import prose
from loci.errors import UserError

KINDS = ("docs", "random")
SPLITS = ("dev", "test")  # settings are chosen on "dev"
LONGEST = 96  # tokens; the same texts are drawn whatever is asked of them
_PARAGRAPHS, _EACH = 60, 30  # drawn once; the first half is "test"
_WORD = re.compile(r"\b[a-z]{4,}\b")


def mem_texts(kind: str, split: str, count: int, tokens: int, tokenizer) -> list[list[int]]:
    """Token ids of the first `count` texts of a kind and split that are long enough, cut to `tokens`; UserError for too few."""
    if kind == "docs":
        paragraphs = prose(_PARAGRAPHS)
        found = paragraphs[:_EACH] if split == "test" else paragraphs[_EACH:]
    else:
        pool = word_pool()
        found = [" ".join(random.Random(f"words:{split}:{at}").choices(pool, k=LONGEST)) for at in range(_EACH)]
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in found]
    long = [one[:tokens] for one in ids if len(one) >= LONGEST][:count]
    if count > len(long):
        raise UserError(f"texts of {kind}", f"of {tokens} tokens are {len(long)}, not {count}", "ask for fewer")
    return long


def word_pool() -> list[str]:
    """Distinct lower-case words of at least four letters, sorted."""
    return sorted({word for text in pydoc_data.topics.topics.values() for word in _WORD.findall(text)})
