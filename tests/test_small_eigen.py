"""Small symmetric matrices in wengert's own loops: NumPy's results, signs of vectors included."""

import math

import numpy as np
import pytest

import wengert as wg
from wengert.backends.cpu.routines import lane_eigen, small_eigen
from wengert.kernels.staging.library import SMALL
from wengert.tracer.functions.operands import wrapped
from wengert.tracer.lift import lift

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
    """Small residuals, orthonormal vectors, NumPy's signs where values are apart.

    Whether a sweep has left nothing of an element can hang on a rounding error, and a sign with it:
    in one of ten thousand vectors. A wrong rule would turn many.
    """
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
        turned = ((vectors * others).sum(axis=1) <= 0.9) & sure
        assert turned.sum() <= 0.002 * turned.size
        assert sure.mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["normal", "definite", "diagonal", "tridiagonal", "tiny", "huge"])
def test_native_loops_give_numpys_vectors(kind):
    for n in (1, 2, 3, 4, 5, 8, 12, lane_eigen.DIVIDED - 1, lane_eigen.DIVIDED, SMALL, SMALL + 1):
        a = drawn(kind, n, 20 if n > 12 else COUNT)
        check(a, *native(a))
        if n == 3:
            check(a, *(np.array(x) for x in zip(*map(native, a), strict=True)))


def test_single_matrices_of_the_largest_size():
    a = drawn("normal", small_eigen.LARGEST, 10)
    check(a, *(np.array(x) for x in zip(*map(native, a), strict=True)))


def test_a_batch_has_the_values_of_its_matrices_alone():
    a = drawn("definite", 9, 21)
    values = wg.jit(np.linalg.eigvalsh)(a)
    assert np.abs(values - np.linalg.eigvalsh(a)).max() < 1e-13 * np.abs(a).max() * 9


def test_blocks_of_several_sizes_side_by_side():
    """Lanes cut their matrices at different rows, and go through them in both directions."""
    for n, most in ((9, 9), (30, 30), (32, 7)):
        a = drawn("normal", n, 40)
        for each, at in zip(a, np.random.default_rng(n).integers(1, most, 40), strict=True):
            each[:at, at:] = 0.0
            each[at:, :at] = 0.0
        check(a, *native(a))


@pytest.mark.slow
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


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_loops_over_lanes_in_python(n):
    found = []
    a = drawn("normal", n, 10)
    wide = lane_eigen.row_length(n)
    for each in a:
        out, work = np.zeros(n * n + n + 1), np.zeros(lane_eigen.room(n))
        words = np.zeros(lane_eigen.words(n, 1), int)
        limits = small_eigen.limits(np.dtype(float))
        sizes = (n, wide, lane_eigen.DIVIDED, 1, 1, 1, lane_eigen.KEPT)
        with np.errstate(all="ignore"):  # lanes that have nothing to do may divide by 0
            lane_eigen.syevd(each.ravel(), out, work, work, words, *limits, *sizes)
        found.append((out[n * n : -1], np.reshape(out[: n * n], (n, n)).T))
    check(a, *(np.array(x) for x in zip(*found, strict=True)))


def test_bits_do_not_depend_on_the_place_in_the_batch():
    for n in (4, 27):
        a = drawn("normal", n, 37)
        values, vectors = native(a)
        for first in (2, 5):  # other lanes, other neighbours, fewer matrices in the last ones
            others = native(a[first:])
            assert (others[0] == values[first:]).all()
            assert (others[1] == vectors[first:]).all()


def test_zeros_and_what_is_not_finite():
    values, vectors = native(np.zeros((4, 4)))
    assert (values == 0).all() and (vectors == np.eye(4)).all()
    unchecked = wg.jit(lambda a: tuple([wrapped(x) for x in lift(a).eigh()]))
    for bad in (math.nan, math.inf):
        a = np.eye(4)
        a[2, 1] = bad
        with pytest.raises(np.linalg.LinAlgError, match="did not converge"):
            native(a)
        assert all(np.isnan(x).all() for x in unchecked(a))
        several = drawn("normal", 4, 9)
        expected = native(several)
        several[3] = a
        for found, others in zip(unchecked(several), expected, strict=True):
            assert np.isnan(found[3]).all()
            assert (np.delete(found, 3, axis=0) == np.delete(others, 3, axis=0)).all()
