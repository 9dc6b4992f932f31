"""Checks of indices that walk with the loop: the ends are checked once, before it.

An index e = a + c*k of loop index k is in bounds at every turn if it is at the first and at the
last. So a loop with such checks gets a version without them, and without the wrapping of negative
indices, which runs where the ends are in bounds from 0 on. The other version runs where they are
not, and finds the turn that fails, or wraps.
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.expressions import Rewriter, at_turn, nodes
from wengert.kernels.loops import Buffer, Check, If, Loop, Stmt
from wengert.kernels.statements import changed, map_statements


@dataclass(frozen=True, slots=True)
class Walking:
    """A checked index, the size it must be below, and what it is at both ends of the loop."""

    index: Expr
    size: int
    first: Expr
    last: Expr


def checked_at_ends(s: ScalarBuilder, loop: Loop) -> list[Stmt]:
    """`loop`, or a choice between its two versions."""
    found = _walking(s, loop)
    if not found:
        return [loop]
    fine = s.const(True, bool)
    for walk in found.values():
        for end in (walk.first, walk.last):
            fine = s.and_(fine, s.and_(s.ge(end, 0), s.lt(end, walk.size)))
    known = {walk.index for walk in found.values()}

    def rule(expr: Expr) -> Expr | None:
        """Negative indices do not occur: select(e < 0, e + n, e) -> e."""
        if expr.op is ScalarOp.SELECT and expr.args[2] in known:
            test = expr.args[0]
            if test.op is ScalarOp.LT and test.args[0] is expr.args[2]:
                return Rewriter(s, rule)(expr.args[2])
        return None

    body = [st for st in loop.body if not (isinstance(st, Check) and st in found)]
    fast = Loop(
        loop.index, loop.start, loop.stop, map_statements(body, Rewriter(s, rule)), loop.kind
    )
    return [If(fine, (fast,), (loop,))]


def _walking(s: ScalarBuilder, loop: Loop) -> dict[Check, Walking]:
    found: dict[Check, Walking] = {}
    written: frozenset[Buffer] | None = None
    for statement in loop.body:
        if not isinstance(statement, Check):
            continue
        size = _bound(statement)
        step = _step(statement.value, loop.index)
        if size is None or step is None:
            continue
        if written is None:
            written = changed(loop.body)
        if _depends(statement, loop) or any(
            n.op is ScalarOp.REGISTER or (n.op is ScalarOp.LOAD and n.attr in written)
            for n in nodes((statement.value,))
        ):
            continue
        ends = [_end(s, statement.value, loop, at) for at in (loop.start, s.sub(loop.stop, 1))]
        first, last = ends
        found[statement] = Walking(statement.value, size, first, last)
    return found


def _depends(check: Check, loop: Loop) -> bool:
    """Whether a checked index is read at a place that is itself checked in the loop."""
    others = {st.value for st in loop.body if isinstance(st, Check) and st is not check}
    loads = [n for n in nodes((check.value,)) if n.op is ScalarOp.LOAD]
    return any(n in others for load in loads for n in nodes(load.args))


def _end(s: ScalarBuilder, expr: Expr, loop: Loop, place: Expr) -> Expr:
    """An index at one end of a loop; what it reads may only be there if there are turns."""
    found = at_turn(s, loop.index, place)(expr)
    if not any(n.op is ScalarOp.LOAD for n in nodes((found,))):
        return found
    return s.guard(s.lt(loop.start, loop.stop), found, 0)


def _bound(check: Check) -> int | None:
    """The size that `check` compares its value with (see `check_index`)."""
    test = check.condition
    if test.op is not ScalarOp.LT or test.args[0].op is not ScalarOp.CAST:
        return None
    shifted, twice = test.args[0].args[0], test.args[1]
    if shifted.op is not ScalarOp.ADD or shifted.args[0] is not check.value or not twice.is_const:
        return None
    return int(twice.attr) // 2


def _step(expr: Expr, index: Index) -> int | None:
    """How much an index expression grows with each turn; None if that differs, or it does not."""
    if index not in expr.indices:
        return 0
    if expr.op is ScalarOp.INDEX:
        return 1
    if expr.op in (ScalarOp.ADD, ScalarOp.SUB):
        left, right = (_step(a, index) for a in expr.args)
        if left is None or right is None:
            return None
        return left + right if expr.op is ScalarOp.ADD else left - right
    if expr.op is ScalarOp.MUL and expr.args[1].is_const:
        factor = _step(expr.args[0], index)
        return None if factor is None else factor * int(expr.args[1].attr)
    return None
