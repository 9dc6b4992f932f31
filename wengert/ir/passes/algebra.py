"""Algebraic rules of elementwise ops.

Each holds to the last bit for every input, signed zeros, infinities and NaN included, except
that the sign and payload of a NaN may change. So x + 0.0 stays (it turns -0.0 into 0.0), and so
does x * 0.0. Two kinds of rules go further and say so: powers with small exponents, where NumPy
takes the same shortcuts, and `scale`, which is a product that only derivatives make.
"""

from __future__ import annotations

import math

from wengert.ir import promotion
from wengert.ir.floats import finfo, kind_of
from wengert.ir.passes.splats import is_splat, splat_value, whole
from wengert.ir.program import Atom, Literal
from wengert.ir.rewrite import Node, Rewriter, Rule
from wengert.ir.types import DType

Table = dict[str, tuple[Rule, ...]]


def exact(dtype: DType) -> bool:
    """Whether arithmetic on a dtype is exact, so that all laws of a ring hold."""
    return dtype.kind in "iu"


def _negated(r: Rewriter, atom: Atom) -> Atom | None:
    maker = r.maker(atom, "neg")
    return None if maker is None else maker.inputs[0]


# sums


def add_zero(r: Rewriter, n: Node) -> Atom | None:
    """x + (-0.0) -> x; for integers x + 0 -> x."""
    x, y = n.inputs
    zero = 0 if exact(n.type.dtype) else -0.0
    return whole(r, x, n) if is_splat(r, y, zero) else None


def add_negated(r: Rewriter, n: Node) -> Atom | None:
    """x + (-y) -> x - y, and (-x) + y -> y - x."""
    x, y = n.inputs
    if (inner := _negated(r, y)) is not None:
        return r.emit("sub", x, inner)
    if (inner := _negated(r, x)) is not None:
        return r.emit("sub", y, inner)
    return None


def sub_zero(r: Rewriter, n: Node) -> Atom | None:
    """x - 0 -> x."""
    x, y = n.inputs
    return whole(r, x, n) if is_splat(r, y, 0.0) else None


def zero_sub(r: Rewriter, n: Node) -> Atom | None:
    """(-0.0) - x -> -x; for integers 0 - x -> -x."""
    x, y = n.inputs
    zero = 0 if exact(n.type.dtype) else -0.0
    return r.emit("neg", y) if is_splat(r, x, zero) and y.type == n.type else None


def sub_negated(r: Rewriter, n: Node) -> Atom | None:
    """x - (-y) -> x + y."""
    x, y = n.inputs
    inner = _negated(r, y)
    return None if inner is None else r.emit("add", x, inner)


def sub_self(r: Rewriter, n: Node) -> Atom | None:
    """x - x -> 0 for integers."""
    x, y = n.inputs
    return r.full(r.literal(0, n.type.dtype), n.type) if x is y and exact(n.type.dtype) else None


# products


def mul_one(r: Rewriter, n: Node) -> Atom | None:
    """x * 1 -> x."""
    x, y = n.inputs
    return whole(r, x, n) if is_splat(r, y, 1) else None


def mul_minus_one(r: Rewriter, n: Node) -> Atom | None:
    """x * -1 -> -x."""
    x, y = n.inputs
    return r.emit("neg", x) if is_splat(r, y, -1) and x.type == n.type else None


def mul_zero(r: Rewriter, n: Node) -> Atom | None:
    """x * 0 -> 0 for integers."""
    _, y = n.inputs
    return whole(r, y, n) if exact(n.type.dtype) and is_splat(r, y, 0) else None


def negated_factor(r: Rewriter, n: Node) -> Atom | None:
    """(-x) * y -> -(x * y), and likewise x * (-y), x / y, scale and unscale.

    Outside, the sign can meet another one, or a sum. A literal takes it up at once. (For scale
    and unscale the zeros that win may change their sign.)
    """
    x, y = n.inputs
    inner = _negated(r, x)
    if inner is not None and isinstance(y, Literal):
        return r.emit(n.op.name, inner, r.emit("neg", y))
    other = _negated(r, y)
    if inner is not None and other is not None:
        return r.emit(n.op.name, inner, other)
    if inner is not None and r.used_once(x):
        return r.emit("neg", r.emit(n.op.name, inner, y))
    if other is not None and r.used_once(y):
        return r.emit("neg", r.emit(n.op.name, x, other))
    return None


def div_power_of_two(r: Rewriter, n: Node) -> Atom | None:
    """x / 2^k -> x * 2^-k: the same real number, rounded once; x / 1 -> x."""
    x, y = n.inputs
    value = splat_value(r, y)
    if value is None or math.frexp(value)[0] not in (0.5, -0.5):
        return None
    inverse = 1 / value if abs(value) > 1e-300 else math.inf
    info = finfo(n.type.dtype)
    if not float(info.smallest_normal) <= abs(inverse) <= float(info.max):
        return None
    return r.emit("mul", x, r.literal(inverse, n.type.dtype))


def floordiv_one(r: Rewriter, n: Node) -> Atom | None:
    """x // 1 -> x for integers."""
    x, y = n.inputs
    return whole(r, x, n) if exact(n.type.dtype) and is_splat(r, y, 1) else None


def neg_neg(r: Rewriter, n: Node) -> Atom | None:
    """-(-x) -> x."""
    return _negated(r, n.inputs[0])


def neg_mul(r: Rewriter, n: Node) -> Atom | None:
    """-(x * literal) -> x * (-literal), unless the product is there anyway.

    A second product would cost more than a sign: on subnormal numbers, a hundred times as much.
    """
    maker = r.maker(n.inputs[0], "mul")
    if maker is None or not isinstance(maker.inputs[1], Literal) or not r.used_once(n.inputs[0]):
        return None
    return r.emit("mul", maker.inputs[0], r.emit("neg", maker.inputs[1]))


def abs_inner(r: Rewriter, n: Node) -> Atom | None:
    """abs(-x) -> abs(x), and abs(abs(x)) -> abs(x)."""
    inner = _negated(r, n.inputs[0])
    if inner is not None:
        return r.emit("abs", inner)
    return n.inputs[0] if r.maker(n.inputs[0], "abs") else None


# powers


def pow_small(r: Rewriter, n: Node) -> Atom | None:
    """x ** e for e in -1, 0, 1, 2, 3 -> integer_pow, and x ** 0.5 -> sqrt, as NumPy's ** does.

    Only x ** 3 may differ from pow, in the last bit; sqrt differs at -0.0 and -inf.
    """
    x, y = n.inputs
    value = splat_value(r, y)
    if value is None or x.type != n.type:
        return None
    if value == 0.5:
        return r.emit("sqrt", x)
    if value in (-1, 0, 1, 2, 3):
        return r.emit("integer_pow", x, exponent=int(value))
    return None


def powi_literal(r: Rewriter, n: Node) -> Atom | None:
    """x ** k -> integer_pow, for a known integer k >= 0."""
    x, y = n.inputs
    value = splat_value(r, y)
    if value is None or value < 0 or x.type != n.type:
        return None
    return r.emit("integer_pow", x, exponent=int(value))


def integer_pow_small(r: Rewriter, n: Node) -> Atom | None:
    """x ** 0 -> 1, x ** 1 -> x, x ** 2 -> x * x, x ** -1 -> 1 / x."""
    x, dtype = n.inputs[0], n.type.dtype
    match n.params["exponent"]:
        case 0:
            return r.full(r.literal(1, dtype), n.type)
        case 1:
            return x
        case 2:
            return r.emit("mul", x, x)
        case -1:
            return r.emit("div", r.literal(1, dtype), x)
        case _:
            return None


# products of tangents: 0 where the tangent or the partial is 0


def scale_known(r: Rewriter, n: Node) -> Atom | None:
    """scale by a finite literal -> a product; scale of a finite tangent -> 0 or a product."""
    t, p = n.inputs
    tangent, partial = splat_value(r, t), splat_value(r, p)
    for known, atom in ((tangent, t), (partial, p)):
        if known == 0:
            return whole(r, atom, n)
    if tangent is not None and math.isfinite(tangent):
        return r.emit("mul", p, t)
    return r.emit("mul", t, p) if partial is not None and math.isfinite(partial) else None


def unscale_known(r: Rewriter, n: Node) -> Atom | None:
    """unscale by a literal other than 0 and NaN -> a quotient; likewise of a known tangent."""
    t, y = n.inputs
    tangent, divisor = splat_value(r, t), splat_value(r, y)
    if tangent is not None:
        return whole(r, t, n) if tangent == 0 else r.emit("div", t, y)
    if divisor is not None and divisor != 0 and divisor == divisor:
        return r.emit("div", t, y)
    return None


def unscale_quotient(r: Rewriter, n: Node) -> Atom | None:
    """unscale(unscale(t, x / y), y) -> unscale(t, x): the derivative of log(x / y) and its like.

    It rounds once instead of three times, and x / y may overflow where x does not. (Of a known t
    the inner one is a quotient by now.)
    """
    inner = r.maker(n.inputs[0], "unscale") or r.maker(n.inputs[0], "div")
    if inner is not None and inner.op.name == "div" and not isinstance(inner.inputs[0], Literal):
        return None
    quotient = None if inner is None else r.maker(inner.inputs[1], "div")
    if inner is None or quotient is None or quotient.inputs[1] is not n.inputs[1]:
        return None
    t, x = inner.inputs[0], quotient.inputs[0]
    return r.emit("unscale", t, x) if n.type in (t.type, x.type) else None


def scale_mask(r: Rewriter, n: Node) -> Atom | None:
    """scale(t, select(c, p, q)) -> select(c, t * p, t * q), if p or q is 0, and the other 0 or 1,
    any finite literal, or again a select; scale(t, cast(c)) -> select(c, t, 0).

    Where the partial is 0 this gives 0 for every t, also for those whose product is -0 or NaN.
    """
    t, p = n.inputs
    if t.type != n.type:
        return None
    zero, one = r.literal(0, n.type.dtype), r.literal(1, n.type.dtype)
    cast = r.maker(p, "cast")
    if cast is not None and cast.inputs[0].type.dtype.kind == "b":
        return r.emit("select", cast.inputs[0], t, zero)
    mask = r.maker(p, "select")
    if mask is None:
        return None
    condition, *cases = mask.inputs
    for case in cases:
        known = splat_value(r, case)
        if known is None and r.maker(case, "select") is None:
            return None
        if known is not None and not math.isfinite(known):
            return None
    if not any(is_splat(r, case, value) for case in cases for value in (0, 1)):
        return None
    scaled = [
        zero
        if is_splat(r, case, 0)
        else t
        if is_splat(r, case, one.value)
        else r.emit("scale", t, case)
        for case in cases
    ]
    return r.emit("select", condition, *scaled)


# functions that have long reached their limit


def exp_held(r: Rewriter, n: Node) -> Atom | None:
    """exp(-(c * c)) -> exp(-(x * x)) where c is x, or a number whose exp(-c * c) is 0, and |x| is
    larger: as in the derivatives of erf, whose own derivatives alone need such a c."""
    negative = r.maker(n.inputs[0], "neg")
    square = None if negative is None else r.maker(negative.inputs[0], "mul")
    if square is None or square.inputs[0] is not square.inputs[1]:
        return None
    held = r.maker(square.inputs[0], "select")
    if held is None or r.uses.get(square.inputs[0], 0) > 2:
        return None
    far, c, x = held.inputs
    beyond, limit = r.maker(far, "gt"), splat_value(r, c)
    if beyond is None or limit is None or limit * limit < _GONE or x.type != n.type:
        return None
    size, bound = r.maker(beyond.inputs[0], "abs"), splat_value(r, beyond.inputs[1])
    if size is None or size.inputs[0] is not x or bound is None or not bound * bound >= _GONE:
        return None
    return r.emit("exp", r.emit("neg", r.emit("mul", x, x)))


_GONE = 750.0
"""exp(-_GONE) is 0 in every precision."""


# choice, logic and conversion


def select_known(r: Rewriter, n: Node) -> Atom | None:
    """select(true, x, y) -> x, and select(false, x, y) -> y."""
    condition, x, y = n.inputs
    known = splat_value(r, condition)
    return None if known is None else whole(r, x if known else y, n)


def select_same(r: Rewriter, n: Node) -> Atom | None:
    """select(c, x, x) -> x."""
    _, x, y = n.inputs
    return whole(r, x, n) if x is y else None


def select_bool(r: Rewriter, n: Node) -> Atom | None:
    """select(c, true, false) -> c, and select(c, false, true) -> not c."""
    condition, x, y = n.inputs
    yes, no = splat_value(r, x), splat_value(r, y)
    if n.type.dtype.kind != "b" or yes is None or no is None or yes == no:
        return None
    if condition.type != n.type:
        return None
    return condition if yes else r.emit("bitnot", condition)


def select_not(r: Rewriter, n: Node) -> Atom | None:
    """select(not c, x, y) -> select(c, y, x)."""
    condition, x, y = n.inputs
    maker = r.maker(condition, "bitnot")
    return None if maker is None else r.emit("select", maker.inputs[0], y, x)


def idempotent(r: Rewriter, n: Node) -> Atom | None:
    """op(x, x) -> x."""
    x, y = n.inputs
    return x if x is y else None


def bitnot_bitnot(r: Rewriter, n: Node) -> Atom | None:
    """not (not x) -> x."""
    maker = r.maker(n.inputs[0], "bitnot")
    return None if maker is None else maker.inputs[0]


def bool_known(r: Rewriter, n: Node) -> Atom | None:
    """c and true -> c, c and false -> false, c or false -> c, c or true -> true."""
    x, y = n.inputs
    known = splat_value(r, y)
    if n.type.dtype.kind != "b" or known is None:
        return None
    return whole(r, x if known == (n.op.name == "bitand") else y, n)


def cast_same(r: Rewriter, n: Node) -> Atom | None:
    """A cast to the operand's own dtype is the operand."""
    x = n.inputs[0]
    return x if x.type == n.type else None


def cast_cast(r: Rewriter, n: Node) -> Atom | None:
    """cast(cast(x)) -> cast(x), where the inner cast loses nothing."""
    maker = r.maker(n.inputs[0], "cast")
    if maker is None or not holds(maker.params["dtype"], maker.inputs[0].type.dtype):
        return None
    return r.emit("cast", maker.inputs[0], dtype=n.type.dtype)


def holds(wide: DType, narrow: DType) -> bool:
    """Whether every number of dtype `narrow` is one of `wide`."""
    if kind_of(wide) == "f" and narrow.kind in "iu" and narrow.itemsize == 8:
        return False
    return promotion.can_cast(narrow, wide, "safe")


TABLE: Table = {
    "add": (add_zero, add_negated),
    "sub": (sub_zero, zero_sub, sub_negated, sub_self),
    "mul": (mul_one, mul_minus_one, mul_zero, negated_factor),
    "div": (div_power_of_two, negated_factor),
    "floordiv": (floordiv_one,),
    "neg": (neg_neg, neg_mul),
    "abs": (abs_inner,),
    "pow": (pow_small,),
    "powi": (powi_literal,),
    "integer_pow": (integer_pow_small,),
    "scale": (scale_known, scale_mask, negated_factor),
    "unscale": (unscale_known, unscale_quotient, negated_factor),
    "exp": (exp_held,),
    "select": (select_known, select_same, select_bool, select_not),
    "max": (idempotent,),
    "min": (idempotent,),
    "bitand": (idempotent, bool_known),
    "bitor": (idempotent, bool_known),
    "bitnot": (bitnot_bitnot,),
    "cast": (cast_same, cast_cast),
}
