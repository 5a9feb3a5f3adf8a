"""Addresses: equal text has equal ids, equal suffixes have equal keys, and nothing else has."""

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from loci.models.addressing import Addressing, canonical_ids
from loci.models.canonical import canonical_text
from loci.models.tiny import byte_tokenizer

ORDERS = (2, 3, 4, 5)
M64 = (1 << 64) - 1


def word_tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    """A tokenizer whose token i decodes to words[i]; the last one is a special token."""
    core = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token=words[-1]))
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token=words[-1])


def keys_of(ids: list[int], orders: tuple[int, ...] = ORDERS, seed: int = 0) -> list[list[int]]:
    """Keys [T][O] of one whole sequence."""
    tokens = torch.tensor([ids])
    keys, _ = Addressing(orders, seed).addresses(tokens, torch.ones_like(tokens, dtype=torch.bool))
    return keys[0].tolist()


def reference_mix(value: int) -> int:
    """SplitMix64's finaliser on Python integers."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & M64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & M64
    return value ^ (value >> 31)


def reference_key(ngram: list[int], seed: int) -> int:
    """The key of one n-gram, newest token first into the mix, as a signed 64-bit integer."""
    mixed = 0
    for offset, token in enumerate(reversed(ngram)):
        mixed = reference_mix(((mixed ^ (token + 1)) * 0x9E3779B97F4A7C15 + offset) & M64)
    key = reference_mix(mixed ^ reference_mix((seed * 64 + len(ngram)) & M64))
    return key - (1 << 64) if key >> 63 else key


# Canonical ids


@pytest.mark.parametrize(
    ("left", "right"),
    [
        *[("My", "my"), (" my", "MY"), ("ß", "SS")],
        *[("é", "E"), ("e\u0301", "é")],
        *[("ﬁ", "FI"), ("ｆｕｌｌ", "full")],
        *[("a \t b", "a b"), ("\n", "  ")],
    ],
)
def test_texts_that_address_alike(left: str, right: str) -> None:
    assert canonical_text(left) == canonical_text(right)


@pytest.mark.parametrize(("left", "right"), [("a", "b"), (" ", ""), (".", ","), ("1", "2"), ("ab", "a b"), (" ", "a")])
def test_texts_that_do_not(left: str, right: str) -> None:
    assert canonical_text(left) != canonical_text(right)


def test_case_accents_compatibility_and_leading_space_share_the_smallest_id() -> None:
    words = ["My", " my", "MY", "café", " Cafe", "ﬁn", "fin", "other", "my?", "<unk>"]
    assert canonical_ids(word_tokenizer(words)).tolist() == [0, 0, 0, 3, 3, 5, 5, 7, 8, 9]


def test_special_token_keeps_its_own_id_even_with_the_text_of_another() -> None:
    assert canonical_ids(word_tokenizer(["unk", "UNK", "unK"])).tolist() == [0, 0, 2]


def test_bytes_broken_and_special_tokens_of_the_byte_tokenizer() -> None:
    tokenizer = byte_tokenizer()
    canonical = canonical_ids(tokenizer).tolist()
    assert canonical[128:259] == list(range(128, 259)), "pieces of characters and special tokens keep their own id"
    assert [canonical[byte] for byte in b"azAZ"] == [*b"AZAZ"]
    assert canonical[ord(" ")] == canonical[ord("\n")] != canonical[ord("a")]
    assert len({canonical[byte] for byte in b"abc019.,!?"}) == 10


def test_canonical_ids_are_idempotent() -> None:
    canonical = canonical_ids(byte_tokenizer())
    assert torch.equal(canonical[canonical], canonical)
    assert bool((canonical <= torch.arange(len(canonical))).all())


# Keys


def test_equal_suffixes_have_equal_keys_wherever_they_stand() -> None:
    alone, late, other = keys_of([7, 8, 9, 10, 11]), keys_of([1, 2, 3, 7, 8, 9, 10, 11]), keys_of([6, 8, 9, 10, 11])
    assert alone[-1] == late[-1]
    assert alone[-1][:3] == other[-1][:3]
    assert alone[-1][3] != other[-1][3]


def test_order_of_tokens_matters() -> None:
    assert set(keys_of([3, 4])[1]).isdisjoint(keys_of([4, 3])[1])


def test_orders_and_seeds_give_unrelated_keys() -> None:
    ids = [5] * 12
    per_order = keys_of(ids)[-1]
    assert len(set(per_order)) == len(ORDERS)
    assert keys_of(ids, orders=(3, 5))[-1] == [per_order[1], per_order[3]], "a key does not depend on the other orders"
    seeds = [tuple(keys_of(ids, seed=seed)[-1]) for seed in (0, 1, -1, 2**40)]
    assert len({key for keys in seeds for key in keys}) == len(seeds) * len(ORDERS)


def test_an_ngram_exists_only_with_all_of_its_tokens() -> None:
    tokens = torch.tensor([[9, 9, 1, 2, 3, 4], [9, 9, 9, 9, 9, 5]])
    valid = torch.tensor([[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]]).bool()
    _, exists = Addressing((1, 2, 4), 0).addresses(tokens, valid)
    assert exists[0].int().tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert exists[1].int().tolist() == [[0, 0, 0]] * 5 + [[1, 0, 0]]


def test_a_gap_interrupts_the_ngrams_across_it() -> None:
    tokens = torch.tensor([[1, 2, 3, 4]])
    _, exists = Addressing((2, 3, 4), 0).addresses(tokens, torch.tensor([[1, 0, 1, 1]]).bool())
    assert exists[0].int().tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_orders_longer_than_the_sequence_do_not_exist() -> None:
    tokens = torch.tensor([[4, 5]])
    keys, exists = Addressing((2, 9), 0).addresses(tokens, torch.ones_like(tokens, dtype=torch.bool))
    assert keys.shape == exists.shape == (1, 2, 2)
    assert exists[0].tolist() == [[False, False], [True, False]]


def test_left_padding_does_not_change_a_key() -> None:
    padded = torch.tensor([[258, 258, 7, 8, 9, 10, 11]])
    keys, exists = Addressing(ORDERS, 0).addresses(padded, torch.tensor([[0, 0, 1, 1, 1, 1, 1]]).bool())
    alone = torch.tensor(keys_of([7, 8, 9, 10, 11]))
    assert torch.equal(keys[0, 2:][exists[0, 2:]], alone[exists[0, 2:]])
    assert not exists[0, :2].any()


def test_no_collision_among_distinct_ngrams() -> None:
    draw = torch.randint(0, 50_000, (220_000, 5), generator=torch.Generator().manual_seed(0))
    ngrams = draw.unique(dim=0)[:200_000]
    assert len(ngrams) == 200_000
    keys, _ = Addressing((5,), 0).addresses(ngrams, torch.ones_like(ngrams, dtype=torch.bool))
    assert len(keys[:, -1, 0].unique()) == len(ngrams)


def test_no_collision_among_neighbouring_pairs_and_triples() -> None:
    """Small ids that differ in one place are the hardest case for a weak mixer."""
    triples = torch.cartesian_prod(torch.arange(60), torch.arange(60), torch.arange(60))
    keys, _ = Addressing((2, 3), 0).addresses(triples, torch.ones_like(triples, dtype=torch.bool))
    assert len(keys[:, -1, 1].unique()) == 60**3
    assert len(keys[:, -1].unique()) == 60**3 + 60**2


# Values that stored rows depend on


@pytest.mark.parametrize("seed", [0, 1, 12345, -7])
def test_keys_equal_an_independent_implementation(seed: int) -> None:
    ids = [0, 258, 49_151, 77, 0, 262_143, 3, 3, 3]
    keys = keys_of(ids, seed=seed)
    for position in range(len(ids)):
        for at, order in enumerate(ORDERS):
            if position + 1 >= order:
                assert keys[position][at] == reference_key(ids[position + 1 - order : position + 1], seed)


def test_golden_keys() -> None:
    """Rows on disk are lost if these ever change."""
    assert keys_of([1, 2, 3], orders=(2, 3), seed=0)[-1] == [-4529425446869107650, 8308302354928957341]
    assert keys_of([49_151, 0], orders=(2,), seed=42)[-1] == [-4147166009726714987]
