"""Waves, polynomials, harmonics, Lambert's and Faddeeva's functions: mpmath's, SciPy's, slopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special as sp

import wengert as wg
from wengert.errors import ArgumentError, DTypeError, MissingRuleError

R = np.random.default_rng(3)
UNITS = 2.0**-52
ANY = np.concatenate([R.uniform(-4, 4, 40), R.uniform(4, 60, 30), -R.uniform(4, 60, 10), [1e-200]])
RIGHT = np.concatenate([R.uniform(0, 4, 40), R.uniform(4, 30, 40)])
LEFT = R.uniform(-10, 0, 60)


def airy(name: str, order: int) -> Callable[[Any], Any]:
    return lambda x: getattr(mpmath, f"airy{name}")(x, derivative=order)


def half_order(name: str, n: int) -> Callable[[Any], Any]:
    return lambda x: (
        mpmath.sqrt(mpmath.pi / 2 / x) * getattr(mpmath, f"bessel{name}")(n + mpmath.mpf(1) / 2, x)
    )


# f, mpmath's, where, the largest error in units of 2^-52 of the value, or of 1 if `absolute`
EXACT: dict[str, tuple[Callable[..., Any], Callable[[Any], Any], Any, float, bool]] = {
    "si": (lambda x: sp.sici(x)[0], mpmath.si, ANY, 4, False),
    "ci": (lambda x: sp.sici(x)[1], mpmath.ci, RIGHT, 6, True),
    "shi": (lambda x: sp.shichi(x)[0], mpmath.shi, ANY, 8, False),
    "chi": (lambda x: sp.shichi(x)[1], mpmath.chi, RIGHT[RIGHT > 1], 8, False),
    "fresnel s": (lambda x: sp.fresnel(x)[0], mpmath.fresnels, ANY[:-1] * 100, 4, False),
    "fresnel c": (lambda x: sp.fresnel(x)[1], mpmath.fresnelc, ANY * 100, 4, False),
    **{
        f"airy {name}{order} {side}": (
            lambda x, k=order + 2 * (name == "bi"): sp.airy(x)[k],
            airy(name, order),
            points,
            120 if side == "right" else 40,
            side == "left",
        )
        for name in ("ai", "bi")
        for order in (0, 1)
        for side, points in (("right", RIGHT), ("left", LEFT))
    },
    **{
        f"spherical {letter}{n}": (
            lambda x, n=n, letter=letter: getattr(sp, f"spherical_{letter}n")(n, x),
            half_order(letter, n),
            R.uniform(0.01, 3, 30),
            30,
            False,
        )
        for letter in "jyik"
        for n in (0, 1, 5)
    },
}


@pytest.mark.parametrize("name", EXACT)
def test_values_are_exact_to_a_few_units(name: str) -> None:
    f, exact, points, most, absolute = EXACT[name]
    found = wg.jit(f)(points)
    with mpmath.workdps(40):
        for x, got in zip(points.tolist(), found.tolist(), strict=True):
            wanted = exact(mpmath.mpf(x)).real
            error = abs(mpmath.mpf(got) - wanted)
            assert error <= most * UNITS * (1 if absolute else abs(wanted)) + 1e-320, (x, got)


@pytest.mark.parametrize(("low", "high"), [(0, 1e-6), (0, 1), (0, 10), (-3, 0), (1e3, 1e6)])
def test_faddeevas_function_is_exact(low: float, high: float) -> None:
    """Its parts each where it is large, as the real one falls by orders near the axis."""
    x, y = R.uniform(-6, 6, 60), R.uniform(low, high, 60)
    found = wg.jit(sp.wofz)(x + 1j * y)
    with mpmath.workdps(40):
        for a, b, got in zip(x.tolist(), y.tolist(), found.tolist(), strict=True):
            z = mpmath.mpc(a, b)
            wanted = mpmath.exp(-z * z) * mpmath.erfc(-1j * z)
            assert abs(mpmath.mpc(got) - wanted) <= 12 * UNITS * abs(wanted), z
            if low >= 0:
                assert abs(mpmath.mpf(got.real) - wanted.real) <= 200 * UNITS * wanted.real, z


@pytest.mark.parametrize("k", [0, -1, 1, 2, -3])
def test_lamberts_function_solves_its_equation(k: int) -> None:
    """On both sides of its cuts, far out, near 0 and near its branch point."""
    size = 10.0 ** R.uniform(-9, 12, 80)
    z = np.concatenate([size * np.exp(1j * R.uniform(-3.14, 3.14, 80)), -0.36 + 0.02j * ANY[:9]])
    z = np.concatenate([z, [-0.2, -0.36, -0.3679, -5, complex(-0.2, -0.0), complex(-5, -0.0), 1.0]])
    found = wg.jit(lambda z: sp.lambertw(z, k))(z)
    np.testing.assert_allclose(found, sp.lambertw(z, k), rtol=1e-12)
    real = wg.jit(lambda x: sp.lambertw(x, k))(z.real)
    np.testing.assert_allclose(real, sp.lambertw(z.real, k), rtol=1e-12)
    assert real.dtype == np.complex128


def test_lamberts_function_left_of_its_branch_point() -> None:
    x, y = np.meshgrid(np.linspace(-3.3, 3.3, 150), np.linspace(-3.3, 3.3, 151))
    z = np.concatenate([(x + 1j * y).ravel(), -np.linspace(0.368, 4, 2000)])
    found = wg.jit(lambda z: sp.lambertw(z))(z)
    np.testing.assert_allclose(found * np.exp(found), z, rtol=1e-13)
    np.testing.assert_allclose(found, sp.lambertw(z), rtol=1e-10)  # close to its double point


X = np.linspace(0.07, 0.93, 5)
WIDE = np.array([-7.3, -0.2, 0.4, 3.7, 14.0])
DEGREES = np.array([-0.4, 0.2, 44.0, 100.0, 200.0, 300.0, -100.0, 400.0])
USERS: dict[str, tuple[Callable[..., Any], Any]] = {
    "sici": (lambda x: sp.sici(x), WIDE),
    "shichi": (lambda x: sp.shichi(x), WIDE),
    "fresnel": (lambda x: sp.fresnel(x), WIDE),
    "airy": (lambda x: sp.airy(x), WIDE),
    "wofz": (lambda x: (sp.wofz(x + 0.3j).real, sp.wofz(x - 0.2j * x).imag), X),
    "voigt": (lambda x: sp.voigt_profile(x, 0.4, x), X),
    "lambertw": (lambda x: sp.lambertw(x).real + sp.lambertw(-x / 4, -1).real, X),
    "spherical": (
        lambda x: (
            sp.spherical_jn(3, x),
            sp.spherical_jn(0, x, derivative=True),
            sp.spherical_yn(2, x, True),
            sp.spherical_in(np.arange(3)[:, None], x),
            sp.spherical_kn(2, x),
        ),
        X,
    ),
    "hankel": (
        lambda x: (sp.hankel1(1.5, x).imag, sp.hankel2e(2, x).real, sp.h1vp(1, x).imag),
        X,
    ),
    "counts": (
        lambda x: (
            sp.comb(x * 10, 2),
            sp.comb(10 * x, 3, repetition=True),
            sp.perm(x * 10 + 3, 2),
            sp.factorial(x * 3),
        ),
        X + 0.003,
    ),
    "legendre": (
        lambda x: (
            sp.eval_legendre(4, x) + sp.eval_legendre(2.5, x) + sp.eval_sh_legendre(3, x),
            sp.legendre(3)(x),
            sp.lpmv(2, 3, x) + sp.lpmv(-1, 2, x) + sp.lpmv(1, 2.5, x) + sp.lpmv(1, -3, x),
            sp.lpmv(3, 2, x),
        ),
        X,
    ),
    "chebyshev": (
        lambda x: (
            sp.eval_chebyt(5, x) + sp.eval_chebyu(3, x) + sp.eval_chebyt(2.5, x),
            sp.eval_chebyc(3, x) + sp.eval_chebys(3, x),
            sp.eval_sh_chebyt(3, x) + sp.eval_sh_chebyu(3, x),
        ),
        X,
    ),
    "jacobi": (
        lambda x: (
            sp.eval_jacobi(3, 0.5, 1.5, x) + sp.eval_sh_jacobi(3, 2.5, 1.5, x),
            sp.eval_gegenbauer(4, 0.7, x) + sp.eval_gegenbauer(0.5, 0.7, x),
            sp.eval_laguerre(4, x) + sp.eval_genlaguerre(1.5, 0.5, x),
            sp.eval_hermite(5, x) + sp.eval_hermitenorm(4, x) + sp.hermite(4)(x),
        ),
        X,
    ),
    "harmonics": (
        lambda x: (
            sp.sph_harm_y(3, 2, x, 2 * x).real,
            sp.sph_harm_y(np.array([1, 3])[:, None], -1, x, 2 * x).imag,
            sp.sph_legendre_p(3, -2, x),
            sp.legendre_p(3, x),
            sp.assoc_legendre_p(3, 1, x) + sp.assoc_legendre_p(3, -2, x, norm=True),
        ),
        X,
    ),
    "diric": (lambda x: sp.diric(x, 5) + sp.diric(x, 4), np.array([0, 0.4, 2 * np.pi, 7.0])),
    "degrees": (
        lambda x: (sp.sindg(x), sp.cosdg(x), sp.tandg(x), sp.cotdg(x), sp.radian(x, 3.0, x)),
        DEGREES,
    ),
    "agm": (lambda x: (sp.agm(x, 0.3), sp.zetac(x + 1.2) + sp.zetac(x - 3.0)), X),
}


def slope(f: Callable[..., Any], x: Any) -> list[Any]:
    return wg.tree_leaves(wg.jvp(f, (x,), (np.ones_like(x),))[1])


@pytest.mark.parametrize("name", USERS)
def test_values_are_scipys_and_slopes_are_differences(name: str) -> None:
    """Of the first and the second order."""
    f, x = USERS[name]
    for found, wanted in zip(wg.tree_leaves(wg.jit(f)(x)), wg.tree_leaves(f(x)), strict=True):
        np.testing.assert_allclose(found, wanted, 1e-12, 1e-14)
    step = 1e-6
    for g in (lambda x: wg.tree_leaves(f(x)), lambda x: slope(f, x)):
        upper, lower = g(x + step), g(x - step)
        differences = [(a - b) / (2 * step) for a, b in zip(upper, lower, strict=True)]
        for found, wanted in zip(slope(g, x), differences, strict=True):
            np.testing.assert_allclose(found, wanted, 2e-6, 2e-7)


def test_ends_are_limits() -> None:
    ends = np.array([0.0, np.inf, -np.inf, np.nan, 1e300, -1e300])
    for f in (sp.sici, sp.shichi):
        for found, wanted in zip(wg.jit(f)(ends), f(ends), strict=True):
            np.testing.assert_allclose(found, wanted, 1e-14)
    for found in wg.jit(sp.fresnel)(ends):
        np.testing.assert_array_equal(found, [0, 0.5, -0.5, np.nan, 0.5, -0.5])
    ai, _, bi, _ = wg.jit(sp.airy)(ends[1:4])
    np.testing.assert_array_equal(ai, [0, 0, np.nan])
    np.testing.assert_array_equal(bi, [np.inf, 0, np.nan])
    widths = np.array([[0.0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(wg.jit(sp.voigt_profile)(*widths), sp.voigt_profile(*widths), 1e-14)
    found = wg.jit(lambda z: sp.lambertw(z))(np.array([0.0, np.inf, -1 / np.e]))
    np.testing.assert_allclose(found.real, [0, np.inf, -1], atol=1e-7)
    places = np.array([0.0, 90, 180, 270, 360, -90, 1e15])
    for f in (sp.sindg, sp.cosdg, sp.tandg, sp.cotdg):
        np.testing.assert_array_equal(np.abs(wg.jit(f)(places)), np.abs(f(places)))


def test_slopes_at_zero_are_those_of_the_series() -> None:
    """sin(x)/x and its kind are the slopes: nothing cancels however small x is."""
    for f, wanted in ((lambda x: sp.sici(x)[0], -1 / 3), (lambda x: sp.shichi(x)[0], 1 / 3)):
        for x in (0.0, 1e-9):
            third = wg.grad(wg.grad(wg.grad(f)))(x)
            np.testing.assert_allclose(third, wanted, 1e-12)
    np.testing.assert_allclose(wg.grad(lambda x: sp.lambertw(x).real)(0.0), 1.0, 1e-15)


def test_what_is_refused_says_why() -> None:
    with pytest.raises(MissingRuleError, match=r"scipy\.special\.eval_legendre .* last argument"):
        wg.grad(lambda n: sp.eval_legendre(n, 0.3))(2.0)
    with pytest.raises(ArgumentError, match="takes no diff_n"):
        wg.jit(lambda x: sp.legendre_p(2, x, diff_n=1))(X)
    with pytest.raises(ArgumentError, match="no exact=True"):
        wg.jit(lambda x: sp.comb(x, 2, exact=True))(X)
    with pytest.raises(DTypeError, match="takes real numbers"):
        wg.jit(lambda x: sp.airy(x * 1j)[0])(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantiles_of_logarithms_are_right_in_all_lanes(dtype: Any) -> None:
    """Both formulas of ndtri_exp side by side in one vector, and each alone."""
    size = 10.0 ** R.uniform(-6, 5, 400)
    for y in (-size, -np.sort(size), np.full(33, -700.0), np.full(33, -2.0)):
        given = y.astype(dtype)
        found = wg.jit(sp.ndtri_exp)(given)
        assert found.dtype == dtype
        # SciPy's own are so far from the quantiles
        most = 16 * float(np.finfo(dtype).eps) + 1e-12
        np.testing.assert_allclose(found, sp.ndtri_exp(given), rtol=most)
    ends = np.array([0, -np.inf, 1, np.nan], dtype)
    np.testing.assert_array_equal(wg.jit(sp.ndtri_exp)(ends), [np.inf, -np.inf, np.nan, np.nan])


def test_quantiles_of_logarithms_solve_their_equation() -> None:
    y = -(10.0 ** R.uniform(-10, 12, 60))
    with mpmath.workdps(40):
        for given, got in zip(y.tolist(), wg.jit(sp.ndtri_exp)(y).tolist(), strict=True):
            x = mpmath.mpf(got)
            share = mpmath.erfc(-x / mpmath.sqrt(2)) / 2
            slope = mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi) / share
            error = abs((mpmath.log(share) - mpmath.mpf(given)) / slope)
            assert error <= 8 * UNITS * max(abs(x), 1), given


SIDES = 10.0 ** R.uniform(-9, 9, (3, 60))
INCOMPLETE: dict[str, tuple[Any, Any, Any]] = {
    "elliprf": (sp.elliprf, mpmath.elliprf, SIDES),
    "elliprd": (sp.elliprd, mpmath.elliprd, SIDES),
    **{
        f"{name} {side}": (getattr(sp, name), exact, (R.uniform(-9, 9, 60), m))
        for name, exact in (("ellipkinc", mpmath.ellipf), ("ellipeinc", mpmath.ellipe))
        for side, m in (("in", R.uniform(0, 1, 60)), ("below", -(10.0 ** R.uniform(-9, 6, 60))))
    },
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_incomplete_elliptic_integrals_are_exact(name: str) -> None:
    f, exact, places = INCOMPLETE[name]
    found = wg.jit(f)(*places)
    with mpmath.workdps(40):
        for got, *given in zip(found.tolist(), *(p.tolist() for p in places), strict=True):
            wanted = exact(*map(mpmath.mpf, given))
            assert abs(mpmath.mpf(got) - wanted) <= 8 * UNITS * abs(wanted), given
    # where arguments are special
    ends = np.array([0.0, 1.0, np.inf, -1.0, np.nan, 2.0, np.pi / 2, -np.inf])
    grid = [g.reshape(-1) for g in np.meshgrid(*[ends] * len(places))]
    np.testing.assert_allclose(wg.jit(f)(*grid), f(*grid), rtol=1e-13)


@pytest.mark.parametrize("name", ["elliprf", "elliprd", "ellipkinc", "ellipeinc"])
def test_derivatives_of_incomplete_elliptic_integrals(name: str) -> None:
    f = getattr(sp, name)
    last = np.array([-5.0, -0.3, 0.0, 0.5, 0.99])
    first = np.array([-7.0, 0.0, 0.4, 1.57, 4.0])
    given = (
        (first, last)
        if name.startswith("ellip") and "r" not in name
        else (last + 6, first + 8, last + 7)
    )
    h = 1e-5
    for k in range(len(given)):
        ones = [np.full(5, float(i == k)) for i in range(len(given))]
        slope = wg.jit(lambda *x, t=tuple(ones): wg.jvp(f, x, t)[1])(*given)
        up = [x + h * (i == k) for i, x in enumerate(given)]
        down = [x - h * (i == k) for i, x in enumerate(given)]
        expected = (f(*up) - f(*down)) / (2 * h)
        np.testing.assert_allclose(slope, expected, 1e-6, 1e-9)
