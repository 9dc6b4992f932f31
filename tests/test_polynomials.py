"""`numpy.polynomial` on traced coefficients and points: values, and differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.polynomial as npp
import pytest
from derivative_laws import assert_slopes

import wengert as wg
from wengert.errors import ArgumentError

FAMILIES = {
    "poly": npp.polynomial,
    "cheb": npp.chebyshev,
    "leg": npp.legendre,
    "herm": npp.hermite,
    "herme": npp.hermite_e,
    "lag": npp.laguerre,
}
POINTS = np.array([[0.3, -0.8, 1.1], [0.05, 0.6, -0.4]])
SERIES = np.array([0.7, -0.2, 1.3, 0.4, -0.9])
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "val": lambda f, c: f(POINTS * c[0], c),
    "vander": lambda f, c: f(POINTS * c[0], 3),
    "der": lambda f, c: f(c),
    "int": lambda f, c: f(c, 2),
    "add": lambda f, c: f(c, c[:3] ** 2),
    "sub": lambda f, c: f(c[1:], c),
    "mul": lambda f, c: f(c, [1.0, 2.0, c[0]]),
    "pow": lambda f, c: f(c, 3),
    "fromroots": lambda f, c: f(c),
    "companion": lambda f, c: f(c),
    "fit": lambda f, c: f(np.arange(5.0) / 2, c, 2),
}
CLASSES: list[Callable[[Any], Any]] = [
    lambda c: npp.Polynomial(c)(2.0),
    lambda c: npp.Chebyshev([1.0, 2.0, 3.0])(c),
    lambda c: npp.Polynomial(c).deriv()(0.3) + npp.Polynomial(c).integ()(c[0]),
    lambda c: (npp.Legendre(c) * npp.Legendre([1.0, 2.0]) - 1)(0.3),
    lambda c: npp.Polynomial.fit(np.arange(5.0), c, 2)(1.5),
]


@pytest.mark.filterwarnings("ignore:The fit may be")
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_functions(family: str, name: str) -> None:
    function = getattr(FAMILIES[family], family + name)

    def f(c: Any) -> Any:
        return FUNCTIONS[name](function, c)

    np.testing.assert_allclose(wg.jit(f)(SERIES), f(SERIES), rtol=1e-12, atol=1e-12)
    assert_slopes(f, SERIES, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:The fit may be")
@pytest.mark.parametrize("f", CLASSES)
def test_classes(f: Callable[[Any], Any]) -> None:
    np.testing.assert_allclose(wg.jit(f)(SERIES), f(SERIES), rtol=1e-12)
    assert_slopes(f, SERIES)


def test_dtypes_are_those_of_numpy() -> None:
    for c in (SERIES.astype(np.float32), np.arange(1, 4), SERIES * 1j):
        for f in (lambda v: npp.chebyshev.chebmul(v, v), lambda v: npp.polynomial.polyadd(v, [1])):
            found, wanted = wg.jit(f)(c), f(c)
            assert found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_coefficients_are_a_vector() -> None:
    with pytest.raises(ArgumentError, match="not 1-d"):
        wg.jit(lambda v: npp.polynomial.polymul(v, v))(POINTS)


@pytest.mark.parametrize("name", ["val2d", "val3d", "grid2d", "grid3d"])
@pytest.mark.parametrize("family", FAMILIES)
def test_several_variables(family: str, name: str) -> None:
    function = getattr(FAMILIES[family], family + name)
    axes = int(name[-2])

    def f(c: Any) -> Any:
        points = (c[:3], c[1:4] ** 2, c[2:])[:axes]
        table = np.outer(c, c)[:4, :3]
        return function(*points, table.reshape((3, 4) if axes == 2 else (3, 2, 2)))

    np.testing.assert_allclose(wg.jit(f)(SERIES), f(SERIES), rtol=1e-12)
    assert_slopes(f, SERIES, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "poly"])
def test_changes_of_basis(family: str) -> None:
    module = FAMILIES[family]
    for name in (f"{family}2poly", f"poly2{family}"):
        f = getattr(module, name)
        np.testing.assert_allclose(wg.jit(lambda c, f=f: f(c))(SERIES), f(SERIES), rtol=1e-12)
        assert_slopes(f, SERIES)
    times_x = getattr(module, f"{family}mulx")
    one = SERIES[:1].astype(np.float32)
    found = wg.jit(lambda c: times_x(c))(one)
    np.testing.assert_array_equal(found, times_x(one))
    assert found.dtype == np.float32


@pytest.mark.parametrize("family", ["poly", "cheb", "leg", "herm", "herme"])
def test_division(family: str) -> None:
    divide = getattr(FAMILIES[family], f"{family}div")

    def f(c: Any) -> Any:
        return divide(np.concatenate([c, c[:2]]), c[1:4])

    for found, wanted in zip(wg.jit(f)(SERIES), f(SERIES), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)
