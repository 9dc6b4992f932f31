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

CASES = {
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
    "block_diag": (lambda a, b: scipy.linalg.block_diag(a, b, np.ones((1, 2))), A, B[:, 0]),
    "solve": (lambda a, b: scipy.linalg.solve(a, b), A, B),
    "solve transposed": (lambda a, b: scipy.linalg.solve(a, b, transposed=True), A, B[:, 0]),
    "inv": (lambda a: scipy.linalg.inv(a), BATCH),
    "det": (lambda a: scipy.linalg.det(a, check_finite=False), BATCH),
    "expm": (lambda a: scipy.linalg.expm(a), A / 8),
}


def close(x, y):
    for left, right in zip(*(z if isinstance(z, tuple) else (z,) for z in (x, y)), strict=True):
        assert left.shape == right.shape and left.dtype == right.dtype
        np.testing.assert_allclose(left, right, 1e-11, 1e-12)


@pytest.mark.parametrize("name", CASES)
def test_values_are_scipys(name):
    f, *args = CASES[name]
    close(wg.jit(f)(*args), f(*args))


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("conjugate", "expm")])
def test_derivatives(name):
    f, *args = CASES[name]
    check_grads(f, tuple(args), order=2)


def test_permutation_indices():
    found = wg.jit(lambda a: scipy.linalg.lu(a, p_indices=True))(A[::-1].copy())
    close(found, scipy.linalg.lu(A[::-1], p_indices=True))


def test_names_in_the_namespace():
    close(wg.jit(wg.linalg.solve_triangular)(A, B), scipy.linalg.solve_triangular(A, B))
    close(wg.linalg.cholesky(SPD), scipy.linalg.cholesky(SPD))


def test_errors():
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        wg.jit(wg.linalg.solve_triangular)(np.ones((2, 2)) - np.eye(2), np.ones(2))
    with pytest.raises(ArgumentError, match="trans"):
        wg.jit(lambda a, b: wg.linalg.solve_triangular(a, b, trans="X"))(A, B)
    with pytest.raises(ArgumentError, match="assume_a"):
        wg.jit(lambda a, b: wg.linalg.solve(a, b, assume_a="pos"))(SPD, B)
    with pytest.raises(ValueError, match="do not fit"):
        wg.jit(wg.linalg.solve_triangular)(A, np.ones(3))
