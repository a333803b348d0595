"""Rows of length one: the same bits in any company, refused or zero where there is no direction."""

import numpy as np
import pytest

from core.config import InputError
from core.units import unit, unit_rows


def test_unit_rows_do_not_depend_on_their_company() -> None:
    x = np.random.default_rng(0).normal(size=(100, 37)).astype(np.float32)
    whole = unit_rows(x)
    np.testing.assert_allclose(whole, x / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True), atol=2e-7)
    for rows in ([3], [99, 0, 3], list(range(50))):
        assert (unit_rows(x[rows]) == whole[rows]).all(), "bits"
    with pytest.raises(InputError, match="row 2 is zero"):
        unit_rows(np.diag([1, 1, 0]))


def test_float64_rows_have_length_one_and_zeros_stay_zeros() -> None:
    x = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)
    x[3] = 0.0
    rows = unit(x)
    assert rows.dtype == np.float64 and not rows[3].any()
    lengths = np.sqrt(np.square(rows).sum(axis=1))
    np.testing.assert_allclose(lengths, np.arange(20) != 3, atol=1e-15)
    np.testing.assert_array_equal(unit(x * np.float32(4)), rows)  # a power of two changes no digit
    np.testing.assert_allclose(unit(x[5]), rows[5], atol=1e-15)
