"""Rows stored in fewer bytes: float16, or int8 with one scale a row. They are read as float32 again.

A row's scale is its largest absolute value / 127, kept as float16; addresses stay 64-bit. Bytes count all three.
"""

import torch

from loci.errors import UserError
from loci.models.rows import RowMap

FORMATS = ("float32", "float16", "int8")
_LEVELS = 127
_SCALE_BYTES = 2


def stored_as(rows: RowMap, form: str) -> tuple[RowMap, int]:
    """(the rows as they read after being stored in a format, their bytes with addresses)."""
    if form not in FORMATS:
        raise UserError(f"row format {form}", "is not known", f"use one of {', '.join(FORMATS)}")
    addresses = rows.addresses.numel() * rows.addresses.element_size()
    if form == "float32":
        return rows, rows.nbytes
    if form == "float16":
        return rows.with_values(rows.values.half().float()), addresses + 2 * rows.values.numel()
    scale = (rows.values.abs().amax(1, keepdim=True) / _LEVELS).half().float()  # [R, 1]
    levels = (rows.values / scale.clamp_min(torch.finfo(torch.float16).tiny)).round().clamp(-_LEVELS, _LEVELS)
    return rows.with_values(levels * scale), addresses + rows.values.numel() + _SCALE_BYTES * len(rows)
