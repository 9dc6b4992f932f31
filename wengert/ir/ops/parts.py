"""Complex numbers as pairs of real ones: the arithmetic that `parts` rules of ops are made of.

NumPy's formulas are followed (numpy/_core/src/umath/loops.c.src and npy_math_complex.c.src), so
that infinities and signed zeros come out as there: products are the textbook's, quotients Smith's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.ir.builder import Value
from wengert.ir.op import REGISTRY


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A complex value, by its real and its imaginary part."""

    re: Value
    im: Value

    def map(self, function: Callable[[Value], Value]) -> Parts:
        """The parts, each changed by a function."""
        return Parts(function(self.re), function(self.im))

    def __neg__(self) -> Parts:
        return Parts(-self.re, -self.im)

    def __add__(self, other: Parts) -> Parts:
        return Parts(self.re + other.re, self.im + other.im)

    def __sub__(self, other: Parts) -> Parts:
        return Parts(self.re - other.re, self.im - other.im)

    def __mul__(self, other: Parts) -> Parts:
        a, b, c, d = self.re, self.im, other.re, other.im
        return Parts(a * c - b * d, a * d + b * c)

    def __truediv__(self, other: Parts) -> Parts:
        """Smith's quotient (Algorithm 116, CACM 1962), with choices in the place of branches.

        A zero divisor divides both parts by |re|, as in NumPy.
        """
        c, d = other.re, other.im
        wide = c.abs().ge(d.abs())
        large, small = wide.select(c, d), wide.select(d, c)
        zero = large.eq(0)
        first, second = wide.select(self.re, self.im), wide.select(self.im, self.re)
        ratio = small / large
        scale = 1 / zero.select(c.abs(), large + small * ratio)
        straight = first + zero.select(0, second * ratio)
        turned = second - zero.select(0, first * ratio)
        return Parts(straight * scale, wide.select(turned, -turned) * scale)

    @property
    def is_zero(self) -> Value:
        """Where both parts are zero."""
        return self.re.eq(0).bitand(self.im.eq(0))

    def size(self) -> Value:
        """The absolute value."""
        return self.re.hypot(self.im)

    def angle(self) -> Value:
        """The angle to the positive real axis, between -pi and pi."""
        return self.im.atan2(self.re)


def choose(condition: Value, x: Parts, y: Parts) -> Parts:
    """x where the condition holds, else y."""
    return Parts(condition.select(x.re, y.re), condition.select(x.im, y.im))


def of_one(rule: Callable[..., Parts | Value]) -> Callable[..., Sequence[Parts | Value]]:
    """The `parts` rule of an op with one output, from a function of the operands one by one."""

    def parts(operands: Sequence[Parts | Value], **params: Any) -> Sequence[Parts | Value]:
        return [rule(*operands, **params)]

    return parts


def separately(name: str) -> Callable[..., Sequence[Parts]]:
    """The `parts` rule of ops that treat the parts alike: those that move, choose and add.

    Operands that are no complex numbers (indices, conditions) serve for both.
    """

    def parts(operands: Sequence[Parts | Value], **params: Any) -> Sequence[Parts]:
        builder = next(x.re.builder for x in operands if isinstance(x, Parts))
        op = REGISTRY[name]
        reals = [x.re if isinstance(x, Parts) else x for x in operands]
        imaginaries = [x.im if isinstance(x, Parts) else x for x in operands]
        pairs = zip(
            builder.emit(op, reals, params), builder.emit(op, imaginaries, params), strict=True
        )
        return [Parts(re, im) for re, im in pairs]

    return parts
