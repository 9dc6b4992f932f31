"""Special functions on dense grids, against mpmath where SciPy itself is not exact enough."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
from cuda_device import forget_devices, jit, use_device

import wengert as wg
from wengert import special
from wengert.ir.op import REGISTRY

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


def slope(function: Callable[..., Any], *orders: int) -> Callable[..., Any]:
    """mpmath's derivative of these orders in the first arguments."""
    count = len(orders)
    return lambda *x: mpmath.diff(lambda *p: function(*p, *x[count:]), x[:count], orders)


def incomplete(a: Any, x: Any) -> Any:
    return mpmath.gammainc(a, 0, x, regularized=True)


def beta(a: Any, b: Any, x: Any) -> Any:
    return mpmath.betainc(a, b, 0, x, regularized=True)


# An op of slopes with its params, mpmath's function and orders, and points in the rows.
SLOPES: list[tuple[str, dict[str, int], Any, tuple[int, ...], list[tuple[float, ...]]]] = [
    *(
        (
            *("gammainc_slope", {"order": n}, incomplete, (n,)),
            [(0.01, 0.5), (3.5, 10.0), (3.0, 2.0), (15.0, 16.5), (100.0, 90.0), (2.0, 40.0)],
        )
        for n in (1, 2)
    ),
    *(
        (
            *("betainc_slope", {"first": i, "second": j}, beta, (i, j)),
            [(0.1, 3.0, 0.2), (2.0, 0.5, 0.97), (19.0, 14.0, 0.7), (1.0, 1.2, 0.5)],
        )
        for i, j in ((1, 0), (0, 1), (1, 1))
    ),
    *(
        (
            *("hyp1f1_slope", {"first": i, "second": j}, mpmath.hyp1f1, (i, j)),
            [(0.5, 2.0, 3.0), (1.5, 4.0, -12.0), (2.0, 2.5, 15.0), (3.0, 3.5, -0.2)],
        )
        for i, j in ((1, 0), (0, 1), (1, 1))
    ),
    *(
        (
            *("zeta", {"order": n}, mpmath.zeta, (n,)),
            [(1.5, 0.5), (3.0, 7.0), (40.0, 1.5), (1.01, 1.0), (0.5, 2.0)],
        )
        for n in (0, 1, 2)
    ),
]


@pytest.mark.parametrize("case", SLOPES, ids=lambda case: f"{case[0]}{case[3]}")
def test_slopes_in_parameters_are_mpmaths(case: Any) -> None:
    name, params, function, orders, points = case
    found = REGISTRY[name].evaluate(*np.transpose(points), **params)
    with mpmath.workdps(30):
        exact = function if not any(orders) else slope(function, *orders)
        wanted = [float(exact(*map(mpmath.mpf, p))) for p in points]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_slopes_at_the_ends() -> None:
    found = REGISTRY["gammainc_slope"].evaluate(
        *np.array([[2.0, 2, -1, 2], [0, np.inf, 1, -1]]), order=1
    )
    np.testing.assert_array_equal(found, [0, 0, np.nan, np.nan])
    ends = np.array([[2.0, 2, 2], [3, 3, -1], [0, 1, 0.5]])
    found = REGISTRY["betainc_slope"].evaluate(*ends, first=0, second=1)
    np.testing.assert_array_equal(found, [0, 0, np.nan])


@pytest.mark.parametrize(
    ("name", "at", "slopes"),
    [
        ("log_ndtr", -np.inf, [np.inf, -1, 0]),
        ("log_ndtr", -1e8, [1e8, -1, 2e-24]),
        ("log_ndtr", np.inf, [0, 0, 0]),
        ("erfcx", np.inf, [0, 0, 0]),
        ("erfcx", 1e6, [-1 / np.sqrt(np.pi) / 1e12, 2 / np.sqrt(np.pi) / 1e18]),
        ("dawsn", -np.inf, [0, 0, 0]),
        ("dawsn", 1e6, [-0.5e-12, 1e-18]),
        ("logit", 0.0, [np.inf, -np.inf]),
        ("logit", 1.0, [np.inf, np.inf]),
        ("log_ndtr", -19.9, [19.950000614302, -0.99751228604077, 0.00024633206108525]),
        ("erfcx", 10.0, [-0.0055593122190609, 0.001095741106428, -0.00032242674768269]),
        ("dawsn", 9.01, [-0.0062766149211574, 0.0014201819090952, -0.00048521831726627]),
        ("i1", 0.0, [0.5, 0, 0.375]),
        ("j1", 0.0, [0.5, 0, -0.375]),
        ("i0", 800.0, [np.inf] * 3),
        ("k0e", 0.0, [-np.inf, np.inf, -np.inf]),
        ("k1", 0.0, [-np.inf, np.inf, -np.inf]),
        ("y0", 0.0, [np.inf, -np.inf, np.inf]),
        ("expi", 0.0, [np.inf, -np.inf, np.inf]),
        ("expi", np.inf, [np.inf] * 3),
        ("entr", np.inf, [-np.inf, 0, 0]),
        ("entr", 0.0, [np.inf, -np.inf, np.inf]),
    ],
)
def test_slopes_far_out_are_the_limits(name: str, at: float, slopes: list[float]) -> None:
    """Neither differences of large numbers nor NaN, of the first derivative and of the next."""
    function = getattr(special, name)
    for expected in slopes:
        function = wg.grad(function)
        np.testing.assert_allclose(function(at), expected, rtol=1e-11)


@pytest.mark.slow
def test_zeta_is_scipys() -> None:
    """Of one argument everywhere, of two above 1; its derivatives reach Riemann's below 0."""
    x = np.array([0.5, 1, 1.5, 3.3, 30, 0, -0.5, -2, -3.5, -20.3, np.nan])
    np.testing.assert_allclose(wg.jit(scipy.special.zeta)(x), scipy.special.zeta(x), rtol=1e-14)
    s, q = np.array([2.0, 1.0, 0.5, 3.0, 3.0, np.inf]), np.array([0.5, 2.0, 1.0, -1.0, np.inf, 1.0])
    np.testing.assert_allclose(wg.jit(special.zeta)(s, q), scipy.special.zeta(s, q), rtol=1e-14)
    assert special.zeta(2.0) == scipy.special.zeta(2.0)
    wg.testing.check_grads(special.zeta, (x[:-1][[0, 2, 6, 8]],), order=2, atol=1e-3, rtol=1e-3)
    wg.testing.check_grads(special.zeta, (s[:1], q[:1]), order=2, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["chdtr", "chdtrc", "stdtr", "fdtr", "fdtrc", "gdtr", "betaincc"])
def test_distributions_have_derivatives_in_all_arguments(name: str) -> None:
    """Degrees of freedom too; in both halves of Student's, and near its middle."""
    points = [np.array([3.0, 1.5, 20.0]), np.array([0.4, 2.0, 0.9]), np.array([0.5, 0.1, 0.7])]
    points = points[: getattr(scipy.special, name).nin]
    wg.testing.check_grads(getattr(special, name), points, order=1, atol=1e-5, rtol=1e-5)
    if name == "stdtr":
        mirrored = (points[0], -points[1])
        wg.testing.check_grads(special.stdtr, mirrored, order=2, atol=1e-4, rtol=1e-4)


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


@pytest.mark.slow
def test_coefficients_are_those_of_the_generator() -> None:
    """In a process of its own: what mpmath 1.4 keeps from work at 15 digits moves last bits."""
    code = """
import importlib
from benchmarks.chebyshev import MODULES, coefficients
for module, functions in MODULES.items():
    series = importlib.import_module(f"wengert.ir.ops.{module}")
    for name, function in functions.items():
        assert list(getattr(series, name)) == coefficients(function), name
"""
    root = Path(__file__).parent.parent
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert not run.returncode, run.stderr
