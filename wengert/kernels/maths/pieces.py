"""Odd functions that grow to 1, by pieces: f(x) = sign(x) (f(c) + h P(h)) for h = |x| - c (exact).

c = j w is the place next to |x|; f(c) and the coefficients of P come from tables, and w is such
that all f(c) are nearly exact (benchmarks/maths_tables.py). For small j the sum would cancel, and
x + x P(|x|) takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.kernels.maths.formats import as_bits, at_most, format_of, lookup


@dataclass(frozen=True, slots=True)
class Pieces:
    """The step w, f(j w) for all j, the coefficients of each power of h, constant first.

    The first `near` places are those where x itself is the first term. At `end` f is 1.
    """

    step: float
    places: tuple[float, ...]
    terms: tuple[tuple[float, ...], ...]
    near: int
    end: float


def piecewise(s: ScalarBuilder, x: Expr, pieces: Pieces) -> Expr:
    """The function at x."""
    f = format_of(x)
    a = at_most(s, s.abs(x), pieces.end)
    t = s.fma(a, 1.0 / pieces.step, f.magic)
    n, bits = s.sub(t, f.magic), as_bits(s, t)
    near = s.lt(n, pieces.near - 0.5)
    h = s.select(near, a, s.fma(n, -pieces.step, a))
    *others, p = (lookup(s, f, row, bits) for row in pieces.terms)
    for term in reversed(others):
        p = s.fma(p, h, term)
    start = s.select(near, a, lookup(s, f, pieces.places, bits))
    return s.copysign(s.fma(h, p, start), x)
