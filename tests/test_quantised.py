"""Rows in fewer bytes: how far they move, what they weigh, and that addresses stay."""

import pytest
import torch

from loci.errors import UserError
from loci.models.quantised import stored_as
from loci.models.rows import RowMap

ROWS = RowMap(torch.tensor([3, 5, 9]), torch.tensor([[1.0, -2.54, 0.01], [0.0, 0.0, 0.0], [300.0, 1.0, -150.0]]))


def test_values_move_by_half_a_level_at_most():
    whole, nbytes = stored_as(ROWS, "float32")
    assert whole is ROWS and nbytes == 3 * 3 * 4 + 3 * 8
    half, nbytes = stored_as(ROWS, "float16")
    assert torch.allclose(half.values, ROWS.values, rtol=1e-3) and nbytes == 3 * 3 * 2 + 3 * 8
    small, nbytes = stored_as(ROWS, "int8")
    level = ROWS.values.abs().amax(1, keepdim=True) / 127
    assert bool(((small.values - ROWS.values).abs() <= 0.56 * level).all()) and nbytes == 3 * 3 + 3 * 2 + 3 * 8
    assert small.values[0, 2] == 0 and torch.equal(small.values[1], torch.zeros(3)), "what is below half a level is lost"
    assert all(torch.equal(form.addresses, ROWS.addresses) for form in (half, small))


def test_an_unknown_format_is_refused():
    with pytest.raises(UserError, match="row format int4: is not known"):
        stored_as(ROWS, "int4")
