"""SciPy's special functions at complex numbers: values, slopes and branches against SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import wengert as wg

NAMES = ("erf", "erfc", "erfcx", "erfi", "dawsn", "gamma", "loggamma", "rgamma", "psi")
SLOPES: dict[str, Callable[[Any], Any]] = {
    "erf": lambda z: 2 / np.sqrt(np.pi) * np.exp(-(z**2)),
    "erfc": lambda z: -2 / np.sqrt(np.pi) * np.exp(-(z**2)),
    "erfcx": lambda z: 2 * z * sp.erfcx(z) - 2 / np.sqrt(np.pi),
    "erfi": lambda z: 2 / np.sqrt(np.pi) * np.exp(z**2),
    "dawsn": lambda z: 1 - 2 * z * sp.dawsn(z),
    "gamma": lambda z: sp.gamma(z) * sp.psi(z),
    "loggamma": sp.psi,
    "rgamma": lambda z: -sp.rgamma(z) * sp.psi(z),
}
"""The derivatives; that of psi is checked by differences."""


def _points(scale: float, count: int = 300) -> Any:
    rng = np.random.default_rng(0)
    return scale * (rng.uniform(-1, 1, count) + 1j * rng.uniform(-1, 1, count))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-3, 0.9, 4.0, 20.0])
def test_values_in_the_plane_are_those_of_scipy(name: str, scale: float) -> None:
    f, z = getattr(sp, name), _points(scale)
    seen, expected = wg.jit(lambda z: f(z))(z), f(z)
    finite = np.isfinite(expected)
    assert seen.dtype == expected.dtype and finite.sum() > 50
    # sums in log gamma reach 25, and the size of z^2 multiplies the error of the exponential
    bound = 2e-14 * np.maximum(1, np.abs(z)) ** 2
    near = np.abs(seen - expected) <= bound * np.maximum(np.abs(expected), 1e-290)
    if name in ("psi", "loggamma"):
        near |= np.abs(seen - expected) <= 5e-14
    assert np.all(near | ~finite), z[~near & finite]


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_is_rounded_from_double(name: str) -> None:
    f, z = getattr(sp, name), _points(3.0).astype(np.complex64)
    seen = wg.jit(lambda z: f(z))(z)
    assert seen.dtype == np.complex64
    np.testing.assert_allclose(seen, f(z), rtol=3e-7)


@pytest.mark.parametrize("name", NAMES)
def test_first_and_second_derivatives_are_analytic(name: str) -> None:
    f, z = (
        getattr(sp, name),
        np.concatenate([_points(3.0, 40), _points(0.5, 20), 1 + _points(0.1, 9)]),
    )
    value, slope = wg.jvp(lambda z: f(z), (z,), (np.ones_like(z),))
    np.testing.assert_allclose(value, f(z), rtol=1e-12, atol=1e-14)
    h = 1e-5

    def first(z: Any) -> Any:
        return wg.jvp(lambda z: f(z), (z,), (np.ones_like(z),))[1]

    if name in SLOPES:
        np.testing.assert_allclose(slope, SLOPES[name](z), rtol=1e-11, atol=1e-12)
    else:
        apart = (f(z + h) - f(z - h)) / (2 * h)
        np.testing.assert_allclose(slope, apart, rtol=1e-6, atol=1e-7)
    second = wg.jvp(first, (z,), (np.ones_like(z),))[1]
    apart = (first(z + h * 1j) - first(z - h * 1j)) / (2j * h)
    np.testing.assert_allclose(second, apart, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_go_backwards(name: str) -> None:
    f = getattr(sp, name)
    z = _points(2.0, 12)
    back = wg.jit(wg.grad(lambda z: np.sum(f(z)), holomorphic=True))(z)
    np.testing.assert_allclose(
        back, wg.jvp(lambda z: f(z), (z,), (np.ones_like(z),))[1], rtol=1e-10
    )


def test_poles_zeros_and_both_sides_of_the_cut() -> None:
    z = np.array(
        [0, -1, -4, 1, 2, -0.5, complex(-0.5, -0.0), -3.25, complex(-3.25, -0.0), 1 + 1e-9j]
    )
    for name in ("gamma", "rgamma", "loggamma", "psi"):
        f = getattr(sp, name)
        np.testing.assert_allclose(wg.jit(lambda z, f=f: f(z))(z), f(z), rtol=1e-13, atol=1e-14)


def test_small_arguments_keep_their_digits() -> None:
    z = np.array([1e-200, 1e-9j, 1e-12 + 1e-3j, 0])
    for name in ("erf", "erfi", "dawsn"):
        f = getattr(sp, name)
        np.testing.assert_allclose(wg.jit(lambda z, f=f: f(z))(z), f(z), rtol=1e-15)


@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_products_with_logarithms(name: str) -> None:
    f, x, y = getattr(sp, name), _points(2.0, 30), _points(2.0, 30)[::-1]
    x = np.append(x, [0, 0, 0])
    y = np.append(y, [0, 1j, np.nan])
    seen = wg.jit(lambda x, y: f(x, y))(x, y)
    np.testing.assert_allclose(seen, f(x, y), rtol=1e-14)


def test_values_that_overflow_do_so_by_parts_as_in_scipy() -> None:
    points = {"erf": [1 + 100j, 30j, np.inf, -np.inf], "erfi": [1e10 + 1j, -30 + 8j, 27 + 1j, 170]}
    points |= {"erfc": [30j, np.inf, -np.inf], "dawsn": [1 + 100j, 30j, np.inf]}
    for name, z in points.items():
        f, z = getattr(sp, name), np.array(z, complex)
        np.testing.assert_array_equal(wg.jit(lambda z, f=f: f(z))(z), f(z))
