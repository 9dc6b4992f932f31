"""Faddeeva's function w(z) = exp(-z^2) erfc(-i z), by its two real parts.

For Im z >= 0 it is i z / pi times the integral of e^(-t^2) / (z^2 - t^2) over the line (DLMF
7.7.2): a sum over equidistant places, whose error is exponentially small once the residue at t = z
has been added where z is near the line. M. Al Azah, S. N. Chandler-Wilde, "Computation of the
complex error function using modified trapezoidal rules", SIAM Journal on Numerical Analysis 59
(2021): with the step h = sqrt(pi / (N + 1)) and N = 11 errors are 2e-15 of |w|, if places are at (k
+ 1/2) h, or at k h where x / h is near one of the former. Below the real axis w(z) = 2 exp(-z^2) -
w(-z).

The terms' real and imaginary parts, y (|z|^2 + t^2) and x (|z|^2 - t^2) over |z^2 - t^2|^2, are
computed without cancellation, so the real part keeps its digits far out, where it is much smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops.families import elementwise, scipy_special
from wengert.ir.ops.samples import both, operands
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOAT64, FLOATS

S = ScalarBuilder
Pair = tuple[Expr, Expr]
PLACES = 11
STEP = math.sqrt(math.pi / (PLACES + 1))
FAR = 2.0**26
"""From here on w is i / (sqrt(pi) z)."""


def _sums(s: S, x: Expr, y: Expr, between: Expr) -> Pair:
    """h / pi times 2 i z / (z^2 - t^2) e^(-t^2), summed; x, y >= 0. Places are `between` or not."""
    re, im = s.like(0, x), s.like(0, x)
    plus, product = s.add(s.mul(x, x), s.mul(y, y)), s.mul(x, y)
    double = s.mul(s.mul(product, product), 4.0)
    for k in range(PLACES + 1):
        half, whole = (k + 0.5) * STEP, k * STEP
        square = s.select(between, s.like(half * half, x), s.like(whole * whole, x))
        weight = s.select(
            between,
            s.like(math.exp(-half * half), x),
            s.like(math.exp(-whole * whole) * (0.5 if k == 0 else 1.0), x),
        )
        place = s.select(between, s.like(half, x), s.like(whole, x))
        # Re z^2 - t^2 = (x - t)(x + t) - y^2
        real = s.sub(s.mul(s.sub(x, place), s.add(x, place)), s.mul(y, y))
        over = s.div(weight, s.add(s.mul(real, real), double))
        re = s.add(re, s.mul(over, s.add(plus, square)))
        im = s.add(im, s.mul(over, s.sub(plus, square)))
    factor = 2 * STEP / math.pi
    return s.mul(s.mul(re, y), factor), s.mul(s.mul(im, x), factor)


def _residue(s: S, x: Expr, y: Expr, between: Expr) -> Pair:
    """2 e^(-z^2) / (1 +- e^(-2 pi i z / h)), with + for places between, 0 <= y < pi / h."""
    size = s.maths(ScalarOp.EXP, s.mul(s.sub(y, x), s.add(y, x)))
    angle = s.mul(s.mul(x, y), -2.0)
    turns = s.mul(x, 1 / STEP)
    turn = s.mul(s.sub(turns, s.unary(ScalarOp.RINT, turns)), -2 * math.pi)
    grown = s.maths(ScalarOp.EXP, s.mul(y, 2 * math.pi / STEP))
    grown = s.select(between, grown, s.neg(grown))
    under_re = s.add(s.mul(grown, s.maths(ScalarOp.COS, turn)), 1.0)
    under_im = s.mul(grown, s.maths(ScalarOp.SIN, turn))
    scale = s.div(s.mul(size, 2.0), s.add(s.mul(under_re, under_re), s.mul(under_im, under_im)))
    cos, sin = s.maths(ScalarOp.COS, angle), s.maths(ScalarOp.SIN, angle)
    re = s.add(s.mul(cos, under_re), s.mul(sin, under_im))
    im = s.sub(s.mul(sin, under_re), s.mul(cos, under_im))
    return s.mul(scale, re), s.mul(scale, im)


def _upper(s: S, x: Expr, y: Expr) -> Pair:
    """w in the first quadrant, x and y up to FAR."""
    bound = math.pi / STEP
    turns = s.mul(x, 1 / STEP)
    part = s.sub(turns, s.unary(ScalarOp.FLOOR, turns))
    inner = s.and_(s.ge(part, 0.25), s.le(part, 0.75))
    high = s.ge(y, s.max(x, s.like(bound, x)))
    between = s.or_(high, s.not_(s.and_(s.lt(y, x), inner)))
    re, im = _sums(s, x, y, between)
    near = s.lt(y, bound)
    more = _residue(s, s.min(x, s.like(28.0, x)), s.select(near, y, s.like(0, y)), between)
    zero = s.like(0, x)
    none = s.not_(s.and_(near, s.lt(x, 28.0)))
    real, imaginary = (s.select(none, zero, part) for part in more)
    return s.add(re, real), s.add(im, imaginary)


def _far(s: S, x: Expr, y: Expr) -> Pair:
    """i / (sqrt(pi) z), scaled so that no square overflows."""
    size = s.max(x, y)
    inverse = s.div(s.like(1, x), size)
    a, b = s.mul(x, inverse), s.mul(y, inverse)
    scale = s.div(s.mul(inverse, 1 / math.sqrt(math.pi)), s.add(s.mul(a, a), s.mul(b, b)))
    endless = s.eq(size, math.inf)
    re, im = s.mul(b, scale), s.mul(a, scale)
    return s.select(endless, inverse, re), s.select(endless, inverse, im)


def faddeeva(s: S, x: Expr, y: Expr) -> Pair:
    """The real and the imaginary part of w(x + i y)."""
    right, up = s.abs(x), s.abs(y)
    far = s.gt(s.max(right, up), FAR)
    one = s.like(1, x)
    near = _upper(s, s.select(far, one, right), s.select(far, one, up))
    beyond = _far(s, s.select(far, right, one), s.select(far, up, one))
    re, im = (s.select(far, b, a) for a, b in zip(near, beyond, strict=True))
    # 2 exp(-z^2) below the axis, in the mirror of the first quadrant
    size = s.mul(s.maths(ScalarOp.EXP, s.mul(s.sub(up, right), s.add(up, right))), 2.0)
    angle = s.mul(s.mul(right, up), 2.0)
    below = s.lt(y, 0)
    re = s.select(below, s.sub(s.mul(size, s.maths(ScalarOp.COS, angle)), re), re)
    im = s.select(below, s.add(s.mul(size, s.maths(ScalarOp.SIN, angle)), im), im)
    return re, s.select(s.lt(x, 0), s.neg(im), im)


def _slopes(x: Value, y: Value) -> tuple[Value, Value]:
    """w' = -2 z w + 2i / sqrt(pi)."""
    re, im = x.faddeeva_re(y), x.faddeeva_im(y)
    slope_im = (x * im + y * re) * -2.0 + 2 / math.sqrt(math.pi)
    return (x * re - y * im) * -2.0, slope_im


def _register(name: str, part: int, partials: list[Callable[..., Any]], doc: str) -> None:
    def evaluate(x: Any, y: Any) -> Any:
        found = scipy_special("wofz")(x.astype(np.float64) + 1j * y.astype(np.float64))
        return found.imag if part else found.real

    def scalar(s: S, x: Expr, y: Expr) -> Expr:
        return s.cast(faddeeva(s, s.cast(x, FLOAT64), s.cast(y, FLOAT64))[part], x.dtype)

    elementwise(
        name,
        2,
        FLOATS,
        evaluate,
        scalar,
        partials=partials,
        family="special",
        cost=300,
        samples=both(
            operands((-3, 3), (0.1, 3), special=False, tolerance=64),
            operands((-2, 2), (-1.5, 0.1), special=False, tolerance=64),
        ),
        doc=doc,
    )


# w is analytic: dw/dx = w' and dw/dy = i w'
_register(
    "faddeeva_re",
    0,
    [lambda x, y, out: _slopes(x, y)[0], lambda x, y, out: -_slopes(x, y)[1]],
    "the real part of Faddeeva's function of x + i y",
)
_register(
    "faddeeva_im",
    1,
    [lambda x, y, out: _slopes(x, y)[1], lambda x, y, out: _slopes(x, y)[0]],
    "the imaginary part of Faddeeva's function of x + i y",
)
