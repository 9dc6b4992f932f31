"""Small factorisations in wengert's own loops: what LAPACK gives, whatever stands beside them."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest
import scipy.linalg

import wengert as wg
from wengert.backends.cpu import libraries, machine
from wengert.backends.cpu.llvm.library import emit_object
from wengert.backends.cpu.load import load
from wengert.backends.cpu.routines import small_factors
from wengert.ir.passes.pipeline import real_pipeline
from wengert.kernels.interpret import interpret
from wengert.kernels.loops import If
from wengert.kernels.lower import lower
from wengert.kernels.staging.library import SMALL
from wengert.kernels.statements import walk

native_cholesky = wg.jit(np.linalg.cholesky)
native_solve = wg.jit(np.linalg.solve)


def drawn(count, n, columns, dtype):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((count, n, n)).astype(dtype)
    return a, rng.standard_normal((count, n, columns)).astype(dtype)


def positive(a):
    return a @ np.swapaxes(a, 1, 2) + a.shape[-1] * np.eye(a.shape[-1], dtype=a.dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_native_loops_give_numpys_factors_and_solutions(dtype):
    rounding = np.finfo(dtype).eps
    for n, columns in ((9, 17), (16, 1), (SMALL, 8), (SMALL + 1, 2)):
        a, b = drawn(19, n, columns, dtype)
        root, expected = native_cholesky(positive(a)), np.linalg.cholesky(positive(a))
        assert np.abs(root - expected).max() < 20 * n * rounding * np.abs(expected).max()
        x = native_solve(a, b)
        size = np.abs(a).max() * np.abs(x).max()
        assert np.abs(a @ x - b).max() < 20 * n * rounding * size


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_bits_do_not_depend_on_the_place_in_the_batch(dtype):
    a, b = drawn(37, 9, 3, dtype)
    root, x = native_cholesky(positive(a)), native_solve(a, b)
    for first in (1, 5):  # other lanes, other groups, and fewer matrices in the last one
        assert (native_cholesky(positive(a)[first:]) == root[first:]).all()
        assert (native_solve(a[first:], b[first:]) == x[first:]).all()


def test_a_neighbour_that_is_not_finite_spoils_nothing():
    a, b = drawn(16, 9, 3, np.float64)
    x = native_solve(a, b)
    spoilt = a.copy()
    spoilt[3] = np.nan
    found = native_solve(spoilt, b)
    others = np.arange(16) != 3
    assert (found[others] == x[others]).all()
    assert np.isnan(found[3]).all()


@pytest.mark.parametrize("at", [0, 8, 18])
def test_one_matrix_without_a_factor_fails_the_call(at):
    a = positive(drawn(19, 8, 1, np.float64)[0])
    a[at, 5, 5] = -1.0
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        native_cholesky(a)
    a[at] = np.outer(np.arange(8), np.arange(8))
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        native_solve(a, a)


def test_pivots_whose_inverse_overflows():
    tiny = np.finfo(float).tiny / 4
    a = np.eye(9) + np.triu(np.ones((9, 9)), 1)
    a[:, 0] = tiny * np.arange(1, 10)
    x = native_solve(a[None], np.eye(9)[None])[0]
    assert not np.isnan(x).any()


@pytest.mark.parametrize("n", [1, 5, 8])
def test_the_same_loops_in_python(n):
    a, b = (x[0] for x in drawn(1, n, 3, np.float64))
    out = np.zeros(n * n + 2 * n + 2)  # parts of it are views
    work = [0.0] * ((n + 1) * n)  # rows of a single lane
    sizes = (n, n, n)
    small_factors.getrf(list(a.T.ravel()), out, work, work, np.finfo(float).tiny, *sizes)
    both = np.reshape(out[: n * n], (n, n)).T
    order, inverse = (np.array(out[n * n + k * n :][:n], int) for k in (0, 1))
    lower = np.tril(both, -1) + np.eye(n)
    np.testing.assert_allclose(lower @ np.triu(both), a[order], atol=1e-14)
    assert (order[inverse] == np.arange(n)).all()
    expected = scipy.linalg.lu_factor(a)[1]
    sign = (-1.0) ** (expected != np.arange(n)).sum()
    assert out[n * n + 2 * n :].tolist() == [sign, 0.0]
    whole = positive(a[None])[0]
    found, room = [0.0] * (n * n + 1), [0.0] * (n * n + 1)
    small_factors.potrf(list(whole.ravel()), found, room, n, 1, 1)
    np.testing.assert_allclose(np.tril(np.reshape(found[:-1], (n, n))), np.linalg.cholesky(whole))
    assert found[-1] == 0.0
    a += n * np.eye(n)
    for lower, transpose, unit in ((1, 0, 0), (0, 0, 1), (1, 1, 1), (0, 1, 0)):
        x = np.zeros(3 * n)
        order = small_factors.substitution(n, bool(lower), bool(transpose))
        given = (a.ravel(), b.ravel(), x, [0.0] * n, *order, unit, n, 3, 3, 1)
        small_factors.trsm(*given)
        flags = {"lower": bool(lower), "trans": transpose, "unit_diagonal": bool(unit)}
        expected = scipy.linalg.solve_triangular(a, b, **flags)
        np.testing.assert_allclose(x.reshape(n, 3), expected, rtol=1e-10)


def test_the_first_column_without_a_pivot_is_the_status():
    a, out, work = np.ones((3, 3)), np.zeros(17), [0.0] * 12
    small_factors.getrf(list(a.ravel()), out, work, work, 1e-300, 3, 3, 3)
    assert out[-1] == 2.0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.dtype("f8"), np.dtype("f4")])
def test_machines_without_wide_vectors(dtype):
    """The same text for the first CPUs of 64 bits gives the same factors."""
    n, lanes, name = 9, small_factors.lanes(dtype), small_factors.name("potrf", dtype)
    machine.target()  # initialises LLVM
    plain = llvm.Target.from_triple(llvm.get_default_triple()).create_target_machine(
        cpu="x86-64" if "x86" in llvm.get_default_triple() else "", reloc="pic", codemodel="small"
    )
    module = llvm.parse_assembly(small_factors.texts(name, dtype)[0], llvm.create_context())
    module.triple, module.data_layout = llvm.get_default_triple(), str(plain.target_data)
    addresses, code = load([emit_object(plain, module)], [name], libraries.resolve)
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 3)
    a = positive(drawn(5, n, 1, dtype)[0])
    out = np.zeros((5, n * n + 1), dtype)
    room = np.zeros((n * n + 2) * lanes, dtype)
    at = room.ctypes.data + -room.ctypes.data % 64
    function(addresses[name])(a.ctypes.data, out.ctypes.data, at, n, 5, lanes)
    assert code is not None
    assert (out[:, -1] == 0).all()
    root = np.tril(out[:, :-1].reshape(5, n, n))
    assert np.abs(root - native_cholesky(a)).max() < 100 * np.finfo(dtype).eps


def triangular_systems(a, b):
    x = scipy.linalg.solve_triangular(a, b, lower=True)
    return x, scipy.linalg.solve_triangular(a / 2, b, trans=1, unit_diagonal=True)


def check_systems(solve, n, columns, dtype):
    rng = np.random.default_rng(n)
    a = (0.1 * rng.standard_normal((n, n)) + 2 * np.eye(n)).astype(dtype)
    b = rng.standard_normal((n, columns)).astype(dtype)
    for found, expected in zip(solve(a, b), triangular_systems(a, b), strict=True):
        limit = n * np.finfo(dtype).eps * np.abs(expected).max()
        assert np.abs(np.reshape(found, expected.shape) - expected).max() < limit


@pytest.mark.parametrize(
    ("n", "columns", "dtype"),
    [(40, 1, np.float64), (150, 203, np.float64), (200, 256, np.float32), (513, 9, np.float64)],
)
def test_triangular_systems_in_strips_of_right_hand_sides(n, columns, dtype):
    """Shares of whole vectors, with and without a shorter one; LAPACK where there are more rows."""
    check_systems(wg.jit(triangular_systems), n, columns, dtype)


@pytest.mark.slow
def test_strips_mean_the_same_to_the_interpreter():
    def solve(a, b):
        lowered = lower(real_pipeline(wg.make_ir(triangular_systems)(a, b).program))
        assert any(isinstance(st, If) for step in lowered.loops.steps for st in walk(step.body))
        return interpret(lowered.loops, [a, b], lowered.constants)

    check_systems(solve, 150, 203, np.float64)


def test_a_solution_does_not_take_the_place_of_its_matrix():
    """Strips are chosen by a condition, inside which a call reads a matrix for the last time."""
    rng = np.random.default_rng(0)
    a, b = 0.1 * rng.standard_normal((200, 200)) + 2 * np.eye(200), rng.standard_normal((200, 200))

    def fun(a, b):
        return scipy.linalg.solve_triangular(a + a, b + b, lower=True) @ b

    np.testing.assert_allclose(wg.jit(fun)(a, b), fun(a, b), rtol=1e-10, atol=1e-10)
