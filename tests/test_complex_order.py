"""The order of complex numbers: NumPy's, with NaN in either part, and its derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")

PARTS = (0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan)
CORNERS = np.array([complex(re, im) for re in PARTS for im in PARTS])
X, Y = (v.ravel() for v in np.meshgrid(CORNERS, CORNERS, indexing="ij"))
RNG = np.random.default_rng(3)
DTYPES = pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
PAIRS = (
    *(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal),
    *(np.maximum, np.minimum, np.fmax, np.fmin),
)


def same(found: Any, wanted: Any) -> None:
    """Equal bit for bit, signs of zeros included; each NaN is as good as another."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    if wanted.dtype.kind == "c":
        for part in (np.real, np.imag):
            x, y = part(found), part(wanted)
            np.testing.assert_array_equal(x, y)
            np.testing.assert_array_equal(np.signbit(x[~np.isnan(y)]), np.signbit(y[~np.isnan(y)]))


@DTYPES
@pytest.mark.parametrize("ufunc", PAIRS, ids=lambda f: f.__name__)
def test_two_numbers(ufunc: np.ufunc, dtype: Any) -> None:
    x, y = X.astype(dtype), Y.astype(dtype)
    same(wg.jit(lambda a, b: ufunc(a, b))(x, y), ufunc(x, y))


def lines(dtype: Any, count: int, length: int) -> np.ndarray:
    """Lines of few distinct numbers, with ties and NaNs."""
    return RNG.choice(CORNERS, (count, length)).astype(dtype)


ALONG: dict[str, Callable[[Any], Any]] = {
    "sort": lambda z: np.sort(z, axis=-1, kind="stable"),
    "argsort": lambda z: np.argsort(z, axis=-1, stable=True),
    "max": lambda z: np.max(z, axis=1),
    "min": lambda z: z.min(axis=1),
    "argmax": lambda z: np.argmax(z, axis=1),
    "argmin": lambda z: np.argmin(z, axis=1),
    "across": lambda z: np.max(z, axis=0),
    "running": lambda z: np.maximum.accumulate(z, axis=1),
    "running_min": lambda z: np.minimum.accumulate(z, axis=1),
}


@DTYPES
@pytest.mark.parametrize("length", [1, 3, 20, 50])
@pytest.mark.parametrize("name", ALONG)
def test_lines(name: str, length: int, dtype: Any) -> None:
    f = ALONG[name]
    z = lines(dtype, 40, length)
    same(wg.jit(f)(z), f(z))
    if name != "across":
        pair = np.repeat(z[:, None], 2, axis=1)
        same(wg.vmap(f)(pair)[3], f(pair[3]))


@DTYPES
def test_of_numbers_without_nan(dtype: Any) -> None:
    z = (RNG.integers(-2, 3, (4, 45)) + 1j * RNG.integers(-2, 3, (4, 45))).astype(dtype)
    w = (RNG.integers(-3, 4, 30) + 1j * RNG.integers(-3, 4, 30)).astype(dtype)
    for f in (
        lambda z, w: (np.median(z), np.median(z, axis=0), np.nanmedian(z, axis=1)),
        lambda z, w: (np.ptp(z, axis=1), np.max(z), np.min(z, initial=-1 - 5j), np.nanmax(z)),
        lambda z, w: tuple(np.searchsorted(np.sort(z[0]), w, side=s) for s in ("left", "right")),
        lambda z, w: tuple(np.searchsorted(np.sort(z[0, :5]), w, s) for s in ("left", "right")),
        lambda z, w: (np.lexsort((z[0], z[1].real)), np.sort_complex(z), np.clip(z, -1 - 1j, 1)),
        lambda z, w: (np.max(z, where=z > w[0], initial=0), max(z[0, 0], z[0, 1])),
    ):
        for found, wanted in zip(wg.jit(f)(z, w), f(z, w), strict=True):
            same(found, wanted)
    values, counts = wg.jit(lambda z: wg.numpy.unique(z, return_counts=True, size=25))(z)
    for found, wanted in zip((values, counts), np.unique(z, return_counts=True), strict=True):
        same(found[: len(wanted)], wanted)


def test_elements_of_which_only_some_count() -> None:
    z = lines(complex, 1, 30)[0]
    z[np.isnan(z)] = 1j
    chosen = lambda z: (np.max(z[z.real > -5]), np.sort(z[z.imag > -5])[0], np.argmin(z[z == z]))  # noqa: E731
    for found, wanted in zip(wg.jit(chosen)(z), chosen(z), strict=True):
        same(found, wanted)


def test_derivatives_follow_the_elements() -> None:
    z = RNG.standard_normal((3, 40)) + 1j * RNG.standard_normal((3, 40))
    weights = RNG.standard_normal(40) + 1j * RNG.standard_normal(40)

    def f(z: Any) -> Any:
        ranked = np.sum(np.sort(z, axis=1) * weights * z.conj())
        extreme = np.max(z) * np.min(z, axis=1) + np.median(z[0]) * np.maximum(z[0, 0], z[1, 0])
        return ranked + np.sum(extreme) + np.sum(np.minimum.accumulate(z[2]) ** 2)

    wg.testing.check_grads(f, (z,), order=2)


def test_slopes_of_ties_are_shared() -> None:
    z = np.array([1 + 2j, 1 + 2j, 1 + 1j])
    slope = wg.grad(lambda z: np.max(z), holomorphic=True)(z)
    np.testing.assert_allclose(slope, [0.5, 0.5, 0])
    left = wg.grad(lambda z: np.sum(np.maximum(z, 1 + 2j)), holomorphic=True)(z)
    np.testing.assert_allclose(left, [0.5, 0.5, 0])


def test_what_has_no_sign_is_no_infinity_with_one() -> None:
    for f in (np.isposinf, np.isneginf):
        with pytest.raises(TypeError, match="ambiguous.*np.real"):
            wg.jit(lambda z, f=f: f(z))(CORNERS)
    with pytest.raises(TypeError, match="may not be complex"):
        wg.jit(lambda z: np.digitize(z, [0, 1]))(CORNERS)
