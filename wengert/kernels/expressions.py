"""Walks over scalar expressions, and rewrites of them bottom up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from wengert.ir.scalar import (
    COMPARISONS,
    Affine,
    Expr,
    Index,
    ScalarBuilder,
    ScalarOp,
    affine,
    linear_in,
)
from wengert.kernels.loops import Buffer


def from_affine(s: ScalarBuilder, function: Affine) -> Expr:
    """The expression of an affine function."""
    total = s.int(function.const)
    for index, coefficient in function.terms.items():
        total = s.add(s.mul(s.index(index), coefficient), total)
    return total


# How operations that may fold are made again, by op; arithmetic of integers alone does.
_FOLDED: dict[ScalarOp, Callable[..., Expr]] = {
    ScalarOp.SELECT: ScalarBuilder.select,
    ScalarOp.GUARD: ScalarBuilder.guard,
    ScalarOp.AND: ScalarBuilder.and_,
    ScalarOp.OR: ScalarBuilder.or_,
    ScalarOp.NOT: ScalarBuilder.not_,
}
_ARITHMETIC: dict[ScalarOp, Callable[..., Expr]] = {
    ScalarOp.ADD: ScalarBuilder.add,
    ScalarOp.SUB: ScalarBuilder.sub,
    ScalarOp.MUL: ScalarBuilder.mul,
}


def remade(s: ScalarBuilder, expr: Expr, args: tuple[Expr, ...]) -> Expr:
    """`expr` with other operands, folded where they have become constant."""
    op = expr.op
    make = _FOLDED.get(op)
    if make is None and expr.dtype.kind in "iu":
        make = _ARITHMETIC.get(op)
    if make is not None:
        return make(s, *args)
    if op in COMPARISONS and args[1].is_const:
        return getattr(s, str(op))(*args)
    return s.node(op, args, expr.dtype, expr.attr)


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
        known = self._memo.get
        args = tuple([known(id(a)) or self(a) for a in expr.args])
        if args == expr.args:  # by identity
            return expr
        return remade(self.s, expr, args)


@dataclass(slots=True)
class Substitution:
    """Puts `place` for an index: what does not depend on it is not looked at."""

    s: ScalarBuilder
    index: Index
    place: Expr
    _memo: dict[int, Expr] = field(default_factory=dict[int, Expr])

    def __call__(self, expr: Expr) -> Expr:
        if self.index not in expr.indices:
            return expr
        return self._memo.get(id(expr)) or self._rewrite(expr)

    def _rewrite(self, expr: Expr) -> Expr:
        if expr.op is ScalarOp.INDEX:
            return self.place
        index, known = self.index, self._memo.get
        args = [
            a if index not in a.indices else known(id(a)) or self._rewrite(a) for a in expr.args
        ]
        found = self._memo[id(expr)] = remade(self.s, expr, tuple(args))
        return found


def at_turn(s: ScalarBuilder, index: Index, place: Expr) -> Substitution:
    """Puts `place` for an index."""
    return Substitution(s, index, place)


def nodes(exprs: Sequence[Expr]) -> Iterator[Expr]:
    """All distinct nodes below `exprs`."""
    seen: set[Expr] = set()
    todo = list(exprs)
    while todo:
        expr = todo.pop()
        if expr not in seen:
            seen.add(expr)
            yield expr
            if expr.args:
                todo += expr.args


def loaded(exprs: Sequence[Expr]) -> frozenset[Buffer]:
    """The buffers that `exprs` read."""
    return frozenset[Buffer]().union(*(e.loads for e in exprs))


def along(s: ScalarBuilder, offset: Expr, index: Index) -> tuple[Expr, Expr]:
    """An offset as the sum of what a loop does not change, which is 0 for want of such terms, and
    of the place in what the loop walks along."""
    found = affine(offset)
    if found is None:
        linear = linear_in(s, offset, {index})
        if linear is None:
            return s.int(0), offset
        step, first, const = linear[0][index], linear[1], 0
    else:
        step, const = found.terms.get(index, 0), found.const
        first = s.int(0)
        for other, factor in found.terms.items():
            if other is not index:
                first = s.add(first, s.mul(s.index(other), factor))
    if first.is_const:
        return s.int(0), offset
    return first, s.add(s.mul(s.index(index), step), const)
