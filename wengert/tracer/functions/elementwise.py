"""NumPy's elementwise ufuncs as equations.

Each entry of `LOWERINGS` is called with values of the dtypes of NumPy's inner loop, broadcast to
one shape (literals stay scalars), and gives the result, or several.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.floats import finfo, is_half, kind_of
from wengert.ir.types import BOOL, FLOAT32, DType

Lowering = Callable[..., Any]
LOWERINGS: dict[str, Lowering] = {}


def lowering(*names: str) -> Callable[[Lowering], Lowering]:
    """Registers what the ufuncs of these names become."""

    def decorate(function: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(names, function))
        return function

    return decorate


def direct(op: str) -> Lowering:
    """A ufunc that is one op."""
    return lambda x, *others: getattr(x, op)(*others)


SAME_NAME = [
    "sqrt",
    "cbrt",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "copysign",
    "nextafter",
    "heaviside",
    "gcd",
    "lcm",
    "signbit",
    "fmod",
]
RENAMED = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "arctan2": "atan2",
    "divide": "div",
    "subtract": "sub",
    "negative": "neg",
    "floor_divide": "floordiv",
    "remainder": "mod",
    "bitwise_and": "bitand",
    "bitwise_or": "bitor",
    "bitwise_xor": "bitxor",
    "invert": "bitnot",
    "fabs": "abs",
}
LOWERINGS.update({name: direct(name) for name in SAME_NAME})
LOWERINGS.update({name: direct(op) for name, op in RENAMED.items()})

COMPARISONS = {
    "equal": "eq",
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
}


def _comparison(name: str, op: str) -> Lowering:
    """A comparison; int64 with uint64 by value, which is NumPy's only loop of two dtypes."""

    def compare(x: Value, y: Value) -> Value:
        if x.dtype == y.dtype:
            return getattr(x, op)(y)
        unsigned = np.dtype(np.uint64)
        same = getattr(x.to(unsigned), op)(y.to(unsigned))
        if x.dtype.kind == "i":
            return x.lt(0).select(bool(getattr(np, name)(-1, 0)), same)
        return y.lt(0).select(bool(getattr(np, name)(0, -1)), same)

    return compare


LOWERINGS.update({name: _comparison(name, op) for name, op in COMPARISONS.items()})

BOOLEAN_PAIRS = {
    "add": ("add", "bitor"),
    "multiply": ("mul", "bitand"),
    "maximum": ("max", "bitor"),
    "minimum": ("min", "bitand"),
}


def _paired(op: str, boolean: str) -> Lowering:
    return lambda x, y: getattr(x, boolean if x.dtype == BOOL else op)(y)


LOWERINGS.update({name: _paired(*ops) for name, ops in BOOLEAN_PAIRS.items()})


def truth(x: Value) -> Value:
    """Whether each element is non-zero."""
    return x if x.dtype == BOOL else x.ne(0)


@lowering("fmax")
def fmax(x: Value, y: Value) -> Value:
    """The larger, the other of a NaN."""
    return x.fmax(y) if kind_of(x.dtype) in "fc" else LOWERINGS["maximum"](x, y)


@lowering("fmin")
def fmin(x: Value, y: Value) -> Value:
    """The smaller, the other of a NaN."""
    return x.fmin(y) if kind_of(x.dtype) in "fc" else LOWERINGS["minimum"](x, y)


@lowering("logical_and")
def logical_and(x: Value, y: Value) -> Value:
    """Whether both are non-zero."""
    return truth(x).bitand(truth(y))


@lowering("logical_or")
def logical_or(x: Value, y: Value) -> Value:
    """Whether either is non-zero."""
    return truth(x).bitor(truth(y))


@lowering("logical_xor")
def logical_xor(x: Value, y: Value) -> Value:
    """Whether just one is non-zero."""
    return truth(x).bitxor(truth(y))


@lowering("logical_not")
def logical_not(x: Value) -> Value:
    """Whether it is zero."""
    return x.bitnot() if x.dtype == BOOL else x.eq(0)


@lowering("positive")
def positive(x: Value) -> Value:
    """The number itself."""
    return x


@lowering("conjugate")
def conjugate(x: Value) -> Value:
    """The number with its imaginary part negated."""
    return x.conj() if x.type.is_complex else x


@lowering("sign")
def sign(x: Value) -> Value:
    """-1, 0 or 1; of a complex number x / |x|, and 0 at 0."""
    if not x.type.is_complex:
        return x.sign()
    size = absolute(x)
    zero, endless = size.eq(0), size.isinf()
    re, im, divisor = x.real(), x.imag(), zero.select(1, size)
    found = zero.select(0, re.div(divisor).complex(im.div(divisor)))
    return endless.select(_endless_sign(re, im), found)


def _endless_sign(re: Value, im: Value) -> Value:
    """The sign of a complex number with one infinite part, which decides; of two none does."""

    def sign_of(part: Value, other: Value) -> Value:
        one = part.full_like(1).copysign(part)
        return part.isinf().select(other.isinf().select(math.nan, one), 0)

    return sign_of(re, im).complex(sign_of(im, re))


@lowering("absolute")
def absolute(x: Value) -> Value:
    """The number without its sign: the length of a complex one."""
    if x.type.is_complex:
        return x.real().hypot(x.imag())
    return x if x.dtype.kind in "bu" else x.abs()


@lowering("square")
def square(x: Value) -> Value:
    """x * x"""
    return x.mul(x)


@lowering("reciprocal")
def reciprocal(x: Value) -> Value:
    """1 / x; for ints truncated, and NumPy's smallest int (its cast of infinity) at 0."""
    if x.type.is_float:
        return 1.0 / x
    quotient = x.eq(1).to(x.dtype)
    if x.dtype.kind == "i":
        quotient = quotient.sub(x.eq(-1).to(x.dtype))
    return x.eq(0).select(reciprocal_of_zero(x.dtype), quotient)


def reciprocal_of_zero(dtype: DType) -> int:
    """What NumPy's integer reciprocal gives at 0: C's cast of infinity on this machine."""
    with np.errstate(all="ignore"):
        return np.reciprocal(np.zeros(1, dtype))[0].item()


@lowering("power", "float_power")
def power(x: Value, y: Value) -> Value:
    """x ** y"""
    return x.pow(y) if x.type.is_float else x.powi(y)


@lowering("deg2rad", "radians")
def deg2rad(x: Value) -> Value:
    """Degrees as radians."""
    return x.mul(math.pi / 180)


@lowering("rad2deg", "degrees")
def rad2deg(x: Value) -> Value:
    """Radians as degrees."""
    return x.mul(180 / math.pi)


def _rounding(op: str) -> Lowering:
    def round_(x: Value) -> Value:
        if x.type.is_complex:
            return getattr(x.real(), op)().complex(getattr(x.imag(), op)())
        return getattr(x, op)() if x.type.is_float else x

    return round_


LOWERINGS.update({name: _rounding(name) for name in ("floor", "ceil", "trunc", "rint")})


def _classified(op: str, otherwise: bool) -> Lowering:
    def classify(x: Value) -> Value:
        if x.type.is_complex:
            re, im = getattr(x.real(), op)(), getattr(x.imag(), op)()
            return re.bitand(im) if op == "isfinite" else re.bitor(im)
        if kind_of(x.dtype) == "f":
            return getattr(x, op)()
        return x.builder.full(x.shape, otherwise, BOOL)

    return classify


LOWERINGS["isnan"] = _classified("isnan", False)
LOWERINGS["isinf"] = _classified("isinf", False)
LOWERINGS["isfinite"] = _classified("isfinite", True)


@lowering("bitwise_count")
def bitwise_count(x: Value) -> Value:
    """Bits of the absolute value, as uint8."""
    return (x.abs() if x.dtype.kind == "i" else x).popcount().to(np.dtype(np.uint8))


@lowering("left_shift")
def left_shift(x: Value, y: Value) -> Value:
    """x << y"""
    return x.shl(y)


@lowering("right_shift")
def right_shift(x: Value, y: Value) -> Value:
    """x >> y"""
    return x.shr(y)


@lowering("divmod")
def divmod_(x: Value, y: Value) -> tuple[Value, Value]:
    """Quotient and remainder."""
    return x.floordiv(y), x.mod(y)


@lowering("modf")
def modf(x: Value) -> tuple[Value, Value]:
    """Fractional and whole part, both with the sign of x; infinities have fraction 0."""
    whole = x.trunc()
    fraction = x.isinf().select(0.0, x.sub(whole))
    return fraction.copysign(x), whole


@lowering("spacing")
def spacing(x: Value) -> Value:
    """The distance to the next number away from zero, with the sign of x."""
    towards = x.full_like(np.inf)
    if x.dtype != np.float16:  # NumPy's half goes upwards instead
        towards = x.lt(0.0).select(-np.inf, towards)
    return x.isinf().select(np.nan, x.nextafter(towards).sub(x))


@lowering("frexp")
def frexp(x: Value) -> tuple[Value, Value]:
    """Mantissa in [0.5, 1) and exponent: x = mantissa * 2**exponent.

    The exponent is estimated by log2 of a number brought out of the denormal range, then
    corrected by one where rounding put it on the wrong side of a power of two.
    """
    info = finfo(x.dtype)
    lift = info.nmant + 2
    odd = x.eq(0.0).bitor(x.isfinite().bitnot())
    size = odd.select(1.0, x.abs())
    small = size.lt(float(info.smallest_normal))
    scaled = small.select(size.mul(2.0**lift), size)
    guess = scaled.log2().floor().add(1.0)
    mantissa = scale_by_two(scaled, guess.neg())
    low, high = mantissa.lt(0.5), mantissa.ge(1.0)
    mantissa = low.select(mantissa.mul(2.0), high.select(mantissa.mul(0.5), mantissa))
    exponent = guess.add(high.to(x.dtype)).sub(low.to(x.dtype))
    exponent = exponent.sub(small.to(x.dtype).mul(float(lift)))
    int32 = np.dtype(np.int32)
    return odd.select(x, mantissa.copysign(x)), odd.select(0.0, exponent).to(int32)


@lowering("ldexp")
def ldexp(x: Value, n: Value) -> Value:
    """x * 2**n, in steps so that no factor leaves the range of the dtype."""
    if is_half(x.dtype):
        return ldexp(x.to(FLOAT32), n).to(x.dtype)
    limit = 3 * finfo(x.dtype).maxexp
    wide = n.to(np.dtype(np.int64)) if n.dtype != np.int64 else n
    bounded = wide.max(-limit).min(limit).to(x.dtype)
    return scale_by_two(x, bounded)


def scale_by_two(x: Value, n: Value) -> Value:
    """x * 2**n for a whole number n of the dtype of x, with one rounding.

    The first factors are clipped so that 2**k and the product stay normal wherever the result
    does (as musl's scalbn).
    """
    info = finfo(x.dtype)
    low, high = float(info.minexp + info.nmant + 1), float(info.maxexp - 1)
    for _ in range(2):
        step = n.max(low).min(high)
        x, n = x.mul(step.exp2()), n.sub(step)
    return x.mul(n.max(float(info.minexp)).min(high).exp2())
