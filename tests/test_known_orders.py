"""Special functions of known orders, elliptic integrals, coefficients: mpmath's, and SciPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special as sp
import scipy.stats as st

import wengert as wg
from wengert.errors import MissingRuleError

X = np.array([0.3, 1.0, 2.5, 7.0])
M = np.array([-30.0, -2.0, -0.3, -1e-9, 0.0, 1e-12, 0.1, 0.2499, 0.26, 0.6, 0.999])


def i_scaled(v: Any, x: Any) -> Any:
    return mpmath.exp(-x) * mpmath.besseli(v, x)


def k_scaled(v: Any, x: Any) -> Any:
    return mpmath.exp(x) * mpmath.besselk(v, x)


BESSEL: dict[str, Callable[..., Any]] = {
    "jv": mpmath.besselj,
    "yv": mpmath.bessely,
    "iv": mpmath.besseli,
    "kv": mpmath.besselk,
    "ive": i_scaled,
    "kve": k_scaled,
    "expn": mpmath.expint,
}
# f, mpmath's f of one number, where
CASES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Any]] = {
    **{
        f"{n} {v}": (lambda x, n=n, v=v: getattr(sp, n)(v, x), lambda x, g=g, v=v: g(v, x), X)
        for n, g in BESSEL.items()
        for v in ((1, 3) if n == "expn" else (0, 1, 0.5, -2.3))
    },
    "hyp2f1": (
        lambda x: sp.hyp2f1(0.5, 1.2, 2.3, x),
        lambda x: mpmath.hyp2f1(0.5, 1.2, 2.3, x),
        np.array([-3.0, -0.4, 0.0, 0.3, 0.8]),
    ),
    "hyp0f1": (lambda x: sp.hyp0f1(1.3, x), lambda x: mpmath.hyp0f1(1.3, x), X),
    "ellipk": (sp.ellipk, mpmath.ellipk, M),
    "ellipe": (sp.ellipe, mpmath.ellipe, M),
    "ellipkm1": (sp.ellipkm1, lambda p: mpmath.ellipk(1 - p), np.array([1e-3, 0.3, 0.9, 1.1, 5])),
    "y0": (sp.y0, lambda x: mpmath.bessely(0, x), X),
    "y1": (sp.y1, lambda x: mpmath.bessely(1, x), X),
    "erfi": (sp.erfi, mpmath.erfi, X),
    "spence": (sp.spence, lambda x: mpmath.polylog(2, 1 - x), X[:1]),
    "owens_t": (
        lambda x: sp.owens_t(x, 0.7),
        lambda h: (
            mpmath.quad(
                lambda t: mpmath.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, mpmath.mpf(0.7)]
            )
            / (2 * mpmath.pi)
        ),
        X[:3],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_two_slopes_are_mpmaths(name: str) -> None:
    f, exact, points = CASES[name]
    ones = np.ones_like(points)

    def slope(x: Any) -> Any:
        return wg.jvp(f, (x,), (ones,))[1]

    (value, first), (_, second) = wg.jvp(f, (points,), (ones,)), wg.jvp(slope, (points,), (ones,))
    with mpmath.workdps(30):
        for order, found in enumerate((value, first, second)):
            wanted = [float(mpmath.diff(exact, mpmath.mpf(x), order)) for x in points.tolist()]
            np.testing.assert_allclose(found, wanted, rtol=3e-12, atol=1e-14)


@pytest.mark.slow
def test_orders_may_be_arrays_and_not_traced() -> None:
    orders = np.array([0, 1, 2.5])[:, None]
    np.testing.assert_allclose(wg.jit(lambda x: sp.jv(orders, x))(X), sp.jv(orders, X), 1e-14)
    assert wg.jit(lambda x: sp.kv(1.5, x))(X.astype(np.float32)).dtype == np.float32
    with pytest.raises(MissingRuleError, match=r"scipy\.special\.jv"):
        wg.grad(lambda v: sp.jv(v, 1.0))(0.5)


def worst(found: Any, n: Any, k: Any) -> float:
    with mpmath.workdps(40):
        exact = [
            mpmath.binomial(*map(mpmath.mpf, map(float, pair))) for pair in zip(n, k, strict=True)
        ]
        return max(
            abs(float(mpmath.mpf(float(f)) / e - 1)) for f, e in zip(found, exact, strict=True)
        )


@pytest.mark.slow
def test_binomial_coefficients_keep_their_digits() -> None:
    """A few units by products of factors; beyond, as many as their logarithm leaves."""
    f = wg.jit(lambda n, k: sp.binom(n, k))
    rng = np.random.default_rng(0)
    n = rng.integers(20, 90000, 200).astype(float)
    k = rng.integers(0, 20, 200).astype(float)
    assert worst(f(n, k), n, k) < 2e-14
    assert worst(f(n, n - k), n, n - k) < 2e-14
    n, k = rng.uniform(1, 1000, 200), rng.uniform(0, 1, 200)
    assert worst(f(n, n * k), n, n * k) < 1e-12


@pytest.mark.slow
def test_rising_factorials_have_slopes_at_poles() -> None:
    z = np.array([-2 + 1e-10, -2.0, -5.5, 0.3, 4.0, 1e8])
    for m in (3, -2, 20):
        np.testing.assert_allclose(wg.jit(lambda z, m=m: sp.poch(z, m))(z), sp.poch(z, m), 1e-13)
    assert wg.grad(lambda z: sp.poch(z, 3.0))(-2.0) == 2.0
    wanted = float(mpmath.diff(lambda m: mpmath.rf(1.7, m), 3))
    np.testing.assert_allclose(wg.grad(lambda m: sp.poch(1.7, m))(3.0), wanted, 1e-12)


FAR = np.array([1e-300, 1e-12, 0.03, 0.5, 0.9, 1 - 1e-9, 0.0, 1.0, -0.1, np.nan])
PARAMETERS: dict[str, tuple[float, ...]] = {
    "norm": (),
    "cauchy": (),
    "expon": (),
    "lognorm": (0.9,),
    "gamma": (2.3,),
    "invgamma": (4.1,),
    "invgauss": (0.15,),
    "levy": (),
    "rayleigh": (),
    "halflogistic": (),
    "truncnorm": (-1.0, 40.0),
    "poisson": (0.6,),
    "logser": (0.6,),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_distributions_to_their_ends(name: str) -> None:
    """At the ends of the support and beyond, between counts, and far out in both tails."""
    dist, shapes = getattr(st, name), PARAMETERS[name]
    low, high = dist.support(*shapes)
    places = [low, high, low - 1, high + 1, 0.5, 2, 2.5, 9, 40, -9, np.inf, -np.inf, np.nan]
    counts = hasattr(dist, "pmf")
    methods = ["pmf", "logpmf"] if counts else ["pdf", "logpdf", "ppf", "isf"]
    exact = ["logcdf"] if counts else []  # SciPy has log(1 - tail) there
    for method in (*methods, "cdf", "sf", "logcdf", "logsf"):
        if name == "invgauss" and method in ("ppf", "isf"):
            continue  # SciPy's are found by a search, which no traced value takes
        if name == "logser" and method in ("sf", "logsf"):
            continue  # SciPy's moves between counts
        x = FAR if method in ("ppf", "isf") else np.array(places, float)
        if (name, method) == ("truncnorm", "isf"):
            x = FAR[2:]  # SciPy subtracts from 1
        f = getattr(dist, method)
        found = wg.jvp(lambda x, f=f: f(x, *shapes), (x,), (np.ones_like(x),))[0]
        size = 1e-10 if method in exact else 1e-300
        np.testing.assert_allclose(found, f(x, *shapes), rtol=1e-9, atol=size, err_msg=method)


def test_tails_that_are_cut_off_far_out_are_inverted() -> None:
    q = FAR[:3]
    found = wg.jvp(lambda q: st.truncnorm.isf(q, -1.0, 40.0), (q,), (q,))[0]
    back = wg.jvp(lambda x: st.truncnorm.sf(x, -1.0, 40.0), (found,), (q,))[0]
    np.testing.assert_allclose(back, q, rtol=1e-10)


def test_a_distribution_cut_off_far_out_has_quantiles() -> None:
    q = np.array([0.01, 0.5, 0.99])
    for a, b in ((45.0, 50.0), (-60.0, -50.0)):
        for method in ("ppf", "isf"):
            f = getattr(st.truncnorm, method)
            found = wg.jvp(lambda q, f=f, a=a, b=b: f(q, a, b), (q,), (np.ones_like(q),))[0]
            np.testing.assert_allclose(found, f(q, a, b), rtol=1e-12)


def test_moments_and_words_of_distributions() -> None:
    p = np.array([0.5, 1.3])
    for name, shapes in (("gamma", (2.3,)), ("t", (5.5,)), ("weibull_min", (1.4,)), ("norm", ())):
        for method in ("mean", "var", "std", "median", "entropy"):
            f = getattr(getattr(st, name), method)
            found = wg.jvp(
                lambda p, f=f, shapes=shapes: f(*shapes, loc=p[0], scale=p[1]), (p,), (p,)
            )[0]
            np.testing.assert_allclose(found, f(*shapes, loc=0.5, scale=1.3), rtol=1e-12)
    low, high = wg.jvp(lambda p: st.norm(p[0], p[1]).interval(0.9), (p,), (p,))[0]
    np.testing.assert_allclose((low, high), st.norm(0.5, 1.3).interval(0.9), rtol=1e-12)
    assert wg.jvp(lambda p: st.poisson.pmf(k=2, mu=p), (1.3,), (1.0,))[0] == st.poisson.pmf(2, 1.3)
    np.testing.assert_allclose(
        wg.jvp(lambda q: st.norm.ppf(q=q), (0.3,), (1.0,))[0], st.norm.ppf(0.3), rtol=1e-14
    )
