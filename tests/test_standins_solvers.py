"""SciPy's functions that are given functions: values, and derivatives of all orders and modes.

What they are differentiated by is in closures of the functions, in more arguments, in ends and
starts. Differences are those of SciPy's own values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate as si
import scipy.optimize as so

import wengert as wg
from wengert.errors import ArgumentError, MissingRuleError

Case = Callable[[Any], Any]
TIGHT = {"rtol": 1e-11, "atol": 1e-12}
PLACES = np.linspace(0, 2, 9)
SEEN = 2 * np.exp(-0.7 * PLACES) + 0.05 * np.sin(20 * PLACES)
EXACT = dict.fromkeys(("xtol", "ftol", "gtol"), 1e-15)
LOOSE = {"RK23": 1e-7, "minimize": 1e-7}
"""How near SciPy comes where that is less than elsewhere."""


def cubic(x: Any, k: Any) -> Any:
    return x**3 - k * k - 1.0


def swing(t: Any, y: Any, k: Any) -> Any:
    return [y[1], -k * np.sin(y[0])]


def falling_slopes(x: Any, a: Any, b: Any) -> Any:
    return np.stack([np.exp(-b * x), -a * x * np.exp(-b * x)], axis=1)


CASES: dict[str, Case] = {
    "brentq": lambda k: so.brentq(cubic, 0, 5, args=(k,)),
    "bisect of traced ends": lambda k: so.bisect(lambda x: cubic(x, k), k - 2.0, k + 1.0),
    "newton by secants": lambda k: so.newton(lambda x: cubic(x, k), 1.0),
    "newton of arrays": lambda k: so.newton(
        lambda x: cubic(x, k * np.arange(1.0, 3.0)), np.ones(2), lambda x: 3.0 * x * x
    ),
    "root_scalar": lambda k: (
        so.root_scalar(
            lambda x: (cubic(x, k), 3 * x * x, 6 * x), fprime=True, fprime2=True, x0=1.0
        ).root
    ),
    "quad": lambda k: si.quad(lambda t: k * (t - 1) ** 3 if t > 1 else np.cos(t - 1), 0, k)[0],
    "quad of infinite ranges": lambda k: si.quad(lambda t, a: np.exp(-a * t * t), -np.inf, k, k)[0],
    "quad of a singularity": lambda k: si.quad(lambda t: np.cos(k * t) / np.sqrt(t), 0, 1)[0],
    "quad_vec": lambda k: si.quad_vec(lambda t: np.exp(-k * t * np.arange(3.0)), k, 0)[0],
    "solve_ivp": lambda k: (
        si.solve_ivp(swing, (0, 1), [k, 0.2], t_eval=[0.0, 0.7, 1.0], args=(k,), **TIGHT).y
    ),
    "fsolve": lambda k: so.fsolve(
        lambda x: [x[0] ** 3 - k * x[1] - 1, x[1] ** 2 + x[0] - 3 * k], np.ones(2)
    ),
    "fixed_point": lambda k: so.fixed_point(lambda x: k * np.cos(x), np.array([0.5, 0.6])),
    "least_squares in bounds": lambda k: (
        so.least_squares(
            lambda x: np.stack([10 * (x[1] - x[0] ** 2), k - x[0]]),
            np.array([-1.0, 0.5]),
            bounds=([-2, 0], [0.5 * k, 5]),
        ).x
    ),
    "curve_fit": lambda k: np.vstack(
        so.curve_fit(
            lambda x, a, b: a * np.exp(-b * x),
            PLACES,
            SEEN + k * PLACES,
            sigma=1 + SEEN,
            jac=falling_slopes,
            xtol=1e-14,
            ftol=1e-14,
        )
    ),
    "minimize_scalar": lambda k: so.minimize_scalar(lambda x: (x - k) ** 2 + x**4, tol=1e-12).x,
    "minimize_scalar at a bound": lambda k: (
        so.minimize_scalar(lambda x: (x - 3) ** 2, bounds=(0.0, k), options={"xatol": 1e-9}).x
    ),
    "solve_ivp in times": lambda k: (
        si.solve_ivp(
            lambda t, y: -t * y, (k / 4, -k), [1.0], "DOP853", np.stack([-k / 8, -k / 2]), **TIGHT
        ).y
    ),
}
SLOW: dict[str, Case] = {
    "odeint": lambda k: si.odeint(swing, [k, 0.2], [0.0, 0.7, 3.0], (k,), tfirst=True, **TIGHT),
    "minimize": lambda k: (
        so.minimize(
            lambda x: so.rosen(x) + k * np.sum(x**2),
            np.array([-1.0, 2.0, 0.3]),
            jac=lambda x: so.rosen_der(x) + 2 * k * x,
            tol=1e-11,
        ).x
    ),
    "soft_l1": lambda k: (
        so.least_squares(
            lambda p: p[0] * np.exp(-p[1] * PLACES) - k * SEEN,
            np.ones(2),
            lambda p: falling_slopes(PLACES, *p),
            loss="soft_l1",
            **EXACT,
        ).x
    ),
    "dblquad": lambda k: si.dblquad(lambda y, x: x * y * k, 0, k, lambda x: 0.0, lambda x: x)[0],
    "RK23": lambda k: (
        si.solve_ivp(swing, (0, -1), [k, 0.2], "RK23", [-0.5], args=(k,), rtol=1e-8, atol=1e-8).y
    ),
    "toms748": lambda k: so.toms748(cubic, 0, 5, args=(k,)),
}
NAMES = [*CASES, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)]


@pytest.mark.parametrize("name", NAMES)
def test_values_are_scipys_and_derivatives_differences(name: str) -> None:
    f, k, h = {**CASES, **SLOW}[name], 1.3, 1e-5

    def both(k: Any) -> Any:
        return wg.jvp(f, (k,), (1.0,)), wg.jacrev(f)(k)

    (value, tangent), slope = wg.jit(both)(k)
    tolerance = LOOSE.get(name, 3e-9)
    np.testing.assert_allclose(value, f(k), tolerance, tolerance)
    expected = (f(k + h) - f(k - h)) / (2 * h)
    np.testing.assert_allclose(tangent, expected, 1e3 * tolerance, 1e3 * tolerance)
    np.testing.assert_allclose(slope, tangent, 1e-8, 1e-10)


def test_second_derivatives_of_an_integral_and_of_a_root() -> None:
    def area(w: Any) -> Any:
        return si.quad(lambda t: (w[0] + w[1] * t) ** 3, 0, 1)[0]

    np.testing.assert_allclose(wg.jit(wg.hessian(area))(np.ones(2)), [[9, 5], [5, 3.5]], 1e-12)
    second = wg.jit(wg.grad(wg.grad(lambda k: so.brentq(cubic, 0, 5, args=(k,)))))(2.0)
    np.testing.assert_allclose(second, (2 / 3) * (5 ** (-2 / 3) - 16 / 3 * 5 ** (-5 / 3)), 1e-9)


@pytest.mark.slow
def test_second_derivatives_of_a_solution_at_a_time_that_moves_with_the_slopes() -> None:
    def at(k: Any) -> Any:  # exp(-k**3 / 8)
        slopes = lambda t, y: -k * t * y  # noqa: E731
        return si.solve_ivp(slopes, (0, 1), [1.0], "RK23", np.stack([k / 2]), rtol=1e-7).y[0, 0]

    expected = (9 / 64 * 1.3**4 - 6 / 8 * 1.3) * np.exp(-(1.3**3) / 8)
    np.testing.assert_allclose(wg.jit(wg.jacfwd(wg.grad(at)))(1.3), expected, 1e-5)


def test_batches_have_roots_of_their_own() -> None:
    k = np.array([0.3, 1.0, 2.0])
    found = wg.jit(wg.vmap(lambda k: so.brentq(cubic, 0, 5, args=(k,))))(k)
    np.testing.assert_allclose(found, (k * k + 1) ** (1 / 3), 1e-12)


def test_a_fit_is_the_same_in_any_units() -> None:
    def fitted(seen: Any) -> Any:
        return so.curve_fit(lambda x, a, b=1.0: a * np.exp(-b * x), PLACES, seen, p0=[1.0, 1.0])

    for found, expected in zip(wg.jit(fitted)(1e9 * SEEN), fitted(1e9 * SEEN), strict=True):
        np.testing.assert_allclose(found, expected, 1e-5)


def test_results_are_those_of_scipy_at_bounds_and_of_tables_of_unknowns() -> None:
    def solved(k: Any) -> Any:
        found = so.least_squares(
            lambda x: np.stack([10 * (x[1] - x[0] ** 2), k - x[0]]),
            np.array([-1.0, 0.5]),
            bounds=([-2, 0], [0.6, 5]),
        )
        flat = so.root(lambda x: x**3 - k, np.ones((2, 1))).x
        outside = si.quad(lambda x: 1 / np.sqrt(x), 0, 1, points=[0.0, 0.5, 2.0])[0]
        return found.grad, found.active_mask, found.success, flat, outside

    for found, expected in zip(wg.jit(solved)(1.3), solved(1.3), strict=True):
        np.testing.assert_allclose(found, expected, 1e-6, 1e-6)
        assert np.shape(found) == np.shape(expected)


def test_what_scipy_refuses_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        wg.jit(lambda k: so.brentq(lambda x: np.sqrt(x - 2) * k, 0, 5))(1.0)
    with pytest.raises(ValueError, match="outside of provided bounds"):
        wg.jit(lambda k: so.least_squares(lambda x: x - k, np.ones(1), bounds=(2, 3)).x)(1.0)
    with pytest.raises(ValueError, match="must have different signs"):
        wg.jit(lambda k: so.brentq(lambda x: x * x + k, 0, 1))(1.0)
    with pytest.raises(RuntimeError, match="Failed to converge after 3"):
        wg.jit(lambda k: so.newton(lambda x: np.cos(x) - k * x, 9.0, maxiter=3))(1.0)
    with pytest.raises(ArgumentError, match="Bracket needed"):
        wg.jit(lambda k: so.root_scalar(lambda x: x - k, method="brentq").root)(1.0)
    with pytest.raises(ArgumentError, match="t_eval"):
        wg.jit(lambda k: si.solve_ivp(swing, (0, 1), [k, 1], args=(k,)).y)(1.0)
    with pytest.raises(MissingRuleError, match="Radau"):
        wg.jit(lambda k: si.solve_ivp(swing, (0, 1), [k, 1], "Radau", [1.0], args=(k,)).y)(1.0)
