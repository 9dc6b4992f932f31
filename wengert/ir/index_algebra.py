"""Flat offsets of multi-dimensional indices and back, with as few divisions as can be.

A division stops a loop from being vectorised, so quotients and remainders are taken only of what
the ranges of the loop indices leave open, and those that meet again in an offset cancel. With
truncating division, o idiv m = q and o irem m = r:

    q*m + r                          = o
    (q irem n)*m + r                 = o irem (m*n)
    q idiv n                         = o idiv (m*n)

so reading a contiguous array through any chain of reshapes costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp

Terms = dict[Expr, int]


def flat(s: ScalarBuilder, shape: Sequence[int], index: Sequence[Expr]) -> Expr:
    """The row-major offset of the element at `index` of an array of `shape`."""
    terms: Terms = {}
    const = 0
    stride = 1
    for extent, position in zip(reversed(shape), reversed(index), strict=True):
        if extent != 1:
            const += _collect(position, stride, terms)
        stride *= int(extent)
    while (found := _recombined(s, terms)) is not None:
        const += found
    return _sum(s, terms, const)


def unflat(s: ScalarBuilder, offset: Expr, shape: Sequence[int]) -> list[Expr]:
    """The index of the element at a row-major offset, which lies within the array."""
    index: list[Expr] = []
    for extent in map(int, reversed(shape[1:])):
        index.append(s.int(0) if extent == 1 else remainder(s, offset, extent))
        offset = quotient(s, offset, extent)
    return [*([offset] if shape else []), *reversed(index)]


def quotient(s: ScalarBuilder, x: Expr, divisor: int) -> Expr:
    """x / divisor, for x >= 0."""
    whole, rest = _divided(s, x, divisor)
    if divisor == 1 or (rest.is_const and rest.attr == 0):
        return whole
    if rest.op is ScalarOp.IDIV and rest.args[1].is_const:
        rest, divisor = rest.args[0], rest.args[1].attr * divisor
    found = interval(rest)
    if found is not None and found[0] >= 0 and found[1] < divisor:
        return whole
    return s.add(s.idiv(rest, divisor), whole)


def remainder(s: ScalarBuilder, x: Expr, divisor: int) -> Expr:
    """x mod divisor, for x >= 0."""
    rest = _divided(s, x, divisor)[1]
    found = interval(rest)
    if found is not None and found[0] >= 0 and found[1] < divisor:
        return rest
    return s.irem(rest, divisor)


def _divided(s: ScalarBuilder, x: Expr, divisor: int) -> tuple[Expr, Expr]:
    """(w, r) with x = w * divisor + r and r >= 0; w is 0 where the sign of r is not known."""
    terms: Terms = {}
    const = _collect(x, 1, terms)
    multiples = {e: c // divisor for e, c in terms.items() if c % divisor == 0}
    others = {e: c for e, c in terms.items() if c % divisor}
    rest = _sum(s, others, const % divisor)
    found = interval(rest)
    if found is None or found[0] < 0:
        return s.int(0), x
    return _sum(s, multiples, const // divisor), rest


def interval(x: Expr) -> tuple[int, int] | None:
    """The least and the greatest value that an index expression can take, where that is known."""
    if x.is_const:
        return int(x.attr), int(x.attr)
    if x.op is ScalarOp.INDEX:
        return 0, max(x.attr.extent - 1, 0)
    if x.op not in (ScalarOp.ADD, ScalarOp.SUB, ScalarOp.MUL, ScalarOp.IDIV, ScalarOp.IREM):
        return None
    left, right = interval(x.args[0]), interval(x.args[1])
    if left is None or right is None:
        return None
    if x.op is ScalarOp.ADD:
        return left[0] + right[0], left[1] + right[1]
    if x.op is ScalarOp.SUB:
        return left[0] - right[1], left[1] - right[0]
    if x.op is ScalarOp.MUL:
        corners = [a * b for a in left for b in right]
        return min(corners), max(corners)
    if left[0] < 0 or right[0] < 1:
        return None
    if x.op is ScalarOp.IDIV:
        return left[0] // right[1], left[1] // right[0]
    return 0, min(left[1], right[1] - 1)


def _collect(x: Expr, factor: int, terms: Terms) -> int:
    """Adds factor * x to a sum of terms; returns its constant part."""
    if x.is_const:
        return factor * int(x.attr)
    if x.op in (ScalarOp.ADD, ScalarOp.SUB):
        sign = 1 if x.op is ScalarOp.ADD else -1
        left = _collect(x.args[0], factor, terms)
        return left + _collect(x.args[1], sign * factor, terms)
    if x.op is ScalarOp.MUL and x.args[1].is_const:
        return _collect(x.args[0], factor * int(x.args[1].attr), terms)
    terms[x] = terms.get(x, 0) + factor
    if terms[x] == 0:
        del terms[x]
    return 0


def _sum(s: ScalarBuilder, terms: Terms, const: int) -> Expr:
    total = s.int(0)
    for expr, coefficient in terms.items():
        total = s.add(s.mul(expr, coefficient), total)
    return s.add(total, const)


def _recombined(s: ScalarBuilder, terms: Terms) -> int | None:
    """Joins one remainder with its quotient; returns the constant this adds, None if none is."""
    for low, factor in list(terms.items()):
        if low.op is not ScalarOp.IREM or not low.args[1].is_const:
            continue
        x, divisor = low.args[0], int(low.args[1].attr)
        for high, other in list(terms.items()):
            if other != factor * divisor:
                continue
            joined = _joined(s, x, divisor, high)
            if joined is not None:
                del terms[low], terms[high]
                return _collect(joined, factor, terms)
    return None


def _joined(s: ScalarBuilder, x: Expr, divisor: int, high: Expr) -> Expr | None:
    """x irem divisor + divisor * high, if `high` is the quotient or a remainder of it."""
    if high is s.idiv(x, divisor):
        return x
    if high.op is ScalarOp.IREM and high.args[1].is_const and high.args[0] is s.idiv(x, divisor):
        return s.irem(x, divisor * int(high.args[1].attr))
    return None
