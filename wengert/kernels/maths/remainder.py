"""The remainder of a division towards zero, C's fmod: exact, and without fused products.

With a = |x|, b = |y| and q = floor(a / b), a rounded quotient is never below a whole number that
the true one reaches, so q is right or one too large, and a - q b is the remainder r or r - b. Both
are multiples of the last bit of a or of b, whichever is lower, and no larger than b, hence numbers
of the format. What is left is to subtract without rounding on the way:

- float64: b is cut into two numbers of 26 and 27 bits. For q < 2**26 both products with q are
  exact, and so is a - q b_high, a multiple of the same bits and no larger than 2 b.
- float32 is computed in float64, where q b is exact for q < 2**29.

Larger quotients, an infinite y and y = 0 are left to the library. NaN stays on the fast way.
"""

from __future__ import annotations

from math import inf

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOAT64
from wengert.kernels.maths.formats import DOUBLE, Format, as_bits, format_of

_LOW_BITS = (1 << 27) - 1
_LARGEST = 2.0**29, 2.0**26
"""Quotients at which the library takes over."""


def is_large(s: ScalarBuilder, x: Expr, y: Expr) -> Expr:
    """Whether the fast form does not hold."""
    a, b = _sizes(s, x, y)
    largest = format_of(x).pick(*_LARGEST)
    return s.or_(s.ge(s.div(a, b), largest), s.eq(b, inf))


def slow(s: ScalarBuilder, x: Expr, y: Expr) -> Expr:
    """The library's function; the remainder of two numbers of float32 is one, too."""
    return s.cast(s.call("fmod", s.cast(x, FLOAT64), s.cast(y, FLOAT64)), x.dtype)


def frem(s: ScalarBuilder, f: Format, x: Expr, y: Expr) -> Expr:
    """x - y trunc(x / y)."""
    a, b = _sizes(s, x, y)
    q = s.unary(ScalarOp.FLOOR, s.div(a, b))
    if f is DOUBLE:
        high = s.bitcast(s.and_(as_bits(s, b), (1 << 64) - 1 - _LOW_BITS), b.dtype)
        rest = s.sub(s.sub(a, s.mul(q, high)), s.mul(q, s.sub(b, high)))
    else:
        rest = s.sub(a, s.mul(q, b))
    rest = s.select(s.lt(rest, 0.0), s.add(rest, b), rest)
    return s.copysign(s.cast(rest, x.dtype), x)


def _sizes(s: ScalarBuilder, x: Expr, y: Expr) -> tuple[Expr, Expr]:
    return s.abs(s.cast(x, FLOAT64)), s.abs(s.cast(y, FLOAT64))
