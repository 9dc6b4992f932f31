"""Roots and powers."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import DTypeError
from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.op import Sample
from wengert.ir.ops.complex_functions import integer_power, power, square_root
from wengert.ir.ops.families import NUMERIC, Over, check_arity, common_dtype, elementwise
from wengert.ir.ops.samples import both, draw, kinks, operands, specials
from wengert.ir.program import Literal
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import COMPLEX, FLOATS, TensorType

S = ScalarBuilder

elementwise(
    "sqrt",
    1,
    FLOATS,
    np.sqrt,
    lambda s, x: s.unary(ScalarOp.SQRT, x),
    partials=[lambda x, out: Over(out * 2)],
    samples=operands((0.5, 4)),
    parts=square_root,
    cost=4,
    doc="the square root",
)
elementwise(
    "cbrt",
    1,
    FLOATS,
    np.cbrt,
    lambda s, x: s.maths(ScalarOp.CBRT, x),
    partials=[lambda x, out: Over(out * out * 3)],
    samples=both(operands((0.5, 4), tolerance=4), operands((-4, -0.5), tolerance=4)),
    cost=25,
    doc="the real cube root",
)


# hypot = m sqrt(1 + (n/m)^2) with m the larger and n the smaller magnitude: no overflow. Infinite
# operands win over NaN, as C's hypot has it. The gradient is 0 at the origin.


def _hypot(s: S, x: Expr, y: Expr) -> Expr:
    a, b = s.abs(x), s.abs(y)
    large, small = s.max(a, b), s.min(a, b)
    ratio = s.div(small, large)
    root = s.unary(ScalarOp.SQRT, s.add(s.mul(ratio, ratio), 1))
    length = s.select(s.eq(large, 0), large, s.mul(large, root))
    infinite = s.or_(s.eq(a, np.inf), s.eq(b, np.inf))
    return s.select(infinite, s.like(np.inf, x), length)


def _direction(x: Value, out: Value) -> Value:
    return out.eq(0).select(out.builder.literal(0, out.dtype), x / out)


elementwise(
    "hypot",
    2,
    FLOATS,
    np.hypot,
    _hypot,
    partials=[lambda x, y, out: _direction(x, out), lambda x, y, out: _direction(y, out)],
    samples=both(operands((-3, 3), (0.5, 3), tolerance=4), kinks([0.0], [0.0])),
    cost=15,
    doc="sqrt(x**2 + y**2) without overflow",
)


# Squaring loses about half an ulp a step; beyond MAX_SQUARED pow is as fast and more accurate. A
# negative power of a float is a power of 1/x, which overflows and underflows where x**-n does.
MAX_SQUARED = 16

# Conventions at the edge: d/dx x**y is 0 where y is 0, and d/dy x**y is 0 where x is 0. Of 0**0
# the first needs a base other than 0, since 0 * 0**-1 is NaN.


def _pow_dx(x: Value, y: Value, out: Value) -> Value | float:
    if isinstance(y.atom, Literal) and not y.type.is_complex:
        exponent = y.atom.value
        return 0.0 if exponent == 0 else y * _literal_pow(x, exponent - 1)
    singular = x.eq(0).bitand(y.eq(0))
    base = singular.select(x.builder.literal(1, x.dtype), x)
    return y * base.pow(y - 1)


def _literal_pow(x: Value, exponent: float) -> Value:
    """x ** exponent, by multiplication where the exponent is a small integer."""
    if abs(exponent) <= MAX_SQUARED and exponent == int(exponent):
        return x.integer_pow(exponent=int(exponent))
    return x.pow(exponent)


def _pow_dy(x: Value, y: Value, out: Value) -> Value:
    zero, literal = x.eq(0), x.builder.literal
    log = zero.select(literal(1, x.dtype), x).log()
    return zero.select(literal(0, x.dtype), log * out)


elementwise(
    "pow",
    2,
    FLOATS,
    np.power,
    lambda s, x, y: s.maths(ScalarOp.POW, x, y),
    partials=[_pow_dx, _pow_dy],
    samples=both(operands((0.5, 3), (-3, 3), tolerance=8), kinks([0.0, 0.0], [0.0, 2.0])),
    parts=power,
    cost=60,
    doc="x ** y of floats",
)


def _repeated(s: S, base: Expr, exponent: int) -> Expr:
    """base ** exponent for exponent >= 1 by squaring."""
    result = None
    while exponent:
        if exponent & 1:
            result = base if result is None else s.mul(result, base)
        exponent >>= 1
        base = s.mul(base, base) if exponent else base
    assert result is not None
    return result


def _integer_pow(s: S, x: Expr, exponent: int) -> Expr:
    if exponent == 0:
        return s.like(1, x)
    if kind_of(x.dtype) != "f":
        return _repeated(s, x, exponent)
    if abs(exponent) > MAX_SQUARED:
        return s.maths(ScalarOp.POW, x, s.like(exponent, x))
    base = x if exponent > 0 else s.div(s.like(1, x), x)
    return _repeated(s, base, abs(exponent))


def _infer_integer_pow(*types: TensorType, exponent: int) -> tuple[TensorType, ...]:
    check_arity("integer_pow", types, 1)
    dtype = common_dtype("integer_pow", types, (*NUMERIC, *COMPLEX))
    if exponent < 0 and not types[0].is_float:
        raise DTypeError(
            f"integer_pow: {dtype} to the power {exponent} is not an integer; convert to a float"
        )
    return types


def _evaluate_integer_pow(x: Any, exponent: int) -> Any:
    with np.errstate(all="ignore"):
        if kind_of(x.dtype) in "fc":
            return np.power(x, x.dtype.type(exponent))
        result = np.ones_like(x)
        for bit in f"{exponent:b}":
            result = result * result * (x if bit == "1" else x.dtype.type(1))
        return result


def _integer_pow_partial(x: Value, out: Value, exponent: int) -> Value | float | None:
    if exponent in (0, 1):
        return float(exponent)
    return x * 2 if exponent == 2 else x.integer_pow(exponent=exponent - 1) * exponent


def _integer_pow_samples() -> list[Sample]:
    samples: list[Sample] = []
    for exponent in (-17, -3, -1, 0, 1, 2, 3, 7, 20):
        params = {"exponent": exponent}
        for dtype in FLOATS if exponent < 0 else NUMERIC:
            values = draw(dtype, (2, 3), 0.5, 1.5, exponent + 20)
            samples.append(Sample((values,), params, tolerance=16))
            samples.append(Sample((specials(dtype),), params, False, tolerance=16))
    shapes = ((), (0, 3))
    return [*samples, *(Sample((np.full(s, 1.5),), {"exponent": 3}) for s in shapes)]


elementwise(
    "integer_pow",
    1,
    NUMERIC,
    _evaluate_integer_pow,
    _integer_pow,
    infer=_infer_integer_pow,
    params=("exponent",),
    partials=[_integer_pow_partial],
    samples=_integer_pow_samples,
    parts=integer_power,
    cost=3,
    doc="x ** exponent for a fixed integer exponent",
)
