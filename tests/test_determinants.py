"""Derivatives of determinants at any matrix, against sums over minors and other forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import SingularMatrixError


def cofactors(a: np.ndarray) -> np.ndarray:
    """By the determinants of what is left without a row and a column."""
    found = np.ones_like(a)
    for i, j in np.ndindex(a.shape):
        minor = np.delete(np.delete(a, i, 0), j, 1)
        found[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return found


def second(a: np.ndarray) -> np.ndarray:
    """The cofactors of those matrices."""
    n = len(a)
    found = np.zeros((n, n, n, n), a.dtype)
    for i, j in np.ndindex(a.shape):
        rows, columns = (np.delete(np.arange(n), k) for k in (i, j))
        minor = cofactors(a[np.ix_(rows, columns)])
        found[i, j][np.ix_(rows, columns)] = (-1) ** (i + j) * minor
    return found


def of_rank(n: int, rank: int, kind: type = float) -> np.ndarray:
    rng = np.random.default_rng(10 * n + rank)
    a, b = rng.standard_normal((2, n, rank))
    return ((a + 1j * b) if kind is complex else a) @ b.T


MATRICES = [(n, rank) for n in (1, 2, 3, 4, 5, 7) for rank in range(max(0, n - 3), n + 1)]


@pytest.mark.parametrize(("n", "rank"), MATRICES)
def test_slopes_and_curvatures_at_matrices_of_any_rank(n: int, rank: int) -> None:
    a = of_rank(n, rank)
    slopes, curvatures = cofactors(a), second(a)
    for found in (wg.grad(np.linalg.det), wg.jacfwd(np.linalg.det)):
        np.testing.assert_allclose(found(a), slopes, atol=1e-10 * (1 + abs(slopes).max()))
    for bent in (wg.hessian(np.linalg.det), wg.jacrev(wg.grad(np.linalg.det))):
        np.testing.assert_allclose(bent(a), curvatures, atol=1e-9 * (1 + abs(curvatures).max()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_batches_of_matrices_of_all_ranks(dtype: Any) -> None:
    stack = np.stack([of_rank(5, rank) for rank in (0, 2, 3, 4, 5)])
    tolerance = 1e-10 if dtype == np.float64 else 1e-3
    whole = wg.jit(wg.grad(lambda a: np.sum(np.linalg.det(a))))(stack.astype(dtype))
    each = wg.jit(wg.vmap(wg.grad(np.linalg.det)))(stack.astype(dtype))
    bent = wg.jit(wg.vmap(wg.hessian(np.linalg.det)))(stack.astype(dtype))
    assert whole.dtype == each.dtype == bent.dtype == dtype
    expected = np.stack([cofactors(a) for a in stack])
    for found in (whole, each):
        np.testing.assert_allclose(found, expected, atol=tolerance * abs(expected).max())
    expected = np.stack([second(a) for a in stack])
    np.testing.assert_allclose(bent, expected, atol=10 * tolerance * abs(expected).max())


@pytest.mark.parametrize(("n", "rank"), [(3, 2), (6, 4), (6, 5), (6, 6)])
def test_complex_matrices(n: int, rank: int) -> None:
    a, e = of_rank(n, rank, complex), of_rank(n, n, complex)
    slope = wg.jit(lambda a: wg.jvp(np.linalg.det, (a,), (e,))[1])
    np.testing.assert_allclose(slope(a), np.sum(cofactors(a) * e), rtol=1e-8, atol=1e-9)
    bend = wg.jvp(slope, (a,), (e,))[1]
    np.testing.assert_allclose(bend, np.einsum("ijkl,ij,kl", second(a), e, e), rtol=1e-7, atol=1e-9)


def test_third_derivatives() -> None:
    """Of matrices that are not singular, or small ones, against differences of the second."""
    directions = of_rank(5, 5)

    def third(a: np.ndarray) -> Any:
        v = directions[: len(a), : len(a)]
        return wg.grad(lambda a: np.sum(v * wg.hvp(np.linalg.det, (a,), (v,))))(a)

    for a in (of_rank(5, 5), of_rank(4, 1), np.zeros((3, 3))):
        n, step = len(a), 1e-4
        v = directions[:n, :n]
        slope = np.zeros((n, n))
        for i, j in np.ndindex(n, n):
            moved = step * np.outer(np.eye(n)[i], np.eye(n)[j])
            difference = second(a + moved) - second(a - moved)
            slope[i, j] = np.einsum("ijkl,ij,kl->", difference, v, v) / (2 * step)
        np.testing.assert_allclose(third(a), slope, rtol=1e-5, atol=1e-6)
    with pytest.raises(SingularMatrixError, match="no larger than 4 by 4"):
        third(np.zeros((5, 5)))


def test_a_cotangent_of_zero_wins_over_infinite_slopes_of_the_logarithm() -> None:
    stack = np.stack([of_rank(5, 4) * [1, 1, 1, 1, 0], of_rank(5, 5)])

    def total(a: Any) -> Any:
        return np.sum(np.where(np.linalg.det(a) != 0, np.linalg.slogdet(a)[1], 0.0))

    slopes = wg.jit(wg.grad(total))(stack)
    np.testing.assert_array_equal(slopes[0], 0)
    np.testing.assert_allclose(slopes[1], np.linalg.inv(stack[1]).T)
