"""Special functions on dense grids, against mpmath where SciPy itself is not exact enough."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
from cuda_device import forget_devices, jit, use_device

import wengert as wg
from wengert import special

R = np.random.default_rng(0)
NEAR = np.concatenate([R.uniform(-12, 12, 300), R.normal(size=20) * 1e-3, [0.0, 1e-300, 8.0]])
UNIT = np.concatenate([R.uniform(-1, 1, 200), 1 - 10.0 ** R.uniform(-15, -1, 50), [1e-300]])


def exact_erfcx(x: Any) -> Any:
    return mpmath.exp(x * x) * mpmath.erfc(x)


def exact_log_ndtr(x: Any) -> Any:
    return mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2)


def exact_dawsn(x: Any) -> Any:
    return mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x)


def scaled(order: int) -> Callable[[Any], Any]:
    return lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(order, x)


# Name, the exact function, where, and the largest error in units of 2^-52 of the value.
CASES: dict[str, tuple[Callable[[Any], Any], Any, float]] = {
    "i0": (lambda x: mpmath.besseli(0, x), NEAR, 8),
    "i0e": (scaled(0), NEAR * 50, 6),
    "i1": (lambda x: mpmath.besseli(1, x), NEAR, 10),
    "i1e": (scaled(1), NEAR * 50, 8),
    "erfcx": (exact_erfcx, np.concatenate([np.abs(NEAR) * 20, R.uniform(-2, 0, 50)]), 8),
    "dawsn": (exact_dawsn, NEAR * 2, 8),
    "log_ndtr": (exact_log_ndtr, np.concatenate([R.uniform(-60, 2, 200)]), 12),
    "erfinv": (mpmath.erfinv, UNIT, 10),
}


@pytest.mark.parametrize("name", CASES)
def test_expansions_are_exact_to_a_few_units(name: str) -> None:
    exact, x, most = CASES[name]
    found = wg.jit(lambda v: getattr(special, name)(v))(x)
    with mpmath.workdps(40):
        for value, got in zip(x, found, strict=True):
            wanted = exact(mpmath.mpf(float(value)))
            error = abs(mpmath.mpf(float(got)) - wanted)
            assert error <= most * 2.0**-52 * abs(wanted) + 5e-324, (value, got, wanted)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize("name", ["digamma", "gammaln", "gamma", "j0", "j1"])
def test_functions_of_cuda_agree_with_scipy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.concatenate(
        [np.linspace(1.2, 1.7, 501), np.linspace(0.01, 30, 500), np.linspace(-5.9, -0.03, 300)]
    )
    use_device(monkeypatch)
    found = jit(lambda v: getattr(special, name)(v))(x)
    monkeypatch.undo()
    forget_devices()
    np.testing.assert_allclose(found, getattr(scipy.special, name)(x), rtol=1e-12, atol=1e-14)
    if name == "digamma":
        near = x[:501]
        np.testing.assert_allclose(found[:501], scipy.special.digamma(near), rtol=2e-13)


def test_coefficients_are_those_of_the_generator() -> None:
    from benchmarks.chebyshev import SERIES, coefficients
    from wengert.ir.ops import series

    for name, function in SERIES.items():
        assert list(getattr(series, name)) == coefficients(function), name
