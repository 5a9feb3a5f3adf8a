"""An inner hold-out of the prose world: the held-out items are taken out of every authored list first, and of what is left every
fourth item is held out again. Whoever develops an extractor looks at this one, and leaves split "heldout" alone."""

import random
from contextlib import contextmanager
from itertools import islice

import loci.worlds.prose_lexicon as lexicon
from loci.worlds.prose import documents
from loci.worlds.prose_records import Document

_EVERY = 4
_CACHED = ("relations", "relations_of", "pool", "stable_object")


def inner_documents(split: str, count: int, seed: int, rotation: int = 1) -> list[Document]:
    """The first documents of an inner split; `rotation` 1 to 3 picks which of each four items are held out."""
    with _inner_lists(rotation):
        made = list(islice(documents(seed, split), count))
    random.Random(0).shuffle(made)
    return made


@contextmanager
def _inner_lists(rotation):
    outer, read = lexicon.is_held, lexicon.read_json

    def without_held(value, key=""):
        if isinstance(value, list) and key != "relations":
            kept = [without_held(one) for position, one in enumerate(value) if not outer(position)]
            # A question with "still" must not be the only one that is held out.
            return sorted(kept, key=lambda one: "still" not in one) if key == "check" else kept
        if isinstance(value, list):
            return [without_held(one) for one in value]
        if isinstance(value, dict) and value.get("closed"):
            return value
        return {name: without_held(one, name) for name, one in value.items()} if isinstance(value, dict) else value

    def inner_read(path, remedy):
        value = read(path, remedy)
        return value if path.name == "frames.json" else without_held(value)

    lexicon.read_json, lexicon.is_held = inner_read, lambda position: position % _EVERY == rotation
    _forget()
    try:
        yield
    finally:
        lexicon.read_json, lexicon.is_held = read, outer
        _forget()


def _forget():
    for name in _CACHED:
        getattr(lexicon, name).cache_clear()
