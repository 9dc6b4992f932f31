"""`wg.numpy` and `wg.special`: NumPy on arrays, traced forms on traced values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special
from numpy_oracle import agree, expected, run, same
from numpy_table import PAGE, VERSION, kind, page

import wengert as wg
import wengert.numpy as wnp
import wengert.special as wspecial
from wengert.errors import TracerConversionError

X = np.random.default_rng(0).standard_normal((3, 4))


def test_arrays_give_arrays() -> None:
    assert isinstance(wnp.sum(X), np.float64)
    assert isinstance(wnp.stack([X, X]), np.ndarray)
    assert isinstance(wnp.array([1, 2]), np.ndarray)
    assert type(wnp.linalg.norm(X)) is np.float64
    assert wspecial.erf(X).shape == X.shape
    same(wspecial.logsumexp(X, axis=0), scipy.special.logsumexp(X, axis=0))


@pytest.mark.parametrize("name", [n for n in wnp.__all__ if hasattr(np, n)])
def test_names_are_numpys(name: str) -> None:
    ours, theirs = getattr(wnp, name), getattr(np, name)
    assert callable(ours) == callable(theirs)
    if not callable(theirs) and name not in ("linalg", "fft"):
        assert ours is theirs


def test_traced_values_in_any_argument() -> None:
    table, i = np.array([1.0, 2.0, 3.0]), np.array([2, 0])
    for f, *args in (
        (lambda m, k: m.take(table, k), i),
        (lambda m, k: m.full((2, 3), k), np.float64(1.5)),
        (lambda m, k: m.full_like(table, k), np.float64(1.5)),
        (lambda m, k: m.array([[k, 1], [2, k]]), np.float32(0.5)),
        (lambda m, k: m.asarray([k, k * 2], dtype=np.int64), np.float64(3)),
        (lambda m, k: m.array(k, ndmin=3), X),
        (lambda m, k: m.interp([0.5, 1.5], [0, 1, 2], k), X[0, :3]),
        (lambda m, k: m.pad(np.ones(2), 1, constant_values=k), np.float64(2)),
        (lambda m, k: m.clip(table, k, 2.5), np.float64(1.5)),
    ):
        same(run(lambda *a, f=f: f(wnp, *a), *args), expected(lambda *a, f=f: f(np, *a), *args))


def test_arange_needs_known_numbers() -> None:
    with pytest.raises(TracerConversionError, match="arange"):
        run(lambda n: wnp.arange(n), np.float64(3))
    with pytest.raises(TracerConversionError, match="np.stack"):
        run(lambda n: np.array([n, n]), np.float64(3))
    with pytest.raises(TracerConversionError):
        run(lambda x: wnp.reshape(X, (x, -1)), np.int64(3))


def test_the_tables_of_the_documentation_are_true() -> None:
    """Every name of NumPy is in one row; `python tests/numpy_table.py` writes the page anew."""
    if VERSION not in PAGE.read_text():
        pytest.skip(f"the page is about another version than {VERSION}")
    assert not [n for n in np.__all__ if kind(n) == "nowhere"]
    assert page() == PAGE.read_text()
    with pytest.raises(TracerConversionError, match="depends on the elements"):
        run(lambda x: np.trim_zeros(x), X[0])


def test_functions_of_indices() -> None:
    agree(lambda v: np.fromfunction(lambda i, j: i * v[0, 0] + j, (2, 3)), X)


def test_missing_names() -> None:
    with pytest.raises(AttributeError, match="no traced form yet"):
        _ = wnp.vectorize
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = wnp.nonsense
    with pytest.raises(AttributeError, match="wengert.special has no 'pro_ang1'"):
        _ = wspecial.pro_ang1


AXES: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": -1}, {"axis": (0, 1)}]
ROWS = np.array([[1e3, 1e3, 0.0], [-np.inf, -np.inf, -np.inf], [np.inf, 1, 2], [1.0, np.nan, 2]])


@pytest.mark.parametrize("options", AXES, ids=str)
def test_log_sum_exp(options: dict[str, Any]) -> None:
    for x in (X, ROWS, X.astype("f4"), np.arange(6).reshape(2, 3)):
        for extra in ({}, {"keepdims": True}):
            pair = [
                lambda v, m=m, e=extra: m.logsumexp(v, **options, **e)
                for m in (wspecial, scipy.special)
            ]
            same(run(pair[0], x), expected(pair[1], x), 4)
        for name in ("softmax", "log_softmax"):
            if x is ROWS:
                continue  # SciPy gives NaN for whole rows of infinities in other places
            ours, theirs = (getattr(m, name) for m in (wspecial, scipy.special))
            same(
                run(lambda v, f=ours: f(v, **options), x),
                expected(lambda v, f=theirs: f(v, **options), x),
                4,
            )


def test_weighted_log_sum_exp() -> None:
    weights = np.array([1.0, -2, 0, 0.5])
    for options in ({"axis": 1}, {"axis": 1, "return_sign": True}, {"return_sign": True}):
        ours = run(lambda v, b, o=options: wspecial.logsumexp(v, b=b, **o), X, weights)
        same(ours, scipy.special.logsumexp(X, b=weights, **options), 4)
    assert run(lambda v: wspecial.logsumexp(v), np.zeros(0)) == -np.inf


def test_functions_of_order() -> None:
    x = np.array([0.3, 1.0, 4.5])
    for n in (0, 1, 2):
        same(run(lambda v, n=n: wspecial.polygamma(n, v), x), scipy.special.polygamma(n, x), 100)
    same(run(lambda v: wspecial.multigammaln(v + 2, 3), x), scipy.special.multigammaln(x + 2, 3), 9)
    agree(lambda v: np.i0(v), x, tolerance=9)


def test_scipys_functions_that_ours_stand_in_for() -> None:
    """SciPy's make NumPy arrays of their arguments, unless it is told to ask for namespaces."""
    weights = np.array([1.0, -2, 0, 0.5])
    same(
        wg.jit(lambda v: scipy.special.logsumexp(v, axis=0))(X), scipy.special.logsumexp(X, axis=0)
    )
    same(
        wg.jit(lambda v: scipy.special.logsumexp(v, b=weights, return_sign=True))(X),
        scipy.special.logsumexp(X, b=weights, return_sign=True),
        4,
    )
    for f in (scipy.special.softmax, scipy.special.log_softmax):
        same(wg.jit(lambda v, f=f: f(v, axis=1))(X), f(X, axis=1), 4)
    found = wg.jit(lambda v: scipy.special.multigammaln(v, 2))(np.array(3.5))
    same(found, scipy.special.multigammaln(3.5, 2), 9)
