"""Functions of `scipy.linalg` called unchanged on traced values: SciPy's values, derivatives."""

import numpy as np
import pytest
import scipy.linalg

import wengert as wg
from wengert.errors import ArgumentError
from wengert.testing import check_grads

RNG = np.random.default_rng(0)
A = RNG.standard_normal((4, 4)) + 4 * np.eye(4)
SPD = A @ A.T
BATCH = RNG.standard_normal((2, 3, 3)) + 3 * np.eye(3)
B = RNG.standard_normal((4, 2))
TURNING = np.random.default_rng(5).standard_normal((7, 7))  # two pairs of complex eigenvalues
BANDS = RNG.uniform(size=(3, 4)) + 4.0 * (np.arange(3) == 0)[:, None]

CASES = {
    "solve_sylvester": (lambda a, q: scipy.linalg.solve_sylvester(a, a.T[:2, :2] + 1.0, q), A, B),
    "continuous lyapunov": (
        lambda a: scipy.linalg.solve_continuous_lyapunov(a + 5 * np.eye(4), A),
        A,
    ),
    "discrete lyapunov": (lambda a: scipy.linalg.solve_discrete_lyapunov(0.2 * a, A), A),
    "eigh_tridiagonal": (
        lambda d, e: scipy.linalg.eigh_tridiagonal(d, e, eigvals_only=True),
        *(np.array([1.0, 4.0, 2.0]), np.array([0.3, 0.7])),
    ),
    "pinvh": (lambda a: scipy.linalg.pinvh(a), A @ A.T),
    "expm_frechet": (lambda a: scipy.linalg.expm_frechet(0.3 * a, A)[1], A),
    "upper": (lambda a, b: scipy.linalg.solve_triangular(a, b), A, B),
    "lower": (lambda a, b: scipy.linalg.solve_triangular(a, b, lower=True), A, B),
    "vector": (lambda a, b: scipy.linalg.solve_triangular(a, b, trans="T"), A, B[:, 0]),
    "unit": (
        lambda a, b: scipy.linalg.solve_triangular(a, b, 1, lower=True, unit_diagonal=True),
        *(A, B),
    ),
    "conjugate": (lambda a, b: scipy.linalg.solve_triangular(a, b, trans="C"), A + 1j * A.T, B),
    "batch": (
        lambda a, b: scipy.linalg.solve_triangular(a, b, lower=True),
        *(BATCH, RNG.standard_normal((2, 3, 2))),
    ),
    "cholesky": (lambda a: scipy.linalg.cholesky(a), SPD),
    "cholesky lower": (lambda a: scipy.linalg.cholesky(a, lower=True), SPD),
    "cho_solve": (lambda a, b: scipy.linalg.cho_solve(scipy.linalg.cho_factor(a), b), SPD, B),
    "cho_solve lower": (
        lambda a, b: scipy.linalg.cho_solve(scipy.linalg.cho_factor(a, lower=True), b),
        *(SPD, B[:, 1]),
    ),
    "lu": (lambda a: scipy.linalg.lu(a), A[::-1].copy()),
    "lu permuted": (lambda a: scipy.linalg.lu(a, permute_l=True), BATCH[:, ::-1].copy()),
    "lu indices": (lambda a: scipy.linalg.lu(a, p_indices=True)[1:], A[::-1].copy()),
    "lu wide": (lambda a: scipy.linalg.lu(a), A[::-1, :][1:]),
    "lu tall": (lambda a: scipy.linalg.lu(a), TURNING[:, :3]),
    "lu tall batch": (lambda a: scipy.linalg.lu(a, permute_l=True), BATCH[:, ::-1, :2].copy()),
    "lu complex wide": (lambda a: scipy.linalg.lu(a), TURNING[:2] + 1j * TURNING[2:4]),
    "lu complex tall": (lambda a: scipy.linalg.lu(a), TURNING[:, :2] + 1j * TURNING[:, 2:4]),
    "lu_factor tall": (lambda a: scipy.linalg.lu_factor(a)[0], TURNING[:, :4]),
    "lu_factor wide": (lambda a: scipy.linalg.lu_factor(a)[0], TURNING[:4]),
    "block_diag": (lambda a, b: scipy.linalg.block_diag(a, b, np.ones((1, 2))), A, B[:, 0]),
    "solve": (lambda a, b: scipy.linalg.solve(a, b), A, B),
    "solve transposed": (lambda a, b: scipy.linalg.solve(a, b, transposed=True), A, B[:, 0]),
    "inv": (lambda a: scipy.linalg.inv(a), BATCH),
    "det": (lambda a: scipy.linalg.det(a, check_finite=False), BATCH),
    "expm": (lambda a: scipy.linalg.expm(a), A / 8),
    "eigh": (lambda a: tuple(x * x for x in scipy.linalg.eigh(a)), SPD),  # whatever the signs
    "eigh upper": (lambda a: scipy.linalg.eigh(a, lower=False, eigvals_only=True), A),
    "generalised": (lambda a, b: scipy.linalg.eigh(a, b), A + A.T, SPD),
    "generalised upper": (lambda a, b: scipy.linalg.eigvalsh(a, b, lower=False), A, SPD),
    "eigvals": (lambda a: scipy.linalg.eigvals(a), A + 1j * A.T),
    "svd": (lambda a: scipy.linalg.svd(a, full_matrices=False), A[:, :3]),
    "svdvals": (lambda a: scipy.linalg.svdvals(a), A[:, :3]),
    "qr": (lambda a: scipy.linalg.qr(a, mode="economic"), A[:, :3]),
    "schur": (lambda a: scipy.linalg.schur(a), TURNING),
    "schur complex": (
        lambda a: tuple(np.abs(x) for x in scipy.linalg.schur(a, output="complex")),
        TURNING,
    ),
    "norm": (lambda a: scipy.linalg.norm(a, "nuc"), A),
    "pinv": (lambda a: scipy.linalg.pinv(a), A[:, :3]),
    "lu_solve": (lambda a, b: scipy.linalg.lu_solve(scipy.linalg.lu_factor(a), b), A[::-1], B),
    "lu_solve transposed": (
        lambda a, b: scipy.linalg.lu_solve(scipy.linalg.lu_factor(a), b, trans=1),
        *(A[::-1], B[:, 0]),
    ),
    "toeplitz": (lambda c, r: scipy.linalg.toeplitz(c, r), B[:, 0], B[:3, 1]),
    "toeplitz of one": (lambda c: scipy.linalg.toeplitz(c), B[:, 0]),
    "hankel": (lambda c, r: scipy.linalg.hankel(c, r), B[:, 0], B[:3, 1]),
    "hankel of one": (lambda c: scipy.linalg.hankel(c), B[:, 0]),
    "circulant": (lambda c: scipy.linalg.circulant(c), B[:, 0]),
    "companion": (lambda c: scipy.linalg.companion(c), A[0]),
    "khatri_rao": (lambda a, b: scipy.linalg.khatri_rao(a, b), A[:2, :2], B),
    "solve_toeplitz": (
        lambda c, b: scipy.linalg.solve_toeplitz((c, np.arange(4.0)), b),
        *(A[0] + 8.0 * (np.arange(4) == 0), B),
    ),
    "matmul_toeplitz": (lambda c, x: scipy.linalg.matmul_toeplitz(c, x), A[0], B),
    "solve_banded": (
        lambda ab, b: scipy.linalg.solve_banded((2, 1), ab, b),
        *(RNG.standard_normal((4, 5)), RNG.standard_normal((5, 2))),
    ),
    "solve_banded, one vector": (
        lambda ab, b: scipy.linalg.solve_banded((1, 0), ab, b),
        *(RNG.standard_normal((2, 2)) + 2, B[:2, 0]),
    ),
    "solveh_banded": (lambda ab, b: scipy.linalg.solveh_banded(ab, b), BANDS[::-1], B),
    "solveh_banded lower": (
        lambda ab, b: scipy.linalg.solveh_banded(ab, b, lower=True),
        *(BANDS, B[:, 0]),
    ),
}


FIRST_ORDER = (
    *("eigvals", "solve_banded", "solve_banded, one vector"),
    *("solveh_banded", "solveh_banded lower"),
)
"""Long derivations; second derivatives of band systems are compared with dense ones."""


def close(x, y):
    for left, right in zip(*(z if isinstance(z, tuple) else (z,) for z in (x, y)), strict=True):
        assert left.shape == right.shape and left.dtype == right.dtype
        np.testing.assert_allclose(left, right, 1e-11, 1e-12)


@pytest.mark.parametrize("name", CASES)
def test_values_are_scipys(name):
    f, *args = CASES[name]
    close(wg.jit(f)(*args), f(*args))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n in CASES if n not in ("conjugate", "expm", "expm_frechet")]
)
def test_derivatives(name):
    f, *args = CASES[name]
    check_grads(f, tuple(args), order=1 if name in FIRST_ORDER else 2)


def test_permutation_indices():
    found = wg.jit(lambda a: scipy.linalg.lu(a, p_indices=True))(A[::-1].copy())
    close(found, scipy.linalg.lu(A[::-1], p_indices=True))


def test_factors_are_scipys():
    for a in (A[::-1].copy(), np.ones((3, 3))):
        both, pivots = wg.jit(wg.linalg.lu_factor)(a)
        expected = scipy.linalg.lapack.dgetrf(a)
        np.testing.assert_allclose(both, expected[0], 1e-12, 1e-12)
        assert (pivots == expected[1]).all()
        assert pivots.dtype == np.int32
    check_grads(lambda a: scipy.linalg.lu_factor(a)[0], (A[::-1].copy(),))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(5, 2), (30, 9), (2, 5), (3, 9, 4), (2, 4, 9), (0, 3), (3, 0)])
def test_rows_of_lu_factors_that_are_not_square(shape):
    a = np.random.default_rng(3).standard_normal(shape)
    p, lower, upper = wg.jit(wg.linalg.lu)(a)
    close(p @ lower @ upper, a)
    assert lower.shape[-1] == upper.shape[-2] == min(shape[-2:])
    if a.size:
        found, expected = wg.jit(wg.linalg.lu_factor)(a), tuple(scipy.linalg.lu_factor(a))
        close(found, expected)
        assert found[1].dtype == expected[1].dtype


@pytest.mark.parametrize("kind", [np.ones, np.zeros])
def test_tall_matrices_of_dependent_columns_have_factors_without_derivative(kind):
    a = kind((4, 2))
    close(wg.jit(wg.linalg.lu)(a), scipy.linalg.lu(a))
    with pytest.raises(np.linalg.LinAlgError, match="a pivot of the matrix is 0"):
        wg.grad(lambda a: np.sum(wg.linalg.lu(a)[1]))(a)


def test_factors_that_are_not_square_solve_nothing():
    with pytest.raises(ValueError, match="are not those of a square matrix"):
        wg.jit(lambda a: wg.linalg.lu_solve(wg.linalg.lu_factor(a), a[:3, 0]))(TURNING[:, :3])


def test_batches_of_systems_are_their_systems():
    a, b = BATCH[:, ::-1].copy(), RNG.standard_normal((2, 3, 2))
    bands = RNG.standard_normal((2, 3, 5))
    sides = RNG.standard_normal((2, 5, 2))
    factored = wg.jit(lambda a, b: wg.linalg.lu_solve(wg.linalg.lu_factor(a), b))
    banded = wg.jit(lambda ab, b: wg.linalg.solve_banded((1, 1), ab, b))
    for whole, given in ((factored, (a, b)), (banded, (bands, sides))):
        expected = [whole(*(x[k] for x in given)) for k in range(2)]
        np.testing.assert_allclose(whole(*given), expected, 1e-12, 1e-12)
    close(wg.jit(wg.linalg.toeplitz)(b[..., 0]), np.stack([*map(scipy.linalg.toeplitz, b[..., 0])]))


@pytest.mark.slow
def test_long_tridiagonal_systems_take_no_matrix():
    n = 20_000
    bands, b = RNG.standard_normal((3, n)), RNG.standard_normal(n)
    parts = bands[2, :-1], bands[1], bands[0, 1:]
    close(wg.linalg.solve_tridiagonal(*parts, b), scipy.linalg.solve_banded((1, 1), bands, b))
    slope = wg.jit(wg.grad(lambda d: wg.linalg.solve_tridiagonal(parts[0], d, parts[2], b).sum()))
    x = scipy.linalg.solve_banded((1, 1), bands, b)
    across = np.stack([np.roll(bands[2], 1), bands[1], np.roll(bands[0], -1)])
    np.testing.assert_allclose(
        slope(parts[1]), -x * scipy.linalg.solve_banded((1, 1), across, np.ones(n)), 1e-6, 1e-6
    )


@pytest.mark.slow
def test_second_derivatives_of_band_systems_are_those_of_the_whole_matrix():
    lower, upper = np.diag([0.5, 2.0], -1), np.diag([3.0, -1.0], 1)
    parts, b = (np.array([0.5, 2.0]), np.array([3.0, -1.0])), B[:3, 0]
    banded = wg.hessian(
        lambda d: (wg.linalg.solve_tridiagonal(parts[0], d, parts[1], b) ** 2).sum()
    )
    dense = wg.hessian(lambda d: (np.linalg.solve(np.diag(d) + lower + upper, b) ** 2).sum())
    np.testing.assert_allclose(wg.jit(banded)(A[0, :3]), wg.jit(dense)(A[0, :3]), 1e-9, 1e-9)


@pytest.mark.slow
def test_block_tridiagonal_systems():
    lower, main, upper = (RNG.standard_normal((2, n, 2, 2)) for n in (3, 4, 3))
    main += 4 * np.eye(2)
    b = RNG.standard_normal((2, 4, 2, 3))
    whole = np.zeros((2, 4, 2, 4, 2))
    for k in range(4):
        whole[:, k, :, k] = main[:, k]
    for k in range(3):
        whole[:, k + 1, :, k] = lower[:, k]
        whole[:, k, :, k + 1] = upper[:, k]
    found = wg.linalg.solve_block_tridiagonal(lower, main, upper, b)
    np.testing.assert_allclose(whole.reshape(2, 8, 8) @ found.reshape(2, 8, 3), b.reshape(2, 8, 3))
    one = wg.linalg.solve_block_tridiagonal(lower[0], main[0], upper[0], b[0, :, :, 0])
    np.testing.assert_allclose(one, found[0, :, :, 0])
    check_grads(wg.linalg.solve_block_tridiagonal, (lower, main, upper, b), order=1)


def test_names_in_the_namespace():
    close(wg.jit(wg.linalg.solve_triangular)(A, B), scipy.linalg.solve_triangular(A, B))
    close(wg.linalg.cholesky(SPD), scipy.linalg.cholesky(SPD))


@pytest.mark.slow
def test_schur_forms():
    """Of small and large matrices, of batches, in single precision; their second derivatives."""
    for a in (TURNING, np.stack([TURNING, TURNING.T]), RNG.standard_normal((90, 90)), A + 1j * A.T):
        t, z = wg.jit(wg.linalg.schur)(a)
        for kind in (a.dtype, np.float32 if a.dtype == float else np.complex64):
            narrow = wg.jit(wg.linalg.schur)(a.astype(kind))
            assert all(x.dtype == kind for x in narrow)
            size = len(a) * np.finfo(kind).eps * 20
            rebuilt = narrow[1] @ narrow[0] @ np.swapaxes(narrow[1], -1, -2).conj()
            np.testing.assert_allclose(
                rebuilt, a, rtol=0, atol=size * np.linalg.norm(a, 2, (-2, -1)).max()
            )
        assert not np.tril(t, -2).any()
        np.testing.assert_allclose(
            z @ np.swapaxes(z, -1, -2).conj(), np.eye(a.shape[-1]) + 0 * a, atol=1e-12
        )
    check_grads(lambda a: scipy.linalg.schur(a), (TURNING[:4, :4],), order=2, atol=1e-3, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("a", "says"),
    [(np.eye(3), "equal eigenvalues"), (np.array([[1.0, 2.0], [-2.0, 1.0]]), "normal block")],
)
def test_schur_forms_without_derivatives(a, says):
    total = lambda a: np.sum(scipy.linalg.schur(a)[0] ** 2)  # noqa: E731
    np.testing.assert_allclose(wg.jit(total)(a), total(a))
    with pytest.raises(np.linalg.LinAlgError, match=says):
        wg.jit(wg.grad(total))(a)


def test_errors():
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        wg.jit(wg.linalg.solve_triangular)(np.ones((2, 2)) - np.eye(2), np.ones(2))
    with pytest.raises(ArgumentError, match="trans"):
        wg.jit(lambda a, b: wg.linalg.solve_triangular(a, b, trans="X"))(A, B)
    with pytest.raises(ArgumentError, match="assume_a"):
        wg.jit(lambda a, b: wg.linalg.solve(a, b, assume_a="pos"))(SPD, B)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        wg.jit(lambda ab, b: wg.linalg.solve_banded((1, 1), ab, b))(np.zeros((3, 4)), B)
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        wg.jit(wg.linalg.solveh_banded)(-BANDS[::-1], B)
    with pytest.raises(ValueError, match="takes 3 diagonals"):
        wg.jit(lambda ab, b: wg.linalg.solve_banded((1, 1), ab, b))(BANDS[:2], B)
    with pytest.raises(ValueError, match="n - 1 blocks"):
        wg.linalg.solve_block_tridiagonal(BATCH, BATCH, BATCH, B)
    with pytest.raises(ArgumentError, match="subset_by_index"):
        wg.jit(lambda a: scipy.linalg.eigh(a, subset_by_index=[0, 1]))(SPD)
    with pytest.raises(ArgumentError, match="pivoting"):
        wg.jit(lambda a: scipy.linalg.qr(a, pivoting=True))(A)
    with pytest.raises(ArgumentError, match="sort"):
        wg.jit(lambda a: scipy.linalg.schur(a, sort="lhp"))(A)
    with pytest.raises(ValueError, match="do not fit"):
        wg.jit(wg.linalg.solve_triangular)(A, np.ones(3))
