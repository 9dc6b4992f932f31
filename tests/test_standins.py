"""SciPy's functions on traced values, by what stands in for them: its values, and differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.integrate
import scipy.interpolate as ip
import scipy.ndimage as nd
import scipy.optimize
import scipy.signal as sg
import scipy.sparse as sps
import scipy.sparse.linalg as spl
import scipy.stats as st
from derivative_laws import assert_slopes
from scipy.spatial import distance as sd

import wengert as wg
from wengert.errors import ArgumentError, MissingRuleError
from wengert.standins.distances import METRICS

RNG = np.random.default_rng(5)
X = np.array([0.15, 0.31, 0.77, 0.52, 0.93, 0.08])
K = np.array([0.2, -0.5, 1.1, 0.4])
IMAGE = RNG.standard_normal((6, 7))
ROWS = RNG.standard_normal((3, 6))
GRID = np.array([0.0, 0.1, 0.35, 0.5, 0.8, 1.0])
GRIDS = (np.arange(6.0), np.linspace(0, 1, 7))
Case = Callable[[Any], Any]
HILLS = K[[0, 1, 2, 3, 2, 0]]
SCIPYS: dict[str, Case] = {
    "CubicSpline": ip.CubicSpline(GRID, HILLS),
    "BSpline": ip.make_interp_spline(GRID, HILLS),
    "interp1d": ip.interp1d(GRID, HILLS),
    "interp1d cubic": ip.interp1d(GRID, HILLS, kind="cubic"),
    "Pchip": ip.PchipInterpolator(GRID, HILLS),
    "gamma": st.gamma(2.0, scale=2.0).logpdf,
}
LINES = ip.RegularGridInterpolator(GRIDS, IMAGE)
SPARSE = sps.csr_matrix(np.round(ROWS.T @ ROWS) + 9 * np.eye(6))
FACTORS = spl.splu(SPARSE.tocsc())
FOOTPRINT = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 1]])
LONG = RNG.standard_normal((6, 40))

METHODS = ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf")
DISTRIBUTIONS: dict[str, tuple[float, ...]] = {
    "norm": (),
    "t": (3.5,),
    "gamma": (2.0,),
    "beta": (2.0, 3.0),
    "expon": (),
    "laplace": (),
    "logistic": (),
    "cauchy": (),
    "chi2": (3.0,),
    "uniform": (),
    "lognorm": (0.7,),
    "weibull_min": (1.5,),
    "f": (3.0, 4.0),
    "triang": (0.4,),
    "truncnorm": (-1.0, 2.0),
}
FORMULAS: dict[str, tuple[float, ...]] = {
    "betaprime": (2.0, 3.0),
    "skewnorm": (1.0,),
    "genextreme": (0.1,),
    "genpareto": (0.1,),
    "burr": (2.0, 1.5),
    "gengamma": (2.0, 1.5),
    "loggamma": (1.5,),
}
DISTRIBUTIONS.update(FORMULAS)
KNOWN = ("truncnorm", "genpareto")
"""Whose support is known where their parameters are."""
COUNTS = {"poisson": (2.5,), "binom": (5, 0.4), "geom": (0.3,), "nbinom": (4, 0.4)}


def all_methods(name: str) -> Case:
    dist = getattr(st, name)
    shapes = DISTRIBUTIONS[name]
    return lambda x: np.stack([getattr(dist, m)(x, *shapes) for m in METHODS])


def parameters(name: str) -> Case:
    """Derivatives in the parameters, location and scale; places outside of the support too."""
    dist, shapes = getattr(st, name), DISTRIBUTIONS[name]
    places = np.array([-7.0, 0.3, 0.6, 9.0])

    def f(x: Any) -> Any:
        moved = [s * (0.8 + x[k]) for k, s in enumerate(shapes)]
        found = [
            getattr(dist, m)(places, *moved, loc=x[2], scale=0.5 + x[3]) for m in ("pdf", "cdf")
        ]
        return np.stack(found)

    return f


def counts(name: str) -> Case:
    dist, shapes = getattr(st, name), COUNTS[name]
    k = np.array([0.0, 1.0, 2.0, 2.5, 4.0, 9.0])
    methods = ("pmf", "cdf", "sf")
    return lambda x: np.stack(
        [getattr(dist, m)(k, *shapes[:-1], shapes[-1] * x[3]) for m in methods]
    )


CASES: dict[str, Case] = {
    **{f"stats.{n}": all_methods(n) for n in DISTRIBUTIONS},
    **{f"stats.{n} in parameters": parameters(n) for n in DISTRIBUTIONS if n not in KNOWN},
    **{f"stats.{n}": counts(n) for n in COUNTS},
    "stats frozen": lambda x: st.norm(x[0], x[1]).logpdf(x[2:]),
    "stats.multivariate_normal": lambda x: st.multivariate_normal.logpdf(
        ROWS[:, :2], x[:2], np.eye(2) + np.outer(x[:2], x[:2])
    ),
    "stats.dirichlet": lambda x: st.dirichlet.logpdf(np.array([0.2, 0.3, 0.5]), x[:3]),
    "stats.zscore": lambda x: st.zscore(x),
    **{f"cdist {m}": lambda x, m=m: sd.cdist(x.reshape(2, 3), ROWS[:, :3], m) for m in METRICS},
    "distance": lambda x: np.stack([getattr(sd, m)(x, ROWS[0]) for m in METRICS]),
    "pdist": lambda x: sd.squareform(sd.pdist(x.reshape(3, 2))),
    "mahalanobis": lambda x: sd.mahalanobis(x, ROWS[0], np.eye(6) * 2),
    "convolve": lambda x: sg.convolve(x, K),
    "convolve same": lambda x: sg.convolve(K, x, mode="same"),
    "correlate valid": lambda x: sg.correlate(x, K, mode="valid"),
    "convolve long": lambda x: sg.convolve(np.tile(x, 30), np.tile(x, 12)),
    "convolve2d": lambda x: sg.convolve2d(IMAGE, x.reshape(2, 3), boundary="symm", mode="same"),
    "correlate2d": lambda x: sg.correlate2d(IMAGE, x.reshape(2, 3), mode="valid"),
    "lfilter": lambda x: sg.lfilter([x[0], 0.2], [1.1, -0.3, x[1]], x),
    "lfilter rows": lambda x: sg.lfilter([0.5, 0.2], [1.0, -0.3], x.reshape(3, 2), axis=0),
    "savgol_filter": lambda x: sg.savgol_filter(x, 5, 2),
    "detrend": lambda x: sg.detrend(x),
    "welch": lambda x: sg.welch(x @ LONG, 2.0, nperseg=16, detrend="linear")[1],
    "csd": lambda x: sg.csd(x @ LONG, LONG[0], nperseg=15, average="median")[1].real,
    "coherence": lambda x: sg.coherence(x @ LONG, LONG[0], nperseg=8)[1],
    "periodogram": lambda x: sg.periodogram(x @ LONG, scaling="spectrum", nfft=50)[1],
    "spectrogram": lambda x: sg.spectrogram(x @ LONG, nperseg=16, mode="magnitude")[2],
    "stft": lambda x: sg.stft(x @ LONG, nperseg=15, boundary="odd", noverlap=4)[2].imag,
    "istft": lambda x: sg.istft(sg.stft(x @ LONG, nperseg=16)[2] ** 2, nperseg=16)[1],
    "sparse product": lambda x: x @ (SPARSE @ (SPARSE.T @ x)) + SPARSE.dot(np.outer(x, x)),
    "sparse elements": lambda x: (sps.diags([x, x[1:]], [0, 1]) + x[0] * SPARSE) * x,
    "sparse made": lambda x: sps.coo_array((x, (np.arange(6), [0, 0, 1, 2, 2, 5]))).T @ K[[0] * 6],
    "spsolve": lambda x: spl.spsolve(SPARSE.tocsc(), np.outer(x, x)),
    "splu": lambda x: FACTORS.solve(x) + FACTORS.solve(x * x, "T"),
    "spsolve_triangular": lambda x: spl.spsolve_triangular(sps.tril(SPARSE).tocsr(), x),
    "upfirdn": lambda x: sg.upfirdn(x[:5], x, 3, 2),
    "resample_poly": lambda x: sg.resample_poly(np.outer(x, K), 3, 2, padtype="mean"),
    "decimate": lambda x: sg.decimate(x @ LONG, 2) + sg.decimate(x @ LONG, 2, ftype="fir"),
    "sosfiltfilt": lambda x: sg.sosfiltfilt(sg.butter(3, 0.3, output="sos"), x @ LONG),
    "medfilt": lambda x: sg.medfilt(np.outer(x, x), (3, 1)),
    "median_filter": lambda x: nd.median_filter(np.outer(x, x), 3, mode="nearest"),
    "rank_filter": lambda x: nd.rank_filter(np.outer(x, K), -2, footprint=FOOTPRINT, origin=(0, 1)),
    "percentile_filter": lambda x: nd.percentile_filter(np.outer(x, K), 30, (3, 2)),
    "grey_dilation": lambda x: nd.grey_dilation(np.outer(x, K), structure=IMAGE[:2, :3]),
    "grey_erosion": lambda x: nd.grey_erosion(IMAGE, structure=np.outer(x[:3], K[:2]), cval=0.3),
    "grey_closing": lambda x: nd.grey_closing(np.outer(x, K), (2, 3)),
    "black_tophat": lambda x: nd.black_tophat(np.outer(x, K), footprint=FOOTPRINT),
    "rotate": lambda x: nd.rotate(np.outer(x, K), 30.0),
    "rotate by a traced angle": lambda x: nd.rotate(IMAGE, 90 * x[0], reshape=False, order=1),
    "zoom": lambda x: nd.zoom(np.outer(x, K), (1.5, 2), grid_mode=True, mode="nearest"),
    "hilbert": lambda x: sg.hilbert(x).imag,
    "fft": lambda x: scipy.fft.fft(x).real,
    **{
        n: lambda x, n=n: getattr(scipy.fft, n)(x, norm="ortho")
        for n in ("dct", "idct", "dst", "idst")
    },
    "dctn": lambda x: scipy.fft.dctn(x.reshape(2, 3), type=3),
    "simpson": lambda x: scipy.integrate.simpson(x, x=GRID),
    "cumulative_trapezoid": lambda x: scipy.integrate.cumulative_trapezoid(x, GRID, initial=0),
    "rosen": lambda x: scipy.optimize.rosen(x),
    "gaussian_filter": lambda x: nd.gaussian_filter(np.outer(x, x), (1.0, 0.7), mode="wrap"),
    "gaussian_laplace": lambda x: nd.gaussian_laplace(np.outer(x, x), 0.8),
    "uniform_filter": lambda x: nd.uniform_filter(np.outer(x, x), 4, mode="nearest"),
    "sobel": lambda x: nd.sobel(np.outer(x, x), axis=0),
    "prewitt": lambda x: nd.prewitt(np.outer(x, x), mode="mirror"),
    "laplace": lambda x: nd.laplace(np.outer(x, x), mode="constant", cval=0.3),
    "gradient": lambda x: nd.gaussian_gradient_magnitude(np.outer(x, x), 0.8),
    "ndimage.convolve": lambda x: nd.convolve(IMAGE, np.outer(x[:2], x[:3])),
    "correlate1d": lambda x: nd.correlate1d(IMAGE, x[:4], axis=0, origin=1),
    "convolve1d": lambda x: nd.convolve1d(IMAGE, x[:4], axis=1, origin=-1),
    **{
        f"map_coordinates {order} {mode}": lambda x, order=order, mode=mode: nd.map_coordinates(
            np.outer(x, x), np.stack([x * 6.1 - 0.4, 4.7 * x[::-1]]), order=order, mode=mode
        )
        for order, mode in (
            (1, "constant"),
            (1, "nearest"),
            (1, "reflect"),
            (1, "mirror"),
            (3, "constant"),
            (3, "mirror"),
        )
    },
    "maximum_filter": lambda x: nd.maximum_filter(np.outer(x, x), (2, 3)),
    "minimum_filter": lambda x: nd.minimum_filter(np.outer(x, x), 3, mode="constant"),
    "affine_transform": lambda x: nd.affine_transform(
        IMAGE, np.array([[x[0], 0.3], [-0.1, 0.9]]), x[1:3] + 0.1, (5, 4), order=1
    ),
    "affine_transform of lengths": lambda x: nd.affine_transform(
        IMAGE, x[:2], 0.43, order=1, mode="nearest"
    ),
    "shift": lambda x: nd.shift(IMAGE, x[:2] - 0.5),
    "CubicSpline": lambda x: ip.CubicSpline(GRID, x)(x[::-1]),
    **{f"{n} at places": lambda x, n=n: SCIPYS[n](x) for n in SCIPYS},
    "derivative at places": lambda x: SCIPYS["CubicSpline"](x, 1),
    "CubicSpline periodic": lambda x: ip.CubicSpline(
        GRID, np.concatenate([x[:5], x[:1]]), bc_type="periodic"
    )(x * 3),
    "CubicSpline rows": lambda x: ip.CubicSpline(GRID, np.outer(K, x), axis=1)(x[:3]),
    "Pchip": lambda x: ip.PchipInterpolator(GRID, x)(x[::-1]),
    "make_interp_spline": lambda x: ip.make_interp_spline(GRID, x, k=2)(x[::-1]),
    "BSpline": lambda x: ip.BSpline(np.arange(10.0), x, 3)(3.0 + 2.9 * x),
    "interp1d": lambda x: ip.interp1d(GRID, x)(x[::-1]),
    "RegularGridInterpolator": lambda x: ip.RegularGridInterpolator(
        GRIDS, np.outer(x, np.arange(7.0))
    )(np.stack([5 * x, x], axis=-1)),
    "interpn": lambda x: ip.interpn(GRIDS, IMAGE, np.stack([5 * x, x], axis=-1)),
    "grid at places": lambda x: LINES((5 * x, x)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_scipys_and_tangents_differences(name: str) -> None:
    f = CASES[name]
    value, _ = wg.jvp(f, (X,), (X,))
    np.testing.assert_allclose(value, f(X), rtol=1e-9, atol=1e-11)
    assert_slopes(f, X)


def test_distributions_without_a_formula_are_integrals_and_searches() -> None:
    def f(x: Any) -> Any:
        return st.rice.cdf(x, 0.5 + x[0])

    direction, step = np.cos(np.arange(6.0)), 1e-6
    value, tangent = wg.jit(lambda x: wg.jvp(f, (x,), (direction,)))(X)
    np.testing.assert_allclose(value, f(X), 1e-11)
    expected = (f(X + step * direction) - f(X - step * direction)) / (2 * step)
    np.testing.assert_allclose(tangent, expected, 1e-6, 1e-8)
    found = wg.jit(lambda x: st.semicircular.ppf(x))(X)
    np.testing.assert_allclose(found, st.semicircular.ppf(X), 1e-11)


def test_a_search_holds_few_copies_of_what_it_searches() -> None:
    """One where it looks for ends, one between them, and one that says what the value is like."""
    q = np.linspace(0.1, 0.9, 3)
    parts = [
        wg.jit(lambda x, m=m: getattr(st.norminvgauss, m)(x, 2.0, 0.5)).lower(q).ir
        for m in ("cdf", "ppf")
    ]
    one, search = (str(p).count("k1e") for p in parts)
    assert 0 < search <= 3 * one
    values = np.array([np.nan, 0.0, 1.0, 1e-12, 0.5])
    found = wg.jit(lambda x: st.norminvgauss.ppf(x, 2.0, 0.5))(values)
    np.testing.assert_allclose(found, st.norminvgauss.ppf(values, 2.0, 0.5), rtol=1e-7)


@pytest.mark.slow
def test_searches_in_integrals() -> None:
    places = np.array([-9.0, -1.0, 2.0])
    found = wg.jit(lambda k: (st.vonmises.cdf(places, k), st.vonmises.isf(X[:2], k)))(1.5)
    np.testing.assert_allclose(found[0], st.vonmises.cdf(places, 1.5), 1e-11)
    np.testing.assert_allclose(found[1], st.vonmises.isf(X[:2], 1.5), 1e-10)


@pytest.mark.parametrize("name", [*COUNTS, "randint"])
def test_quantiles_of_whole_numbers(name: str) -> None:
    dist, shapes = getattr(st, name), {**COUNTS, "randint": (1, 8)}[name]
    q = np.concatenate([X, [0.999, 0.0, 1.0, dist.cdf(2, *shapes)]])
    for method in ("ppf", "isf"):
        found = wg.jit(lambda q, m=method: getattr(dist, m)(q, *shapes))(q)
        np.testing.assert_array_equal(found, getattr(dist, method)(q, *shapes))


def test_gradients_of_compiled_likelihoods() -> None:
    def loss(p: Any) -> Any:
        return -np.sum(st.t.logpdf(X, p[0], loc=p[1], scale=p[2]))

    p = np.array([4.0, 0.3, 0.5])
    found = wg.jit(wg.grad(loss))(p)
    steps = 1e-6 * np.eye(3)
    np.testing.assert_allclose(found, [(loss(p + s) - loss(p - s)) / 2e-6 for s in steps], 1e-5)


def test_outside_of_a_support_nothing_moves() -> None:
    def f(x: Any) -> Any:
        return np.sum(st.gamma.pdf(x, 0.5)) + np.sum(st.uniform.cdf(x))

    np.testing.assert_array_equal(wg.grad(f)(np.array([-1.0, -3.0])), [0.0, 0.0])


def test_parameters_that_are_not_allowed_give_nan() -> None:
    assert np.isnan(wg.jit(lambda s: st.norm.pdf(0.0, scale=s))(-1.0))
    assert np.isnan(wg.jit(lambda a: st.gamma.pdf(1.0, a))(-1.0))


def test_what_is_missing_says_so() -> None:
    with pytest.raises(MissingRuleError, match=r"scipy\.stats\.landau\.logpdf"):
        wg.jit(lambda x: st.landau.logpdf(x))(X)
    with pytest.raises(ArgumentError, match="known places"):
        wg.jit(lambda x: ip.CubicSpline(x, K)(0.5))(np.arange(4.0))
    with pytest.raises(ArgumentError, match="cdist"):
        wg.jit(lambda x: sd.cdist(x, x, "jaccard"))(ROWS)
