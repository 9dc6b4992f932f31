"""Rows of lists by traced indices: changed after they were read, and changed themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import SharedArrayError


def lists(x: Any) -> Any:
    return [[1.0, 2.0], [3.0, x], [x, 6.0]]


def arrays(x: Any) -> Any:
    return [np.ones(2) * x, np.zeros(2), np.full(2, x)]


def summed(items: Any) -> Any:
    return sum((3.0**i) * row[j] * (j + 1) for i, row in enumerate(items) for j in range(2))


def store(items: Any, ks: Any, x: Any) -> Any:
    items[ks[0]][1] = x * x
    items[ks[1]][0] += x
    items[ks[2]][-1] *= x
    return summed(items)


def read_anew(items: Any, ks: Any, x: Any) -> Any:
    row = items[ks[0]]
    s = row[0] * row[1]
    items[1][0] = x * x
    return s + items[ks[0]][0] + summed(items)


def put_another(items: Any, ks: Any, x: Any) -> Any:
    row = items[ks[0]]
    items[1] = [x, x * x]
    items[2] = items[0]
    return row[0] + 2 * row[1]


def in_a_loop(items: Any, ks: Any, x: Any) -> Any:
    s = 0.0
    for k in ks:
        row = items[k]
        items[1][0] += x
        s += row[0] * row[1]
        row[1] = s
    return s + summed(items)


@pytest.mark.parametrize("f", [store, read_anew, put_another])
@pytest.mark.parametrize("make", [lists, arrays])
@pytest.mark.parametrize("ks", [[0, 1, 2], [1, 1, 1], [-1, 0, -2], [2, 2, 0]])
def test_as_in_python(f: Any, make: Any, ks: list[int]) -> None:
    check(f, make, np.array(ks))


@pytest.mark.parametrize("ks", [[0, 1, 2, 1, 1, 0], [2, 0, -2, 2, 0]])
def test_in_a_loop(ks: list[int]) -> None:
    check(in_a_loop, lists, np.array(ks))


def check(f: Any, make: Any, places: Any) -> None:
    """Values and gradients are those of Python."""

    def whole(x: Any, ks: Any) -> Any:
        return f(make(x), ks, x)

    found, slope = wg.jit(wg.value_and_grad(whole))(1.5, places)
    assert found == pytest.approx(whole(1.5, places), rel=1e-13)
    h = 1e-6
    differences = (whole(1.5 + h, places) - whole(1.5 - h, places)) / (2 * h)
    assert slope == pytest.approx(differences, rel=1e-6)


def stale(items: Any, k: Any, x: Any) -> Any:
    row = items[k]
    items[1][0] = x
    return row[0]


def stale_list(items: Any, k: Any, x: Any) -> Any:
    row = items[k]
    row[0] = x
    return items[0][0] + row[1]


@pytest.mark.parametrize("make", [lists, arrays])
@pytest.mark.parametrize("f", [stale, stale_list])
def test_rows_that_may_have_changed(f: Any, make: Any) -> None:
    compiled = wg.jit(lambda x, k: f(make(x), k, x))
    with pytest.raises(SharedArrayError, match=r"an item of a list.*test_list_rows.py"):
        compiled(1.5, np.int64(1))


def test_whole_rows() -> None:
    def f(x: Any, k: Any) -> Any:
        items = [x.copy(), x * 2, x + 1]
        items[k] += x
        items[k + 1] *= 3.0
        return np.stack(items)

    x = np.arange(3.0)
    for k in (0, 1, -2):
        np.testing.assert_array_equal(wg.jit(f)(x, np.int64(k)), f(x, k))


def test_an_index_out_of_range() -> None:
    for make in (lists, arrays):
        with pytest.raises(IndexError):
            wg.jit(lambda x, k, make=make: store(make(x), [k, 0, 0], x))(1.5, np.int64(3))
