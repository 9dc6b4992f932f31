"""Each scalar operation on the CPU back end, against NumPy, special values included."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cpu_programs as build
import numpy as np
import pytest
import scipy.special
from cpu_programs import S, executable

from wengert.backends.cpu.llvm.expr import LEAVES
from wengert.backends.cpu.llvm.ops import RULES
from wengert.ir.scalar import MATHS, Expr, ScalarOp

FLOATS = ["f2", "f4", "f8"]
SIGNED = ["i1", "i2", "i4", "i8"]
UNSIGNED = ["u1", "u2", "u4", "u8"]
INTEGERS = SIGNED + UNSIGNED
O = ScalarOp


def test_every_operation_has_a_rule() -> None:
    structural = {O.CONST, O.INDEX}
    assert set(RULES) | set(LEAVES) | structural | MATHS == set(ScalarOp)
    assert not set(RULES) & set(LEAVES)


def special_values(dtype: str) -> np.ndarray[Any, Any]:
    """Ordinary and extreme values of a dtype."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.array([False, True])
    if kind.kind in "iu":
        info = np.iinfo(kind)
        near = [info.min, info.min + 1, info.max - 1, info.max, info.max // 2]
        small = [v for v in (-7, -3, -2, -1, 0, 1, 2, 3, 5, 7, 12, 63) if v >= info.min]
        return np.array(near + small, kind)
    info = np.finfo(kind)
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.7, -3.7, 1e-3, 100.25, -2000.0]
    extreme = [np.inf, -np.inf, np.nan, info.max, -info.max, info.tiny, info.smallest_subnormal]
    return np.concatenate([np.array(values, kind), np.array(extreme, kind)])


def run(value: Callable[..., Expr], result: str, *columns: np.ndarray[Any, Any]) -> Any:
    dtypes = [c.dtype.str for c in columns]
    f = executable(build.elementwise(value, dtypes, result, columns[0].size))
    return f(*columns)[0]


def pairs(dtype: str) -> list[np.ndarray[Any, Any]]:
    values = special_values(dtype)
    grid = np.array(list(itertools.product(range(values.size), repeat=2)))
    return [values[grid[:, 0]], values[grid[:, 1]]]


def agree(found: Any, expected: Any, signed_zeros: bool = True) -> None:
    """Equal, NaN being equal to itself and the zeros told apart."""
    expected = np.asarray(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    if signed_zeros and found.dtype.kind == "f":
        kept = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(found[kept]), np.signbit(expected[kept]))


ARITHMETIC = {O.ADD: np.add, O.SUB: np.subtract, O.MUL: np.multiply}


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("op", ARITHMETIC)
def test_arithmetic(op: ScalarOp, dtype: str) -> None:
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        expected = ARITHMETIC[op](x, y)
    agree(run(lambda a, b: S.node(op, (a, b), a.dtype), dtype, x, y), expected)


@pytest.mark.parametrize("dtype", FLOATS)
def test_division(dtype: str) -> None:
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        agree(run(S.div, dtype, x, y), x / y)
        agree(run(S.frem, dtype, x, y), np.fmod(x, y))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_division_never_traps(dtype: str) -> None:
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        remainder = np.fmod(x, y)  # C's remainder: 0 for a zero divisor
        wide = [np.array([int(v) for v in c], object) for c in (x, y)]
        quotient = [
            0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
            for a, b in zip(*wide, strict=True)
        ]
        bits = 8 * np.dtype(dtype).itemsize
        wrapped = np.array([q % 2**bits for q in quotient], f"u{bits // 8}").astype(dtype)
    agree(run(S.idiv, dtype, x, y), wrapped)
    agree(run(S.irem, dtype, x, y), remainder)


@pytest.mark.parametrize("dtype", ["i4", "i8", "u8"])
@pytest.mark.parametrize("divisor", [1, 3, 8, -1, -5, 0])
def test_integer_division_by_a_constant(dtype: str, divisor: int) -> None:
    if divisor < 0 and dtype[0] == "u":
        pytest.skip("an unsigned dtype has no negative numbers")
    x = special_values(dtype)
    y = np.full_like(x, divisor)
    agree(
        run(lambda a: S.node(O.IDIV, (a, S.like(divisor, a)), a.dtype), dtype, x),
        run(S.idiv, dtype, x, y),
    )
    agree(
        run(lambda a: S.node(O.IREM, (a, S.like(divisor, a)), a.dtype), dtype, x),
        run(S.irem, dtype, x, y),
    )


@pytest.mark.parametrize("dtype", ["?", *FLOATS, *INTEGERS])
def test_minimum_and_maximum(dtype: str) -> None:
    x, y = pairs(dtype)
    agree(run(S.min, dtype, x, y), np.minimum(x, y), signed_zeros=False)
    agree(run(S.max, dtype, x, y), np.maximum(x, y), signed_zeros=False)


COMPARISONS = {
    O.EQ: np.equal,
    O.NE: np.not_equal,
    O.LT: np.less,
    O.LE: np.less_equal,
    O.GT: np.greater,
    O.GE: np.greater_equal,
}


@pytest.mark.parametrize("dtype", ["?", *FLOATS, *INTEGERS])
@pytest.mark.parametrize("op", COMPARISONS)
def test_comparisons(op: ScalarOp, dtype: str) -> None:
    x, y = pairs(dtype)
    found = run(lambda a, b: S.node(op, (a, b), np.dtype(bool)), "?", x, y)
    agree(found, COMPARISONS[op](x, y))


BITS = {O.AND: np.bitwise_and, O.OR: np.bitwise_or, O.XOR: np.bitwise_xor}


@pytest.mark.parametrize("dtype", ["?", *INTEGERS])
@pytest.mark.parametrize("op", BITS)
def test_bits(op: ScalarOp, dtype: str) -> None:
    x, y = pairs(dtype)
    agree(run(lambda a, b: S.node(op, (a, b), a.dtype), dtype, x, y), BITS[op](x, y))
    agree(run(S.not_, dtype, x), np.invert(x))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_shifts_by_any_amount(dtype: str) -> None:
    x, y = pairs(dtype)
    agree(run(S.shl, dtype, x, y), np.left_shift(x, y))
    agree(run(S.shr, dtype, x, y), np.right_shift(x, y))
    for amount in (0, 3, 8 * np.dtype(dtype).itemsize - 1, 8 * np.dtype(dtype).itemsize):
        y = np.full_like(x, amount)
        agree(run(lambda a, n=amount: S.shl(a, S.like(n, a)), dtype, x), np.left_shift(x, y))
        agree(run(lambda a, n=amount: S.shr(a, S.like(n, a)), dtype, x), np.right_shift(x, y))


UNARY = {
    O.NEG: np.negative,
    O.ABS: np.abs,
    O.SQRT: np.sqrt,
    O.FLOOR: np.floor,
    O.CEIL: np.ceil,
    O.TRUNC: np.trunc,
    O.RINT: np.rint,
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("op", UNARY)
def test_unary(op: ScalarOp, dtype: str) -> None:
    x = special_values(dtype)
    with np.errstate(all="ignore"):
        agree(run(lambda a: S.unary(op, a), dtype, x), UNARY[op](x))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("op", [O.NEG, O.ABS])
def test_unary_of_integers(op: ScalarOp, dtype: str) -> None:
    x = special_values(dtype)
    agree(run(lambda a: S.unary(op, a), dtype, x), UNARY[op](x))


@pytest.mark.parametrize("dtype", FLOATS)
def test_copysign_and_select(dtype: str) -> None:
    x, y = pairs(dtype)
    agree(run(S.copysign, dtype, x, y), np.copysign(x, y))
    condition = x > y
    agree(run(S.select, dtype, condition, x, y), np.where(condition, x, y))


def test_fma_rounds_once() -> None:
    x = np.array([1.0 + 2.0**-30, 3.0, np.inf])
    y = np.array([1.0 - 2.0**-30, 4.0, 0.0])
    z = np.array([-1.0, 5.0, 1.0])
    found = run(S.fma, "f8", x, y, z)
    assert found[0] in (-(2.0**-60), 0.0)  # 0 where the machine has no such instruction
    assert found[1] == 17.0
    assert np.isnan(found[2])


@pytest.mark.parametrize("target", ["?", *FLOATS, *INTEGERS])
@pytest.mark.parametrize("source", ["?", *INTEGERS])
def test_casts_of_integers(source: str, target: str) -> None:
    x = special_values(source)
    with np.errstate(all="ignore"):
        agree(run(lambda a: S.cast(a, target), target, x), x.astype(target))


@pytest.mark.parametrize("target", ["?", *FLOATS, *INTEGERS])
@pytest.mark.parametrize("source", FLOATS)
def test_casts_of_floats(source: str, target: str) -> None:
    """Where C leaves the result open (NaN, out of range) any number will do."""
    x = special_values(source)
    with np.errstate(all="ignore"):
        expected = x.astype(target)
        found = run(lambda a: S.cast(a, target), target, x)
        if np.dtype(target).kind in "iu":
            info = np.iinfo(target)
            wide = x.astype(np.longdouble)
            defined = (wide > np.longdouble(info.min) - 1) & (wide < np.longdouble(info.max) + 1)
            found, expected = found[defined], expected[defined]
    agree(found, expected)


def test_float64_to_float16_rounds_once() -> None:
    """Halves of a float16 step, and numbers a little off them, whose float32 is the half itself."""
    steps = np.arange(1024, 2048)[:200] / 1024
    halves = steps + 2.0**-11
    x = np.concatenate([halves, halves + 2.0**-40, halves - 2.0**-40, steps * 2.0**-20])
    x = np.concatenate([x, -x, [65519.999999, 65520.0, 1e30, np.nan, np.inf]])
    with np.errstate(all="ignore"):
        agree(run(lambda a: S.cast(a, "f2"), "f2", x), x.astype("f2"))


@pytest.mark.parametrize(("source", "target"), [("f8", "u8"), ("i4", "f4"), ("u2", "f2")])
def test_bitcast(source: str, target: str) -> None:
    x = special_values(source)
    agree(run(lambda a: S.bitcast(a, target), target, x), x.view(target))


REFERENCES = {
    **{op: getattr(np, str(op)) for op in MATHS if hasattr(np, str(op))},
    O.FREM: np.fmod,
    **{O.ERF: scipy.special.erf, O.ERFC: scipy.special.erfc},
    **{O.ASIN: np.arcsin, O.ACOS: np.arccos, O.ATAN: np.arctan, O.ATAN2: np.arctan2},
    **{O.ASINH: np.arcsinh, O.ACOSH: np.arccosh, O.ATANH: np.arctanh, O.POW: np.power},
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("op", sorted(MATHS - {O.CALL}))
def test_maths(op: ScalarOp, dtype: str) -> None:
    columns = pairs(dtype) if op in (O.POW, O.ATAN2, O.FREM) else [special_values(dtype)]
    with np.errstate(all="ignore"):
        expected = REFERENCES[op](*columns)
    found = run(lambda *args: S.maths(op, *args), dtype, *columns)
    tolerance = {"f2": 2e-3, "f4": 1e-6, "f8": 2e-15}[dtype]
    tiny = float(np.finfo(dtype).smallest_subnormal)
    np.testing.assert_allclose(
        found.astype("f8"), expected.astype("f8"), rtol=tolerance, atol=2 * tiny
    )


@pytest.mark.parametrize("name", ["gammaln", "psi", "ndtri", "i0e", "expit", "erfinv"])
def test_library_calls(name: str) -> None:
    x = np.array([0.1, 0.3, 0.9, np.nan])
    agree(run(lambda a: S.call(name, a), "f8", x), getattr(scipy.special, name)(x))


def test_library_call_of_two_arguments() -> None:
    x, y = np.array([0.5, 2.0, 7.5]), np.array([1.5, 1.0, 3.0])
    agree(run(lambda a, b: S.call("gammainc", a, b), "f8", x, y), scipy.special.gammainc(x, y))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_periodic_functions_of_huge_arguments(name: str, dtype: str) -> None:
    """One huge argument among thousands: its strip takes the exact form, the others the fast."""
    x = np.random.default_rng(0).uniform(-100, 100, 5000).astype(dtype)
    x[3333] = 1e22 if dtype == "f8" else 1e30
    x[[7, 4999]] = np.inf, np.nan
    with np.errstate(invalid="ignore"):
        expected = getattr(np, name)(x)
    tolerance = 1e-13 if dtype == "f8" else 1e-5
    found = run(lambda a: getattr(S, name)(a), dtype, x)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    exact = getattr(np, name)(x[3333].astype("f8"))
    np.testing.assert_allclose(found[3333], exact, rtol=1e-15 if dtype == "f8" else 1e-6)
