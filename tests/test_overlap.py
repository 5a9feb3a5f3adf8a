"""How alike texts end: hand-made cases, and the fast ways against the obvious one."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from loci.bench.units import suffix_units
from loci.errors import UserError
from loci.models.canonical import load_encoder
from loci.worlds.overlap import SuffixIndex, endings, shared_suffix, sharing, words

SEQUENCES = st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=7)
quick = settings(max_examples=150, deadline=None, derandomize=True)


@pytest.mark.parametrize(
    ("left", "right", "length"),
    [("a b c", "x b c", 2), ("a b c", "a b d", 0), ("b c", "a b c", 2), ("a b", "a b", 2), ("", "a", 0), ("c b a", "a b c", 0)],
)
def test_shared_suffix(left, right, length):
    assert shared_suffix(words(left), words(right)) == shared_suffix(words(right), words(left)) == length


def test_endings_of_four_triggers():
    texts = ["My dentist is", "my tailor Is", "The dentist is", "I live in"]
    found = endings(texts, words, range(1, 4))
    assert found.longest == {0: 1, 1: 1, 2: 2}
    assert found.distinct == {1: 2, 2: 3, 3: 4}
    assert endings(["a b", "a b", "b"], words, (5,)).longest == {1: 1, 2: 2}
    assert endings([], words, (2,)).distinct == {2: 0}


@quick
@given(SEQUENCES)
def test_sharing_is_the_best_over_all_others(sequences):
    slow = [
        max((shared_suffix(one, other) for at_other, other in enumerate(sequences) if at_other != at), default=0)
        for at, one in enumerate(sequences)
    ]
    assert sharing(sequences) == slow


@quick
@given(SEQUENCES, st.lists(st.integers(0, 2), max_size=6))
def test_index_finds_the_longest_suffix(sequences, ids):
    index = SuffixIndex(sequences)
    at_end = max((shared_suffix(ids, one) for one in sequences), default=0)
    assert index.at_end(ids) == at_end
    anywhere = max((shared_suffix(ids[:end], one) for one in sequences for end in range(len(ids) + 1)), default=0)
    assert index.anywhere(ids) == anywhere >= at_end


@quick
@given(SEQUENCES)
def test_an_order_tells_apart_no_less_than_a_shorter_one(sequences):
    found = endings([" ".join(map(str, ids)) for ids in sequences], words, range(1, 8))
    assert sum(found.longest.values()) == len(sequences)
    assert all(shorter <= longer for shorter, longer in pairwise(found.distinct.values()))


def test_tokens_that_an_address_takes_for_the_same_are_one_unit(tmp_path):
    vocabulary = {text: at for at, text in enumerate(("[UNK]", "My", "my", "tailor", "TAILOR", "is"))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    encode = load_encoder(tmp_path)
    assert encode("My tailor is") == encode("my TAILOR is") == [1, 3, 5]
    assert suffix_units(tmp_path)[1]["name"] == tmp_path.name
    assert suffix_units(None) == (words, {"name": "words"})


@pytest.mark.parametrize(("content", "message"), [(None, "tokenizer.json: no such file"), ("{}", "tokenizer.json: is not a tok")])
def test_a_bad_tokenizer_is_told_in_one_line(content, message, tmp_path):
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message) as fault:
        suffix_units(tmp_path)
    assert "\n" not in str(fault.value)
