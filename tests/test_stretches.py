"""Slices whose length depends on data: what can be done with them is what NumPy does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import (
    CaptureError,
    DTypeError,
    OutOfBoundsError,
    ShapeError,
    TracerConversionError,
)

RNG = np.random.default_rng(5)
LENGTHS = np.array([3, 0, 1, 5, 2, 0, 4])
ENDS = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.uint32)
N = int(ENDS[-1])
VALUES = RNG.standard_normal(N)
ROWS = RNG.standard_normal((N, 3))
COLUMNS = RNG.integers(0, 9, N).astype(np.uint32)
TABLE = RNG.standard_normal(9)


def sparse_product(p, columns, values, x):
    y = np.empty(p.size - 1, values.dtype)
    for i in range(p.size - 1):
        part = columns[p[i] : p[i + 1]]
        y[i] = values[p[i] : p[i + 1]] @ x[part]
    return y


def folds(p, values, rows):
    out, sums = np.zeros((len(p) - 1, 8)), np.zeros((len(p) - 1, 3))
    for i in range(len(p) - 1):
        s = values[p[i] : p[i + 1]]
        out[i, 0] = s.sum() + np.sum(np.exp(2 * s) - s)
        out[i, 1] = np.prod(s) + np.dot(s, s) + np.linalg.norm(s)
        out[i, 2] = len(s) + s.size + s.shape[0]
        out[i, 3] = np.any(s > 1) + 2 * (s < 1).all()
        if len(s) > 1:
            out[i, 4] = s.mean() + s.var() + np.std(s, ddof=1)
            out[i, 5] = s.max() - np.min(s)
            out[i, 6] = s[0] * s[-1]
        sums[i] = rows[p[i] : p[i + 1]].sum(axis=0) + s @ rows[p[i] : p[i + 1]]
        out[i, 7] = np.sum(rows[p[i] : p[i + 1], 1]) + rows[p[i] : p[i + 1]].sum()
    return out, sums


def assignments(p, values, rows):
    for i in range(len(p) - 1):
        values[p[i] : p[i + 1]] += i
        rows[p[i] : p[i + 1], 1] = values[p[i] : p[i + 1]] * 2
        values[p[i] : p[i + 1]] /= 2.0
        rows[p[i] : p[i + 1], 0] = -1.0
    return values.sum()


def scattered(p, columns, values, x):
    for i in range(len(p) - 1):
        x[columns[p[i] : p[i + 1]]] += values[p[i] : p[i + 1]]
    return x * 1


def ends(x, a, b):
    return x[a:b].sum(), x[a:].sum(), np.prod(x[:b]), len(x[a:b])


def what_is_read_when(x, a):
    view = x[a:]
    computed = view * 1.0
    x[:] = 2.0
    return view.sum(), computed.sum(), view[0] + view[-1] + computed[0]


def overlapping(x, a, b):
    x[a:b] = x[a - 1 : b - 1] * 0.5
    return x.sum()


def run_over(p, columns, values, x):
    y, last = np.zeros(len(p) - 1), -1.0
    for i in range(len(p) - 1):
        for j, v in zip(columns[p[i] : p[i + 1]], values[p[i] : p[i + 1]], strict=True):
            y[i] += v * x[j]
        for k, v in enumerate(np.exp(values[p[i] : p[i + 1]])):
            y[i] += k * v
            last = v
    return y, last


def copies(args: Any) -> list[Any]:
    return [x.copy() if isinstance(x, np.ndarray) else x for x in args]


CASES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (sparse_product, (ENDS, COLUMNS, VALUES, TABLE)),
    (run_over, (ENDS, COLUMNS, VALUES, TABLE)),
    (folds, (ENDS, VALUES, ROWS)),
    (assignments, (ENDS, VALUES, ROWS)),
    (scattered, (ENDS, COLUMNS, VALUES, TABLE)),
    *[
        (ends, (VALUES, np.int64(a), np.int64(b)))
        for a, b in ((2, 5), (-3, -1), (0, 99), (5, 2), (-99, 3))
    ],
    (what_is_read_when, (VALUES, np.int64(2))),
    (overlapping, (VALUES, np.int64(2), np.int32(9))),
]


@pytest.mark.parametrize(("f", "args"), CASES)
def test_as_numpy(f: Any, args: Any) -> None:
    mine, others = copies(args), copies(args)
    found, wanted = wg.jit(f)(*mine), f(*others)
    pairs = [r if isinstance(r, tuple) else (r,) for r in (found, wanted)]
    for a, b in zip((*pairs[0], *mine), (*pairs[1], *others), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_only_the_elements_are_run_over() -> None:
    text = str(wg.jit(sparse_product).lower(ENDS, COLUMNS, VALUES, TABLE).ir)
    assert f"float64[{N}] =" not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("f", "args", "argnums"),
    [
        (sparse_product, (ENDS, COLUMNS, VALUES, TABLE), (2, 3)),
        (lambda *args: run_over(*args)[0], (ENDS, COLUMNS, VALUES, TABLE), (2, 3)),
        (lambda p, v, r: folds(p, v, r)[0], (ENDS, VALUES, ROWS), (1, 2)),
        (assignments, (ENDS, VALUES, ROWS), (1, 2)),
        (scattered, (ENDS, COLUMNS, VALUES, TABLE), (2, 3)),
    ],
)
def test_derivatives(f: Any, args: Any, argnums: Any) -> None:
    def loss(*x: Any) -> Any:
        x = tuple([v.copy() if k in argnums else v for k, v in enumerate(x)])
        return np.sum(np.sin(f(*x))) + sum(np.sum(x[k] ** 2) for k in argnums)

    directions = [RNG.standard_normal(args[k].shape) for k in argnums]
    gradients = wg.jit(wg.grad(loss, argnums=argnums))(*args)
    slope = sum(np.sum(g * d) for g, d in zip(gradients, directions, strict=True))

    def at(h: float) -> Any:
        moved = copies(args)
        for k, d in zip(argnums, directions, strict=True):
            moved[k] += h * d
        return loss(*moved)

    np.testing.assert_allclose(slope, (at(1e-6) - at(-1e-6)) / 2e-6, rtol=1e-6)


def columns_between(ends, a):
    total, out = 0.0, np.zeros((len(a), len(ends) - 1))
    for i in range(len(ends) - 1):
        b, e = ends[i], ends[i + 1]
        out[:, i] = a[:, b:e].sum(axis=1) + np.linalg.norm(a[:, b:e] @ a[0, b:e])
        total += a[1:, b:e].mean() + (a[..., b:e] * a[0, b:e]).sum() + a[::2, b:e][1].sum()
        a[:, b:e] *= a[0, b:e] + i
        a[:2, b:e] -= a[1:3, b:e]
    return total, out


def test_slices_of_later_axes() -> None:
    ends, a = np.array([0, 3, 3, 4, 9]), RNG.standard_normal((5, 9))
    mine, wanted = a.copy(), a.copy()

    def f(ends, a):
        total, out = columns_between(ends[[0, 1, 3, 4]], a)
        return total, out

    found, expected = wg.jit(f, backend="reference")(ends, mine), f(ends, wanted)
    for x, y in zip((*found, mine), (*expected, wanted), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


def test_a_window_that_runs_over_the_end_says_so() -> None:
    f = wg.jit(lambda x, k: x[k : k + 3] * 2, backend="reference")
    np.testing.assert_array_equal(f(VALUES, np.int64(2)), VALUES[2:5] * 2)
    with pytest.raises(OutOfBoundsError, match="over 3 elements.*known only at run time"):
        f(VALUES, np.int64(len(VALUES) - 1))


@pytest.mark.parametrize(
    ("f", "kind", "says"),
    [
        (lambda x, a: x[a:], TracerConversionError, "shapes are fixed"),
        (lambda x, a: np.sort(x[a:]), TracerConversionError, "np.sort"),
        (lambda x, a: (x[a:] + x[a + 1 :]).sum(), ShapeError, "different lengths"),
        (lambda x, a: x[a:][99], OutOfBoundsError, "out of bounds"),
        (lambda x, a: np.add(x[a:], x).sum(), ShapeError, "different lengths"),
        (lambda x, a: list(x[a:]), TracerConversionError, "iterating"),
    ],
)
def test_errors(f: Any, kind: Any, says: str) -> None:
    with pytest.raises(kind, match=says):
        wg.jit(f)(VALUES, np.int64(2))


def test_slices_of_integers_stay_integers() -> None:
    def f(x: Any, a: Any) -> Any:
        x[a:] += 0.5

    with pytest.raises(DTypeError, match="cannot cast"):
        wg.jit(f)(COLUMNS.copy(), np.int64(2))


def strided(x, a, b, s):
    x[a:b:s] += 1.0
    x[b::s] *= 2.0
    x[a : b + 1 : s] = x[a:b:s].max()
    y = x[a : b - 1 : 3]
    return x[a:b:s].sum(), x[a:b:s] @ x[a + 1 : b + 1 : s], x[::s].mean(), y[-1], len(y)


@pytest.mark.parametrize(("a", "b", "s"), [(3, 23, 4), (3, 5, 9), (-30, -3, 1)])
def test_slices_whose_step_depends_on_data(a: int, b: int, s: int) -> None:
    x = np.random.default_rng(0).random(40)
    mine, expected = x.copy(), x.copy()
    found = wg.jit(strided)(mine, *map(np.int64, (a, b, s)))
    np.testing.assert_allclose(found, strided(expected, a, b, s), rtol=1e-12)
    np.testing.assert_array_equal(mine, expected)


def test_a_sieve_and_a_step_backwards() -> None:
    def sieve(n):
        prime = np.ones(n + 1, dtype=bool)
        prime[:2] = False
        for i in range(2, 40):
            if prime[i]:
                prime[i * i :: i] = False
        return prime.sum()

    assert wg.jit(sieve)(1600) == sieve(1600)
    with pytest.raises(ValueError, match="must be 1 or more"):
        wg.jit(lambda x, s: x[::s].sum())(np.ones(4), np.int64(-1))


def writes(x, a, b):
    y = x[a:b]
    y[0] = 5.0
    y[-1] += y[0]
    y[1:3] *= 2.0
    z = y.copy()
    w = z
    z += 1.0
    z[0] = -1.0
    x[a:b] = x[a:b][::-1]
    x[b:a:-2] = 0.5
    v = np.zeros(5)
    v += x[a:b]
    v[1:3] = x[a : a + 2]
    y[y > 4] = 4.0
    np.multiply(x[b], y, out=y)
    x[a:b] *= np.arange(5.0)
    x[a:b] += x[b : b + 1]
    np.add.at(x, (y > 1).astype(int), 0.5)
    return y.sum(), z.sum(), w.sum(), v, x[a:b][1:].sum(), (y[1:] - y[:-1]).sum()


def parts(rows, a, b):
    rows[a:b, a:b] += 1.0
    rows[a : b + 1][:, 1] = 3.0
    y = rows[a:b]
    y[0, 1], y[-1] = 7.0, 2.0
    sums = y.sum(axis=1), rows[a:b, a:b].sum(), np.linalg.norm(y, axis=1)
    return sums[0].sum(), sums[1], sums[2].max(), np.argmax(y[:, 1]), y.sum(0, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize("f", [writes, parts])
def test_parts_and_assignments(f: Any) -> None:
    x = np.linspace(1.0, 3.0, 12) if f is writes else np.arange(24.0).reshape(6, 4)
    for a, b in [(2, 7)] if f is writes else [(1, 3), (2, 4)]:
        mine, expected = x.copy(), x.copy()
        found = wg.jit(f)(mine, np.int64(a), np.int64(b))
        for one, other in zip(found, f(expected, a, b), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
        np.testing.assert_allclose(mine, expected, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i4", "f2", "f4", "F"])
def test_dtypes_are_those_of_numpy(dtype: str) -> None:
    def f(x: Any, a: Any, b: Any) -> Any:
        s = x[a:b]
        return np.linalg.norm(s), np.dot(s, s), s @ s, s.mean(), s.std(), s.sum(), s.prod(), s.var()

    x = (np.arange(1, 9) * 17 % 100).astype(dtype)
    with np.errstate(over="ignore"):
        wanted = f(x, 2, 6)
    for mine, other in zip(wg.jit(f)(x, np.int64(2), np.int64(6)), wanted, strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=1e-2 if dtype == "f2" else 1e-5)


def test_nothing_has_no_maximum() -> None:
    f = wg.jit(lambda x, a, b: x[a:b].max())
    assert f(VALUES, np.int64(1), np.int64(4)) == VALUES[1:4].max()
    with pytest.raises(ValueError, match="zero-size array to reduction operation maximum"):
        f(VALUES, np.int64(4), np.int64(4))
    g = wg.jit(lambda x, a: x[a:a].max(initial=-2.0) if len(x[a:]) else 0.0)
    assert g(VALUES, np.int64(4)) == -2.0


def test_what_was_computed_outside_is_not_changed_in_a_branch() -> None:
    def f(x: Any, a: Any) -> Any:
        s = x[a:] * 2.0
        if x[0] > 0:
            s += 1.0
        return s.sum()

    with pytest.raises(CaptureError, match="make a new one"):
        wg.jit(f)(VALUES, np.int64(2))
