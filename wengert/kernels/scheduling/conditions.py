"""Conditions that compare a loop's index with a constant, and where they change."""

from __future__ import annotations

from collections.abc import Callable

from wengert.ir.scalar import COMPARISONS, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import INT64
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Loop
from wengert.kernels.statements import expressions


def _condition(expr: Expr, index: Index) -> tuple[int, int] | None:
    """(coefficient, constant) if `expr` compares coefficient * index + constant with zero."""
    if (
        expr.op not in COMPARISONS
        or expr.args[0].dtype != INT64
        or expr.indices != frozenset((index,))
    ):
        return None
    left, right = affine(expr.args[0]), affine(expr.args[1])
    if left is None or right is None:
        return None
    coefficient = left.terms.get(index, 0) - right.terms.get(index, 0)
    return (coefficient, left.const - right.const) if coefficient else None


def breakpoints(loop: Loop) -> list[int]:
    """Where, inside the loop's range, some condition on its index changes."""
    points: set[int] = set()
    for node in nodes(expressions(loop.body)):
        found = _condition(node, loop.index)
        if found is not None:
            coefficient, constant = found
            # The sign of c I + d changes around I = -d / c: candidates are the floor, the next.
            zero = -constant // coefficient
            candidates = (zero, zero + 1)
            points.update(p for p in candidates if _changes(node, found, p))
    return sorted(p for p in points if 0 < p < loop.index.extent)


def _changes(expr: Expr, condition: tuple[int, int], point: int) -> bool:
    return _holds(expr.op, condition, point - 1) != _holds(expr.op, condition, point)


def _holds(op: ScalarOp, condition: tuple[int, int], at: int) -> bool:
    value = condition[0] * at + condition[1]
    match op:
        case ScalarOp.LT:
            return value < 0
        case ScalarOp.LE:
            return value <= 0
        case ScalarOp.GT:
            return value > 0
        case ScalarOp.GE:
            return value >= 0
        case ScalarOp.EQ:
            return value == 0
        case _:
            return value != 0


def decider(s: ScalarBuilder, index: Index, low: int, high: int) -> Callable[[Expr], Expr | None]:
    """What replaces conditions on an index by what they are for `low` <= index < `high`."""

    def rule(expr: Expr) -> Expr | None:
        if index not in expr.indices:
            return expr
        found = _condition(expr, index)
        if found is None:
            return None
        first, last = _holds(expr.op, found, low), _holds(expr.op, found, high - 1)
        return s.const(first, bool) if first == last else None

    return rule
