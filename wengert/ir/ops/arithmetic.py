"""Arithmetic: sums, products, quotients, remainders, signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Value, add_tangents
from wengert.ir.floats import kind_of
from wengert.ir.op import linear_in, linear_in_all, linear_in_one
from wengert.ir.ops.families import (
    NUMERIC,
    elementwise,
    spread,
    times,
    transpose_constants,
    transpose_partials,
)
from wengert.ir.ops.parts import Parts, choose
from wengert.ir.ops.samples import operands
from wengert.ir.program import Literal
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOATS, Shape

S = ScalarBuilder
Array = np.ndarray[Any, Any]


def _in_both(positions: frozenset[int]) -> bool:
    """A sum is linear in its operands together, but only affine in one of them."""
    return positions == frozenset((0, 1))


elementwise(
    "neg",
    1,
    NUMERIC,
    np.negative,
    lambda s, x: s.neg(x),
    partials=[-1],
    linear=linear_in_all,
    transpose=transpose_constants(-1),
    samples=operands((-3, 3), dtypes=NUMERIC),
    parts=lambda x: -x,
    storage=True,
    doc="-x",
)
elementwise(
    "add",
    2,
    NUMERIC,
    np.add,
    lambda s, x, y: s.add(x, y),
    partials=[1, 1],
    linear=_in_both,
    transpose=transpose_constants(1, 1),
    samples=operands((-3, 3), (-3, 3), dtypes=NUMERIC),
    parts=lambda x, y: x + y,
    doc="x + y",
)
elementwise(
    "sub",
    2,
    NUMERIC,
    np.subtract,
    lambda s, x, y: s.sub(x, y),
    partials=[1, -1],
    linear=_in_both,
    transpose=transpose_constants(1, -1),
    samples=operands((-3, 3), (-3, 3), dtypes=NUMERIC),
    parts=lambda x, y: x - y,
    doc="x - y",
)
elementwise(
    "mul",
    2,
    NUMERIC,
    np.multiply,
    lambda s, x, y: s.mul(x, y),
    partials=[lambda x, y, out: y, lambda x, y, out: x],
    linear=linear_in_one,
    transpose=transpose_partials(lambda ct, x, y: ct * y, lambda ct, x, y: ct * x),
    samples=operands((-3, 3), (-3, 3), dtypes=NUMERIC),
    parts=lambda x, y: x * y,
    doc="x * y",
)


# The tangent of z = x / y is (dx - dy z) / y, with one division where both move; backwards it is
# w = ct / y for x and -(w z) for y. As dx / y - dy (z / y), a sum of products with partials, it
# would divide twice. Where y alone moves, z / y does not depend on the tangent; of 1 / y it is z z.


def _moved(dx: Value, dy: Value | None, y: Value, out: Value) -> Value:
    """The tangent of out = x / y, where x moves; tangents have the shape of `out`."""
    moved = None if dy is None else times(dy, out)
    return (dx if moved is None else dx - moved).unscale(y)


def _div_jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value]
) -> Sequence[Value | None]:
    (x, y), out = primals, outs[0]
    dx, dy = (None if t is None else spread(t, out.shape) for t in tangents)
    if dx is not None:
        return [_moved(dx, dy, y, out)]
    if dy is None:
        return [None]
    inverse = isinstance(x.atom, Literal) and x.atom.value == 1
    return [times(dy, -(out * out if inverse else out / y))]


elementwise(
    "div",
    2,
    FLOATS,
    np.divide,
    lambda s, x, y: s.div(x, y),
    jvp=_div_jvp,
    linear=linear_in(0),
    transpose=transpose_partials(lambda ct, x, y: ct / y),
    samples=operands((-3, 3), (0.5, 3)),
    parts=lambda x, y: x / y,
    cost=4,
    doc="x / y",
)


# Products of a tangent t with a partial. As functions of t they are t*p and t/y; only where p or
# 1/y is not finite does the rule at t = 0 matter. Their own derivatives are those of t*p and
# t/y, again with zeros that win, so they nest to any order: where p is infinite or NaN its tangent
# is too, so that a t of 0 must win over dp as it does over p (d(t*p) = dt*p + dp*t). A p of 0 wins
# over an infinite t as well: slopes are multiplied from the inside in forward mode and from the
# outside in reverse mode, so with one zero that wins on either side both modes agree. But it does
# not win over dp, by which it moves: that of 2 x at 0.


def _scale(t: Array, p: Array) -> Array:
    return np.where((t == 0) | (p == 0), t.dtype.type(0), t * p)


def _unscale(t: Array, y: Array) -> Array:
    return np.where(t == 0, t.dtype.type(0), t / y)


def _scale_jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value]
) -> Sequence[Value | None]:
    (t, p), (dt, dp) = primals, tangents
    first = None if dt is None else times(spread(dt, outs[0].shape), p)
    second = None if dp is None else times(_where_counted(t, dp, outs[0].shape), t)
    return [add_tangents(first, second)]


def _unscale_jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value]
) -> Sequence[Value | None]:
    (t, y), (dt, dy), out = primals, tangents, outs[0]
    moved = None if dy is None else _where_counted(t, dy, out.shape)
    if dt is not None:
        return [_moved(spread(dt, out.shape), moved, y, out)]
    return [None if moved is None else times(moved, -out.unscale(y))]


def _where_counted(t: Value, tangent: Value, shape: Shape) -> Value:
    """The tangent of a partial, but 0 where t is 0, which wins over it too."""
    moved = spread(tangent, shape)
    if isinstance(t.atom, Literal):
        return moved
    zero = t.builder.literal(0, t.dtype)
    return spread(t.eq(zero), shape).select(zero, moved)


def _zero_wins(zero_is_there: Value, product: Parts) -> Parts:
    zero = product.re.builder.literal(0, product.re.dtype)
    return choose(zero_is_there, Parts(zero, zero), product)


elementwise(
    "scale",
    2,
    FLOATS,
    _scale,
    lambda s, t, p: s.select(s.and_(s.ne(t, 0), s.ne(p, 0)), s.mul(t, p), 0),
    jvp=_scale_jvp,
    linear=linear_in_one,
    transpose=transpose_partials(lambda ct, t, p: ct.scale(p), lambda ct, t, p: ct.scale(t)),
    samples=operands((-3, 3), (-3, 3)),
    parts=lambda t, p: _zero_wins(t.is_zero.bitor(p.is_zero), t * p),
    doc="t * p, but 0 where t or p is 0: a tangent times a partial",
)
elementwise(
    "unscale",
    2,
    FLOATS,
    _unscale,
    lambda s, t, y: s.select(s.eq(t, 0), 0, s.div(t, y)),
    jvp=_unscale_jvp,
    linear=linear_in(0),
    transpose=transpose_partials(lambda ct, t, y: ct.unscale(y)),
    samples=operands((-3, 3), (0.5, 3)),
    parts=lambda t, y: _zero_wins(t.is_zero, t / y),
    cost=4,
    doc="t / y, but 0 where t is 0: a tangent over the inverse of a partial",
)


def _abs(s: S, x: Expr) -> Expr:
    return x if x.dtype.kind == "u" else s.abs(x)


def _sign(s: S, x: Expr) -> Expr:
    zero = s.like(0, x)
    rest = s.select(s.isnan(x), x, zero)
    if x.dtype.kind != "u":
        rest = s.select(s.lt(x, zero), -1, rest)
    return s.select(s.gt(x, zero), 1, rest)


elementwise(
    "abs",
    1,
    NUMERIC,
    np.absolute,
    _abs,
    partials=[lambda x, out: x.sign()],
    samples=operands((0.5, 3), dtypes=NUMERIC),
    storage=True,
    doc="|x|; slope 0 at 0",
)
elementwise(
    "sign",
    1,
    NUMERIC,
    np.sign,
    _sign,
    samples=operands((0.5, 3), dtypes=NUMERIC),
    doc="-1, 0 or 1; NaN of NaN",
)


# Division with Python's signs. For floats this is the algorithm of NumPy's npy_divmod: the
# remainder of fmod is exact; it is moved to the sign of the divisor, and the quotient, whose
# only error is that of the division, is snapped to the nearest integer.


def _float_mod(s: S, x: Expr, y: Expr) -> tuple[Expr, Expr, Expr]:
    """fmod, whether it must be moved by one divisor, and the remainder."""
    rest = s.frem(x, y)
    moved = s.and_(s.ne(rest, 0), s.ne(s.lt(y, 0), s.lt(rest, 0)))
    shifted = s.select(moved, s.add(rest, y), s.select(s.eq(rest, 0), s.copysign(0, y), rest))
    return rest, moved, s.select(s.eq(y, 0), rest, shifted)


def _log2(x: Expr, y: Expr) -> int | None:
    """k if integers x are divided by a constant y = 2**k other than 1."""
    power = y.is_const and not x.is_const and x.dtype.kind in "iu" and int(y.attr) > 1
    return int(y.attr).bit_length() - 1 if power and not y.attr & (y.attr - 1) else None


# In two's complement x = q 2**k + r with 0 <= r < 2**k has the bits of r as its lowest k bits and
# those of q above them, for negative x too: floor(x / 2**k) is a shift, x mod 2**k a mask.


def _floordiv(s: S, x: Expr, y: Expr) -> Expr:
    k = _log2(x, y)
    if k is not None:
        return s.shr(x, k)
    if x.dtype.kind == "u":
        return s.idiv(x, y)
    if x.dtype.kind == "i":
        quotient, rest = s.idiv(x, y), s.irem(x, y)
        return s.select(_below(s, rest, y), s.sub(quotient, 1), quotient)
    rest, moved, _ = _float_mod(s, x, y)
    ratio = s.div(s.sub(x, rest), y)
    ratio = s.select(moved, s.sub(ratio, 1), ratio)
    floor = s.unary(ScalarOp.FLOOR, ratio)
    snapped = s.select(s.gt(s.sub(ratio, floor), 0.5), s.add(floor, 1), floor)
    exact = s.div(x, y)
    signed = s.select(s.eq(ratio, 0), s.copysign(0, exact), snapped)
    return s.select(s.eq(y, 0), exact, signed)


def _below(s: S, rest: Expr, y: Expr) -> Expr:
    return s.and_(s.ne(rest, 0), s.xor(s.lt(rest, 0), s.lt(y, 0)))


def _mod(s: S, x: Expr, y: Expr) -> Expr:
    if kind_of(x.dtype) == "f":
        return _float_mod(s, x, y)[2]
    if _log2(x, y) is not None:
        return s.and_(x, int(y.attr) - 1)
    rest = s.irem(x, y)
    return rest if x.dtype.kind == "u" else s.select(_below(s, rest, y), s.add(rest, y), rest)


def _fmod(s: S, x: Expr, y: Expr) -> Expr:
    return s.frem(x, y) if kind_of(x.dtype) == "f" else s.irem(x, y)


def _minus_quotient(x: Value, y: Value, out: Value) -> Value:
    return -x.floordiv(y)


elementwise(
    "floordiv",
    2,
    NUMERIC,
    np.floor_divide,
    _floordiv,
    samples=operands((3.3, 4.7), (0.9, 1.05), dtypes=NUMERIC),
    cost=20,
    doc="floor(x / y); an integer over 0 gives 0",
)
elementwise(
    "mod",
    2,
    NUMERIC,
    np.remainder,
    _mod,
    partials=[1, _minus_quotient],
    samples=operands((3.3, 3.6), (0.9, 1.05), dtypes=NUMERIC),
    cost=20,
    doc="x - y * floor(x / y), with the sign of y; an integer modulo 0 gives 0",
)
elementwise(
    "fmod",
    2,
    NUMERIC,
    np.fmod,
    _fmod,
    partials=[1, lambda x, y, out: -(x / y).trunc()],
    samples=operands((3.3, 3.6), (0.9, 1.05), dtypes=NUMERIC),
    cost=20,
    doc="the remainder of division towards zero, with the sign of x",
)
