"""Copies across, which a function that transposes in registers makes."""

import numpy as np
import pytest

import wengert as wg


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_every_remainder_of_rows_and_columns(dtype):
    across = wg.jit(lambda x: x.T.copy())
    for rows in (11, 16):
        for columns in (9, 24):
            x = np.arange(4 * rows * columns, dtype=dtype).reshape(2 * rows, 2 * columns)
            part = x[::2, 3 : 3 + columns]
            np.testing.assert_array_equal(across(part), part.T)
