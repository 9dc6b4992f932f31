"""Rounding, which is constant between jumps, and functions of the sign and bits of floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.floats import FLOAT16, finfo
from wengert.ir.ops.families import elementwise, zero_one
from wengert.ir.ops.samples import operands
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOATS


def _rounding(op: ScalarOp, function: Any, doc: str) -> None:
    elementwise(
        str(op),
        1,
        FLOATS,
        function,
        lambda s, x: s.unary(op, x),
        samples=operands((2.1, 2.9)),
        doc=doc,
    )


_rounding(ScalarOp.FLOOR, np.floor, "the integer below")
_rounding(ScalarOp.CEIL, np.ceil, "the integer above")
_rounding(ScalarOp.TRUNC, np.trunc, "the integer towards zero")
_rounding(ScalarOp.RINT, np.rint, "the nearest integer, the even one at a half")


# Floats as signs and bits.


def _same_sign(x: Value, y: Value) -> Value:
    """1 where the signs of x and y are equal, else -1."""
    return zero_one(x.signbit().eq(y.signbit()), x) * 2 - 1


def _nextafter(s: ScalarBuilder, x: Expr, y: Expr) -> Expr:
    """Neighbouring floats of one sign are neighbouring integers, in order of magnitude."""
    integer = np.dtype(f"int{8 * x.dtype.itemsize}")
    bits = s.bitcast(x, integer)
    away = s.not_(s.xor(s.gt(y, x), s.gt(x, 0)))
    step = s.bitcast(s.add(bits, s.select(away, s.const(1, integer), -1)), x.dtype)
    least = s.copysign(s.like(finfo(x.dtype).smallest_subnormal, x), y)
    moved = s.select(s.eq(x, 0), least, step)
    same = x if x.dtype == FLOAT16 else y  # as NumPy: seen in the sign of a zero
    return s.select(s.eq(x, y), same, s.select(s.or_(s.isnan(x), s.isnan(y)), s.add(x, y), moved))


def _heaviside(s: ScalarBuilder, x: Expr, at_zero: Expr) -> Expr:
    step = s.select(s.gt(x, 0), s.like(1, x), s.select(s.lt(x, 0), s.like(0, x), x))
    return s.select(s.eq(x, 0), at_zero, step)


elementwise(
    "copysign",
    2,
    FLOATS,
    np.copysign,
    lambda s, x, y: s.copysign(x, y),
    partials=[lambda x, y, out: _same_sign(x, y), None],
    samples=operands((0.5, 3), (-3, 3)),
    storage=True,
    doc="|x| with the sign of y",
)
elementwise(
    "nextafter",
    2,
    FLOATS,
    np.nextafter,
    _nextafter,
    samples=operands((-3, 3), (-3, 3)),
    partials=[1, None],
    storage=True,
    cost=4,
    doc="the next float after x towards y",
)
elementwise(
    "heaviside",
    2,
    FLOATS,
    np.heaviside,
    _heaviside,
    partials=[None, lambda x, y, out: zero_one(x.eq(0), out)],
    samples=operands((-3, 3), (-3, 3)),
    doc="0 below 0, 1 above, y at x = 0",
)
