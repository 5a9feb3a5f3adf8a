"""A user's rows as bytes, and the rows of the users who were served last, in memory."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from loci.models.rows import FORMAT, RowMap
from loci.serve.store import Refused

_STORED = torch.float16  # half the bytes; a row keeps its half-precision bits through any number of writes


def to_bytes(rows: RowMap, about: dict[str, str]) -> bytes:
    """Rows in safetensors, values in half precision, with the model and graft that they were written for."""
    tensors = {"addresses": rows.addresses.contiguous(), "values": rows.values.to(_STORED).contiguous()}
    return save(tensors, metadata={"format": FORMAT, **about})


def from_bytes(content: bytes, about: dict[str, str]) -> RowMap:
    """The rows again, in half precision. Refused with 409 when they were written for another model, or are broken."""
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        found, stored = header.get("__metadata__", {}), load(content)
        rows = RowMap(stored["addresses"], stored["values"])
    except (SafetensorError, ValueError, KeyError) as fault:
        raise Refused(409, "trace_unreadable", f"the stored rows cannot be read ({fault}); write the facts again") from None
    for name, wanted in {"format": FORMAT, **about}.items():
        if found.get(name) != wanted:
            message = f"the stored rows were written for {name} {found.get(name)!r}, this server runs {wanted!r}"
            raise Refused(409, "trace_of_another_model", f"{message}; write the facts again")
    return rows


class TraceCache:
    """Rows of the users who were served last, up to `most` bytes; `read` brings a user's stored bytes."""

    def __init__(self, read: Callable[[str], bytes | None], about: dict[str, str], most: int):
        self._read, self._about, self._most = read, about, most
        self._kept: OrderedDict[str, RowMap | None] = OrderedDict()
        self._lock = threading.Lock()
        self._version = 0
        self.bytes = self.hits = self.misses = 0

    def get(self, user: str) -> RowMap | None:
        """A user's rows; None for a user who has none."""
        with self._lock:
            if user in self._kept:
                self._kept.move_to_end(user)
                self.hits += 1
                return self._kept[user]
            self.misses += 1
            version = self._version
        content = self._read(user)
        rows = None if content is None else from_bytes(content, self._about)
        with self._lock:
            if version == self._version:  # nothing was dropped while these bytes were on their way
                self._drop(user)
                self._kept[user] = rows
                self.bytes += _size(rows)
                while self.bytes > self._most and self._kept:
                    self._drop(next(iter(self._kept)))
        return rows

    def drop(self, user: str) -> None:
        """Forget what is kept of a user: the store has something else."""
        with self._lock:
            self._version += 1
            self._drop(user)

    def _drop(self, user: str) -> None:
        if user in self._kept:
            self.bytes -= _size(self._kept.pop(user))

    def __len__(self) -> int:
        return len(self._kept)


def _size(rows: RowMap | None) -> int:
    return 0 if rows is None else rows.nbytes
