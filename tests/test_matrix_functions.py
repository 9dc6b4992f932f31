"""Functions of matrices: values of SciPy, and derivatives of any order at any spectrum.

The oracle of derivatives is f([[A, E], [0, A]]), whose upper right block is the derivative of f at
A in the direction E (N. Higham, Functions of Matrices, SIAM 2008, theorem 3.6).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from fast_share import fast_share

import wengert as wg
from wengert.errors import SingularMatrixError
from wengert.linalg import expm, funm_symmetric, logm, sqrtm
from wengert.linalg.differences import divided_differences

pytestmark = [
    pytest.mark.slow,  # compiles large programs
    pytest.mark.filterwarnings("ignore:logm result may be inaccurate"),
]

RNG = np.random.default_rng(11)
BASIS = np.linalg.qr(RNG.standard_normal((4, 4))).Q

SPECTRA = {
    "all equal": [1.0, 1.0, 1.0, 1.0],
    "two pairs": [3.0, 3.0, 0.5, 0.5],
    "very close": [1.0, 1.0 + 1e-9, 1.0 + 3e-9, 2.0],
    "close": [1.0, 1.001, 1.02, 1.3],
    "wide": [1e-4, 2e-4, 1.0, 3.0],
}
spectra = pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=list(SPECTRA))


def symmetric(a: Any) -> Any:
    return (a + np.swapaxes(a, -1, -2)) / 2


def of_spectrum(w: Any) -> np.ndarray:
    return symmetric((BASIS * np.array(w)) @ BASIS.T)


NOT_CALLABLE: Any = 2
E = symmetric(RNG.standard_normal((4, 4)))
D = symmetric(RNG.standard_normal((4, 4)))


def derivative(f: Callable[..., Any], a: Any, *directions: Any) -> Any:
    """The mixed derivative of a matrix function: the last direction's block, and so on."""
    if not directions:
        return f(a)
    *rest, e = directions
    n = len(a)
    zeros = np.zeros_like(a)
    doubled = [np.block([[d, zeros], [zeros, d]]) for d in rest]
    return derivative(f, np.block([[a, e], [zeros, a]]), *doubled)[:n, n : 2 * n]


def pushed(f: Callable[..., Any], *directions: Any) -> Callable[..., Any]:
    """The function of a that jvp makes of f, once for each direction."""
    for e in directions:
        f = lambda a, f=f, e=e: wg.jvp(f, (a,), (e,))[1]  # noqa: E731
    return f


def agree(found: Any, expected: Any, rtol: float = 1e-11) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * np.abs(expected).max())


@spectra
def test_derivatives_of_the_exponential(spectrum: list[float]) -> None:
    def exp(a: Any) -> Any:
        return funm_symmetric(a, np.exp)

    a = of_spectrum(spectrum)
    agree(wg.jit(exp)(a), scipy.linalg.expm(a))
    first, second = (derivative(scipy.linalg.expm, a, *d) for d in ((E,), (E, D)))
    agree(wg.jit(pushed(exp, E))(a), first)
    agree(pushed(exp, E, D)(a), second)
    slope = wg.grad(lambda a: np.sum(exp(a) * E))
    agree(slope(a), first)
    agree(wg.jit(pushed(slope, D))(a), second)


@spectra
def test_roots_and_logarithms(spectrum: list[float]) -> None:
    a = of_spectrum(spectrum)
    root = scipy.linalg.sqrtm(a)
    # X with X² = A:  Ẋ X + X Ẋ = Ȧ
    agree(
        pushed(lambda a: funm_symmetric(a, np.sqrt), E)(a),
        scipy.linalg.solve_sylvester(root, root, E),
        1e-9,
    )
    # L of exp(L) = A: its derivative and that of exp are inverse to each other
    moved = pushed(lambda a: funm_symmetric(a, np.log), E)(a)
    agree(derivative(scipy.linalg.expm, funm_symmetric(a, np.log), moved), E, 1e-9)


@spectra
def test_powers_are_products(spectrum: list[float]) -> None:
    """The third derivative as well, which takes long to compute."""
    a = of_spectrum(spectrum)
    third = [(E, D, E)] if spectrum in (SPECTRA["two pairs"], SPECTRA["very close"]) else []
    for directions in ((E,), (E, D), *third):
        found = pushed(lambda a: funm_symmetric(a, lambda w: w**4), *directions)(a)
        agree(found, pushed(lambda a: a @ a @ a @ a, *directions)(a), 1e-9)


@spectra
def test_second_derivatives_of_sums_over_eigenvalues(spectrum: list[float]) -> None:
    """The sum of w³ is a polynomial of the matrix, whatever the eigenvalues are."""

    def through_values(a: Any) -> Any:
        return np.trace(funm_symmetric(a, lambda w: w**3))

    a = of_spectrum(spectrum)
    expected = wg.hessian(lambda a: np.trace(symmetric(a) @ symmetric(a) @ symmetric(a)))(a)
    agree(wg.jit(wg.hessian(through_values))(a), expected)


def test_projectors_onto_spaces_of_several_vectors() -> None:
    def lower(a: Any) -> Any:
        return funm_symmetric(a, lambda w: w < 1.0)

    a = of_spectrum(SPECTRA["two pairs"])
    np.testing.assert_allclose(np.trace(lower(a)), 2.0)
    wg.testing.check_grads(lower, (a,), order=2, atol=1e-4, rtol=1e-4)


def test_args_of_the_function() -> None:
    def heat(a: Any, t: Any, n: Any) -> Any:
        return funm_symmetric(a, lambda w, n, t: t**n * np.exp(-t * w), n, t)

    a = of_spectrum(SPECTRA["two pairs"])
    wg.testing.check_grads(lambda a, t: heat(a, t, 2), (a, 0.7), order=2, atol=1e-4, rtol=1e-4)
    traced = wg.jit(wg.grad(lambda a, t, n: np.sum(heat(a, t, n) * E), (0, 1)))(a, 0.7, 2)
    known = wg.grad(lambda a, t: np.sum(heat(a, t, 2) * E), (0, 1))(a, 0.7)
    for x, y in zip(traced, known, strict=True):
        np.testing.assert_allclose(x, y)


def test_batches() -> None:
    stack = np.stack([of_spectrum(w) for w in SPECTRA.values()])

    def exp(a: Any) -> Any:
        return funm_symmetric(a, np.exp)

    slope = wg.grad(lambda a: np.sum(exp(a) * E))
    expected = np.stack([slope(a) for a in stack])
    np.testing.assert_allclose(wg.jit(wg.vmap(slope))(stack), expected, rtol=1e-9)
    np.testing.assert_allclose(wg.jit(slope)(stack), expected, rtol=1e-9)
    moved = wg.vmap(pushed(slope, D))(stack)
    np.testing.assert_allclose(moved, np.stack([pushed(slope, D)(a) for a in stack]), rtol=1e-9)


def test_single_precision_and_integers() -> None:
    a = np.eye(3, dtype=np.float32)
    found = wg.jit(wg.grad(lambda a: np.sum(funm_symmetric(a, np.exp))))(a)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.full((3, 3), np.e), rtol=1e-5)
    assert funm_symmetric(np.eye(2, dtype=int), np.exp).dtype == np.float64


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda a: funm_symmetric(a[:2], np.exp), np.linalg.LinAlgError, "square matrices"),
        (lambda a: funm_symmetric(a, np.sum), ValueError, "one number for each"),
        (lambda a: funm_symmetric(a, np.add, a), ValueError, "args of func are numbers"),
        (lambda a: funm_symmetric(a, NOT_CALLABLE), TypeError, "funm_symmetric"),
        (lambda a: funm_symmetric(a.astype(np.float16), np.exp), TypeError, "float16"),
    ],
)
def test_arguments_that_do_not_fit(call: Any, error: Any, words: str) -> None:
    for f in (call, wg.jit(call)):
        with pytest.raises(error, match=words):
            f(np.eye(3))


@pytest.mark.parametrize("spread", [0.0, 1e-12, 1e-7, 1e-3, 0.1, 2.0])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_divided_differences_of_powers(order: int, spread: float) -> None:
    """Those of x**m are the sums of all monomials of degree m - k in the points."""
    points = 1.0 + spread * RNG.standard_normal((order + 1, 20))
    found = wg.jit(lambda *x: divided_differences(lambda y: y**8, x, ()))(*points)
    total = np.zeros((9, 20))
    total[0] = 1
    for x in points:  # h_m(x_0..x_j) = h_m(x_0..x_(j-1)) + x_j h_(m-1)(x_0..x_j)
        for m in range(1, 9):
            total[m] += x * total[m - 1]
    np.testing.assert_allclose(found, total[8 - order], rtol=1e-9)


GENERAL = RNG.standard_normal((4, 4))
BLOCKS = np.kron(np.eye(2), [[2.0, 1.0], [0.0, 2.0]])
"""Two equal Jordan blocks: no basis of eigenvectors, and all eigenvalues equal."""

MATRICES = {
    "general": GENERAL @ np.diag([1.0, 2.0, 3.0, 4.0]) @ np.linalg.inv(GENERAL),
    "equal eigenvalues": 2 * np.eye(4),
    "Jordan blocks": BLOCKS,
    "rotation": np.kron(np.eye(2), [[0.0, 1.0], [-1.0, 0.0]]) + 0.1 * GENERAL,
    "large": 30 * np.eye(4) + 5 * GENERAL,
}
FUNCTIONS = {
    "expm": (expm, scipy.linalg.expm),
    "sqrtm": (sqrtm, scipy.linalg.sqrtm),
    "logm": (logm, scipy.linalg.logm),
}
functions = pytest.mark.parametrize("name", FUNCTIONS)
pairs = [(f, m) for f in FUNCTIONS for m in MATRICES]


@functools.cache
def compiled(name: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """A function, its derivative along e, and the gradient of its product with weights."""
    ours = FUNCTIONS[name][0]
    slope = wg.grad(lambda a, weights: np.sum(ours(a) * weights))
    return wg.jit(ours), wg.jit(lambda a, e: pushed(ours, e)(a)), wg.jit(slope)


@pytest.mark.parametrize(("name", "kind"), fast_share(pairs, every=3))
def test_scipys_functions_and_their_derivatives(name: str, kind: str) -> None:
    (ours, theirs), a = FUNCTIONS[name], MATRICES[kind]
    e, weights = RNG.standard_normal((2, 4, 4))
    value, along, slope = compiled(name)
    agree(value(a), theirs(a))
    agree(ours(a), theirs(a))
    agree(along(a, e), derivative(theirs, a, e), 1e-10)
    # the transpose of the derivative at A in a direction is that at A' in its transpose
    agree(slope(a, weights), derivative(theirs, a.T, weights), 1e-10)


@functions
def test_second_derivatives_of_scipys_functions(name: str) -> None:
    ours, theirs = FUNCTIONS[name]
    for a in (MATRICES["equal eigenvalues"], MATRICES["general"]):
        found = pushed(wg.grad(lambda a: np.sum(ours(a) * E)), D)(a)
        agree(found, derivative(theirs, a.T, E, D.T), 1e-9)


def test_reverse_over_reverse_of_the_exponential() -> None:
    """No turn of the squarings is kept, in whatever modes and however often it is differentiated;
    and all derivatives of trace(exp(A)) are symmetric."""
    a = MATRICES["large"]
    slope = wg.grad(lambda a: np.sum(expm(a) * E))
    twice = wg.jit(lambda a: wg.vjp(slope, a)[1](D)[0])
    agree(twice(a), derivative(scipy.linalg.expm, a.T, E, D.T), 1e-10)
    rows = wg.grad(lambda a: np.sum(wg.vjp(slope, a)[1](D)[0] * E.T))
    columns = wg.grad(lambda a: np.sum(wg.jvp(slope, (a,), (E.T,))[1] * D))
    agree(rows(a), columns(a), 1e-10)
    agree(rows(a), derivative(scipy.linalg.expm, a.T, E, D.T, E.T), 1e-9)


@pytest.mark.parametrize("name", fast_share(list(FUNCTIONS), every=3))
def test_batches_of_scipys_functions(name: str) -> None:
    ours, theirs = FUNCTIONS[name]
    stack = np.stack(list(MATRICES.values()))
    expected = np.stack([theirs(a) for a in stack])
    slopes = np.stack([derivative(theirs, a.T, E) for a in stack])
    for f in (ours, wg.vmap(ours)):
        for x, y in zip(wg.jit(f)(stack), expected, strict=True):
            agree(x, y)
    found = wg.jit(wg.grad(lambda a: np.sum(ours(a) * E)))(stack)
    for x, y in zip(found, slopes, strict=True):
        agree(x, y, 1e-10)


@functions
def test_single_precision_and_empty_matrices(name: str) -> None:
    ours, theirs = FUNCTIONS[name]
    a = MATRICES["general"].astype(np.float32)
    found = wg.jit(ours)(a)
    assert found.dtype == np.float32
    agree(found, theirs(a.astype(np.float64)), 1e-3)
    assert wg.jit(ours)(np.zeros((2, 0, 0))).shape == (2, 0, 0)
    with pytest.raises(np.linalg.LinAlgError, match=f"{name} takes square matrices"):
        wg.jit(ours)(np.ones((2, 3)))


@pytest.mark.parametrize("name", ["sqrtm", "logm"])
@pytest.mark.parametrize("values", [[1.0, 0.0], [1.0, -4.0], [-1.0, -2.0]])
def test_matrices_without_a_real_root(name: str, values: list[float]) -> None:
    with pytest.raises(SingularMatrixError):
        wg.jit(FUNCTIONS[name][0])(np.diag(values))


def test_exponentials_that_overflow() -> None:
    for a in (np.diag([1e4, -1e4]), np.full((2, 2), np.nan), np.full((2, 2), np.inf)):
        assert not np.isfinite(wg.jit(expm)(a)).all()
