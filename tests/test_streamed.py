"""A corpus of many files as batches: every token once an epoch, in order of groups, on from any position, and what is refused."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from loci.errors import UserError
from loci.models.bpe import train_bpe
from loci.models.packed import pack
from loci.models.streamed import Streamed

TEXTS = [f"{name} met {other} in {town} on day {day}." for name in ("Ada", "Bo") for other in ("Cy", "Di", "Ed")
         for town in ("Ulm", "Bern") for day in range(4)]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(TEXTS, 290)


@pytest.fixture
def folder(tmp_path):
    for name, part in (("b", TEXTS[:20]), ("a", TEXTS[20:])):
        table = pa.table({"url": ["x"] * len(part), "text": [*part[:-1], None]})
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=6)
    return tmp_path


def windows(batches) -> list[tuple[int, ...]]:
    return [tuple(row.tolist()) for batch in batches for row in batch.tokens]


def test_windows_follow_each_other_through_all_groups(folder, tokenizer):
    source = Streamed(folder, tokenizer, 16, 3, 0)
    assert len(source.groups) == 4 + 5
    found, epoch = [], 0
    while epoch == 0:
        batch, epoch = source.next(), source.position["epoch"]
        assert torch.equal(batch.targets[:, :-1], batch.tokens[:, 1:]) and batch.tokens.shape == (3, 16)
        found += [batch] if epoch == 0 else []
    read = torch.cat([row for batch in found for row in batch.tokens])
    kept = [text for part in (TEXTS[20:], TEXTS[:20]) for text in part[:-1]]
    whole = pack(kept, tokenizer)
    assert len(whole) - 48 <= len(read) <= len(whole) and len(read) % 48 == 0, "less than a batch is left out"
    said = set(tokenizer.decode(read.tolist(), skip_special_tokens=False).split("<|bos|>")[1:-1])
    assert said <= set(kept) and len(said) > len(kept) - 12, "a text is whole, also over the edge of a window"


def test_a_new_epoch_has_a_new_order(folder, tokenizer):
    source = Streamed(folder, tokenizer, 8, 2, 0)
    first = source.next().tokens
    while source.position["epoch"] == 0:
        last = source.next().tokens
    assert not torch.equal(first, last), "the second epoch begins with another group"
    assert not torch.equal(first, Streamed(folder, tokenizer, 8, 2, 1).next().tokens), "another seed, too"


@pytest.mark.parametrize("after", [0, 1, 7, 40, 90])
def test_it_goes_on_from_a_position(folder, tokenizer, after):
    whole, resumed = (Streamed(folder, tokenizer, 8, 2, 5) for _ in range(2))
    for _ in range(after):
        whole.next()
    resumed.position = dict(whole.position)
    for _ in range(60):
        assert torch.equal(whole.next().tokens, resumed.next().tokens) and whole.position == resumed.position


def test_processes_share_a_batch(folder, tokenizer):
    whole = Streamed(folder, tokenizer, 8, 4, 0)
    parts = [Streamed(folder, tokenizer, 8, 4, 0, rank, 2) for rank in range(2)]
    for _ in range(30):
        assert torch.equal(torch.cat([part.next().tokens for part in parts]), whole.next().tokens)


def test_another_corpus_has_another_identity(folder, tokenizer):
    before = Streamed(folder, tokenizer, 8, 2, 0).identity
    assert before == Streamed(folder, tokenizer, 16, 4, 1).identity
    (folder / "a.parquet").rename(folder / "c.parquet")
    assert before != Streamed(folder, tokenizer, 8, 2, 0).identity


def test_what_is_no_corpus_is_refused(folder, tokenizer, tmp_path):
    with pytest.raises(UserError, match=r"corpus: has \d+ tokens, a batch takes 80001; give more text"):
        Streamed(folder, tokenizer, 800, 100, 0).next()
    with pytest.raises(UserError, match=r"training\.batch: 3 windows do not share evenly among 2 processes"):
        Streamed(folder, tokenizer, 8, 3, 0, 0, 2)
    with pytest.raises(UserError, match="holds no parquet file; give a folder with the files of a corpus"):
        Streamed(tmp_path / "none", tokenizer, 8, 2, 0)
    whole = (folder / "a.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(whole[:-9])
    with pytest.raises(UserError, match=r"a\.parquet: is no parquet file, or was cut short; fetch it again"):
        Streamed(folder, tokenizer, 8, 2, 0)
    pq.write_table(pa.table({"words": ["x"]}), folder / "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet: text: no such column; it has words"):
        Streamed(folder, tokenizer, 8, 2, 0)
