"""Rows: what one user's Engram memory is made of, and a batch of several users' rows.

A `RowMap` is sorted 64-bit addresses and their values; it is never changed in place. A `RowBatch` is the union of the
maps of all users in one batch with the owner of each row, so that one search serves the whole batch and no batch
element can read another's row.
"""

import copy
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from loci.errors import UserError
from loci.results import write_bytes

FORMAT = "loci-rows-1"
_SALT = 0x5851F42D4C957F2D


@dataclass(frozen=True)
class RowMap:
    """addresses: int64 [R], strictly increasing. values: float [R, D], D = heads x row width."""

    addresses: torch.Tensor
    values: torch.Tensor

    def __post_init__(self):
        if self.addresses.ndim != 1 or self.values.ndim != 2 or len(self.addresses) != len(self.values):
            raise ValueError(f"rows need addresses [R] and values [R, D], got {self.addresses.shape} and {self.values.shape}")
        if len(self.addresses) > 1 and not bool((self.addresses[1:] > self.addresses[:-1]).all()):
            raise ValueError("addresses must be strictly increasing")

    @classmethod
    def empty(cls, width: int) -> "RowMap":
        return cls(torch.empty(0, dtype=torch.int64), torch.empty(0, width))

    @classmethod
    def from_unsorted(cls, addresses: torch.Tensor, values: torch.Tensor) -> "RowMap":
        """Sort by address; a repeated address is an error (ValueError)."""
        order = torch.argsort(addresses)
        return cls(addresses[order].contiguous(), values[order].contiguous())

    def __len__(self) -> int:
        return len(self.addresses)

    @property
    def nbytes(self) -> int:
        """Bytes of values and of addresses, as they are stored."""
        return self.values.numel() * self.values.element_size() + self.addresses.numel() * self.addresses.element_size()

    def find(self, keys: torch.Tensor) -> torch.Tensor:
        """Index of each key, -1 where it is not written: int64, shape of `keys`."""
        if not len(self):
            return torch.full_like(keys, -1)
        at = torch.searchsorted(self.addresses, keys).clamp_(max=len(self) - 1)
        return torch.where(self.addresses[at] == keys, at, -1)

    def without(self, addresses: torch.Tensor) -> "RowMap":
        """The map without these addresses; the other rows keep their bits."""
        keep = ~torch.isin(self.addresses, addresses)
        return RowMap(self.addresses[keep], self.values[keep])

    def with_values(self, values: torch.Tensor) -> "RowMap":
        """The same addresses with other values [R, D]."""
        return RowMap(self.addresses, values)

    def save(self, path: Path, about: dict[str, str]) -> None:
        """Safetensors, written whole or not at all; `about` (layer, orders, base model, ...) is checked by `load`."""
        tensors = {"addresses": self.addresses.contiguous(), "values": self.values.contiguous()}
        write_bytes(path, _with_sorted_header(to_safetensors(tensors, metadata={"format": FORMAT, **about})))

    @classmethod
    def load(cls, path: Path, about: dict[str, str]) -> "RowMap":
        """Bit-exact reload; UserError when the file is broken or was written for another graft than `about` says."""
        try:
            with safe_open(path, framework="pt") as stored:
                found = stored.metadata() or {}
                rows = cls(stored.get_tensor("addresses"), stored.get_tensor("values"))
        except FileNotFoundError:
            raise UserError(path, "no such rows file", "write the memory first") from None
        except (SafetensorError, ValueError) as fault:
            raise UserError(path, f"not a readable rows file ({fault})", "write the memory again") from None
        for name, wanted in {"format": FORMAT, **about}.items():
            if found.get(name) != wanted:
                raise UserError(f"{path}: {name}", f"rows of {found.get(name)!r}, needed {wanted!r}", "write the memory again")
        return rows


def laid_over(maps: list[RowMap]) -> RowMap:
    """One table of all rows; where several maps hold one address the last of them stands."""
    addresses, values = torch.cat([rows.addresses for rows in maps]), torch.cat([rows.values for rows in maps])
    order = torch.argsort(addresses, stable=True)
    addresses, values = addresses[order], values[order]
    last = torch.ones(len(addresses), dtype=torch.bool)
    last[:-1] = addresses[1:] != addresses[:-1]
    return RowMap(addresses[last], values[last])


class RowBatch:
    """The rows of several users for one batch; built once, read many times, never changed.

    maps: one RowMap per slot. slots: int64 [B], the slot of each batch element, -1 for an element without rows.
    """

    def __init__(self, maps: list[RowMap], slots: torch.Tensor):
        self.slots = slots
        owner = torch.cat([torch.full((len(rows),), slot) for slot, rows in enumerate(maps)])
        keys = _salted(torch.cat([rows.addresses for rows in maps]), owner)
        order = torch.argsort(keys)
        self._keys, self._owner = keys[order].contiguous(), owner[order]
        self.values = torch.cat([rows.values for rows in maps])[order]
        if len(keys) > 1 and bool((self._keys[1:] == self._keys[:-1]).any()):
            raise ValueError("two users' rows fall on one 64-bit key; serve them in separate batches")

    @classmethod
    def shared(cls, rows: RowMap, batch: int) -> "RowBatch":
        """Every one of `batch` elements reads the same user's rows."""
        return cls([rows], torch.zeros(batch, dtype=torch.int64))

    def select(self, chosen: torch.Tensor) -> "RowBatch":
        """The same rows for the batch elements `chosen` only; nothing is copied."""
        part = copy.copy(self)
        part.slots = self.slots[chosen]
        return part

    def find(self, keys: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
        """Index into `values` of each key [B, T, O], -1 where the n-gram does not exist or is not written by the owner."""
        if not len(self._keys):
            return torch.full_like(keys, -1)
        slots = self.slots.view(-1, 1, 1).expand_as(keys)
        salted = _salted(keys, slots)
        at = torch.searchsorted(self._keys, salted).clamp_(max=len(self._keys) - 1)
        hit = exists & (self._keys[at] == salted) & (self._owner[at] == slots)
        return torch.where(hit, at, -1)


def _with_sorted_header(content: bytes) -> bytes:
    """The same safetensors file with its header's keys in order: the library writes metadata in an order of the moment."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return content[:8] + header.encode().ljust(end - 8) + content[end:]


def _salted(keys: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    """Keys that differ between slots, so that one sorted list holds all users; `find` checks the owner as well."""
    return keys ^ (slots * _SALT)
