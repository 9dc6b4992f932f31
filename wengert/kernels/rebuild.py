"""Rewrites scalar expressions bottom up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from wengert.ir.scalar import COMPARISONS, Affine, Expr, ScalarBuilder, ScalarOp


def from_affine(s: ScalarBuilder, function: Affine) -> Expr:
    """The expression of an affine function."""
    total = s.int(function.const)
    for index, coefficient in function.terms.items():
        total = s.add(s.mul(s.index(index), coefficient), total)
    return total


def remade(s: ScalarBuilder, expr: Expr, args: tuple[Expr, ...]) -> Expr:
    """`expr` with other operands, folded where they have become constant."""
    match expr.op:
        case ScalarOp.SELECT:
            return s.select(*args)
        case ScalarOp.GUARD:
            return s.guard(*args)
        case ScalarOp.AND:
            return s.and_(*args)
        case ScalarOp.OR:
            return s.or_(*args)
        case ScalarOp.NOT:
            return s.not_(*args)
        case ScalarOp.ADD if expr.dtype.kind in "iu":
            return s.add(*args)
        case ScalarOp.SUB if expr.dtype.kind in "iu":
            return s.sub(*args)
        case ScalarOp.MUL if expr.dtype.kind in "iu":
            return s.mul(*args)
        case op if op in COMPARISONS and args[0].is_const and args[1].is_const:
            return getattr(s, str(op))(*args)
        case _:
            return s.node(expr.op, args, expr.dtype, expr.attr)


@dataclass(slots=True)
class Rewriter:
    """Replaces nodes for which `rule` gives another; remembers what it has done.

    The rule sees a node before its operands are rewritten, and its answer is final.
    """

    s: ScalarBuilder
    rule: Callable[[Expr], Expr | None]
    _memo: dict[int, Expr] = field(default_factory=dict[int, Expr])

    def __call__(self, expr: Expr) -> Expr:
        found = self._memo.get(id(expr))
        if found is None:
            found = self._memo[id(expr)] = self._rewrite(expr)
        return found

    def _rewrite(self, expr: Expr) -> Expr:
        replaced = self.rule(expr)
        if replaced is not None:
            return replaced
        if not expr.args:
            return expr
        args = tuple(self(a) for a in expr.args)
        if all(a is b for a, b in zip(args, expr.args, strict=True)):
            return expr
        return remade(self.s, expr, args)
