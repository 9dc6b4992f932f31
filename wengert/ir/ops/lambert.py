"""Lambert's W on its branches: the solutions of w e^w = z, by the real and the imaginary part.

Halley's steps for w e^w - z, from Corless, Gonnet, Hare, Jeffrey, Knuth, "On the Lambert W
function", Advances in Computational Mathematics 5 (1996): near the branch point -1/e from the
series in p = sqrt(2 (e z + 1)), (4.22); else from log z + 2 pi i k less its logarithm, (4.20), on
the principal branch within the unit circle's surroundings from log(1 + z).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops.families import elementwise, scipy_special
from wengert.ir.ops.samples import both, operands
from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.ir.types import FLOAT64, FLOATS

S = ScalarBuilder
STEPS = 5
NEAR = 0.3
"""How far from the branch point its series begins the search."""
E_LOW = 1.4456468917292502e-16
"""e less its float64."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A complex number of scalar expressions."""

    s: ScalarBuilder
    re: Expr
    im: Expr

    def __add__(self, other: Pair) -> Pair:
        return Pair(self.s, self.s.add(self.re, other.re), self.s.add(self.im, other.im))

    def __sub__(self, other: Pair) -> Pair:
        return Pair(self.s, self.s.sub(self.re, other.re), self.s.sub(self.im, other.im))

    def __mul__(self, other: Pair) -> Pair:
        s, a, b, c, d = self.s, self.re, self.im, other.re, other.im
        re = s.sub(s.mul(a, c), s.mul(b, d))
        return Pair(s, re, s.add(s.mul(a, d), s.mul(b, c)))

    def __truediv__(self, other: Pair) -> Pair:
        """The quotient, the divisor scaled to about 1; by 0 it is 0."""
        s = self.s
        size = s.max(s.abs(other.re), s.abs(other.im))
        inverse = s.div(s.like(1, size), s.select(s.eq(size, 0), s.like(1, size), size))
        c, d = s.mul(other.re, inverse), s.mul(other.im, inverse)
        square = s.add(s.mul(c, c), s.mul(d, d))
        factor = s.div(inverse, s.select(s.eq(square, 0), s.like(1, size), square))
        found = self * Pair(s, c, s.neg(d))
        return found.scaled(factor)

    def scaled(self, factor: Expr | float) -> Pair:
        return Pair(self.s, self.s.mul(self.re, factor), self.s.mul(self.im, factor))

    def plus(self, number: float) -> Pair:
        return Pair(self.s, self.s.add(self.re, number), self.im)

    def chosen(self, condition: Expr, other: Pair) -> Pair:
        """This one where the condition holds."""
        select = self.s.select
        return Pair(
            self.s, select(condition, self.re, other.re), select(condition, self.im, other.im)
        )

    def size(self) -> Expr:
        """The absolute value, of numbers far from over- and underflow."""
        s = self.s
        return s.unary(ScalarOp.SQRT, s.add(s.mul(self.re, self.re), s.mul(self.im, self.im)))

    def log(self) -> Pair:
        """The logarithm's main branch."""
        s = self.s
        large = s.max(s.abs(self.re), s.abs(self.im))
        small = s.min(s.abs(self.re), s.abs(self.im))
        safe = s.select(s.eq(large, 0), s.like(1, large), large)
        ratio = s.div(small, safe)
        size = s.mul(s.maths(ScalarOp.LOG1P, s.mul(ratio, ratio)), 0.5)
        angle = s.maths(ScalarOp.ATAN2, self.im, self.re)
        return Pair(s, s.add(s.maths(ScalarOp.LOG, safe), size), angle)

    def root(self) -> Pair:
        """The square root on the right, of numbers far from over- and underflow."""
        s = self.s
        half = s.mul(s.add(self.size(), s.abs(self.re)), 0.5)
        t = s.unary(ScalarOp.SQRT, half)
        safe = s.select(s.eq(t, 0), s.like(1, t), t)
        other = s.div(s.mul(s.abs(self.im), 0.5), safe)
        right = s.ge(self.re, 0)
        im = s.copysign(s.select(right, other, t), self.im)
        return Pair(s, s.select(right, t, other), im)


def _from_branch_point(z: Pair, k: int) -> tuple[Pair, Expr]:
    """The series in p near -1/e, and whether it begins the search."""
    s = z.s
    moved = s.add(s.fma(z.re, s.like(math.e, z.re), s.like(1, z.re)), s.mul(z.re, E_LOW))
    square = Pair(s, s.mul(moved, 2.0), s.mul(z.im, 2 * math.e))
    near = s.lt(square.size(), 2 * math.e * NEAR)
    p = square.chosen(near, Pair(s, s.like(1, z.re), s.like(0, z.re))).root()
    if k:
        # the sheets -1 and 1 meet it from above and from below
        upper = s.ge(z.im, 0)
        near = s.and_(near, upper if k == -1 else s.not_(upper))
        p = p.scaled(-1.0)
    total = p.scaled(769 / 17280).plus(-43 / 540)
    for coefficient in (11 / 72, -1 / 3, 1.0, -1.0):
        total = (total * p).plus(coefficient)
    return total, near


def _first(z: Pair, k: int) -> Pair:
    s = z.s
    log = z.log()
    if k:
        log = Pair(s, log.re, s.add(log.im, 2 * math.pi * k))
    far = log - log.log()
    if k == 0:
        # log(1 + z) is real to the left of the branch point, where no solution is
        right = s.gt(z.re, s.fma(s.abs(z.im), s.like(-2.5, z.re), s.like(-0.2, z.re)))
        inside = s.and_(s.lt(s.max(s.abs(z.re), s.abs(z.im)), 3.0), right)
        bounded = z.chosen(inside, Pair(s, s.like(1, z.re), s.like(0, z.re)))
        far = bounded.plus(1.0).log().chosen(inside, far)
    if k == -1:
        # real on the cut of the negative axis
        cut = s.and_(s.eq(z.im, 0), s.and_(s.lt(z.re, 0), s.gt(z.re, -1 / math.e)))
        size = s.maths(ScalarOp.LOG, s.select(cut, s.neg(z.re), s.like(0.1, z.re)))
        real = s.sub(size, s.maths(ScalarOp.LOG, s.neg(size)))
        far = Pair(s, real, s.like(0, z.re)).chosen(cut, far)
    if k in (-1, 0, 1):
        series, near = _from_branch_point(z, k)
        return series.chosen(near, far)
    return far


def _stepped(z: Pair, w: Pair) -> Pair:
    """Halley's step: with f = w - z e^-w, w less f / (w + 1 - (w + 2) f / (2w + 2))."""
    s = z.s
    half = s.maths(ScalarOp.EXP, s.mul(w.re, -0.5))
    turn = Pair(s, s.maths(ScalarOp.COS, w.im), s.neg(s.maths(ScalarOp.SIN, w.im)))
    f = w - (z.scaled(half) * turn).scaled(half)
    after = w.plus(1.0)
    step = f / (after - (w.plus(2.0) * f) / after.scaled(2.0))
    return w - step


def lambert(s: S, x: Expr, y: Expr, k: int) -> tuple[Expr, Expr]:
    """W_k(x + i y)"""
    zero = s.and_(s.eq(x, 0), s.eq(y, 0))
    infinite = s.eq(s.max(s.abs(x), s.abs(y)), math.inf)
    outside = s.or_(zero, infinite)
    z = Pair(s, s.select(outside, s.like(1, x), x), s.select(outside, s.like(0, x), y))
    w = _first(z, k)
    for _ in range(STEPS):
        w = _stepped(z, w)
    end = s.select(zero, s.like(-math.inf if k else 0, x), s.like(math.inf, x))
    angle = s.add(s.maths(ScalarOp.ATAN2, y, x), 2 * math.pi * k)
    re = s.select(outside, end, w.re)
    return re, s.select(outside, s.select(zero, s.like(0, x), angle), w.im)


def _slopes(x: Value, y: Value, k: int) -> tuple[Value, Value]:
    """w' = e^-w / (1 + w)"""
    re, im = x.lambert_re(y, k=k), x.lambert_im(y, k=k)
    size, below = (-re).exp(), re + 1.0
    scale = size / (below * below + im * im)
    cos, sin = im.cos(), im.sin()
    return scale * (cos * below - sin * im), -(scale * (cos * im + sin * below))


def _register(name: str, part: int, partials: list[Callable[..., Any]], doc: str) -> None:
    def evaluate(x: Any, y: Any, k: int) -> Any:
        z = np.empty(np.broadcast(x, y).shape, np.complex128)
        z.real, z.imag = x, y
        found = scipy_special("lambertw")(z, np.int64(k))
        return found.imag if part else found.real

    def scalar(s: S, x: Expr, y: Expr, k: int) -> Expr:
        return s.cast(lambert(s, s.cast(x, FLOAT64), s.cast(y, FLOAT64), k)[part], x.dtype)

    elementwise(
        name,
        2,
        FLOATS,
        evaluate,
        scalar,
        params=("k",),
        partials=partials,
        family="special",
        cost=400,
        samples=both(
            operands((-2, 5), (0.2, 3), special=False, tolerance=64, k=0),
            operands((-2, 5), (-3, -0.2), special=False, tolerance=64, k=-1),
        ),
        doc=doc,
    )


_register(
    "lambert_re",
    0,
    [
        lambda x, y, out, k: _slopes(x, y, k)[0],
        lambda x, y, out, k: -_slopes(x, y, k)[1],
    ],
    "the real part of Lambert's W of x + i y on branch k",
)
_register(
    "lambert_im",
    1,
    [
        lambda x, y, out, k: _slopes(x, y, k)[1],
        lambda x, y, out, k: _slopes(x, y, k)[0],
    ],
    "the imaginary part of Lambert's W of x + i y on branch k",
)
