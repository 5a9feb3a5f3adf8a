"""A corpus too large for memory as training batches: a folder of parquet files with a column of text, as public corpora are
published, read row group by row group.

Texts are packed end to end as in `loci.models.packed`, windows cut one behind the other. Row groups come in an order that a seed
draws anew for each epoch; the position names a group and a token in it, so that a killed run reads on where it stopped.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer

from loci.errors import UserError
from loci.models.packed import Batch, pack
from loci.results import sha256_text

TEXT = "text"  # the column that is read


class Streamed:
    """Windows of `length` tokens, `size` a batch, of which `rank` of `world` processes takes its share (a `Source`)."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, length: int, size: int, seed: int, rank: int = 0, world: int = 1):
        if size % world:
            raise UserError("training.batch", f"{size} windows do not share evenly among {world} processes", "change either")
        self.files, self.tokenizer = _opened(folder), tokenizer
        self.length, self.size, self.seed = length, size, seed
        self.mine = slice(rank * size // world, (rank + 1) * size // world)
        self.groups = [(path, at) for path, file in self.files.items() for at in range(file.metadata.num_row_groups)]
        if not self.groups:
            raise UserError(folder, "holds no row of text", "give parquet files with texts")
        self.position = {"epoch": 0, "group": 0, "token": 0}
        self._read: list[torch.Tensor] = []  # packed groups from position["group"] on
        self._at = (0, 0)  # epoch and group of the first of them

    @property
    def identity(self) -> str:
        """What the corpus is, without reading all of it: a hash of the files' names, sizes and numbers of rows."""
        found = [(path.name, path.stat().st_size, file.metadata.num_rows) for path, file in self.files.items()]
        return sha256_text(json.dumps(found))

    def next(self) -> Batch:
        """The next windows; at the end of an epoch what no longer fills a batch is left out."""
        needed = self.size * self.length + 1
        if self._at != (self.position["epoch"], self.position["group"]):
            self._begin(self.position["epoch"], self.position["group"])
        while sum(map(len, self._read)) - self.position["token"] < needed:
            following = self._at[1] + len(self._read)
            if following < len(self.groups):
                self._read.append(self._packed(following))
                continue
            if self._at[1] == self.position["token"] == 0:
                held = sum(map(len, self._read))
                raise UserError("corpus", f"has {held} tokens, a batch takes {needed}", "give more text, or take smaller batches")
            self.position = {"epoch": self.position["epoch"] + 1, "group": 0, "token": 0}
            self._begin(self.position["epoch"], 0)
        first = self.position["token"]
        found = torch.cat(self._read)[first : first + needed].long()
        starts = torch.arange(self.size)[self.mine, None] * self.length
        windows = found[starts + torch.arange(self.length + 1)]  # [B, T + 1]
        self._move(needed - 1)
        return Batch(windows[:, :-1].contiguous(), windows[:, 1:].contiguous())

    def _begin(self, epoch: int, group: int) -> None:
        self._read, self._at = [], (epoch, group)

    def _move(self, tokens: int) -> None:
        """Go on by so many tokens, and let go of groups that lie behind."""
        epoch, group, token = self.position["epoch"], self.position["group"], self.position["token"] + tokens
        while token >= len(self._read[0]) and len(self._read) > 1:
            token -= len(self._read.pop(0))
            group += 1
        self.position, self._at = {"epoch": epoch, "group": group, "token": token}, (epoch, group)

    def _packed(self, group: int) -> torch.Tensor:
        """The tokens of the group-th row group of this epoch's order: int32 [N]."""
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + self._at[0])
        order = torch.randperm(len(self.groups), generator=generator)
        path, at = self.groups[int(order[group])]
        try:
            texts = self.files[path].read_row_group(at, columns=[TEXT]).column(TEXT).to_pylist()
        except (pa.ArrowException, OSError):
            raise UserError(path, f"row group {at} cannot be read", "fetch the file again") from None
        return pack((text for text in texts if text), self.tokenizer)


def first_texts(path: Path) -> list[str]:
    """The texts of the first row group of one file, to measure on; UserError for a file without a column of text."""
    file = _open(path)
    return [text for text in file.read_row_group(0, columns=[TEXT]).column(TEXT).to_pylist() if text]


def _opened(folder: Path) -> dict[Path, pq.ParquetFile]:
    """The parquet files of a folder, in the order of their names; UserError where there is none, or one is of another kind."""
    paths = sorted(Path(folder).glob("*.parquet"))
    if not paths:
        raise UserError(folder, "holds no parquet file", "give a folder with the files of a corpus")
    return {path: _open(path) for path in paths}


def _open(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError):
        raise UserError(path, "is no parquet file, or was cut short", "fetch it again") from None
    if TEXT not in file.schema_arrow.names:
        raise UserError(f"{path}: {TEXT}", "no such column", f"it has {', '.join(file.schema_arrow.names)}")
    return file
