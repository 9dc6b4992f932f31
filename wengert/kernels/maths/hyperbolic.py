"""tanh, sinh, cosh, and their inverses."""

from __future__ import annotations

from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.kernels.maths.exponential import expm1_reduced, reduce_by_ln2
from wengert.kernels.maths.formats import Format, at_most, power_of_two


def tanh(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """With exp(2|x|) = 2**n (1 + p) and d = exp(2|x|) + 1,

        tanh|x| = h - h (2 h / d),  h = (d - 2) / 2   |x| < 0.55
        tanh|x| = 1 - 2 / d         the same with h = 1, above

    The quotient is about 1/2 at most, so its roundings count less than the last subtraction's.
    """
    twice = at_most(s, s.abs(s.add(x, x)), f.pick(20.0, 40.0))
    t, _, r = reduce_by_ln2(s, twice, f.bias)
    power = power_of_two(s, t)
    p = expm1_reduced(s, r)
    d = s.fma(power, p, s.add(power, 1.0))
    top = s.fma(power, p, s.sub(power, 1.0))
    h = s.select(s.lt(twice, 1.1), s.mul(top, 0.5), 1.0)
    y = s.fma(s.neg(h), s.div(s.add(h, h), d), h)
    # NaN compares false above, but d has kept it
    return s.copysign(y, x)
