"""`wg.numpy` with `size`: the first of what NumPy finds, then what fills up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp

RNG = np.random.default_rng(4)
X, Y, M = RNG.integers(0, 6, 12), RNG.integers(2, 9, 12), RNG.integers(0, 2, (6, 3))
HOLES = np.where(RNG.random(9) < 0.4, np.nan, RNG.integers(0, 3, 9).astype(float))
ALL = {"return_index": True, "return_inverse": True, "return_counts": True}

# name, positional arguments, options, fill value, axis along which results have their length
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], Any, int]] = [
    ("unique", (X,), {}, -1, 0),
    ("unique", (HOLES,), {}, -1, 0),
    ("unique", (HOLES,), {"equal_nan": False}, -1, 0),
    ("unique", (M,), {"axis": 0}, -1, 0),
    ("unique", (M,), {"axis": 1}, -1, 1),
    ("unique_values", (HOLES,), {}, -1, 0),
    ("union1d", (X, Y), {}, -1, 0),
    ("union1d", (X, Y / 2), {}, -1, 0),
    ("setdiff1d", (X, Y), {}, -1, 0),
    ("setxor1d", (X, Y), {}, -1, 0),
    ("intersect1d", (X, Y), {}, -1, 0),
    ("nonzero", (M,), {}, 9, 0),
    ("argwhere", (M,), {}, 0, 0),
    ("flatnonzero", (M,), {}, 0, 0),
    ("extract", (X > 2, X), {}, 0, 0),
]


def filled(a: Any, size: int, fill: Any, axis: int = 0) -> Any:
    """The first `size` rows of an array, with others behind it."""
    missing = [(0, 0)] * a.ndim
    missing[axis] = (0, max(0, size - a.shape[axis]))
    return np.take(np.pad(a, missing, constant_values=fill), np.arange(size), axis)


def same(found: Any, wanted: Any) -> None:
    pairs = zip(found, wanted, strict=True) if isinstance(wanted, tuple) else [(found, wanted)]
    for x, y in pairs:
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("size", [0, 3, 14])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[2]}")
def test_results_are_numpys_of_a_given_length(case: Any, size: int) -> None:
    name, args, options, fill, axis = case
    wanted = getattr(np, name)(*args, **options)
    if isinstance(wanted, tuple):
        wanted = tuple(filled(w, size, fill, axis) for w in wanted)
    else:
        wanted = filled(wanted, size, fill, axis)

    def call(*xs: Any) -> Any:
        return getattr(wnp, name)(*xs, **options, size=size, fill_value=fill)

    same(call(*args), wanted)
    if size != 14 or name in ("unique", "nonzero"):
        same(wg.jit(call)(*args), wanted)


@pytest.mark.parametrize(("x", "options"), [(X, {}), (M, {"axis": 0}), (M, {})])
def test_indices_inverses_and_counts(x: Any, options: dict[str, Any]) -> None:
    values, index, inverse, counts = np.unique(x, **ALL, **options)
    size = len(values) + 2
    wanted = (
        filled(values, size, values.flat[0]) if "axis" not in options else None,
        filled(index, size, index[0]),
        inverse,
        filled(counts, size, 0),
    )
    found = wg.jit(lambda v: wnp.unique(v, **ALL, **options, size=size))(x)
    same(found[1:], wanted[1:])
    if wanted[0] is not None:
        same(found[0], wanted[0])
        same(wnp.unique_all(x, size=size), wanted)
        assert wnp.unique_counts(x, size=size).counts.shape == (size,)
        same(wnp.unique_inverse(x, size=size).inverse_indices, inverse)


def test_where_elements_of_both_stand() -> None:
    wanted = np.intersect1d(X, Y, return_indices=True)
    size = len(wanted[0])
    same(wg.jit(lambda x, y: wnp.intersect1d(x, y, return_indices=True, size=size))(X, Y), wanted)
    nothing = wg.jit(lambda x: wnp.intersect1d(x, x + 100, size=2))(X)
    same(nothing, np.zeros(2, X.dtype))


def test_the_largest_elements() -> None:
    x = np.array([[3.0, 4, 1, 4, 2], [0, np.nan, 5, -1, 5]])
    values, places = wg.jit(lambda v: wnp.top_k(v, 3))(x)
    np.testing.assert_array_equal(values, [[4, 4, 3], [np.nan, 5, 5]])
    np.testing.assert_array_equal(places, [[1, 3, 0], [1, 2, 4]])
    np.testing.assert_array_equal(wnp.top_k(x, 1, axis=0)[1], [[0, 1, 1, 0, 1]])
    with pytest.raises(ValueError, match="k from 0 to 5"):
        wg.jit(lambda v: wnp.top_k(v, 6))(x)


def test_derivatives_follow_the_elements() -> None:
    x = np.array([3.0, 1.0, 3.0, 2.0])
    slope = wg.jit(wg.grad(lambda v: np.sum(wnp.unique(v, size=4) ** 2)))(x)
    np.testing.assert_allclose(slope, [6, 4, 0, 4])  # 1 is there twice, as it fills up
    slope = wg.grad(lambda v: np.sum(wnp.top_k(v, 2)[0] ** 2))(x)
    np.testing.assert_allclose(slope, [6, 0, 6, 0])


def test_a_fill_value_needs_a_size() -> None:
    with pytest.raises(ValueError, match="only with size="):
        wnp.unique(X, fill_value=0)
    with pytest.raises(ValueError, match="must not be negative"):
        wnp.unique(X, size=-1)
