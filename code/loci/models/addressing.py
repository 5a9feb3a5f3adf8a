"""Addresses: from token ids to the keys of Engram rows.

An Engram layer (DeepSeek Engram, arXiv 2601.07372) reads, at position t, one row for each order n: the row of the last
n tokens. Tokens are first made canonical, so that "My", " my" and "MY" address alike. The published tables hash an
n-gram to one slot per head modulo a prime, hence collisions. A grafted table starts empty and is a map, not an array,
so the full 64-bit hash is the key: no modulus, no collisions to speak of (10^6 rows: 3e-8), and one key per n-gram,
because heads that differ only in their modulus would all hold the same key.
"""

from dataclasses import dataclass

import torch

from loci.models.canonical import canonical_map

# Odd multipliers and shifts of the SplitMix64 finaliser (Steele, Lea and Flood, 2014), as signed 64-bit integers.
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX_2 = 0x94D049BB133111EB - (1 << 64)


def canonical_ids(tokenizer) -> torch.Tensor:
    """Map of every token id to the smallest id with the same canonical text: int64 [V]."""

    def decode(token_id: int) -> str:
        return tokenizer.decode([token_id], clean_up_tokenization_spaces=False)

    return torch.tensor(canonical_map(len(tokenizer), set(tokenizer.all_special_ids), decode), dtype=torch.int64)


@dataclass(frozen=True)
class Addressing:
    """Which suffix n-grams are read, and what keeps two layers or two tenants of one table apart.

    orders: increasing n of the n-grams. seed: any integer; other seeds give unrelated addresses. salt: int64, laid over each key;
    rows written without a salt are read with it where it is laid over their addresses too.
    """

    orders: tuple[int, ...]
    seed: int
    salt: int = 0

    def addresses(self, canonical: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys of the n-grams that end at each position, and which of them exist.

        canonical: int64 [B, T] canonical ids. valid: bool [B, T], False at padding.
        Returns keys int64 [B, T, O] and exists bool [B, T, O]: an n-gram exists when all of its n tokens are valid.
        """
        keys, exists = [], []
        mixed = torch.zeros_like(canonical)
        whole = torch.ones_like(valid)
        for offset in range(max(self.orders)):
            token, present = _shifted(canonical, offset, 0), _shifted(valid, offset, False)
            mixed = _mix64((mixed ^ (token + 1)) * _GOLDEN + offset)
            whole = whole & present
            if offset + 1 in self.orders:
                salt = _as_int64(self.seed * 64 + offset + 1)
                keys.append(_mix64(mixed ^ _mix64(torch.tensor(salt, device=canonical.device))))
                exists.append(whole)
        return torch.stack(keys, dim=-1) ^ self.salt, torch.stack(exists, dim=-1)

    @staticmethod
    def salt_of(tenant: int) -> int:
        """A salt of 64 mixed bits for tenant number 0, 1, ...; no two are alike."""
        return int(_mix64(torch.tensor(tenant + 1)))


def _shifted(values: torch.Tensor, offset: int, fill) -> torch.Tensor:
    """Values `offset` positions earlier: [B, T] -> [B, T]."""
    if offset == 0:
        return values
    width = values.shape[1]
    out = torch.full_like(values, fill)
    if offset < width:
        out[:, offset:] = values[:, : width - offset]
    return out


def _mix64(value: torch.Tensor) -> torch.Tensor:
    """SplitMix64's finaliser on int64: a bijection in which each input bit moves about half of the output bits."""
    value = (value ^ _shift_right(value, 30)) * _MIX_1
    value = (value ^ _shift_right(value, 27)) * _MIX_2
    return value ^ _shift_right(value, 31)


def _shift_right(value: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical shift; torch's own shift of a negative int64 carries the sign."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _as_int64(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
