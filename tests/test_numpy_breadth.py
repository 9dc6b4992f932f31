"""Quantiles, counting, and indices as numbers: NumPy's values, derivatives, batches, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(11)
X = RNG.standard_normal((4, 7))
HOLES = np.where(RNG.random((4, 7)) < 0.3, np.nan, X)
I = RNG.integers(0, 6, 20)
W = RNG.standard_normal(20)

METHODS = (
    *("linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull"),
    *("median_unbiased", "normal_unbiased", "interpolated_inverted_cdf"),
)


def put(a: Any, places: Any, axis: Any) -> Any:
    b = a.copy()
    np.put_along_axis(b, places, 9.0, axis)
    return b


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{
        f"quantile, {m}": (
            lambda a, m=m: np.quantile(a, [0.0, 0.1, 0.5, 0.77, 1.0], method=m),
            (X[0],),
        )
        for m in METHODS
    },
    "quantile, axis": (lambda a: np.quantile(a, 0.3, axis=1, keepdims=True), (X,)),
    "quantile, axes": (lambda a: np.quantile(a, [[0.3, 0.5]], axis=(0, 1)), (X,)),
    "quantile, traced": (lambda a, q: np.quantile(a, q, axis=0), (X, np.array([0.2, 0.9]))),
    "quantile, nan": (lambda a: np.quantile(a, 0.5, axis=1), (HOLES,)),
    "quantile, float32": (lambda a: np.quantile(a, 0.25), (X.astype(np.float32),)),
    "percentile": (lambda a: np.percentile(a, [5, 50, 95], axis=0), (X,)),
    "nanquantile": (lambda a: np.nanquantile(a, [0.25, 0.6], axis=1), (HOLES,)),
    "nanpercentile": (lambda a: np.nanpercentile(a, 40), (HOLES,)),
    "nanmedian": (lambda a: np.nanmedian(a, axis=0, keepdims=True), (HOLES,)),
    "nanargmax": (lambda a: np.nanargmax(a, axis=1), (HOLES,)),
    "nanargmin": (lambda a: np.nanargmin(a), (HOLES,)),
    "bincount": (lambda i: np.bincount(i, minlength=6), (I,)),
    "bincount, weights": (lambda i, w: np.bincount(i, w, minlength=6), (I, W)),
    "histogram": (lambda a: np.histogram(a, 5), (X,)),
    "histogram, range": (lambda a: np.histogram(a, 6, (-1.0, 1.5)), (X,)),
    "histogram, edges": (
        lambda a: np.histogram(a, np.array([-1.0, 0.0, 0.4, 2.0]), density=True),
        (X,),
    ),
    "histogram, weights": (lambda a, w: np.histogram(a, 4, weights=w)[0], (W, W**2)),
    "histogram2d": (lambda a, b: np.histogram2d(a, b, [3, 4]), (W, W[::-1].copy())),
    "put_along_axis": (put, (X, np.argmax(X, axis=1)[:, None], 1)),
    "put_along_axis, flat": (put, (X, np.array([3, 0, 9]), None)),
    "ravel_multi_index": (
        lambda i, j: np.ravel_multi_index((i, j), (6, 8), mode=("clip", "wrap")),
        (I, 3 * I),
    ),
    "ravel_multi_index, F": (lambda i: np.ravel_multi_index((i, i), (6, 6), order="F"), (I,)),
    "unravel_index": (lambda i: np.unravel_index(i * 3, (4, 5)), (I,)),
    "unravel_index, F": (lambda i: np.unravel_index(i, (2, 3), order="F"), (I,)),
    "lexsort": (lambda i, w: np.lexsort((w, i % 3, i % 2)), (I, W)),
    "apply_along_axis": (
        lambda a: np.apply_along_axis(lambda v: np.outer(v[:2], v[1:3]), 0, a),
        (X,),
    ),
    "apply_along_axis, scalar": (lambda a: np.apply_along_axis(np.sum, 1, a), (X,)),
    "apply_over_axes": (lambda a: np.apply_over_axes(np.sum, a, [0, 1]), (X,)),
    "ix_": (lambda a, i: a[np.ix_(i[:3] % 4, i[3:5])], (X, I)),
    "polyadd": (np.polyadd, (X[0], X[1, :3])),
    "polysub": (np.polysub, (X[0, :2], X[1, :3])),
    "polymul": (np.polymul, (X[0], X[1, :3])),
    "polyder": (lambda p: np.polyder(p, 2), (X[0],)),
    "roots": (np.roots, (np.array([1.0, -3.0, 2.0, 5.0, 4.0]),)),
    "poly": (np.poly, (X[0],)),
    "poly of a matrix": (np.poly, (X[:, :4],)),
    "polydiv": (np.polydiv, (X[0], X[1, :3])),
    "polydiv, constant": (lambda u, v: np.polydiv(u, v)[0], (X[0], X[1, :1])),
    "polydiv, shorter": (np.polydiv, (X[0, :2], X[1, :3])),
    "polyfit": (lambda x, y: np.polyfit(x, y, 2), (X[0], X[1])),
    "polyfit, weights": (
        lambda x, y: np.polyfit(x, y.T, 1, w=np.arange(1.0, 8.0), cov=True),
        (X[0], X[1:3]),
    ),
    "unwrap": (lambda a: np.unwrap(9 * a, axis=1), (X,)),
    "unwrap, period": (lambda a: np.unwrap(a, 3, 0, period=5), (3 * I.reshape(4, 5),)),
    "sort_complex": (np.sort_complex, (np.array([2 + 1j, 1 + 1j, 1 - 1j, 0]),)),
    "histogramdd": (lambda a: np.histogramdd(a, (3, 2), density=True)[0], (X[:, :2],)),
    "packbits": (lambda i: np.packbits(i % 2, bitorder="little"), (I,)),
    "packbits, axis": (lambda i: np.packbits(i.reshape(4, 5) % 2, 1), (I,)),
    "unpackbits": (lambda i: np.unpackbits(i.astype(np.uint8)[:3], count=-3), (I,)),
    "unpackbits, axis": (lambda i: np.unpackbits(i.astype(np.uint8)[None], 0, count=12), (I,)),
    "indices of triangles": (
        lambda a: (a[np.tril_indices_from(a, -1)], a[np.triu_indices_from(a)]),
        (X,),
    ),
    "indices of a diagonal": (lambda a: a[np.diag_indices_from(a)], (X[:, :4],)),
    "polyint": (lambda p: np.polyint(p, 2, [1.0, 3.0]), (X[0],)),
}


def listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, tuple | list) else [x]


@pytest.mark.parametrize("name", CASES)
def test_values_are_numpys(name: str) -> None:
    fun, args = CASES[name]
    wanted = listed(fun(*args))
    static = tuple(k for k, a in enumerate(args) if not isinstance(a, np.ndarray))
    for x, y in zip(listed(wg.jit(fun, static_argnums=static)(*args)), wanted, strict=True):
        assert np.result_type(x) == np.result_type(y) and np.shape(x) == np.shape(y)
        np.testing.assert_allclose(x, y, rtol=1e-6 if y.dtype == np.float32 else 1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "name",
    [
        *("quantile, linear", "quantile, axis", "quantile, traced", "percentile"),
        *("bincount, weights", "histogram, weights", "polymul", "polyint", "apply_along_axis"),
        *("roots", "poly", "polyfit", "unwrap"),
    ],
)
def test_derivatives(name: str) -> None:
    fun, args = CASES[name]
    floats = [k for k, a in enumerate(args) if a.dtype.kind == "f"]
    if name == "histogram, weights":
        floats = [1]  # counts do not depend on where in a bin something is

    def of_floats(*xs: Any) -> Any:
        given = list(args)
        for k, x in zip(floats, xs, strict=True):
            given[k] = x
        return fun(*given)

    wg.testing.check_grads(of_floats, [args[k] for k in floats], order=1)


def test_quantiles_beside_infinity() -> None:
    """NumPy gives NaN for three of them, as 0 * inf is."""
    found = wg.jit(lambda a: np.quantile(a, [0.1, 0.4, 0.5, 0.75]))(
        np.array([-np.inf, 2.0, np.inf])
    )
    np.testing.assert_array_equal(found, [-np.inf, -np.inf, 2.0, np.inf])


def test_a_batch_of_quantiles() -> None:
    found = wg.jit(wg.vmap(lambda a: np.quantile(a, [0.2, 0.7])))(X)
    np.testing.assert_allclose(found, np.quantile(X, [0.2, 0.7], axis=1).T)


def counts_and_positions(v: Any, m: Any) -> list[Any]:
    """Arrays made inside the function, on which shapes depend."""
    ones = np.array([1, 3])
    return [
        *(*np.split(v, ones), *np.array_split(v, ones), *np.hsplit(m, np.arange(1, 4))),
        *(*np.vsplit(m, ones - 1), *np.split(m, len(m) * np.array(1))),
        *(np.repeat(v, np.array([1, 0, 2, 1, 1, 0, 3])), np.repeat(m, ones[:1], axis=0)),
        *(m.repeat(np.arange(7), axis=1), np.insert(v, ones, 7.0)),
        *(np.delete(v, ones), np.delete(m, np.arange(2), axis=1), np.tile(v, ones)),
        np.delete(v, np.array([True, False, True, False, False, False, False])),
        *(np.pad(m, np.array([[1, 0], [0, 2]])), np.pad(v, ones, "mean", stat_length=ones)),
        *(np.reshape(m, np.array([7, 4])), m.reshape(np.array([2, -1])), np.resize(v, ones)),
        *(np.broadcast_to(v, np.array([2, 7])), np.zeros(ones) + v[0], np.roll(m, ones, (0, 1))),
        *(np.moveaxis(m, np.array([0]), np.array([1])), np.compress(ones > 1, m, axis=0)),
        *(np.partition(v, ones)[ones], np.tensordot(m, m, axes=np.array([[1], [1]]))),
        np.bincount(np.array([0, 1, 1, 2, 0, 2, 4]), weights=v),
    ]


def test_arrays_made_inside_as_counts_and_positions() -> None:
    wanted = counts_and_positions(X[0], X)
    found = wg.jit(counts_and_positions, backend="reference")(X[0], X)
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-14)


@pytest.mark.parametrize(
    ("fun", "arg", "kind", "words"),
    [
        (np.bincount, I, TypeError, "pass minlength="),
        (np.unique, I, TypeError, r"wengert\.numpy\.unique\(\.\.\., size=n\)"),
        (np.roots, np.arange(3.0), ValueError, "first coefficient of the polynomial"),
        (lambda i: np.bincount(i, minlength=3), I, IndexError, "out of bounds"),
        (lambda a: np.bincount(a, minlength=3), W, TypeError, "non-negative integers"),
        (lambda a: np.quantile(a, 1.5), W, ValueError, r"range \[0, 1\]"),
        (lambda a: np.quantile(a, 2.0 + a), W, ValueError, r"range \[0, 1\]"),
        (lambda a: np.percentile(a, -1), W, ValueError, r"range \[0, 100\]"),
        (lambda a: np.quantile(a, 0.5, method="inverse"), W, ValueError, "not a valid method"),
        (lambda a: np.histogram(a, "auto"), W, ValueError, "pass a number"),
        (lambda a: np.histogram(a, 3, (2, 1)), W, ValueError, "max must be larger"),
    ],
)
def test_errors(fun: Any, arg: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        wg.jit(fun)(arg)
