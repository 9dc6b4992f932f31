"""SciPy's functions on traced values over their arguments: values, dtypes, shapes, errors, slopes.

A function is mapped over a batch and compared with SciPy's results for each example; what SciPy
refuses is refused by an error of wengert's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.integrate as si
import scipy.interpolate as ip
import scipy.ndimage as nd
import scipy.signal as sg
import scipy.stats as st
from derivative_laws import assert_slopes
from scipy.spatial import distance as sd
from scipy.spatial import distance_matrix, minkowski_distance_p

import wengert as wg
from wengert.errors import WengertError

Case = Callable[[Any], Any]
RNG = np.random.default_rng(3)
IMAGE = RNG.standard_normal((2, 5, 6))
GRID = np.array([0.0, 0.1, 0.35, 0.5, 0.8, 1.0])
PLACES = np.stack([RNG.uniform(-7, 12, 30), RNG.uniform(-7, 12, 30)])
MODES = [
    "reflect",
    "grid-mirror",
    "constant",
    "grid-constant",
    "nearest",
    "mirror",
    "wrap",
    "grid-wrap",
]
DTYPES = {
    "float64": IMAGE,
    "float32": IMAGE.astype(np.float32),
    "uint8": (np.abs(IMAGE) * 90).astype(np.uint8),
    "int64": (IMAGE * 30).astype(int),
    "complex128": IMAGE + 1j * IMAGE[:, ::-1],
}


def assert_scipys(f: Case, batch: Any, rtol: float = 1e-10) -> None:
    found = wg.vmap(f)(batch)
    for one, example in zip(found, batch, strict=True):
        wanted = np.asarray(f(example))
        assert (one.dtype, one.shape) == (wanted.dtype, wanted.shape)
        single = wanted.dtype in (np.float32, np.complex64)
        np.testing.assert_allclose(one, wanted, 2e-6 if single else rtol, 1e-6 if single else 1e-12)


STORED: dict[str, Case] = {
    "gaussian_filter": lambda x: nd.gaussian_filter(x, 0.8),
    "gaussian_filter1d": lambda x: nd.gaussian_filter1d(x, 0.8, order=1),
    "correlate": lambda x: nd.correlate(x, np.ones((3, 2)) / 7),
    "convolve1d": lambda x: nd.convolve1d(x, [1, 0.5], axis=0),
    "uniform_filter": lambda x: nd.uniform_filter(x),
    "sobel": lambda x: nd.sobel(x),
    "laplace": lambda x: nd.laplace(x, axes=(1,)),
    "gaussian_laplace": lambda x: nd.gaussian_laplace(x, 0.7, truncate=3.0),
    "shift": lambda x: nd.shift(x, (0.4, -1.3), mode="nearest"),
    "output": lambda x: nd.uniform_filter(x, (3, 1), output=np.promote_types(x.dtype, np.float32)),
    "convolve": lambda x: sg.convolve(x, np.ones((2, 2), x.dtype), "same"),
    "correlate2d": lambda x: sg.correlate2d(x, np.ones((2, 3), x.dtype), "same", "wrap"),
    "savgol_filter": lambda x: sg.savgol_filter(x.real, 3, 1, mode="constant", cval=0.5),
    "filtfilt": lambda x: sg.filtfilt([0.3, 0.2], [1.0, -0.4], x, -1, "even", 3),
    "dct": lambda x: scipy.fft.dct(x, axis=0),
    "simpson": lambda x: si.simpson(x, dx=0.3),
    "cdist": lambda x: sd.cdist(x.real, x.real[:2]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", STORED)
def test_results_have_scipys_dtypes(name: str, dtype: str) -> None:
    assert_scipys(STORED[name], DTYPES[dtype])


IMAGES: dict[str, Case] = {
    **{
        f"{mode}": lambda x, m=mode: np.concatenate(
            [
                nd.correlate1d(x, [1, 2, -3.5, 4], mode=m, cval=0.7, origin=1),
                nd.uniform_filter(x, [4, 3], mode=m, cval=0.7, origin=[-1, 1]),
                nd.maximum_filter(x, [4, 3], mode=m, cval=0.7, origin=[-1, 1]),
                nd.convolve1d(x, np.arange(9.0), axis=-2, mode=m, cval=0.7),
            ]
        )
        for mode in MODES
    },
    "several modes": lambda x: nd.gaussian_filter(
        x, 1.0, axes=(1, 0), mode=["wrap", "nearest"], order=[1, 0]
    ),
    "complex weights": lambda x: nd.correlate(x, [[1, 2j], [3, 1 - 1j]], cval=1.5, mode="constant"),
    "axes": lambda x: nd.convolve(x, [1, 2, 3.0, 2], axes=(-1,)),
    "radius": lambda x: nd.gaussian_gradient_magnitude(x, [0.8, 0.7], radius=2),
    "footprint": lambda x: nd.minimum_filter(x, footprint=[[0, 1], [1, 0]], origin=[0, -1]),
    "along": lambda x: nd.maximum_filter1d(x, 3, axis=0),
    "empty": lambda x: nd.gaussian_filter(x[:0], 1.0),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_are_filtered_as_scipy_does(name: str) -> None:
    assert_scipys(IMAGES[name], IMAGE)


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("mode", MODES)
def test_splines_of_all_orders_at_places(mode: str, order: int) -> None:
    options: Any = {"order": order, "mode": mode, "cval": 0.7}
    assert_scipys(lambda x: nd.map_coordinates(x, PLACES, **options), IMAGE)
    if order:  # order 0 is in steps
        assert_slopes(lambda p: nd.map_coordinates(IMAGE[0], p, **options), PLACES, rtol=1e-4)


def test_a_width_may_be_traced_where_the_reach_is_known() -> None:
    assert_slopes(lambda s: nd.gaussian_filter(IMAGE[0], s + 1.0, radius=3, order=(2, 1)), GRID[3])


def test_output_is_written_to() -> None:
    def f(x: Any) -> Any:
        out = np.zeros(x.shape, np.float32)
        nd.gaussian_filter(x, 1.0, output=out)
        return out

    assert_scipys(f, IMAGE)


def canberra(u: Any, v: Any) -> Any:
    """A metric of the user's own, whatever its name."""
    return np.sum(np.abs(u - v) ** 3)


W = np.array([0.5, 0.0, 2.0, 1.0, 0.3, 0.7])
METRICS = [
    "euclidean",
    "sqeuclidean",
    "cityblock",
    "chebyshev",
    "cosine",
    "correlation",
    "canberra",
    "braycurtis",
]
DISTANCES: dict[str, Case] = {
    **{
        n: lambda x, n=n: np.stack(
            [getattr(sd, n)(x[0], x[1], W), sd.cdist(x, x, n, w=W)[0, 1], sd.pdist(x, n, w=W)[3]]
        )
        for n in METRICS
    },
    "hamming": lambda x: sd.cdist(np.rint(x), np.rint(x)[::-1], "hamming"),
    "minkowski": lambda x: np.stack([sd.minkowski(x[0], x[1], p, W) for p in (0.5, 1, 3, np.inf)]),
    "seuclidean": lambda x: sd.pdist(x, "seuclidean"),
    "mahalanobis": lambda x: sd.cdist(x[:, :2], x[:2, 2:4], "mahalanobis"),
    "jensenshannon": lambda x: sd.jensenshannon(x[0] ** 2, x[1] ** 2, 2),
    "own": lambda x: sd.cdist(x, x, canberra),
    "not centred": lambda x: sd.correlation(x[0], x[1], None, False),
    "matrix": lambda x: distance_matrix(x, x[::-1], 1),
    "powers": lambda x: minkowski_distance_p(x, x[::-1], 3),
    "squareform": lambda x: sd.squareform(x[0]),
    "squareform of one": lambda x: sd.squareform(x[0, :0]),
}


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_take_weights_and_parameters(name: str) -> None:
    assert_scipys(DISTANCES[name], IMAGE)


SIGNALS: dict[str, Case] = {
    **{
        f"{f.__name__} {mode}": lambda x, f=f, m=mode: f(x[:2], x[2:5, :4], m, "symm")
        for f in (sg.convolve2d, sg.correlate2d)
        for mode in ("full", "same")
    },
    "convolve2d valid": lambda x: sg.convolve2d(x[:2, :3], x, "valid", "wrap"),
    "correlate2d valid": lambda x: sg.correlate2d(x[:2, :3], x, "valid"),
    "fftconvolve along": lambda x: sg.fftconvolve(x, x[:1, :3], axes=1),
    "fftconvolve same": lambda x: sg.fftconvolve(x[:, :2], x[:, 1:5], "same", axes=[1]),
    "sosfilt": lambda x: sg.sosfilt(sg.butter(4, 0.3, output="sos"), x),
    "sosfilt state": lambda x: sg.sosfilt(sg.butter(4, 0.3, output="sos"), x[0], zi=x[:2, :2])[1],
    "lfilter state": lambda x: sg.lfilter([0.3, 0.2], [1.0, -0.4], x, 0, zi=x[:1])[0],
    **{
        f"filtfilt {p}": lambda x, p=p: sg.filtfilt([0.3, 0.2], [1.0, -0.4, 0.1], x, 1, p, 3)
        for p in ("odd", "even", "constant", None)
    },
    "detrend": lambda x: sg.detrend(x, -1, "linear", [0, 3], True),
    "dctn": lambda x: scipy.fft.dctn(x, s=(4,)),
    "dstn": lambda x: scipy.fft.dstn(x, s=(4, 3), axes=(1, 0)),
    "simpson": lambda x: si.simpson(x, x=np.cumsum(np.ones((5, 6)), 0), axis=0),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_are_filtered_as_scipy_does(name: str) -> None:
    assert_scipys(SIGNALS[name], IMAGE)


def test_the_step_of_simpsons_rule_may_be_traced() -> None:
    assert_slopes(lambda dx: si.simpson(IMAGE[0], dx=dx), np.array(0.3))


Q = np.array([-0.2, 0.05, 0.1, 0.33, 0.7, 1.0, 1.3, 0.5])
INSIDE = np.array([0.05, 0.1, 0.33, 0.7, 1.0, 0.5])
KNOTS = np.r_[[0] * 4, 0.4, 0.4, [1] * 4]
KINDS: list[Any] = [
    "linear",
    "nearest",
    "nearest-up",
    "zero",
    "slinear",
    "quadratic",
    "cubic",
    "previous",
    "next",
]
LEFT, RIGHT = [(1, 0.5)], [(2, -1.0)]
SPLINES: dict[str, Case] = {
    "slopes": lambda y: ip.CubicSpline(GRID, y[0], bc_type=((1, 0.5), (2, -1.0)))(Q),
    "traced slopes": lambda y: ip.CubicSpline(
        GRID, y, axis=1, bc_type=((1, y[:, 0]), (2, np.sum(y, 1)))
    )(Q),
    "knots": lambda y: ip.make_interp_spline(GRID, y[0], bc_type=(LEFT, RIGHT))(Q),
    "coefficients": lambda y: ip.make_interp_spline(GRID, y[0], 2).c,
    "periodic": lambda y: ip.make_interp_spline(
        GRID, np.concatenate([y[0, :5], y[0, :1]]), bc_type="periodic"
    )(3 * Q),
    "antiderivative": lambda y: ip.CubicSpline(GRID, y[0]).antiderivative(2)(Q),
    "derivative": lambda y: ip.PchipInterpolator(GRID, y[0]).derivative()(Q),
    "integrate": lambda y: ip.CubicSpline(GRID, y[0]).integrate(-0.3, 4.7, "periodic"),
    "integrate spline": lambda y: ip.BSpline(KNOTS, y[0], 3, extrapolate=False).integrate(
        -0.2, 1.3
    ),
    "akima": lambda y: ip.Akima1DInterpolator(GRID, y, axis=1)(INSIDE),
    "makima": lambda y: ip.Akima1DInterpolator(GRID, y[0], method="makima")(INSIDE),
    "hermite": lambda y: ip.CubicHermiteSpline(GRID, y[0], y[1])(Q),
    "pchip": lambda y: np.stack(ip.pchip_interpolate(GRID, y[0], Q, [0, 1])),
    "pieces": lambda y: ip.PPoly(y, np.arange(7.0), axis=0)(Q),
    "not beyond": lambda y: ip.PPoly(y, np.arange(7.0), np.False_)(Q),
    **{f"interp1d {k}": lambda y, k=k: ip.interp1d(GRID, y, kind=k)(INSIDE) for k in KINDS},
    **{
        f"interp1d filled {k}": lambda y, k=k: ip.interp1d(
            GRID[::-1], y[0], kind=k, bounds_error=False, fill_value=(2.0, 3.0)
        )(Q)
        for k in KINDS
    },
    **{
        f"interp1d beyond {k}": lambda y, k=k: ip.interp1d(
            GRID, y, kind=k, fill_value="extrapolate"
        )(Q)
        for k in KINDS
    },
    "grid of one axis": lambda y: ip.RegularGridInterpolator((GRID,), y[0])(INSIDE),
    "one place": lambda y: ip.RegularGridInterpolator((np.arange(5), GRID), y)([1.5, 0.3]),
    "descending": lambda y: ip.interpn((np.arange(5)[::-1], GRID), y, ([1.5, 2], [0.3, 1])),
    "filled": lambda y: ip.interpn(
        (np.arange(5), GRID), y, [[9.0, 0.3], [np.nan, 0.3]], bounds_error=False, fill_value=7.0
    ),
}


@pytest.mark.parametrize("name", SPLINES)
def test_interpolants_take_scipys_arguments(name: str) -> None:
    assert_scipys(SPLINES[name], IMAGE)


OBJECTS: dict[str, Case] = {
    **{
        f"interp1d {k}": ip.interp1d(GRID, IMAGE[0], kind=k, bounds_error=False, fill_value=2.0)
        for k in KINDS
    },
    "integral": lambda q: ip.CubicSpline(GRID, GRID**3).integrate(q[0], q[3]),
    "grid": ip.RegularGridInterpolator((GRID,), GRID**2, bounds_error=False, fill_value=None),
    "normal": st.multivariate_normal(np.zeros(8), np.eye(8)).logpdf,
    "dirichlet": lambda q: st.dirichlet(GRID[1:4]).logpdf(q[1:4] / np.sum(q[1:4])),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_scipys_objects_keep_what_they_were_made_with(name: str) -> None:
    assert_scipys(OBJECTS[name], np.stack([Q, Q[::-1]]))


def test_scipys_functions_are_transformed_themselves() -> None:
    x, y = IMAGE[:, 0]
    np.testing.assert_allclose(wg.jit(sd.euclidean)(x, y), sd.euclidean(x, y))
    np.testing.assert_allclose(wg.grad(st.norm.logpdf)(0.7), -0.7)


def test_ends_are_checked_when_the_program_runs() -> None:
    f = wg.jit(lambda x: ip.interp1d(GRID, GRID**2)(x))
    np.testing.assert_allclose(f(INSIDE), ip.interp1d(GRID, GRID**2)(INSIDE))
    with pytest.raises(ValueError, match="outside of those of interp1d"):
        f(Q)
    with pytest.raises(ValueError, match="outside of the grid"):
        wg.jit(lambda x: ip.RegularGridInterpolator((GRID,), GRID)(x))(Q)


SCIPYS = (ValueError, RuntimeError, TypeError, NotImplementedError, IndexError)
REFUSED: dict[str, tuple[Case, str]] = {
    "mode": (lambda x: nd.uniform_filter(x, mode="around"), "mode is one of .* not 'around'"),
    "origin": (lambda x: nd.uniform_filter1d(x, 3, origin=2), "origin 2 moves a filter of 3"),
    "size": (lambda x: nd.uniform_filter1d(x, 0), "size of 1 or more, not 0"),
    "axis": (lambda x: nd.correlate1d(x, [1, 2, 3], axis=2), "axis 2 is out of bounds"),
    "axes twice": (lambda x: nd.uniform_filter(x, 3, axes=(0, -2)), "axes must be unique"),
    "weights": (lambda x: nd.convolve(x, [1, 2, 3.0]), "weights have 1 dimensions for 2 axes"),
    "sigmas": (lambda x: nd.gaussian_filter(x, [1, 2, 3]), "sigma has 3 elements"),
    "order": (lambda x: nd.gaussian_filter(x, 1, order=-1), "order must be 0 or more"),
    "radius": (
        lambda x: nd.gaussian_filter1d(x, 1.2, radius=1.5),
        "whole number of 0 or more, got 1.5",
    ),
    "spline": (lambda x: nd.shift(x, 0.3, order=6), "order of 0 to 5, not 6"),
    "coordinates": (
        lambda x: nd.map_coordinates(x, PLACES[:1]),
        "as many coordinates as the image",
    ),
    "last row": (
        lambda x: nd.affine_transform(x, [[1, 0, 0], [0, 1, 0], [0, 1, 1]]),
        r"must be \[0.0, 0.0, 1.0\]",
    ),
    "not diagonal": (
        lambda x: nd.affine_transform(x, [0.8, 1.2, 3]),
        r"does not take a matrix of shape \(3,\)",
    ),
    "complex border": (lambda x: nd.correlate(x, [[1j]], mode="constant", cval=1j), "cval is 1j"),
    "no size": (lambda x: nd.minimum_filter(x), "need a size or a footprint"),
    "matrix": (lambda x: sd.euclidean(x, x), "euclidean takes vectors"),
    "negative weights": (lambda x: sd.cityblock(x[0], x[1], -W), "weights that are not negative"),
    "power": (lambda x: sd.minkowski(x[0], x[1], -1), "p must be greater than 0"),
    "columns": (lambda x: sd.cdist(x, x[:, :3]), "cdist takes rows of one length"),
    "pairs": (lambda x: sd.squareform(x[0, :4]), "for n points, not 4"),
    "not square": (lambda x: sd.squareform(x), "squareform takes square matrices"),
    "valid": (lambda x: sg.convolve(x[:1], x[:, :1], "valid"), "at least as large as the other"),
    "method": (lambda x: sg.convolve(x, x, method="fast"), "not 'fast'"),
    "first": (lambda x: sg.lfilter([0.3], [0.0, 1.0], x), "denominator that is not 0"),
    "too short": (lambda x: sg.filtfilt([0.3, 0.2], [1.0, 0.1], x), "continues the samples by 6"),
    "sections": (lambda x: sg.sosfilt(x[:2, :5], x), r"rows of \(n, 6\), got \(2, 5\)"),
    "knots in order": (
        lambda x: ip.PchipInterpolator(GRID[::-1], x[0]),
        "needs places that increase",
    ),
    "as many": (lambda x: ip.CubicSpline(GRID[:4], x[0]), r"4 places, but values of shape \(6,\)"),
    "few knots": (lambda x: ip.BSpline(KNOTS[::-1], x[0], 3), "at least 8 knots in order"),
    "grid": (
        lambda x: ip.RegularGridInterpolator((GRID, GRID), x),
        r"axis 0 of a grid has \(6,\) places",
    ),
    "grid in order": (
        lambda x: ip.interpn((GRID[[0, 2, 1, 3, 4]], GRID), x, [[0.3, 0.3]]),
        "must increase or decrease",
    ),
    "places": (
        lambda x: ip.interpn((np.arange(5), GRID), x, [[0.3, 0.3, 0.3]]),
        "a grid of 2 axes has no values at",
    ),
    "no kind": (lambda x: ip.interp1d(GRID, x, kind="round"), "not 'round'"),
    "variables": (
        lambda x: st.multivariate_normal.logpdf(x, np.zeros(5)),
        "of 5 variables has no density",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_scipy_refuses_is_refused(name: str) -> None:
    f, words = REFUSED[name]
    with pytest.raises(SCIPYS):
        f(IMAGE[0])
    with pytest.raises(WengertError, match=words):
        wg.vmap(f)(IMAGE)
