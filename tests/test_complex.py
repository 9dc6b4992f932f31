"""Complex numbers: traced programs against NumPy, derivatives against differences, errors."""

from __future__ import annotations

import cmath
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors
from wengert.ir.builder import Builder
from wengert.ir.op import REGISTRY
from wengert.ir.parser import parse
from wengert.ir.passes.parts import complex_as_parts, has_complex, interleaved
from wengert.ir.passes.pipeline import default_pipeline
from wengert.ir.program import Program, equations
from wengert.ir.text import to_text
from wengert.ir.types import COMPLEX64, COMPLEX128, TensorType, real_dtype
from wengert.ir.verify import verify

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)


def drawn(*shape: int) -> Array:
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


Z, W, M, X = drawn(4, 5), drawn(4, 5), drawn(5, 3), RNG.standard_normal((4, 5))


def same(found: Any, wanted: Any, tolerance: float | None = None) -> None:
    """Equal structure, dtypes and shapes, and numbers to a tolerance that their dtype allows."""
    if isinstance(wanted, (tuple, list)):
        for x, y in zip(found, wanted, strict=True):
            same(x, y, tolerance)
        return
    x, y = np.asarray(found), np.asarray(wanted)
    assert (x.dtype, x.shape) == (y.dtype, y.shape)
    if tolerance is None:
        tolerance = 1e-3 if y.dtype in (np.complex64, np.float32) else 1e-11
    np.testing.assert_allclose(x, y, tolerance, tolerance)


# functions


def horner(z: Array) -> Any:
    total = 0j
    for i in range(z.shape[0]):
        total = total * z[i, 0] + z[i, 1]
    return total


def filled(z: Array) -> Any:
    out = np.zeros(z.shape[1], dtype=complex)
    for i in range(z.shape[0]):
        out += z[i] * 1j
        out[i] = np.exp(out[i])
    return out


def escape(z: Array) -> Any:
    c, a, n = z[0, 0] / 4, 0j, 0
    while abs(a) < 2 and n < 100:
        a = a * a + c
        n += 1
    return a, n


def assigned_parts(z: Array) -> Any:
    y = z.copy()
    y.real[0] = 2.0
    y.imag = 3.0
    y.real *= 2
    row = y.real[1]
    row[:2] = 7.0
    return y


FUNCTIONS: dict[str, Callable[[Array, Array], Any]] = {
    "arithmetic": lambda z, w: ((z + w) * z - w / z, -z, z * 2, 1 / w, z * X[0], 2j - z),
    "conjugate": lambda z, w: (np.conj(z) * w.conj(), z.conjugate()),
    "size and angle": lambda z, w: (np.abs(z), np.angle(w), abs(w), np.angle(w, deg=True)),
    "exponentials": lambda z, w: (np.exp(z), np.exp2(w), np.expm1(z)),
    "logarithms": lambda z, w: (np.log(z), np.log2(w), np.log10(z), np.log1p(w)),
    "circular": lambda z, w: (np.sin(z), np.cos(w), np.tan(z)),
    "hyperbolic": lambda z, w: (np.sinh(z), np.cosh(w), np.tanh(z)),
    "inverses": lambda z, w: (
        *(np.arcsin(z), np.arccos(w), np.arctan(z)),
        *(np.arcsinh(z), np.arccosh(w), np.arctanh(z)),
    ),
    "powers": lambda z, w: (z**2, z**3, w**-1, w**-4, z**w, z**0.5, 2**z, z**2.5, z**7, np.sqrt(z)),
    "comparisons": lambda z, w: (z == w, z != w, np.isfinite(z), np.isnan(z), np.isclose(z, w)),
    "where": lambda z, w: np.where(z.real > 0, z, w),
    "sums": lambda z, w: (z.sum(), z.mean(1), np.cumsum(z, 1), np.sum(w, axis=(0, 1))),
    "products": lambda z, w: (z.prod(0), np.prod(w), np.cumprod(w, 1), np.prod(z[:0], axis=0)),
    "spread": lambda z, w: (z.var(), np.std(z, axis=0)),
    "matmul": lambda z, w: (z @ M, np.dot(z, M), z @ X.T, np.einsum("ij,kj->ik", z, w)),
    "inner products": lambda z, w: (np.vdot(z, w), np.inner(z, w), np.tensordot(z, w, 2)),
    "systems": lambda z, w: (np.linalg.solve(z[:, :4], w), np.linalg.inv(w[:, 1:])),
    "conjugating products": lambda z, w: (np.vecdot(z, w), np.vecmat(z, w.T), np.matvec(z, w)),
    "sequences": lambda z, w: (
        np.convolve(z[0], w[0]),
        np.correlate(z[0], w[0, :3]),
        np.correlate(z[0, :2], w[0], "full"),
        np.polyval(z[0], w[0]),
        np.linspace(z[0, 0], w[1, 1], 5),
        np.geomspace(z, w, 4),
    ),
    "statistics": lambda z, w: (
        *(np.cov(z), np.corrcoef(w), np.average(z, 0, np.arange(4.0)), np.nanmean(z)),
        *(np.nansum(z), np.nan_to_num(w), np.sinc(z), np.diff(z), np.trapezoid(z)),
    ),
    "norms": lambda z, w: (np.linalg.norm(z), np.linalg.norm(w, axis=1), np.linalg.norm(z, 1, 1)),
    "shapes": lambda z, w: (z.reshape(-1)[::2], z.T, np.flip(z, 0), np.broadcast_to(z[0], (2, 5))),
    "joining": lambda z, w: (np.concatenate([z, w]), np.stack([z, w]), np.pad(z, 1)),
    "indexing": lambda z, w: (z[[0, 2, 1]], z[1:, ::2], z[2, 3], np.take(w, [1, 0], 1)),
    "conversion": lambda z, w: (X.astype(complex), z.astype(np.complex64), z.astype(bool), X * 1j),
    "promotion": lambda z, w: (X.astype(np.float32) * 1j, X.astype(np.float32) * z, 1j * X, z + 1),
    "integers": lambda z, w: (z * np.arange(5), z * np.arange(5, dtype=np.int8)),
    "parts": lambda z, w: (z.real, z.imag, np.real(z), np.imag(w), X.real),
    "questions": lambda z, w: (np.iscomplex(z), np.isreal(w), np.iscomplexobj(z), np.isrealobj(w)),
    "rounding": lambda z, w: (np.sign(z), np.reciprocal(z), np.square(z), np.round(z, 1)),
    "making": lambda z, w: (complex(z[0, 0].real, 2), np.array([z[0, 0], 1]), np.full(3, z[0, 1])),
    "horner": lambda z, w: horner(z),
    "filled": lambda z, w: filled(z),
    "escape": lambda z, w: escape(z),
    "assigned parts": lambda z, w: assigned_parts(z),
}


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_give_what_numpy_gives(name: str, backend: str) -> None:
    f = FUNCTIONS[name]
    for dtype in (np.complex128, np.complex64):
        z, w = Z.astype(dtype), W.astype(dtype)
        same(wg.jit(f, backend=backend)(z, w), f(z, w))


def test_parts_of_an_array_are_views_of_it() -> None:
    def f(z: Array) -> Array:
        np.real(z)[0] = 5.0
        z.imag[1:] += 1.0
        return z * 2

    z, expected = drawn(3), None
    expected = z.copy()
    f(expected)
    same(wg.jit(f)(z.copy()), f(z.copy()))
    changed = z.copy()
    wg.jit(f)(changed)
    same(changed, expected)


def test_numbers_go_in_and_out() -> None:
    f = wg.jit(lambda z, x: (z * z, x * z))
    for z in (1 + 2j, np.complex128(2 - 1j), np.complex64(1j)):
        same(f(z, 0.5), (z * z, np.asarray(0.5 * z, np.result_type(z, 0.5))[()]))
    assert isinstance(wg.jit(lambda z: z * 2)(1j), np.complex128)
    singles = wg.jit(lambda z: z * 1j)(np.ones(2, np.complex64))
    assert singles.dtype == np.complex64


def test_other_memory_layouts_of_arguments() -> None:
    f = wg.jit(lambda z: z * 1j + z.conj())
    for z in (Z.T, Z[::2, ::-1], Z.astype(">c16"), np.asfortranarray(Z)):
        same(f(z), (z * 1j + z.conj()).astype(complex))


def test_donated_arguments() -> None:
    f = wg.jit(lambda z: z * (1 + 1j), donate_argnums=0)
    same(f(Z.copy()), Z * (1 + 1j))


SPECIAL = [complex(x, y) for x in (0.0, -0.0, 2.0, -2.0) for y in (0.0, -0.0, 3.0, -3.0)]


@pytest.mark.parametrize(
    "f",
    [np.sqrt, np.log, np.angle, np.sinh, np.abs, np.arcsin, np.arccos, np.arccosh],
    ids=lambda f: f.__name__,
)
def test_branch_cuts_and_signs_of_zeros(f: Any) -> None:
    z = np.array(SPECIAL)
    with np.errstate(all="ignore"):
        found, wanted = wg.jit(f)(z), f(z)
    same(found, wanted)
    for part in ("real", "imag"):
        x, y = getattr(found, part), getattr(wanted, part)
        zero = y == 0
        np.testing.assert_array_equal(np.signbit(x[zero]), np.signbit(y[zero]))


def test_quotients_by_zero_and_of_large_numbers() -> None:
    z = np.array([1 + 1j, 1e300 + 1e300j, 0j, 3j, 1e-300 + 1e-300j])
    w = np.array([0j, 1e300 - 1e300j, 0j, 2j, 1e-300 + 0j])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(wg.jit(np.divide)(z, w), z / w)


def test_anything_to_the_power_of_zero() -> None:
    z = np.array([complex(np.nan, 1), complex(np.inf, np.nan), complex(-np.inf, 0), 0j, 2j])
    np.testing.assert_array_equal(wg.jit(np.power)(z, np.zeros(5)), np.ones(5))


def test_functions_of_the_standard_library_refuse_traced_numbers() -> None:
    with pytest.raises(TypeError):
        wg.jit(cmath.exp)(1j)


# derivatives

SCALARS: dict[str, Callable[[Array], Any]] = {
    "abs": lambda z: np.sum(np.abs(z) ** 3),
    "exp": lambda z: np.sum(np.exp(z) * np.conj(z)),
    "quotient": lambda z: np.sum(z / (z + 3j)),
    "roots": lambda z: np.sum(np.sqrt(z) * np.log(z)),
    "tan": lambda z: np.sum(np.tan(z) + np.tanh(z / 2)),
    "powers": lambda z: np.sum(z**3 + z**-2 + z**1.5),
    "products": lambda z: np.prod(z) + np.sum(np.cumprod(z)),
    "matmul": lambda z: np.sum(np.outer(z, z) @ np.conj(z)),
    "systems": lambda z: np.sum(np.linalg.solve(np.outer(z, z) + 5 * np.eye(3), z) ** 2),
    "parts": lambda z: np.sum(z.real**2 * z.imag) + np.sum(np.angle(z)),
    "moves": lambda z: np.sum(np.concatenate([z[::2], z[1:] * 2]) ** 2),
}


@pytest.mark.parametrize("name", SCALARS)
def test_derivatives_are_limits_of_differences(name: str) -> None:
    wg.testing.check_grads(SCALARS[name], (drawn(3) + (2 + 0j),), order=2)


def test_derivatives_of_loops() -> None:
    wg.testing.check_grads(horner, (Z[:3] / 2,), order=1)
    wg.testing.check_grads(filled, (Z / 8,), order=1)


def test_the_gradient_is_that_of_jax() -> None:
    """df/dx - i df/dy: the conjugate of the direction of steepest ascent."""
    z = drawn(3)
    same(wg.jit(wg.grad(lambda z: np.sum(np.abs(z) ** 2)))(z), 2 * np.conj(z))
    same(wg.grad(lambda z: np.sum(z.real * 2 + z.imag * 3))(z), np.full(3, 2 - 3j))


def test_holomorphic_derivatives() -> None:
    z = drawn(3)
    f = lambda z: np.sum(np.sin(z) * z)  # noqa: E731
    slope = np.cos(z) * z + np.sin(z)
    same(wg.grad(f, holomorphic=True)(z), slope)
    for jacobian in (wg.jacfwd, wg.jacrev, wg.jacobian):
        same(wg.jit(jacobian(lambda z: np.sin(z) * z, holomorphic=True))(z), np.diag(slope))
    same(wg.hessian(f, holomorphic=True)(z), np.diag(2 * np.cos(z) - z * np.sin(z)))


def test_batches_of_derivatives() -> None:
    f = wg.grad(lambda z: np.sum(np.abs(np.exp(1j * z) @ M[:3])))
    z = drawn(2, 3)
    same(wg.jit(wg.vmap(f))(z), np.stack([f(z[0]), f(z[1])]))


def test_sparse_jacobians_through_complex_constants() -> None:
    x = np.array([0.3, 0.4, 0.7])
    found = wg.sparse_jacobian(lambda x: np.real((x + 1) * 2j * np.exp(1j * x)))(x)
    np.testing.assert_allclose(
        found.toarray(), np.diag(-2 * np.sin(x) - 2 * (x + 1) * np.cos(x)), rtol=1e-14
    )


def test_complex_numbers_inside_a_real_function() -> None:
    x = RNG.standard_normal(4)
    f = lambda x: np.sum(np.abs(np.exp(1j * x) + 0.5) ** 2)  # noqa: E731
    same(wg.jit(wg.grad(f))(x), -np.sin(x))
    same(wg.jit(wg.hessian(f))(x), np.diag(-np.cos(x)))
    same(wg.jit(wg.jacfwd(lambda x: np.exp(1j * x)))(x), np.diag(1j * np.exp(1j * x)))


# errors


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: wg.grad(np.sum)(Z), errors.DifferentiationError, "real result.*holomorphic=True"),
        (lambda: wg.jacrev(np.exp)(Z), errors.DifferentiationError, "real result.*wg.vjp"),
        (lambda: wg.jacfwd(np.exp)(Z), errors.DifferentiationError, "real inputs.*wg.jvp"),
        (
            lambda: wg.grad(lambda z: np.sum(np.abs(z)), holomorphic=True)(Z),
            errors.DifferentiationError,
            "needs a function with a complex result",
        ),
        (lambda: wg.sparse_jacobian(np.exp)(Z), errors.DifferentiationError, "real floats"),
        (lambda: wg.jit(lambda z: z.astype(float))(Z), TypeError, "imaginary part would be lost"),
        (lambda: wg.jit(np.floor_divide)(Z, Z), TypeError, "floor_divide"),
    ],
)
def test_errors(call: Callable[[], Any], kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


# the pass


def programs() -> list[Program]:
    builder = Builder()
    z = builder.input(TensorType(COMPLEX128, (3,)))
    w = builder.input(TensorType(COMPLEX64, ()))
    found = (z * (1 + 2j)).exp() / w.to(COMPLEX128)
    loop = wg.make_ir(horner)(Z).program
    choice = wg.make_ir(lambda z: wg.cond(z[0].real > 0, lambda z: z * 1j, lambda z: z, z))(Z[0])
    return [builder.finish([found, w * w, found.real()]), loop, choice.program]


@pytest.mark.parametrize("number", range(3))
def test_the_pass_keeps_the_signature_and_leaves_no_complex_arithmetic(number: int) -> None:
    program = programs()[number]
    verify(program)
    assert to_text(parse(to_text(program))) == to_text(program)
    changed = complex_as_parts(program)
    verify(changed)
    assert changed.in_types == program.in_types
    assert changed.out_types == program.out_types
    for eqn in equations(changed):
        if any(
            t.is_complex for t in (*(a.type for a in eqn.inputs), *(v.type for v in eqn.outputs))
        ):
            assert eqn.op.name in ("real", "imag", "complex")
    floats = interleaved(default_pipeline(program))
    verify(floats)
    assert not has_complex(floats)


def test_programs_without_complex_numbers_are_left_alone() -> None:
    program = wg.make_ir(lambda x: np.sum(x * 2))(X).program
    assert complex_as_parts(program) is program
    assert interleaved(program) is program


def test_ops_take_complex_numbers_only_if_they_can_be_lowered() -> None:
    """A type rule that lets complex numbers pass comes with a rule for their parts.

    Or it is made of other ops before complex numbers come apart.
    """
    for op in REGISTRY.values():
        for sample in op.samples():
            types = [TensorType(np.asarray(a).dtype, np.shape(a)) for a in sample.args]
            if not any(t.is_float for t in types) or op.family in ("control", "custom"):
                continue
            lifted = [t.with_dtype(COMPLEX128) if t.is_float else t for t in types]
            try:
                op.infer(*lifted, **sample.params)
            except errors.WengertError:
                continue
            assert op.parts is not None or op.expand is not None, op.name


def test_literals_as_text() -> None:
    for text in ("complex(1.0, -0.0)", "complex(nan, inf):complex64"):
        program = parse(f"program(%0: complex128[]) {{ return {text} }}")
        assert text in to_text(program)
    assert real_dtype(COMPLEX64) == np.float32
