"""Truncated power series in two small parameters, and loops that add up their terms.

A `Series` is f(a + e, b + d) to a total degree in e and d, its coefficients being values of a
program: the coefficient of e^i d^j is the derivative of that order over i! j!. So a recurrence for
the terms of a sum, written for series, gives all derivatives with respect to its parameters, with
no formula for any of them. R. D. Neidinger, "Introduction to automatic differentiation and MATLAB
object-oriented programming", SIAM Review 52, 2010, section 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.types import BOOL

Key = tuple[int, int]
E, D = (1, 0), (0, 1)
"""The keys of the two parameters."""


def degrees(total: int, second: bool = True) -> tuple[Key, ...]:
    """All (i, j) with i + j up to a degree; with j = 0 alone unless there is a second parameter."""
    return tuple((n - j, j) for n in range(total + 1) for j in range(n + 1 if second else 1))


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Coefficients by their key; those that are missing are 0."""

    terms: Mapping[Key, Value]
    keys: tuple[Key, ...]
    """The keys that are kept: a lower one of each comes before it."""

    def __getitem__(self, key: Key) -> Value | None:
        return self.terms.get(key)

    def map(self, function: Callable[[Value], Value]) -> Series:
        """The series with a linear function applied to each coefficient."""
        return Series({k: function(v) for k, v in self.terms.items()}, self.keys)

    def __add__(self, other: Series) -> Series:
        return Series({k: _sum(self[k], other[k]) for k in self._present(other)}, self.keys)

    def __sub__(self, other: Series) -> Series:
        return self + other.map(lambda v: -v)

    def _present(self, other: Series) -> list[Key]:
        return [k for k in self.keys if k in self.terms or k in other.terms]

    def __mul__(self, other: Series) -> Series:
        found: dict[Key, Value] = {}
        for (i, j), x in self.terms.items():
            for (k, m), y in other.terms.items():
                if (i + k, j + m) in self.keys:
                    found[i + k, j + m] = _sum(found.get((i + k, j + m)), x * y)
        return Series(found, self.keys)

    def times_linear(self, at: Value, slopes: Mapping[Key, float]) -> Series:
        """The product with at + the sum of slope * parameter."""
        found = {k: v * at for k, v in self.terms.items()}
        for (i, j), slope in slopes.items():
            for (k, m), v in self.terms.items():
                if slope and (i + k, j + m) in self.keys:
                    moved = v if slope == 1 else v * slope
                    found[i + k, j + m] = _sum(found.get((i + k, j + m)), moved)
        return Series(found, self.keys)

    def over_linear(self, at: Value, key: Key) -> Series:
        """The quotient by at + the parameter of this key: q at = self - parameter * q."""
        found: dict[Key, Value] = {}
        for i, j in self.keys:
            rest, lower = self[i, j], found.get((i - key[0], j - key[1]))
            if lower is not None:
                rest = -lower if rest is None else rest - lower
            if rest is not None:
                found[i, j] = rest / at
        return Series(found, self.keys)

    def __truediv__(self, other: Series) -> Series:
        """q other = self, from the lowest coefficient on."""
        found: dict[Key, Value] = {}
        for i, j in self.keys:
            rest = self[i, j]
            for (k, m), x in found.items():
                y = other[i - k, j - m] if (k, m) != (i, j) else None
                if y is not None:
                    rest = -(x * y) if rest is None else rest - x * y
            if rest is not None:
                found[i, j] = rest / other.terms[0, 0]
        return Series(found, self.keys)

    def exp(self) -> Series:
        """exp(f) = exp(f0) (1 + n + n²/2 + ...), where powers of n = f - f0 end with the degree."""
        rest = Series({k: v for k, v in self.terms.items() if k != (0, 0)}, self.keys)
        first = self.terms[0, 0]
        one = Series({(0, 0): first.full_like(1)}, self.keys)
        found = one
        for n in range(max(i + j for i, j in self.keys), 0, -1):
            found = one + (rest * found).map(lambda v, n=n: v * (1 / n))
        return found.map(lambda v: v * first.exp())

    def derivative(self, key: Key) -> Value:
        """The derivative of this order."""
        found, factor = self[key], math.factorial(key[0]) * math.factorial(key[1])
        assert found is not None
        return found if factor == 1 else found * float(factor)


def _sum(x: Value | None, y: Value | None) -> Value:
    if x is None or y is None:
        found = y if x is None else x
        assert found is not None
        return found
    return x + y


def log_gamma(x: Value, keys: tuple[Key, ...], slopes: Mapping[Key, float]) -> Series:
    """log gamma(x + the sum of slope * parameter), slopes being 0 or 1."""
    found: dict[Key, Value] = {}
    for i, j in keys:
        if (i and not slopes.get(E)) or (j and not slopes.get(D)):
            continue
        order = i + j
        value = x.gammaln() if not order else x.digamma() if order == 1 else None
        value = x.polygamma(order=order - 1) if value is None else value
        factor = 1 / (math.factorial(i) * math.factorial(j))
        found[i, j] = value if factor == 1 else value * factor
    return Series(found, keys)


LIMIT = 20_000
"""After so many terms a sum that has not converged is given up, and is NaN."""


def summed(
    consts: Sequence[Value],
    carry: Sequence[Value],
    step: Callable[[Value, Sequence[Value], Sequence[Value]], tuple[Sequence[Value], Value]],
) -> tuple[list[Value], Value]:
    """Repeats `step(n, consts, carry)`, n = 1, 2, ..., which gives the next carry and where it
    still changed, until it changes nowhere; the last carry, and where it still did.

    Elements of different arrays go through their turns together.
    """
    builder = carry[0].builder
    going = carry[0].builder.full(carry[0].shape, True, BOOL)
    state = [builder.literal(1.0, carry[0].dtype), *carry, going]
    body, cond = Builder(), Builder()
    known, moving = _inputs(body, consts), _inputs(body, state)
    made, changing = step(moving[0], known, moving[1:-1])
    body_program = body.finish([moving[0] + 1.0, *made, changing])
    _inputs(cond, consts)
    count, *_, some = _inputs(cond, state)
    if some.ndim:
        some = some.reduce_or(axes=tuple(range(some.ndim)))
    cond_program = cond.finish([some.bitand(count.le(float(LIMIT)))])
    params = {"cond": cond_program, "body": body_program, "consts": len(consts)}
    found = builder.emit(REGISTRY["while_loop"], [*consts, *state], params)
    return found[1:-1], found[-1]


def _inputs(builder: Builder, values: Sequence[Value]) -> list[Value]:
    return [builder.input(v.type) for v in values]
