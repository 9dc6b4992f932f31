"""Floating-point formats, and the few bit tricks that every expansion is made of.

All tricks stay in vector registers on AVX2: no conversion between float64 and int64, no integer
division, no arithmetic 64-bit shift (shifts are done on unsigned integers). The exceptions are
`exponent`, `significand`, `scale` and `lookup`, one instruction each of AVX-512: expansions that
have them have another form for other machines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOAT32, FLOAT64, DType


@dataclass(frozen=True, slots=True)
class Format:
    """One binary floating-point format, with values of constants that depend on it."""

    dtype: DType
    bits: DType
    mantissa: int  # stored bits of the significand
    bias: int
    magic: float  # 1.5 * 2**mantissa: adding it rounds to an integer, left in the low bits
    tiny: float  # smallest normal number

    @property
    def sign_bit(self) -> int:
        """The top bit alone."""
        return 1 << (8 * self.dtype.itemsize - 1)

    @property
    def fraction_mask(self) -> int:
        """The stored bits of the significand."""
        return (1 << self.mantissa) - 1

    def pick(self, single: Any, double: Any) -> Any:
        """`single` in float32, `double` in float64."""
        return single if self.dtype == FLOAT32 else double

    def bits_of(self, x: float) -> int:
        """The bit pattern of a constant."""
        return int(np.array(x, self.dtype).view(self.bits))


SINGLE = Format(FLOAT32, np.dtype(np.uint32), 23, 127, 1.5 * 2.0**23, 2.0**-126)
DOUBLE = Format(FLOAT64, np.dtype(np.uint64), 52, 1023, 1.5 * 2.0**52, 2.0**-1022)
FORMATS = {FLOAT32: SINGLE, FLOAT64: DOUBLE}


def format_of(x: Expr) -> Format:
    """The format of an expression of floats."""
    return FORMATS[x.dtype]


def horner(s: ScalarBuilder, x: Expr, coefficients: Sequence[float]) -> Expr:
    """The polynomial with `coefficients`, constant first, by Horner's rule."""
    result = s.like(coefficients[-1], x)
    for c in reversed(coefficients[:-1]):
        result = s.fma(result, x, c)
    return result


def at_most(s: ScalarBuilder, x: Expr, bound: float) -> Expr:
    """min(x, bound), NaN kept: one instruction on x86."""
    limit = s.like(bound, x)
    return s.select(s.lt(limit, x), limit, x)


def at_least(s: ScalarBuilder, x: Expr, bound: float) -> Expr:
    """max(x, bound), NaN kept: one instruction on x86."""
    limit = s.like(bound, x)
    return s.select(s.gt(limit, x), limit, x)


def as_bits(s: ScalarBuilder, x: Expr) -> Expr:
    """The bit pattern, as an unsigned integer."""
    return s.bitcast(x, format_of(x).bits)


def sign_of(s: ScalarBuilder, x: Expr) -> Expr:
    """The sign bit of x, the rest zero, as an unsigned integer."""
    return s.and_(as_bits(s, x), format_of(x).sign_bit)


def flip_sign(s: ScalarBuilder, x: Expr, sign: Expr) -> Expr:
    """x negated where the `sign` bit (of an unsigned integer, the rest zero) is set."""
    return s.bitcast(s.xor(as_bits(s, x), sign), x.dtype)


def power_of_two(s: ScalarBuilder, t: Expr) -> Expr:
    """2**n for n + bias in the low bits of the bit pattern of `t`, 0 <= n + bias < 2 bias + 1.

    The magic number has zeros in all the other bits that survive the shift.
    """
    f = format_of(t)
    return s.bitcast(s.shl(as_bits(s, t), f.mantissa), t.dtype)


def times_power(s: ScalarBuilder, x: Expr, t: Expr) -> Expr:
    """x 2**n for n + 2 bias in the low bits of the bit pattern of `t`: `scale` by arithmetic.

    By two factors of about 2**(n/2), since one cannot reach from subnormals to overflow.
    """
    f = format_of(x)
    n = as_bits(s, t)
    half = s.shr(n, 1)
    first, second = (s.bitcast(s.shl(k, f.mantissa), x.dtype) for k in (half, s.sub(n, half)))
    return s.mul(s.mul(x, first), second)


def exponent(s: ScalarBuilder, x: Expr) -> Expr:
    """floor(log2|x|) as a float; -inf for 0, inf for infinities, NaN for NaN."""
    return s.unary(ScalarOp.EXPONENT, x)


def significand(s: ScalarBuilder, x: Expr) -> Expr:
    """x 2**-exponent(x), in [1, 2), for 0 < x < inf; finite for 0 and inf, NaN for all others."""
    return s.unary(ScalarOp.SIGNIFICAND, x)


def scale(s: ScalarBuilder, x: Expr, y: Expr) -> Expr:
    """x 2**floor(y), for |y| less than twice the bias; rounded once for x near 1."""
    return s.node(ScalarOp.SCALE, (x, y), x.dtype)


def scale_down(s: ScalarBuilder, x: Expr, y: Expr) -> Expr:
    """The same for x < 2, quick where the result is so small that it is rounded to 0.

    There x is 0 beforehand: x86 takes some 200 cycles for results that it finds to be too small,
    and such are common, as exponentials of what a mask puts far below all others.
    """
    f = format_of(x)
    gone = s.lt(y, -float(f.bias + f.mantissa + 1))
    return scale(s, s.select(gone, s.like(0.0, x), x), y)


def plain_scale_down(s: ScalarBuilder, x: Expr, n: Expr) -> Expr:
    """The same for whole n, by arithmetic."""
    f = format_of(x)
    gone = s.lt(n, -float(f.bias + f.mantissa + 1))
    t = s.add(n, f.magic + 2 * f.bias)
    return times_power(s, s.select(gone, s.like(0.0, x), x), t)


def lookup(s: ScalarBuilder, f: Format, table: tuple[float, ...], index: Expr) -> Expr:
    """The element of a table at an unsigned integer, modulo the length of the table.

    There are vectors of 512 bits that hold a table of 8 or 16 float64, or 16 or 32 float32.
    """
    return s.node(ScalarOp.LOOKUP, (index,), f.dtype, table)


Scaling = Callable[[ScalarBuilder, Expr, Expr], Expr]
"""`scale_down`, or its form by arithmetic."""


@dataclass(frozen=True, slots=True)
class Split:
    """x = 2**exponent * significand, the significand in [sqrt(1/2), sqrt(2)); both floats.

    `biased` is the exponent as an unsigned integer, plus `excess`.
    """

    exponent: Expr
    significand: Expr
    biased: Expr
    excess: int


def split(s: ScalarBuilder, x: Expr, *, subnormal: bool = True) -> Split:
    """Takes a positive finite x apart; anything else gives something harmless.

    Subnormal x is first scaled to a normal number, unless the caller knows that there is none.
    """
    f = format_of(x)
    root = f.bits_of(0.5**0.5)
    # bits(sqrt(1/2) 2**e) = root + (e << mantissa); `excess` keeps the exponent field positive
    excess = f.bias + f.mantissa + 16
    offset = (excess << f.mantissa) - root
    bits = as_bits(s, x)
    shift = s.const(offset, f.bits)
    if subnormal:
        small = s.lt(x, f.tiny)
        bits = as_bits(s, s.select(small, s.mul(x, 2.0 ** (f.mantissa + 2)), x))
        lower = offset - ((f.mantissa + 2) << f.mantissa)
        shift = s.select(small, s.const(lower, f.bits), shift)
    shifted = s.add(bits, shift)
    significand = s.bitcast(s.add(s.and_(shifted, f.fraction_mask), root), f.dtype)
    biased = s.shr(shifted, f.mantissa)
    return Split(_small_integer(s, biased, excess), significand, biased, excess)


def _small_integer(s: ScalarBuilder, n: Expr, excess: int) -> Expr:
    """The float n - excess for 0 <= n < 2**mantissa: n is put below the significand of a power
    of two whose last bit is worth 1."""
    f = DOUBLE if n.dtype == DOUBLE.bits else SINGLE
    base = 2.0**f.mantissa
    return s.sub(s.bitcast(s.or_(n, f.bits_of(base)), f.dtype), base + excess)
