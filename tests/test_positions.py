"""argmax and argmin of long axes: ties and NaN."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.ir.ops.positions import SHORT

LENGTHS = (SHORT - 1, SHORT, 1000, 70_001)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "uint64"])
def test_the_first_of_equal_elements_counts(length: int, dtype: str) -> None:
    find = wg.jit(lambda x: (np.argmax(x), np.argmin(x)))
    edges = {0, 1, length // 3, length // 2, length - 2}
    for place in sorted(p for p in edges if 0 <= p < length):
        x = np.full(length, 5, dtype)
        x[[place, -1]] = 9
        assert find(x)[0] == place
        x[[place, -1]] = 2
        assert find(x)[1] == place
    extreme = np.finfo(dtype).max if x.dtype.kind == "f" else np.iinfo(dtype).max
    assert find(np.full(length, extreme, dtype)) == (0, 0)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_first_nan_is_the_extreme(length: int) -> None:
    find = wg.jit(lambda x: (np.argmax(x), np.argmin(x)))
    for place in (0, length // 3, length - 1):
        x = np.full(length, -np.inf)
        x[0] = np.inf
        x[place] = np.nan
        x[-1] = np.nan
        assert find(x) == (place, place)
    assert find(np.full(length, -np.inf)) == (0, 0)


@pytest.mark.parametrize("shape", [(3, 50), (50, 3), (2, 40, 3), (1, 70, 1)])
def test_any_axis_of_what_is_computed(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).normal(size=shape).round(1)
    for axis in range(x.ndim):
        at = wg.jit(lambda x, axis=axis: np.argmax(np.exp(-x * x), axis))(x)
        np.testing.assert_array_equal(at, np.argmax(np.exp(-x * x), axis))
        inner = wg.jit(wg.vmap(lambda row: np.argmin(row * 2)))(
            np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
        )
        np.testing.assert_array_equal(
            inner, np.argmin(np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis]), 1)
        )
