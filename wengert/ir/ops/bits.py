"""Bits and integers: bitwise logic, shifts, powers and divisors of integers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.ir.op import ElementContext, Requirement, Sample
from wengert.ir.ops.families import elementwise, read_all
from wengert.ir.ops.samples import draw, operands, specials
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import BOOL, INT64, INTEGERS, UNSIGNED, DType

S = ScalarBuilder
LOGIC = (BOOL, *INTEGERS)
UINT8 = np.dtype(np.uint8)


def _binary(name: str, function: Any, scalar: Any, dtypes: tuple[DType, ...], doc: str) -> None:
    samples = operands((0, 99), (0, 7), dtypes=dtypes)
    elementwise(name, 2, dtypes, function, scalar, samples=samples, doc=doc)


_binary("bitand", np.bitwise_and, S.and_, LOGIC, "bits set in both; `and` of bools")
_binary("bitor", np.bitwise_or, S.or_, LOGIC, "bits set in either; `or` of bools")
_binary("bitxor", np.bitwise_xor, S.xor, LOGIC, "bits set in one of both; `xor` of bools")

elementwise(
    "bitnot",
    1,
    LOGIC,
    np.invert,
    S.not_,
    samples=operands((0, 99), dtypes=LOGIC),
    doc="all bits flipped; `not` of bools",
)


def _width(x: Expr) -> int:
    return 8 * x.dtype.itemsize


def _unsigned(dtype: DType) -> DType:
    return UNSIGNED[dtype.itemsize.bit_length() - 1]


# NumPy's shifts are defined for every count: a count that is negative or at least the width
# shifts all bits out, which leaves 0, or the sign for >> of signed integers. The machine's are
# not, so the count is masked first.


def _in_width(s: S, x: Expr, count: Expr) -> tuple[Expr, Expr]:
    """Whether the count is less than the width, and the masked count."""
    inside = s.lt(s.cast(count, _unsigned(count.dtype)), _width(x))
    return inside, s.and_(count, _width(x) - 1)


def _shl(s: S, x: Expr, count: Expr) -> Expr:
    inside, masked = _in_width(s, x, count)
    return s.select(inside, s.shl(x, masked), s.like(0, x))


def _shr(s: S, x: Expr, count: Expr) -> Expr:
    inside, masked = _in_width(s, x, count)
    emptied = s.select(s.lt(x, 0), s.like(-1, x), s.like(0, x)) if x.dtype.kind == "i" else 0
    return s.select(inside, s.shr(x, masked), emptied)


_binary("shl", np.left_shift, _shl, INTEGERS, "x << y; 0 if y is not in [0, width)")
_binary("shr", np.right_shift, _shr, INTEGERS, "x >> y, keeping the sign")


def _popcount(s: S, x: Expr) -> Expr:
    """Counts in parallel in fields of 2, 4, 8, ... bits (Warren, Hacker's Delight, 5-1)."""
    dtype, width = _unsigned(x.dtype), _width(x)
    bits = s.cast(s.abs(x) if x.dtype.kind == "i" else x, dtype)
    field = 1
    while field < width:
        mask = s.const(sum(((1 << field) - 1) << at for at in range(0, width, 2 * field)), dtype)
        bits = s.add(s.and_(bits, mask), s.and_(s.shr(bits, field), mask))
        field *= 2
    return s.cast(bits, UINT8)


elementwise(
    "popcount",
    1,
    INTEGERS,
    np.bitwise_count,
    _popcount,
    out=UINT8,
    cost=12,
    samples=operands((0, 99), dtypes=INTEGERS),
    doc="the number of ones in |x|, as uint8",
)


# Powers of integers wrap around. The exponent's bits are taken one by one.


def _powi(s: S, x: Expr, exponent: Expr) -> Expr:
    result = s.like(1, x)
    for bit in range(_width(x) - (x.dtype.kind == "i")):
        chosen = s.ne(s.and_(exponent, 1 << bit), 0)
        result = s.select(chosen, s.mul(result, x), result)
        x = s.mul(x, x)
    return result


def _evaluate_powi(x: Any, exponent: Any) -> Any:
    if np.any(np.asarray(exponent) < 0):
        raise ArgumentError(_NEGATIVE_POWER.format(value=np.min(exponent)))
    return np.power(x, exponent)


_NEGATIVE_POWER = (
    "an integer to the power {value} is not an integer; convert the base to float first"
)


def _powi_check(ctx: ElementContext, index: tuple[Expr, ...]) -> Requirement:
    _, exponent = read_all(ctx, index)
    return Requirement(
        ctx.s.not_(ctx.s.lt(exponent, 0)),
        ctx.s.cast(exponent, INT64),
        "ArgumentError",
        _NEGATIVE_POWER,
    )


def _powi_samples() -> list[Sample]:
    samples = [Sample((draw(d, (5,), -9, 9, 1), draw(d, (5,), 0, 5, 2))) for d in INTEGERS]
    for dtype in INTEGERS:
        grids = np.meshgrid(specials(dtype), specials(dtype)[specials(dtype) >= 0])
        samples.append(Sample(tuple(g.reshape(-1) for g in grids)))
    scalar, empty = np.array(3), np.ones((0, 2), int)
    shaped = np.array([2, -3])
    pairs = [(scalar, scalar), (empty, empty), (scalar, shaped * shaped), (shaped, scalar)]
    return [*samples, *map(Sample, pairs)]


elementwise(
    "powi",
    2,
    INTEGERS,
    _evaluate_powi,
    _powi,
    check=_powi_check,
    samples=_powi_samples,
    cost=99,
    doc="x ** y of integers; y must not be negative",
)


# Euclid's algorithm on magnitudes, unrolled for the longest chain: two consecutive Fibonacci
# numbers. The vocabulary has no loop; the remainder by 0 is 0, so finished pairs stay as they are.


def _gcd(s: S, x: Expr, y: Expr) -> Expr:
    dtype, zero = _unsigned(x.dtype), s.const(0, _unsigned(x.dtype))
    a, b = (s.cast(s.abs(v) if v.dtype.kind == "i" else v, dtype) for v in (x, y))
    for _ in range(math.ceil(_width(x) * math.log(2) / math.log((1 + 5**0.5) / 2)) + 1):
        a, b = s.select(s.eq(b, zero), a, b), s.irem(a, b)
    return s.cast(a, x.dtype)


def _lcm(s: S, x: Expr, y: Expr) -> Expr:
    dtype = _unsigned(x.dtype)
    a, b = (s.cast(s.abs(v) if v.dtype.kind == "i" else v, dtype) for v in (x, y))
    return s.cast(s.mul(s.idiv(a, _gcd(s, a, b)), b), x.dtype)


elementwise(
    "gcd",
    2,
    INTEGERS,
    np.gcd,
    _gcd,
    samples=operands((-60, 60), (-60, 60), dtypes=INTEGERS),
    cost=99,
    doc="the greatest common divisor",
)
elementwise(
    "lcm",
    2,
    INTEGERS,
    np.lcm,
    _lcm,
    samples=operands((-60, 60), (-60, 60), dtypes=INTEGERS),
    cost=99,
    doc="the least common multiple, wrapping around",
)
