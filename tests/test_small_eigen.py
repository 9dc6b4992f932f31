"""Small symmetric matrices in wengert's own loops: NumPy's results, signs of vectors included."""

import math

import numpy as np
import pytest

import wengert as wg
from wengert.backends.cpu import small_eigen

COUNT = 200
native = wg.jit(np.linalg.eigh)


def drawn(kind, n, count=COUNT):
    """Symmetric matrices whose vectors' signs no rounding error decides."""
    s = np.random.default_rng(n).standard_normal((count, n, n))
    s = s + np.swapaxes(s, 1, 2)
    near = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return {
        "normal": s,
        "definite": s @ s + np.eye(n),
        "diagonal": s * (near == 0),
        "tridiagonal": s * (near < 2),
        "tiny": s * 1e-160,
        "huge": s * 1e160,
    }[kind]


def check(a, values, vectors):
    """Small residuals, orthonormal vectors, NumPy's signs where values are apart."""
    n, rounding = a.shape[-1], np.finfo(a.dtype).eps
    size = np.abs(a).max()
    limit = 10 * n * rounding
    assert np.abs(a / size @ vectors - vectors * (values / size)[:, None, :]).max() < limit
    assert np.abs(np.swapaxes(vectors, 1, 2) @ vectors - np.eye(n)).max() < limit
    assert (np.diff(values) >= 0).all()
    if a.dtype == np.float64:
        expected, others = np.linalg.eigh(a)
        gaps = np.abs(expected[:, :, None] - expected[:, None, :]) / size + np.eye(n)
        sure = gaps.min(axis=2) > 1e-10
        assert (((vectors * others).sum(axis=1) > 0.9) | ~sure).all()
        assert sure.mean() > 0.9


@pytest.mark.parametrize("kind", ["normal", "definite", "diagonal", "tridiagonal", "tiny", "huge"])
def test_native_loops_give_numpys_vectors(kind):
    for n in (1, 2, 3, 4, 5, 8, 12, small_eigen.LARGEST, small_eigen.LARGEST + 1):
        a = drawn(kind, n, 20 if n > 12 else COUNT)
        check(a, *native(a))


def test_single_precision():
    for kind in ("normal", "tridiagonal"):
        for factor in (1, 1e-20, 1e20):
            a = (drawn(kind, 6) * factor).astype(np.float32)
            check(a, *native(a))


def test_widely_graded_matrices_in_single_precision_have_orthonormal_vectors():
    for n in (3, 8):
        scale = 10.0 ** np.linspace(-16, 0, n)
        a = drawn("normal", n)
        for each in (scale, scale[::-1]):
            graded = (a * each[:, None] * each).astype(np.float32)
            check(graded, *native(graded))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_same_loops_in_python(n):
    found = []
    a = drawn("normal", n, 10)
    for each in a:
        v, d, e, t = [0.0] * n**2, [0.0] * n, [0.0] * n, [0.0] * n
        limits = small_eigen.limits(np.dtype(float))
        small_eigen.eigh(list(each.ravel()), v, d, e, t, *limits, n)
        found.append((d, np.reshape(v, (n, n)).T))
    check(a, *(np.array(x) for x in zip(*found, strict=True)))


def test_one_matrix_and_a_batch_have_the_same_bits():
    a = drawn("normal", 4)
    for both, one in zip(native(a), native(a[7]), strict=True):
        assert (both[7] == one).all()


def test_zeros_and_what_is_not_finite():
    values, vectors = native(np.zeros((4, 4)))
    assert (values == 0).all() and (vectors == np.eye(4)).all()
    for bad in (math.nan, math.inf):
        a = np.eye(4)
        a[2, 1] = bad
        assert all(np.isnan(x).all() for x in native(a))
