"""Exponentials and logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops.complex_functions import (
    expm1,
    exponential,
    log1p,
    log_ten,
    log_two,
    logarithm,
    power_of_two,
)
from wengert.ir.ops.families import Over, PartialRule, elementwise, scipy_special
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.samples import both, kinks, operands
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOATS

S = ScalarBuilder
LN2, LN10 = math.log(2), math.log(10)


def _function(
    name: str,
    function: Any,
    partial: PartialRule,
    low: float,
    high: float,
    cost: int,
    doc: str,
    parts: Callable[[Parts], Parts],
) -> None:
    """A unary function that is in the scalar vocabulary under its own name."""
    op = ScalarOp(name)
    elementwise(
        name,
        1,
        FLOATS,
        function,
        lambda s, x: s.maths(op, x),
        partials=[partial],
        samples=operands((low, high), tolerance=4),
        parts=parts,
        cost=cost,
        doc=doc,
    )


_function("exp", np.exp, lambda x, out: out, -3, 3, 15, "e ** x", exponential)
_function("exp2", np.exp2, lambda x, out: out * LN2, -3, 3, 15, "2 ** x", power_of_two)
_function("expm1", np.expm1, lambda x, out: out + 1, -3, 3, 20, "e ** x - 1, exact near 0", expm1)
_function("log", np.log, lambda x, out: Over(x), 0.5, 5, 20, "the natural logarithm", logarithm)
_function(
    "log2", np.log2, lambda x, out: Over(x * LN2), 0.5, 5, 20, "the logarithm to base 2", log_two
)
_function(
    "log10",
    np.log10,
    lambda x, out: Over(x * LN10),
    0.5,
    5,
    20,
    "the logarithm to base 10",
    log_ten,
)
_function(
    "log1p", np.log1p, lambda x, out: Over(x + 1), -0.5, 5, 20, "log(1 + x), exact near 0", log1p
)


# log(e^x + e^y) = max + log1p(e^-|x - y|). Where x = y the difference may be inf - inf; the
# result is then x + log 2. The partials are logistic functions of the difference, in which
# nothing overflows, and 1/2 at equality.


def _logaddexp(s: S, x: Expr, y: Expr) -> Expr:
    gap = s.neg(s.abs(s.sub(x, y)))
    rest = s.maths(ScalarOp.LOG1P, s.maths(ScalarOp.EXP, gap))
    return s.select(s.eq(x, y), s.add(x, LN2), s.add(s.max(x, y), rest))


def _logaddexp2(s: S, x: Expr, y: Expr) -> Expr:
    gap = s.neg(s.abs(s.sub(x, y)))
    rest = s.mul(s.maths(ScalarOp.LOG1P, s.maths(ScalarOp.EXP2, gap)), 1 / LN2)
    return s.select(s.eq(x, y), s.add(x, 1), s.add(s.max(x, y), rest))


def _share(x: Value, y: Value, scale: float) -> Value:
    gap = x - y if scale == 1 else (x - y) * scale
    return x.eq(y).select(x.builder.literal(0.5, x.dtype), gap.logistic())


elementwise(
    "logaddexp",
    2,
    FLOATS,
    np.logaddexp,
    _logaddexp,
    partials=[lambda x, y, out: _share(x, y, 1), lambda x, y, out: _share(y, x, 1)],
    samples=both(operands((-3, 3), (-3, 3), tolerance=4), kinks([1.0, -2.0], [1.0, -2.0])),
    cost=35,
    doc="log(e**x + e**y) without overflow",
)
elementwise(
    "logaddexp2",
    2,
    FLOATS,
    np.logaddexp2,
    _logaddexp2,
    partials=[lambda x, y, out: _share(x, y, LN2), lambda x, y, out: _share(y, x, LN2)],
    samples=both(operands((-3, 3), (-3, 3), tolerance=4), kinks([1.0, -2.0], [1.0, -2.0])),
    cost=35,
    doc="log2(2**x + 2**y) without overflow",
)


def _logistic(s: S, x: Expr) -> Expr:
    """1 / (1 + e^-x): e^-x overflows to inf only where the result is 0."""
    return s.div(s.like(1, x), s.add(s.maths(ScalarOp.EXP, s.neg(x)), 1))


elementwise(
    "logistic",
    1,
    FLOATS,
    scipy_special("expit"),
    _logistic,
    partials=[lambda x, out: out * (1 - out)],
    samples=operands((-5, 5), tolerance=4),
    cost=20,
    doc="1 / (1 + e**-x)",
)


def _times_log(log: ScalarOp) -> Any:
    def formula(s: S, x: Expr, y: Expr) -> Expr:
        zero = s.and_(s.eq(x, 0), s.not_(s.isnan(y)))
        return s.select(zero, 0, s.mul(x, s.maths(log, y)))

    return formula


def _zero_where(x: Value, partial: Value) -> Value:
    """`partial`, but 0 where x is 0."""
    return x.eq(0).select(x.builder.literal(0, x.dtype), partial)


elementwise(
    "xlogy",
    2,
    FLOATS,
    scipy_special("xlogy"),
    _times_log(ScalarOp.LOG),
    partials=[lambda x, y, out: y.log(), lambda x, y, out: _zero_where(x, x / y)],
    samples=operands((-3, 3), (0.5, 3), tolerance=4),
    cost=22,
    doc="x log(y); 0 where x is 0",
)
elementwise(
    "xlog1py",
    2,
    FLOATS,
    scipy_special("xlog1py"),
    _times_log(ScalarOp.LOG1P),
    partials=[lambda x, y, out: y.log1p(), lambda x, y, out: _zero_where(x, x / (y + 1))],
    samples=operands((-3, 3), (-0.5, 3), tolerance=4),
    cost=22,
    doc="x log(1 + y); 0 where x is 0",
)


def _entropy(s: S, x: Expr) -> Expr:
    inside = s.neg(s.mul(x, s.maths(ScalarOp.LOG, x)))
    return s.select(s.lt(x, 0), s.like(-math.inf, x), s.select(s.eq(x, 0), s.like(0, x), inside))


elementwise(
    "entr",
    1,
    FLOATS,
    scipy_special("entr"),
    _entropy,
    partials=[lambda x, out: x.lt(0).select(0.0, -(x.log()) - 1.0)],
    samples=operands((0.5, 3), tolerance=4),
    cost=22,
    doc="-x log(x); 0 for x = 0, minus infinity for x < 0",
)
