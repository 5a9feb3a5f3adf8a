"""Triplets as memory: the latest word stands, in whatever order it is told."""

import random
from itertools import permutations

import pytest

from loci.errors import UserError
from loci.memories.triplet_store import TripletStore, parse, text_of
from loci.worlds.prose import document
from loci.worlds.prose_lexicon import many_valued
from loci.worlds.prose_records import Triplet

MANY = {"speaks", "allergic_to"}


def said(*lines: str) -> list[Triplet]:
    return [parse(line) for line in lines]


def standing(triplets: list[Triplet], **schema) -> list[str]:
    store = TripletStore(MANY, **schema)
    store.update(triplets)
    return [text_of(triplet) for triplet in store]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["Ulm | mayor | Ada (1991)", "Ulm | mayor | Bo (1994)"], ["Ulm | mayor | Bo (1994)"]),
        (["Ulm | mayor | Ada (1991)", "Ulm | not mayor | Ada (1994)"], ["Ulm | not mayor | Ada (1994)"]),
        (["Ulm | mayor | Ada (1991)", "Ulm | not mayor | Ada (1994)", "Ulm | mayor | Bo (1994)"], ["Ulm | mayor | Bo (1994)"]),
        (["Ulm | mayor | Ada (1991)", "Ulm | mayor | Bo (1992)", "Ulm | not mayor | Bo (1995)"], ["Ulm | not mayor | Bo (1995)"]),
        (["Ulm | mayor | Ada (1991)", "Ulm | not mayor | Bo (1993)"], ["Ulm | mayor | Ada (1991)"]),
        (["Ulm | not mayor | Bo", "Ulm | not mayor | Cy"], ["Ulm | not mayor | Bo", "Ulm | not mayor | Cy"]),
        (["Ada | speaks | Czech", "Ada | speaks | Latin"], ["Ada | speaks | Czech", "Ada | speaks | Latin"]),
        (["Ada | speaks | Czech", "Ada | not speaks | Latin"], ["Ada | speaks | Czech", "Ada | not speaks | Latin"]),
        (["Ada | speaks | Czech (1990)", "Ada | not speaks | Czech (1995)"], ["Ada | not speaks | Czech (1995)"]),
        (["Ada | lives_in | Ulm", "Ada | lives_in | Ulm"], ["Ada | lives_in | Ulm"]),
        (["Ada | lives_in | Ulm", "Bo | lives_in | Bern"], ["Ada | lives_in | Ulm", "Bo | lives_in | Bern"]),
    ],
)
def test_the_latest_word_stands_in_every_order(lines, wanted):
    for order in permutations(said(*lines)):
        assert standing(list(order)) == wanted, order


def test_merging_is_a_union():
    """Commutative, associative, idempotent, and the same as telling everything to one store; drawn at random."""
    rng = random.Random(0)
    for _ in range(200):
        parts = []
        for _ in range(3):
            store = TripletStore(MANY)
            for _ in range(rng.randrange(5)):
                relation = rng.choice(("mayor", "speaks"))
                time = rng.choice((None, 1990, 1991, 1992))
                store.add(Triplet("Ulm", relation, rng.choice("ABC"), rng.choice(("yes", "no")), time))
            parts.append(store)
        one, two, three = parts
        wanted = list(one.merged(two).merged(three))
        assert wanted == list(three.merged(one.merged(two))) == list(two.merged(three).merged(one).merged(one))
        assert list(one.merged(one)) == list(one)


def test_names_of_the_schema():
    found = standing(
        said("Ada | resides_in | Ulm (1990)", "Ada Lovelace | lives_in | Bern (1991)"),
        same={"resides_in": "lives_in"},
        aliases={"Ada": "Ada Lovelace"},
    )
    assert found == ["Ada Lovelace | lives_in | Bern (1991)"]


def test_text_is_read_back():
    for index in range(20):
        for sentence in document(index, 0, "heldout").sentences:
            assert [parse(text_of(triplet)) for triplet in sentence.triplets] == list(sentence.triplets)


def test_of_a_document_what_held_last_stands():
    """Every fact that the store gives was stated, and no later sentence of the document takes it back."""
    many = many_valued()
    shown = stated = 0
    for index in range(40):
        told = [triplet for sentence in document(index, 0, "train").sentences for triplet in sentence.triplets]
        store = TripletStore(many)
        store.update(told)
        for triplet in store:
            assert triplet in told
            place = max(at for at, one in enumerate(told) if one == triplet)
            if triplet.polarity == "yes":
                later = [one for one in told[place + 1 :] if (one.subject, one.relation) == (triplet.subject, triplet.relation)]
                assert not [one for one in later if one.object == triplet.object and one.polarity == "no"], (triplet, later)
        shown, stated = shown + len(list(store)), stated + len(told)
    assert 0.3 * stated < shown < stated


@pytest.mark.parametrize("line", ["Ada lives in Ulm", "Ada | lives_in", "Ada |  | Ulm", "a | b | c | d"])
def test_other_lines_are_refused(line):
    with pytest.raises(UserError, match=r"is not 'subject \| relation \| object'"):
        parse(line)


def test_stores_of_two_schemas_are_not_merged():
    with pytest.raises(UserError, match=r"triplets\.many: differ between the two stores"):
        TripletStore(MANY).merged(TripletStore())
