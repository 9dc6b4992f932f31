"""log, log2, log10, log1p.

log: x = 2**e m with m in [1, 2), 1/c next to 1/m of so few bits that r = m/c - 1 is exact (or
nearly: no bit more than it can hold), log(x) = e ln(2) + log(c) + log(1 + r), with 1/c and log(c)
in two parts from tables. P. T. P. Tang, "Table-driven implementation of the logarithm function in
IEEE floating-point arithmetic", ACM TOMS 16 (1990).

The others: x = 2**e m,  m in [sqrt(1/2), sqrt(2)),  f = m - 1 (exact),
log(x) = e ln(2) + log(1 + f).

float32: log(1 + f) = f - f**2/2 + f**3 P(f). float64: with s = f / (2 + f),
log(1 + f) = f - (f**2/2 - s (f**2/2 + R)), R = s**2 R(s**2), where the leading term of the error is
that of f**2/2 (the arrangement of fdlibm's e_log.c, Sun Microsystems 1993; own coefficients).

Where tables are in memory, log has this form too, with the rounding of e ln(2) + f made up for.

log1p needs no correction term for the rounding of u = 1 + x: with e from u,
f = x 2**-e + (2**-e - 1) is one FMA of x, and the difference is exact or does not matter.
"""

from __future__ import annotations

from math import inf, nan

from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.kernels.maths import tables
from wengert.kernels.maths.formats import (
    Format,
    as_bits,
    exponent,
    format_of,
    horner,
    lookup,
    significand,
    split,
)

# ln(2) with zeros in the low bits, so that e ln(2) is exact, and the remainder
_LN2_SINGLE = (0.693145751953125, 1.428606765330187e-06)
_LN2_DOUBLE = (0.6931471805598903, 5.497923018708371e-14)
# log2(e), log10(e) and log10(2) in two parts, the first of log10(2) with zeros in the low bits
_LOG2_E_SINGLE = (1.4426950216293335, 1.925963033500011e-08)
_LOG2_E_DOUBLE = (1.4426950408889634, 2.0355273740931033e-17)
_LOG10_E_SINGLE = (0.4342944920063019, -1.0103049952192578e-08)
_LOG10_E_DOUBLE = (0.4342944819032518, 1.098319650216765e-17)
_LOG10_2_SINGLE = (0.301025390625, 4.605039066518657e-06)
_LOG10_2_DOUBLE = (0.30102999566395283, 2.8363394551044964e-14)

# (log(1+f) - f + f**2/2) / f**3; error of log(1+f) 2**-28.2
_SINGLE = (
    *(0.3333331346511841, -0.25000008940696716, 0.2000211924314499, -0.1666799634695053),
    *(0.14219553768634796, -0.1240558996796608, 0.11888153105974197, -0.11675631254911423),
    0.06746625900268555,
)
# (log((1+s)/(1-s)) - 2 s) / s**3 in z = s**2; error of log 2**-59.2
_DOUBLE = (
    *(0.6666666666666735, 0.3999999999941085, 0.28571428743317245, 0.2222219847041605),
    *(0.18183570024783552, 0.15313896095361235, 0.14797577827439423),
)


def log_of_significand(s: ScalarBuilder, f: Expr) -> tuple[Expr, Expr]:
    """log(1 + f) = high + low for sqrt(1/2) <= 1 + f < sqrt(2), `high` being f itself."""
    fmt = format_of(f)
    square = s.mul(f, f)
    if fmt.mantissa == 23:
        cubic = s.mul(s.mul(f, square), horner(s, f, _SINGLE))
        return f, s.fma(square, -0.5, cubic)
    quotient = s.div(f, s.add(f, 2.0))
    z = s.mul(quotient, quotient)
    half = s.mul(square, 0.5)
    rest = s.fma(z, horner(s, z, _DOUBLE), half)
    return f, s.sub(s.mul(quotient, rest), half)


def _with_specials(s: ScalarBuilder, x: Expr, y: Expr) -> Expr:
    """y = log(x) for positive finite x; inf and NaN stay, log(0) = -inf, log(negative) = NaN."""
    at_zero = s.select(s.eq(x, 0.0), s.like(-inf, x), s.like(nan, x))
    return s.select(s.gt(x, 0.0), s.select(s.lt(x, inf), y, x), at_zero)


def _join(s: ScalarBuilder, e: Expr, f: Expr) -> Expr:
    """e ln(2) + log(1 + f)."""
    high, low = format_of(e).pick(_LN2_SINGLE, _LN2_DOUBLE)
    f, rest = log_of_significand(s, f)
    return s.fma(e, high, s.add(f, s.fma(e, low, rest)))


def log(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """e ln(2) + log(c) + log(1 + r) for x = 2**e m and r = m/c - 1.

    Where x is just below 1, c is 2 and e is -1, and the first two cancel. Zeros and infinities are
    those of e, and the rest is NaN where m is.
    """
    e, m = exponent(s, x), significand(s, x)
    columns = f.pick(tables.LOG_SINGLE, tables.LOG_DOUBLE)
    place = s.shr(as_bits(s, m), f.mantissa - (len(columns[0]).bit_length() - 1))
    inverse, high, low = (lookup(s, f, column, place) for column in columns)
    ln2 = f.pick(_LN2_SINGLE, _LN2_DOUBLE)
    r = s.fma(m, inverse, -1.0)
    terms = horner(s, r, f.pick(tables.LOG_TERMS_SINGLE, tables.LOG_TERMS_DOUBLE))
    rest = s.fma(s.mul(r, r), terms, s.fma(e, ln2[1], low))
    return s.add(s.fma(e, ln2[0], high), s.add(r, rest))


def plain_log(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """e ln(2) + log(1 + f), without a table.

    For e = 1 or -1 the terms cancel in part, and any other order of these sums would round one more
    that is as large as the result.
    """
    parts = split(s, x)
    high, low = f.pick(_LN2_SINGLE, _LN2_DOUBLE)
    g, rest = log_of_significand(s, s.sub(parts.significand, 1.0))
    total = s.fma(parts.exponent, high, g)
    lost = s.add(s.fma(parts.exponent, high, s.neg(total)), g)
    rest = s.add(s.fma(parts.exponent, low, rest), lost)
    return _with_specials(s, x, s.add(total, rest))


def log1p(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """e may be bias + 1, whose 2**-e is subnormal: it is made by an exact product."""
    parts = split(s, s.add(x, 1.0), subnormal=False)
    field = s.sub(s.const(parts.excess + f.bias + 16, f.bits), parts.biased)
    scaled = s.bitcast(s.shl(field, f.mantissa), f.dtype)
    inverse = s.mul(scaled, 2.0**-16)
    y = _join(s, parts.exponent, s.fma(x, inverse, s.sub(inverse, 1.0)))
    y = s.select(s.lt(s.abs(x), f.pick(2.0**-30, 2.0**-60)), x, y)
    at_minus_one = s.select(s.eq(x, -1.0), s.like(-inf, x), s.like(nan, x))
    return s.select(s.gt(x, -1.0), s.select(s.lt(x, inf), y, x), at_minus_one)


def _scaled(
    s: ScalarBuilder, x: Expr, unit: tuple[float, float], step: tuple[float, float]
) -> Expr:
    """e * step + log(1 + f) * unit, both constants in two parts, the products by unit exact."""
    parts = split(s, x)
    high, low = log_of_significand(s, s.sub(parts.significand, 1.0))
    total = s.add(high, low)
    low = s.add(s.sub(high, total), low)
    product = s.mul(total, unit[0])
    rest = s.fma(total, unit[0], s.neg(product))
    rest = s.fma(low, unit[0], s.fma(total, unit[1], rest))
    # |e step| > |product| or e = 0, so the error of this sum is exact
    whole = s.mul(parts.exponent, step[0])
    y = s.add(whole, product)
    rest = s.add(rest, s.add(s.sub(whole, y), product))
    if step[1]:
        rest = s.fma(parts.exponent, step[1], rest)
    return _with_specials(s, x, s.add(y, rest))


def log2(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """e + log(1 + f) log2(e)."""
    return _scaled(s, x, f.pick(_LOG2_E_SINGLE, _LOG2_E_DOUBLE), (1.0, 0.0))


def log10(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """e log10(2) + log(1 + f) log10(e)."""
    unit = f.pick(_LOG10_E_SINGLE, _LOG10_E_DOUBLE)
    return _scaled(s, x, unit, f.pick(_LOG10_2_SINGLE, _LOG10_2_DOUBLE))
