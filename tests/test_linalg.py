"""Linear algebra on traced values: NumPy's values, derivatives, batches and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from fast_share import fast_share

import wengert as wg
from wengert.errors import DegenerateSpectrumError, MatrixShapeError, SingularMatrixError

RNG = np.random.default_rng(3)


def general(n: int, *batch: int) -> np.ndarray:
    return RNG.standard_normal((*batch, n, n)) + 2 * np.eye(n)


def positive(n: int, *batch: int) -> np.ndarray:
    a = RNG.standard_normal((*batch, n, n))
    return a @ np.swapaxes(a, -1, -2) + np.eye(n)


def complex_of(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


def hermitian(a: Any) -> Any:
    return (a + a.swapaxes(-1, -2).conj()) / 2


def rebuilt_by(w: Any, v: Any) -> Any:
    """exp of the matrix with these values and vectors, which depends on no phase."""
    return (v * np.exp(w / 4)) @ v.conj().T


def spread_out(n: int) -> np.ndarray:
    a = RNG.standard_normal((n, n))
    return a + a.T + np.diag(4.0 * np.arange(n))


def symmetric(a: Any) -> Any:
    return (a + a.swapaxes(-1, -2)) / 2


# name -> (function, arguments); what has no sign or order of its own is compared as it is
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "cholesky": (lambda a: np.linalg.cholesky(symmetric(a)), (positive(4, 2),)),
    "cholesky, large": (lambda a: np.linalg.cholesky(symmetric(a)), (positive(12),)),
    "cholesky, upper": (lambda a: np.linalg.cholesky(symmetric(a), upper=True), (positive(3),)),
    "solve": (np.linalg.solve, (general(4), RNG.standard_normal((4, 3)))),
    "solve, vector": (np.linalg.solve, (general(5), RNG.standard_normal(5))),
    "solve, batch": (np.linalg.solve, (general(3, 2, 1), RNG.standard_normal((4, 3, 2)))),
    "solve, large": (np.linalg.solve, (general(11), RNG.standard_normal((11, 2)))),
    "inv": (np.linalg.inv, (general(3, 2),)),
    "inv, large": (np.linalg.inv, (general(9),)),
    "det": (np.linalg.det, (general(3, 4),)),
    "det, large": (np.linalg.det, (general(8),)),
    "slogdet": (lambda a: np.linalg.slogdet(a).logabsdet, (general(4, 2),)),
    "eigvalsh": (lambda a: np.linalg.eigvalsh(symmetric(a)), (spread_out(4),)),
    "eigh": (lambda a: np.linalg.eigh(symmetric(a))[1] ** 2, (spread_out(4),)),
    "eigh, upper": (lambda a: np.linalg.eigh(a, "U").eigenvalues, (spread_out(3),)),
    "qr": (lambda a: np.linalg.qr(a).Q * 2, (RNG.standard_normal((5, 3)),)),
    "qr, r": (lambda a: np.linalg.qr(a, mode="r"), (RNG.standard_normal((4, 4)),)),
    "qr, wide": (lambda a: np.linalg.qr(a)[1], (RNG.standard_normal((2, 3, 5)),)),
    "svdvals": (np.linalg.svdvals, (RNG.standard_normal((2, 4, 3)),)),
    "svd, tall": (
        lambda a: [x**2 for x in np.linalg.svd(a, full_matrices=False)],
        (RNG.standard_normal((5, 3)),),
    ),
    "svd, wide": (
        lambda a: [x**2 for x in np.linalg.svd(a, full_matrices=False)],
        (RNG.standard_normal((3, 5)),),
    ),
    "svd, square": (lambda a: np.linalg.svd(a)[2] ** 2, (RNG.standard_normal((3, 3)),)),
    "pinv": (np.linalg.pinv, (RNG.standard_normal((2, 5, 3)),)),
    "lstsq": (
        lambda a, b: np.linalg.lstsq(a, b)[:2],
        (RNG.standard_normal((6, 3)), RNG.standard_normal((6, 2))),
    ),
    "lstsq, vector": (
        lambda a, b: np.linalg.lstsq(a, b)[0],
        (RNG.standard_normal((3, 5)), RNG.standard_normal(3)),
    ),
    "cond": (np.linalg.cond, (general(3),)),
    "cond, 1": (lambda a: np.linalg.cond(a, 1), (general(3),)),
    "norm, 2": (lambda a: np.linalg.norm(a, 2), (RNG.standard_normal((3, 4)),)),
    "norm, nuc": (
        lambda a: np.linalg.norm(a, "nuc", axis=(0, 2)),
        (RNG.standard_normal((3, 2, 4)),),
    ),
    "norm, -2": (lambda a: np.linalg.norm(a, -2), (RNG.standard_normal((3, 4)),)),
    "matrix_power": (lambda a: np.linalg.matrix_power(a, -3), (general(3),)),
    "tensorinv": (lambda a: np.linalg.tensorinv(a), (general(6).reshape(2, 3, 6),)),
    "tensorsolve": (
        np.linalg.tensorsolve,
        (general(6).reshape(2, 3, 6), RNG.standard_normal((2, 3))),
    ),
}

# complex matrices; what has a phase of its own is made to depend on none
SQUARE, TALL = complex_of(3, 3), complex_of(5, 3)
LARGE = complex_of(8, 8)
COMPLEX_CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "complex cholesky": (
        lambda a: np.linalg.cholesky(hermitian(a)),
        (complex_of(2, 3, 3) + 6 * np.eye(3),),
    ),
    "complex cholesky, large and upper": (
        lambda a: np.linalg.cholesky(hermitian(a), upper=True),
        (LARGE + 12 * np.eye(8),),
    ),
    "complex solve": (np.linalg.solve, (complex_of(2, 3, 3), complex_of(3, 2))),
    "complex solve, large": (np.linalg.solve, (LARGE, complex_of(8))),
    "complex and real solve": (np.linalg.solve, (general(3), complex_of(3, 2))),
    "complex inv": (np.linalg.inv, (SQUARE,)),
    "complex det": (np.linalg.det, (complex_of(2, 3, 3),)),
    "complex slogdet": (lambda a: list(np.linalg.slogdet(a)), (LARGE,)),
    "complex eigvalsh": (lambda a: np.linalg.eigvalsh(hermitian(a)), (complex_of(2, 4, 4),)),
    "complex eigh": (
        lambda a: rebuilt_by(*np.linalg.eigh(hermitian(a))),
        (SQUARE + np.diag([0, 3, 6]),),
    ),
    "complex eigh, upper": (lambda a: np.abs(np.linalg.eigh(a, "U")[1]) ** 2, (LARGE,)),
    "complex qr": (lambda a: list(np.linalg.qr(a)), (TALL,)),
    "complex qr, wide": (lambda a: list(np.linalg.qr(a)), (TALL.T,)),
    "complex svd": (
        lambda a: (lambda u, s, vt: [(u * np.sqrt(s)) @ vt, s, np.abs(vt)])(
            *np.linalg.svd(a, full_matrices=False)
        ),
        (TALL,),
    ),
    "complex svdvals": (np.linalg.svdvals, (LARGE[:, :7],)),
    "complex pinv": (np.linalg.pinv, (complex_of(2, 3, 5),)),
    "complex lstsq": (lambda a, b: np.linalg.lstsq(a, b)[:2], (TALL, complex_of(5, 2))),
    "complex cond": (lambda a: (np.linalg.cond(a), np.linalg.cond(a, "fro")), (SQUARE,)),
    "complex norms": (
        lambda a: [np.linalg.norm(a, p) for p in (2, -2, "nuc", "fro", 1, np.inf)],
        (TALL,),
    ),
    "eig of a real matrix": (
        lambda a: (lambda w, v: [np.abs(w), np.abs(v) ** 2])(*np.linalg.eig(a)),
        (np.array([[1.0, -2.0, 0.3], [2.0, 1.2, 0.5], [0.1, 0.7, -3.0]]),),
    ),
    "eig of a complex matrix": (
        lambda a: (lambda w, v: (v * np.exp(w)) @ np.linalg.inv(v))(*np.linalg.eig(a)),
        (SQUARE,),
    ),
    "complex matrix_power": (lambda a: np.linalg.matrix_power(a, -3), (SQUARE,)),
}
CASES |= COMPLEX_CASES
cases = pytest.mark.parametrize("name", fast_share(list(CASES), every=6))
# of the complex ones, which are many compilations, every third
FEWER = [n for n in CASES if n not in COMPLEX_CASES or n in list(COMPLEX_CASES)[::3]]
fewer_cases = pytest.mark.parametrize("name", fast_share(FEWER, every=6))


def listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, list | tuple) else [x]


@cases
def test_values_are_numpys(name: str) -> None:
    fun, args = CASES[name]
    for x, y in zip(listed(wg.jit(fun)(*args)), listed(fun(*args)), strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


@fewer_cases
def test_single_precision_stays(name: str) -> None:
    fun, args = CASES[name]
    narrow = [a.astype(np.complex64 if a.dtype.kind == "c" else np.float32) for a in args]
    for x, y in zip(listed(wg.jit(fun)(*narrow)), listed(fun(*args)), strict=True):
        assert x.dtype == (np.complex64 if y.dtype.kind == "c" else np.float32)
        np.testing.assert_allclose(x, y, rtol=2e-2, atol=2e-3)


@cases
def test_derivatives(name: str) -> None:
    fun, args = CASES[name]
    wg.testing.check_grads(fun, args, order=1, atol=2e-4, rtol=2e-4)


@fewer_cases
def test_compiled_gradients_are_those_of_the_evaluator(name: str) -> None:
    fun, args = CASES[name]

    def total(*xs: Any) -> Any:
        return sum(np.sum(np.sin(x)).real for x in listed(fun(*xs)))

    slope = wg.grad(total, tuple(range(len(args))))
    for x, y in zip(wg.jit(slope)(*args), slope(*args), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    "name",
    ["cholesky, large", "solve", "inv", "eigvalsh", "svdvals", "qr, r", "complex eigh"],
)
def test_second_derivatives(name: str) -> None:
    fun, args = CASES[name]
    wg.testing.check_grads(fun, args, order=2, atol=2e-3, rtol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["solve, vector", "inv, large", "svd, tall", "eigh", "det, large", "complex svd"],
)
def test_batches(name: str) -> None:
    fun, args = CASES[name]
    stacked = [np.stack([a, a + 0.1 * RNG.standard_normal(a.shape)]) for a in args]
    whole = listed(wg.jit(wg.vmap(fun))(*stacked))
    for k in range(2):
        for x, y in zip(whole, listed(fun(*(s[k] for s in stacked))), strict=True):
            np.testing.assert_allclose(x[k], y, rtol=1e-8, atol=1e-10)


def test_one_factorisation_serves_a_gradient() -> None:
    slope = wg.jit(wg.grad(lambda a, b: np.sum(np.linalg.solve(a, b) ** 2), (0, 1)))
    text = slope.lower(general(20), RNG.standard_normal(20)).kernels
    assert text.count("getrf") == 1 and text.count("trsm") == 4


def test_ranks() -> None:
    a = np.outer(np.arange(4.0), np.ones(3)) + 1e-18
    assert wg.jit(np.linalg.matrix_rank)(a) == np.linalg.matrix_rank(a) == 1
    assert wg.jit(lambda x: np.linalg.matrix_rank(x, tol=100.0))(a) == 0
    assert wg.jit(lambda x, b: np.linalg.lstsq(x, b)[2])(a, np.ones(4)) == 1


def test_gradients_of_equal_eigenvalues() -> None:
    def trace_of_square(a: Any) -> Any:
        return np.sum(np.linalg.eigh(symmetric(a)).eigenvalues ** 2)

    for slope in (wg.grad, wg.jacfwd):
        for f in (slope(trace_of_square), wg.jit(slope(trace_of_square))):
            np.testing.assert_allclose(f(np.eye(3)), 2 * np.eye(3))
    np.testing.assert_allclose(wg.grad(lambda a: np.linalg.norm(a, "nuc"))(np.eye(3)), np.eye(3))


def rebuilt(f: Callable[..., Any]) -> Callable[[Any], Any]:
    def rebuild(a: Any) -> Any:
        w, v = np.linalg.eigh(symmetric(a))
        return (v * f(w)) @ v.T

    return rebuild


@pytest.mark.parametrize(
    "fun",
    [
        lambda a: np.linalg.eigh(a)[1],
        lambda a: np.linalg.svd(a)[2],
        rebuilt(np.exp),
        rebuilt(np.log),
        lambda a: (lambda u, s, vt: (u * s) @ vt)(*np.linalg.svd(a, full_matrices=False)),
        wg.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2)),
    ],
    ids=["vectors", "singular vectors", "exp", "log", "svd", "second derivative"],
)
@pytest.mark.parametrize("basis", [np.eye(3), np.linalg.qr(general(3)).Q], ids=["axes", "turned"])
def test_vectors_of_equal_values_have_no_derivative(fun: Any, basis: np.ndarray) -> None:
    """In a turned basis eigenvalues are equal up to rounding only."""
    a = symmetric(basis @ np.diag([1.0, 1.0, 1.0]) @ basis.T)
    for slope in (wg.jacfwd(fun), wg.grad(lambda a: np.sum(fun(a)))):
        for f in (slope, wg.jit(slope)):
            with pytest.raises(DegenerateSpectrumError, match="equal eigenvalues.*funm_symmetric"):
                f(a)


FULL = {
    "left": lambda a: np.linalg.svd(a)[0],
    "right": lambda a: np.linalg.svd(np.swapaxes(a, -1, -2).conj())[2].conj().swapaxes(-1, -2),
    "complete": lambda a: np.linalg.qr(a, mode="complete")[0],
}


@pytest.mark.slow
@pytest.mark.parametrize("full", FULL.values(), ids=FULL)
def test_bases_are_completed_by_any_orthonormal_columns(full: Any) -> None:
    for a in (general(5)[:, :3], general(4, 2)[..., :1] + 1j * general(4, 2)[..., 1:2]):
        q, n = wg.jit(full)(a), a.shape[-1]
        assert q.shape == (*a.shape[:-1], a.shape[-2])
        gram = q.conj().swapaxes(-1, -2) @ q
        np.testing.assert_allclose(
            gram, np.broadcast_to(np.eye(q.shape[-1]), gram.shape), atol=1e-9
        )
        np.testing.assert_allclose(q[..., n:].conj().swapaxes(-1, -2) @ a, 0, atol=1e-9)
    weights = general(5)
    beyond = lambda a: np.sum((full(a)[:, 3:] @ full(a)[:, 3:].T) * weights)  # noqa: E731
    wg.testing.check_grads(beyond, (general(5)[:, :3],), order=2)


def radius(a: Any) -> Any:
    return np.max(np.abs(np.linalg.eigvals(a)))


def test_eigenvalues_of_any_matrix_are_complex() -> None:
    """Theirs are NumPy's, which are real where all are; so is what is differentiated twice."""
    for a in (np.diag([1.0, 2.0]), general(7, 2), np.zeros((0, 3, 3)), np.arange(4).reshape(2, 2)):
        for found, wanted in zip(wg.jit(np.linalg.eig)(a), np.linalg.eig(a), strict=True):
            assert found.dtype == np.complex128
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)
    wg.testing.check_grads(radius, (general(5),), order=2, atol=1e-3, rtol=1e-3)
    with pytest.raises(np.linalg.LinAlgError, match="infs or NaNs"):
        wg.jit(np.linalg.eigvals)(np.full((2, 2), np.nan))


@pytest.mark.slow
def test_eigenvalues_of_matrices_without_a_basis_of_vectors() -> None:
    def trace(a: Any) -> Any:
        return np.sum(np.linalg.eigvals(a)).real

    block = np.array([[1.0, 1.0], [0.0, 1.0]])
    for slope in (wg.grad(trace), wg.jit(wg.grad(trace)), wg.jit(wg.jacfwd(trace))):
        np.testing.assert_allclose(slope(np.eye(2)), np.eye(2))
        with pytest.raises(DegenerateSpectrumError, match="no basis of eigenvectors"):
            slope(block)
    vectors = wg.jit(wg.jacfwd(lambda a: np.abs(np.linalg.eig(a)[1])))
    with pytest.raises(DegenerateSpectrumError, match="equal eigenvalues"):
        vectors(np.eye(2))


def test_vectors_of_other_values_have_theirs() -> None:
    """Those of a matrix of rank 2, whose other values are all 0."""
    x = np.linalg.qr(RNG.standard_normal((6, 2))).Q @ np.diag([3.0, 1.0])

    def leading(x: Any) -> Any:
        return np.linalg.eigh(x @ x.T)[1][:, -2:] ** 2

    def truncated(x: Any) -> Any:
        u, s, vt = np.linalg.svd(x @ x.T, full_matrices=False)
        return np.sin((u[:, :2] * s[:2]) @ vt[:2])

    def exact(x: Any) -> Any:
        return np.sin(x @ x.T)

    weights = RNG.standard_normal((6, 6))
    slopes = [wg.grad(lambda x, f=f: np.sum(weights * f(x))) for f in (truncated, exact)]
    np.testing.assert_allclose(slopes[0](x), slopes[1](x), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(wg.jit(slopes[0])(x), slopes[1](x), rtol=1e-9, atol=1e-9)
    wg.testing.check_grads(leading, (x,), order=1, modes=("rev",), atol=1e-4, rtol=1e-4)


def test_pseudo_inverses_of_equal_singular_values() -> None:
    a = np.linalg.qr(RNG.standard_normal((5, 3))).Q
    b = RNG.standard_normal(5)
    wg.testing.check_grads(np.linalg.pinv, (a,), order=2, atol=1e-3, rtol=1e-3)
    wg.testing.check_grads(
        lambda a, b: np.linalg.lstsq(a, b)[0], (a, b), order=2, atol=1e-3, rtol=1e-3
    )


@pytest.mark.slow
def test_in_loops_and_branches() -> None:
    def newton(a: Any, b: Any) -> Any:
        x = np.zeros(4)
        for _ in range(6):
            x = x - np.linalg.solve(a + np.diag(3 * x**2), a @ x + x**3 - b)
        return x

    a, b = positive(4), RNG.standard_normal(4)
    np.testing.assert_allclose(wg.jit(newton)(a, b), newton(a, b), rtol=1e-9)
    expected = np.linalg.inv(a + np.diag(3 * newton(a, b) ** 2))
    np.testing.assert_allclose(wg.jit(wg.jacrev(newton, 1))(a, b), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("fun", "a", "words"),
    [
        (np.linalg.inv, np.ones((3, 3)), "Singular matrix"),
        (np.linalg.inv, np.zeros((2, 8, 8)), "Singular matrix"),
        (np.linalg.cholesky, -np.eye(3), "not positive definite"),
        (np.linalg.cholesky, -np.eye(9), "not positive definite"),
        (np.linalg.cholesky, np.full((2, 2), np.nan), "not positive definite"),
        (np.linalg.svdvals, np.diag([np.nan, 1.0, 1.0]), "SVD did not converge"),
        (np.linalg.pinv, np.stack([np.eye(2), np.full((2, 2), np.inf)]), "SVD did not converge"),
    ],
)
def test_what_has_no_factors_is_an_error(fun: Any, a: np.ndarray, words: str) -> None:
    for call in (wg.jit(fun), wg.grad(lambda x: np.sum(fun(x)))):
        with pytest.raises(np.linalg.LinAlgError, match=words) as caught:
            call(a)
        assert isinstance(caught.value, SingularMatrixError)


@pytest.mark.parametrize(
    ("fun", "args", "words"),
    [
        (np.linalg.inv, (np.ones((2, 3)),), "must be square"),
        (np.linalg.det, (np.ones(3),), "at least two-dimensional"),
        (np.linalg.solve, (np.eye(3), np.ones((2, 2))), "do not fit"),
        (lambda a: np.linalg.qr(a, mode="raw"), (np.ones((3, 2)),), "'complete' and 'r'"),
        (np.linalg.inv, (np.eye(2, dtype=np.float16),), "float16 is unsupported"),
        (lambda a: np.linalg.eigh(a, "X"), (np.eye(2),), "UPLO argument"),
    ],
)
def test_arguments_that_do_not_fit(fun: Any, args: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        wg.jit(fun)(*args)


def test_shapes_are_linalg_errors_as_in_numpy() -> None:
    with pytest.raises(np.linalg.LinAlgError) as caught:
        wg.jit(np.linalg.inv)(np.ones((2, 3)))
    assert isinstance(caught.value, MatrixShapeError)


def test_integers_are_taken_as_floats() -> None:
    a = np.array([[2, 1], [1, 3]])
    np.testing.assert_allclose(wg.jit(np.linalg.inv)(a), np.linalg.inv(a))


def test_empty_matrices() -> None:
    for shape in ((0, 0), (0, 3, 3), (2, 0, 0)):
        a = np.zeros(shape)
        for fun in (np.linalg.inv, np.linalg.cholesky, np.linalg.det, np.linalg.eigvalsh):
            assert wg.jit(fun)(a).shape == fun(a).shape


def differences(f: Any, a: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (f(a + 1e-6 * v) - f(a - 1e-6 * v)) / 2e-6


def dependent(rows: int, columns: int) -> np.ndarray:
    a = general(max(rows, columns))[:rows, :columns].copy()
    a[:, -1] = a[:, 0] - 2 * a[:, 1]
    return a


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("n", [3, 8])
def test_qr_and_lu_of_square_matrices_whose_last_column_depends_on_others(
    part: int, n: int
) -> None:
    """The last element of the diagonal has no part in the derivative: nothing is divided by it."""
    a, v = dependent(n, n), RNG.standard_normal((n, n))

    def factor(a: Any) -> Any:
        return np.linalg.qr(a)[part]

    slope = wg.jit(lambda a: wg.jvp(factor, (a,), (v,))[1])(a)
    np.testing.assert_allclose(slope, differences(factor, a, v), rtol=1e-5, atol=1e-5)
    weights = RNG.standard_normal((n, n))
    pulled = wg.jit(wg.grad(lambda a: np.sum(weights * factor(a))))(a)
    np.testing.assert_allclose(np.sum(pulled * v), np.sum(weights * slope), rtol=1e-8)
    exact = np.array([[2.0, 1.0, 3.0], [4.0, 2.5, 6.5], [1.0, 1.0, 2.0]])

    def lower_or_upper(a: Any) -> Any:
        return wg.linalg.lu(a)[1 + part]

    moved = wg.jvp(lower_or_upper, (exact,), (v[:3, :3],))[1]
    expected = differences(lambda a: scipy.linalg.lu(a)[1 + part], exact, v[:3, :3])
    np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("a", "factor"),
    [
        (dependent(5, 3), np.linalg.qr),
        (dependent(5, 3) * (1 + 1j), np.linalg.qr),
        (np.ones((3, 3)), np.linalg.qr),
        (np.zeros((2, 4)), np.linalg.qr),
        (np.zeros((3, 3)), wg.linalg.lu),
        (np.zeros((7, 7)), wg.linalg.lu),
    ],
)
def test_factors_that_rounding_errors_decide_have_no_derivative(a: np.ndarray, factor: Any) -> None:
    def total(a: Any) -> Any:
        return sum(np.sum(x).real for x in factor(a))

    for slope in (wg.grad(total), wg.jit(wg.grad(total))):
        with pytest.raises(SingularMatrixError, match="has no derivative|have no derivative"):
            slope(a)


def test_columns_of_very_different_size_are_independent() -> None:
    a = general(3)
    slope = wg.grad(lambda a: np.sum(np.sin(np.linalg.qr(a)[0])))
    np.testing.assert_allclose(slope(a * [1, 1e-20, 1e20]) * [1, 1e-20, 1e20], slope(a), rtol=1e-9)


@pytest.mark.parametrize("n", [1, 3, 8, 30])
@pytest.mark.parametrize("what", [np.nan, np.inf])
@pytest.mark.parametrize("fun", [np.linalg.eigh, np.linalg.eigvalsh, wg.linalg.logm])
def test_spectra_of_what_is_not_finite_are_an_error(fun: Any, what: float, n: int) -> None:
    with pytest.raises(np.linalg.LinAlgError, match="did not converge|infs or NaNs"):
        wg.jit(fun)(np.full((n, n), what))
