"""Rows: a map that survives the disk bit by bit, and a batch in which nobody reads another's row."""

from pathlib import Path

import pytest
import torch
from grafts import grafted, left_padded, rows_ending_at, rows_logits, single_logits, token_ids

from loci.errors import UserError
from loci.models.base import Base
from loci.models.engram import EngramSpec
from loci.models.rows import _SALT, RowBatch, RowMap

ABOUT = EngramSpec(layer=2).about("tiny")
WIDTH = 6


def some_rows(addresses: list[int], seed: int = 0) -> RowMap:
    values = torch.randn(len(addresses), WIDTH, generator=torch.Generator().manual_seed(seed))
    return RowMap(torch.tensor(addresses, dtype=torch.int64), values)


@pytest.fixture
def rows() -> RowMap:
    return some_rows([-(2**63), -5, 0, 3, 2**63 - 1])


def read(batch: RowBatch, keys: list[list[int]]) -> list[list[list[float] | None]]:
    """The rows that each batch element gets for its keys, None where it gets none."""
    wanted = torch.tensor(keys)[..., None]
    found = batch.find(wanted, torch.ones_like(wanted, dtype=torch.bool))[..., 0]
    return [[batch.values[at].tolist() if at >= 0 else None for at in line] for line in found.tolist()]


# One user's map


def test_find_gives_the_index_or_minus_one_in_the_shape_of_the_keys(rows: RowMap) -> None:
    keys = torch.tensor([[3, 4, -5], [2**63 - 1, -(2**63), 7]])
    assert rows.find(keys).tolist() == [[3, -1, 1], [4, 0, -1]]
    assert RowMap.empty(WIDTH).find(keys).tolist() == [[-1] * 3] * 2


def test_without_drops_these_rows_and_keeps_the_bits_of_the_others(rows: RowMap) -> None:
    left = rows.without(torch.tensor([0, 99, -(2**63)]))
    assert left.addresses.tolist() == [-5, 3, 2**63 - 1]
    assert torch.equal(left.values, rows.values[[1, 3, 4]])
    assert len(rows) == 5, "the map itself is never changed"
    assert len(rows.without(rows.addresses)) == 0


def test_from_unsorted_sorts_values_with_their_addresses() -> None:
    shuffled = RowMap.from_unsorted(torch.tensor([9, -2, 4]), torch.tensor([[9.0], [-2.0], [4.0]]))
    assert shuffled.addresses.tolist() == [-2, 4, 9]
    assert shuffled.values.flatten().tolist() == [-2, 4, 9]


@pytest.mark.parametrize(("addresses", "count"), [([1, 1], 2), ([2, 1], 2), ([1, 2], 3)])
def test_repeated_unsorted_or_unmatched_addresses_are_refused(addresses: list[int], count: int) -> None:
    with pytest.raises(ValueError, match="addresses"):
        RowMap(torch.tensor(addresses), torch.zeros(count, WIDTH))
    with pytest.raises(ValueError, match="increasing"):
        RowMap.from_unsorted(torch.tensor([4, 4]), torch.zeros(2, WIDTH))


def test_bytes_are_those_of_values_and_addresses(rows: RowMap) -> None:
    assert rows.nbytes == 5 * (8 + WIDTH * 4)
    assert RowMap.empty(WIDTH).nbytes == 0


# On disk


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_saved_rows_come_back_bit_by_bit(tmp_path: Path, rows: RowMap, dtype: torch.dtype) -> None:
    stored = rows.with_values(rows.values.to(dtype))
    stored.save(tmp_path / "rows.safetensors", ABOUT)
    loaded = RowMap.load(tmp_path / "rows.safetensors", ABOUT)
    assert torch.equal(loaded.addresses, stored.addresses)
    assert loaded.values.dtype == dtype
    assert loaded.values.numpy().tobytes() == stored.values.numpy().tobytes()


def test_an_empty_map_can_be_saved(tmp_path: Path) -> None:
    RowMap.empty(WIDTH).save(tmp_path / "rows.safetensors", ABOUT)
    loaded = RowMap.load(tmp_path / "rows.safetensors", ABOUT)
    assert (len(loaded), loaded.values.shape) == (0, (0, WIDTH))


def test_the_same_rows_are_the_same_file(tmp_path: Path, rows: RowMap) -> None:
    rows.save(tmp_path / "one", ABOUT)
    RowMap(rows.addresses.clone(), rows.values.clone()).save(tmp_path / "two", ABOUT)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("layer", EngramSpec(layer=3).about("tiny")),
        ("base", EngramSpec(layer=2).about("tiny-neox")),
        ("orders", EngramSpec(layer=2, orders=(2, 3)).about("tiny")),
        ("seed", EngramSpec(layer=2, seed=1).about("tiny")),
    ],
)
def test_rows_of_another_graft_are_refused(tmp_path: Path, rows: RowMap, name: str, wanted: dict[str, str]) -> None:
    rows.save(tmp_path / "rows.safetensors", ABOUT)
    with pytest.raises(UserError, match=rf"rows\.safetensors: {name}: rows of '{ABOUT[name]}', needed '{wanted[name]}'"):
        RowMap.load(tmp_path / "rows.safetensors", wanted)


@pytest.mark.parametrize("kept", [0, 4, 20, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, rows: RowMap, kept: int) -> None:
    path = tmp_path / "rows.safetensors"
    rows.save(path, ABOUT)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"rows\.safetensors: not a readable rows file"):
        RowMap.load(path, ABOUT)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such rows file; write the memory first"):
        RowMap.load(tmp_path / "rows.safetensors", ABOUT)


# Several users in one batch


def test_each_element_reads_its_own_users_rows_and_no_other() -> None:
    first, second, third = some_rows([1, 2, 3], 1), some_rows([2, 3, 4], 2), some_rows([], 3)
    keys = [[1, 2, 3, 4, 5]] * 5
    batch = RowBatch([first, second, third], torch.tensor([1, 0, -1, 2, 1]))
    a, b, nothing = *(read(RowBatch.shared(rows, 1), keys[:1])[0] for rows in (first, second)), [None] * 5
    assert read(batch, keys) == [b, a, nothing, nothing, b]
    assert a[1] != b[1], "one address, two users, two rows"
    assert (a[3], b[0]) == (None, None)


def test_an_ngram_that_does_not_exist_is_not_read() -> None:
    batch = RowBatch.shared(some_rows([1, 2]), 1)
    found = batch.find(torch.tensor([[[1, 2], [1, 2]]]), torch.tensor([[[True, False], [False, False]]]))
    assert found.tolist() == [[[0, -1], [-1, -1]]]


def test_a_batch_without_any_row_reads_none() -> None:
    assert read(RowBatch([RowMap.empty(WIDTH)] * 2, torch.tensor([0, 1])), [[1], [2]]) == [[None], [None]]


def test_a_key_that_another_users_row_happens_to_have_in_the_batch_is_not_read() -> None:
    """Keys are salted by slot; the chance coincidence of a salted key is told by the owner."""
    address = 12345
    twin = address ^ _SALT  # read by slot 0, it looks like `address` in slot 1
    batch = RowBatch([some_rows([7]), some_rows([address])], torch.tensor([0, 1]))
    assert [[row is None for row in line] for line in read(batch, [[twin, 7], [twin, address]])] == [[True, False], [True, False]]
    with pytest.raises(ValueError, match="two users' rows fall on one 64-bit key"):
        RowBatch([some_rows([twin]), some_rows([address])], torch.tensor([0, 1]))


def test_many_users_with_the_same_addresses() -> None:
    addresses = sorted(torch.randint(-(2**62), 2**62, (50,), generator=torch.Generator().manual_seed(0)).tolist())
    users = [some_rows(addresses, seed) for seed in range(40)]
    batch = RowBatch(users, torch.arange(40))
    assert read(batch, [addresses] * 40) == [rows.values.tolist() for rows in users]


TEXTS = ("My cat is called Tom.", "Yes. My cat is called Tom.", "My cat is called Tom. And", "Nobody lives here now.")


def test_users_mixed_in_one_batch_get_what_they_get_alone(base: Base) -> None:
    sequences = [token_ids(base, text) for text in TEXTS]
    ids, mask = left_padded(sequences)
    with grafted(base) as graft:
        users = [rows_ending_at(graft, [(sequences[0], range(5, 15))], seed) for seed in (1, 2)]
        mixed = rows_logits(graft, RowBatch(users, torch.tensor([1, 0, -1, 1])), ids, mask)
        for at, owner in enumerate([users[1], users[0], graft.empty_rows(), users[1]]):
            alone = single_logits(graft, owner, sequences[at])
            torch.testing.assert_close(mixed[at, -len(sequences[at]) :], alone, atol=1e-4, rtol=0)
        same_text = torch.tensor([sequences[0]] * 3)
        three = rows_logits(graft, RowBatch(users, torch.tensor([0, 1, -1])), same_text, torch.ones_like(same_text))
        assert min((three[0] - three[1]).abs().max(), (three[0] - three[2]).abs().max()) > 0.01


def test_one_users_values_never_reach_anothers_logits(base: Base) -> None:
    ids, mask = left_padded([token_ids(base, text) for text in TEXTS])
    slots = torch.tensor([0, 1, -1, 0])
    with grafted(base) as graft:
        place = [(token_ids(base, TEXTS[0]), range(5, 15))]
        a, b, other_b = (rows_ending_at(graft, place, seed) for seed in (1, 2, 3))
        before = rows_logits(graft, RowBatch([a, b], slots), ids, mask)
        after = rows_logits(graft, RowBatch([a, other_b], slots), ids, mask)
    assert torch.equal(before[slots != 1], after[slots != 1])
    assert not torch.equal(before[1], after[1])
