"""Windows over documents: every token is a target once, nothing of a window stands in its memory, the latest facts stay."""

import random
from itertools import pairwise

import pytest
import torch

from loci.bench.evicted import Parts, Remembered, Windows, batch_of, fact_targets, read, windows
from loci.errors import UserError
from loci.memories.triplet_store import TripletStore
from loci.models.bpe import train_bpe
from loci.models.zones import NOTHING
from loci.worlds.prose import document
from loci.worlds.prose_lexicon import many_valued

MANY = many_valued()
LENGTH = 32
DOCUMENTS = [document(index, 0, "train") for index in range(6)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe([one.text for one in DOCUMENTS], 500)


@pytest.fixture(scope="module")
def found(tokenizer):
    return windows([read(one, tokenizer) for one in DOCUMENTS], LENGTH, MANY)


def test_sentences_end_where_their_tokens_end(tokenizer):
    for one in DOCUMENTS:
        read_ = read(one, tokenizer)
        assert len(read_.ends) == len(one.sentences) and read_.ends[-1] == len(read_.ids)
        for (_, end), count in zip(one.spans(), read_.ends, strict=True):
            assert tokenizer.decode(list(read_.ids[1:count])) == one.text[:end]


def test_every_token_is_a_target_once(found, tokenizer):
    by_document: dict[str, list[int]] = {}
    for window in found:
        targets = batch_of([window], LENGTH, Remembered("nothing", 0), Parts(tokenizer, 6)).targets[0]
        by_document.setdefault(window.document.doc_id, []).extend(targets[targets >= 0].tolist())
    for one in DOCUMENTS:
        assert by_document[one.doc_id] == list(read(one, tokenizer).ids[1:])


def test_what_stands_was_said_before_the_window(found):
    seen = 0
    for window in found:
        document_ = window.document
        past = [at for at, end in enumerate(document_.ends) if end <= window.start]
        told = [triplet for at in past for triplet in document_.triplets[at]]
        store = TripletStore(MANY)
        store.update(told)
        assert sorted(map(str, window.standing)) == sorted(map(str, store))
        last = [max(at for at, one in enumerate(told) if one == triplet) for triplet in window.standing]
        assert all(one < other for one, other in pairwise(last))
        seen += len(window.standing)
    assert seen > 100 and not found[0].standing


def test_objects_are_found_where_they_are_named(found, tokenizer):
    """Each mention decodes to a name of its object; targets that count are mentions of what stood, in this window."""
    named = stated = 0
    for one in DOCUMENTS:
        read_ = read(one, tokenizer)
        stated += sum(triplet.polarity == "yes" for sentence in one.sentences for triplet in sentence.triplets)
        for first, count, triplet in read_.mentions:
            said = tokenizer.decode(list(read_.ids[first : first + count])).strip(" .,;?!'\n").casefold()
            names = {triplet.object, triplet.object.removeprefix("the "), triplet.object.split()[0]}
            assert said.removesuffix("'s") in {name.casefold() for name in names}, (said, triplet)
            named += 1
    assert named > 0.8 * stated
    counted = 0
    for window in found:
        marked = {window.start + 1 + at for at in fact_targets(window, LENGTH).nonzero().flatten().tolist()}
        stood = {(one.subject, one.relation, one.object) for one in window.standing}
        wanted = {
            token
            for first, count, fact in window.document.mentions
            for token in range(first, first + count)
            if (fact.subject, fact.relation, fact.object) in stood and window.start < token <= window.start + LENGTH
        }
        assert marked == wanted
        counted += len(marked)
    assert counted > 30


def test_triplets_of_a_window_are_its_latest(found, tokenizer):
    parts, how = Parts(tokenizer, 6), Remembered("triplets", 5)
    window = max(found, key=lambda one: len(one.standing))
    first = next(one for one in found if not one.standing)
    given = batch_of([window, first], LENGTH, how, parts).memory
    assert given.present.tolist() == [[True] * 5, [False] * 5] and given.age[0].tolist() == [4, 3, 2, 1, 0]
    for at, triplet in enumerate(window.standing[-5:]):
        words = [[one for one in part if one != NOTHING] for part in given.parts[0, at].tolist()]
        wanted = (triplet.subject, triplet.relation.replace("_", " "), triplet.object)
        for ids, text in zip(words, wanted, strict=True):
            assert f" {text}".startswith(tokenizer.decode(ids)) and (len(ids) == 6 or tokenizer.decode(ids) == f" {text}")
        assert bool(given.denied[0, at]) == (triplet.polarity == "no")


def test_old_tokens_are_those_right_before_the_window(found, tokenizer):
    window = found[3]
    ids = batch_of([window, found[0]], LENGTH, Remembered("tokens", 50), Parts(tokenizer, 6)).memory.ids
    assert ids[0].tolist() == list(window.document.ids[window.start - 50 : window.start])
    assert ids[1].tolist() == [NOTHING] * 50


def test_training_leaves_out_what_it_is_told_to(found, tokenizer):
    how, parts = Remembered("triplets", 40, dropped=0.5, lost=0.25), Parts(tokenizer, 6)
    full = [window for window in found if len(window.standing) >= 10]
    kept = [
        batch_of([window], LENGTH, how, parts, random.Random(seed)).memory.present.sum().item() / min(40, len(window.standing))
        for seed, window in enumerate(full * 8)
    ]
    empty = sum(share == 0 for share in kept) / len(kept)
    some = [share for share in kept if share]
    assert 0.4 < empty < 0.6 and 0.7 < sum(some) / len(some) < 0.8
    assert torch.equal(
        batch_of(full[:3], LENGTH, how, parts, random.Random(1)).memory.parts,
        batch_of(full[:3], LENGTH, how, parts, random.Random(1)).memory.parts,
    )


def test_training_may_have_another_documents_triplets_among_its_own(found, tokenizer):
    parts, most = Parts(tokenizer, 6), 12
    few = [window for window in found if 2 <= len(window.standing) <= 8]
    pairs = [(one, other) for one, other in pairwise(few) if one.document.doc_id != other.document.doc_id]
    assert len(pairs) >= 3
    own_first = 0
    for seed, (one, other) in enumerate(pairs * 6):
        plain, mixed = (
            batch_of([one, other], LENGTH, Remembered("triplets", most, foreign=share), parts, random.Random(seed)).memory
            for share in (0.0, 1.0)
        )
        own = [plain.parts[0, at].tolist() for at in range(len(one.standing))]
        all_ = [row for row, there in zip(mixed.parts[0].tolist(), mixed.present[0].tolist(), strict=True) if there]
        assert [row for row in all_ if row in own] == own, "its own are all there, in their order"
        subjects = {triplet.subject for triplet in one.standing}
        there = [triplet for triplet in other.standing if triplet.subject not in subjects][-(most - len(own)) :]
        assert [row for row in all_ if row not in own] == [parts.of(triplet) for triplet in there]
        own_first += all_[0] in own
    assert 0 < own_first < 6 * len(pairs), "in any order of both"
    alone = batch_of([pairs[0][0]], LENGTH, Remembered("triplets", most, foreign=1.0), parts, random.Random(0)).memory
    assert int(alone.present.sum()) == len(pairs[0][0].standing), "no other document, no other triplets"


def test_training_batches_go_through_all_windows(found, tokenizer):
    source = Windows(found, LENGTH, 4, Remembered("nothing", 0), Parts(tokenizer, 6), seed=0)
    seen = [tuple(row.tolist()) for _ in range(len(found) // 4) for row in source.next().tokens]
    assert len(set(seen)) == len(seen) and source.position == {"epoch": 0, "batch": len(found) // 4}
    source.next()
    assert source.position == {"epoch": 1, "batch": 1}
    again = Windows(found, LENGTH, 4, Remembered("nothing", 0), Parts(tokenizer, 6), seed=0)
    again.position = {"epoch": 0, "batch": 2}
    assert tuple(again.next().tokens[0].tolist()) == seen[8]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Remembered("pictures", 3), r"remembered: pictures: is not known; use nothing, triplets or tokens"),
        (lambda: Remembered("triplets", 0), r"remembered\.most: is 0; give at least 1"),
        (lambda: Windows([], 8, 2, Remembered("nothing", 0), None, 0), r"corpus: has 0 windows, a batch takes 2"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_extracted_triplets_of_other_sentences_are_refused(tokenizer):
    with pytest.raises(UserError, match=r"has \d+ sentences, extracted are 1; extract again"):
        read(DOCUMENTS[0], tokenizer, [[]])
