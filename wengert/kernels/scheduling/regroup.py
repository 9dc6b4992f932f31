"""Loops over what was a matrix before it was flattened become loops over its rows and columns.

The elements of a reshaped array are found by a division and a remainder, in every turn. Where a
loop's index, or that plus a constant, is always divided by the same number, the loop is written as
two, whose indices are the quotient and the remainder: conditions on the remainder then cut the
inner loop into parts, as they do with any index. Turns keep their order.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.loops import Loop, Stmt, Store
from wengert.kernels.scheduling.conditions import breakpoints, decider
from wengert.kernels.statements import expressions, map_statements, walk

# With fewer rows than that a loop is left as it is.
FEWEST = 16
_DIVISIONS = (ScalarOp.IDIV, ScalarOp.IREM)


def regrouped(s: ScalarBuilder, loop: Loop) -> tuple[Loop, ...]:
    """Loops that do what `loop` does: that over rows and columns, then those before and after it.

    Or `loop` itself. Of the ranges between which conditions on its index change, the longest is
    regrouped.
    """
    found = _divisor(loop)
    if found is None:
        return (loop,)
    divisor, shift = found
    ranges = pairwise([0, *breakpoints(loop), loop.index.extent])
    low, high = max(ranges, key=lambda ends: ends[1] - ends[0])
    first, last = -(-(low + shift) // divisor), (high + shift) // divisor
    if last - first < FEWEST or low + shift < 0:
        return (loop,)
    start, stop = first * divisor - shift, last * divisor - shift
    edges = ((0, start), (stop, loop.index.extent))
    return (
        _in_rows(s, _decided(s, loop, low, high), (divisor, shift), (first, last)),
        *(_part(s, loop, *ends) for ends in edges if ends[0] < ends[1]),
    )


def _decided(s: ScalarBuilder, loop: Loop, low: int, high: int) -> Loop:
    decide = Rewriter(s, decider(s, loop.index, low, high))
    return replace(loop, body=map_statements(loop.body, decide))


def _divisor(loop: Loop) -> tuple[int, int] | None:
    """The number by which the index plus a constant is divided, and that constant."""
    ends = (loop.start, loop.stop)
    if not all(x.is_const for x in ends) or (ends[0].attr, ends[1].attr) != (0, loop.index.extent):
        return None
    if not all(isinstance(st, Store | Loop) for st in walk((loop,))):
        return None
    found = {
        _division(node, loop.index)
        for node in nodes(expressions(loop.body))
        if node.op in _DIVISIONS and loop.index in node.indices
    }
    return found.pop() if len(found) == 1 else None


def _division(node: Expr, index: Index) -> tuple[int, int] | None:
    divided, by = node.args
    function = affine(divided)
    if not by.is_const or by.attr < 2 or function is None or function.terms != {index: 1}:
        return None
    return by.attr, function.const


def _in_rows(
    s: ScalarBuilder, loop: Loop, division: tuple[int, int], rows: tuple[int, int]
) -> Loop:
    (divisor, shift), (first, last) = division, rows
    row, column = Index(last - first), Index(divisor)
    quotient, remainder = s.add(s.index(row), first), s.index(column)
    place = s.add(s.mul(s.index(row), divisor), s.add(remainder, first * divisor - shift))

    def rule(expr: Expr) -> Expr | None:
        if loop.index not in expr.indices:
            return expr
        if expr.op in _DIVISIONS:
            return quotient if expr.op is ScalarOp.IDIV else remainder
        return place if expr.op is ScalarOp.INDEX else None

    body = map_statements(loop.body, Rewriter(s, rule))
    inner = Loop(column, s.int(0), s.int(divisor), body)
    return replace(loop, index=row, stop=s.int(row.extent), body=(inner,))


def _part(s: ScalarBuilder, loop: Loop, start: int, stop: int) -> Loop:
    """The turns from `start` to `stop`."""
    index = Index(stop - start)
    place = s.add(s.index(index), start)
    body: tuple[Stmt, ...] = map_statements(
        loop.body, Rewriter(s, {s.index(loop.index): place}.get)
    )
    return replace(loop, index=index, stop=s.int(index.extent), body=body)
