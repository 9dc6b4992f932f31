"""Sums over rows: some turns of the loop over rows go inside the loop along them."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.kernels.scheduling.inward import TURNS, WIDE

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("rows", [TURNS, TURNS + 1, 2 * TURNS, 5 * TURNS - 1, 600])
def test_each_row_counts_once_and_in_order(rows: int) -> None:
    x = RNG.normal(size=(rows, WIDE + 3))
    weights = RNG.normal(size=rows)
    total, extreme, weighed = wg.jit(lambda x, w: (x.sum(0), x.max(0), w @ x))(x, weights)
    np.testing.assert_allclose(total, x.sum(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(extreme, x.max(0))
    np.testing.assert_allclose(weighed, weights @ x, rtol=1e-12, atol=1e-12)
    ordered = np.zeros(x.shape[1])
    for row in x:
        ordered = ordered + row
    if rows < 600:  # one chunk
        np.testing.assert_array_equal(total, ordered)


def test_middle_axes_and_places() -> None:
    x = RNG.integers(0, 50, (3, 4 * TURNS + 3, WIDE)).astype(np.int32)
    found = wg.jit(lambda x: (x.sum(1), np.argmin(x, 1), np.prod(x % 3, 1)))(x)
    for got, expected in zip(found, (x.sum(1), np.argmin(x, 1), np.prod(x % 3, 1)), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_an_element_is_stored_once_for_several_rows() -> None:
    kernels = str(wg.jit(lambda x: x.sum(0)).lower(np.ones((64, 64))).kernels)
    (update,) = [line for line in kernels.splitlines() if "x0[" in line and "=" in line]
    assert update.count("x0[") == TURNS
