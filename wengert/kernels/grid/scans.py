"""Scans: the running value goes to a register, and its loop inside all others.

    for i: for j: y[i, j] = i == 0 ? x[i, j] : y[i - 1, j] + x[i, j]

becomes, with each j the work of one thread,

    for j:
      r = 0
      for i: r = i == 0 ? x[i, j] : r + x[i, j];  y[i, j] = r
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.grid.nests import is_rectangular, perfect
from wengert.kernels.loops import Assign, Declare, If, Loop, Register, Stmt, Store, While
from wengert.kernels.statements import own_expressions


@dataclass(frozen=True, slots=True)
class Scan:
    """A store that continues from the element before: its loop, its first value, the others."""

    store: Store
    index: Index
    is_first: Expr
    first: Expr
    next: Expr


def as_scan(statement: Stmt) -> Scan | None:
    """The scan that a statement is one step of."""
    if not isinstance(statement, Store) or statement.value.op is not ScalarOp.GUARD:
        return None
    condition, value, first = statement.value.args
    if condition.op is not ScalarOp.NOT or condition.args[0].op is not ScalarOp.EQ:
        return None
    place = condition.args[0].args[0]
    reads = statement.buffer in value.loads
    if place.op is not ScalarOp.INDEX or not reads:
        return None
    return Scan(statement, place.attr, condition.args[0], first, value)


def with_running_values(s: ScalarBuilder, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """`body` with the scans in it in this form."""
    made: list[Stmt] = []
    for statement in body:
        match statement:
            case Loop():
                made.extend(_loop(s, statement))
            case If(condition, then, otherwise):
                parts = (with_running_values(s, x) for x in (then, otherwise))
                made.append(If(condition, *parts))
            case While(before, condition, inner):
                first, second = (with_running_values(s, x) for x in (before, inner))
                made.append(While(first, condition, second))
            case _:
                made.append(statement)
    return tuple(made)


def _loop(s: ScalarBuilder, loop: Loop) -> list[Stmt]:
    loops, body = perfect(loop)
    found = [as_scan(st) for st in body]
    if not any(found) or not is_rectangular(loops) or not _may_part(body):
        return _among_others(s, loop)
    made: list[Stmt] = []
    for statement, scan in zip(body, found, strict=True):
        made += _around(loops, (statement,)) if scan is None else _running(s, loops, scan)
    return made


def _may_part(body: Sequence[Stmt]) -> bool:
    """Whether statements can be in loops of their own: they share only whole elements."""
    if len(body) == 1:
        return True
    if not all(isinstance(st, Store) for st in body):
        return False
    written = {st.buffer: st.offset for st in body if isinstance(st, Store)}
    if len(written) < len(body):
        return False
    for statement in body:
        assert isinstance(statement, Store)
        for node in nodes(own_expressions(statement)):
            other = node.op is ScalarOp.LOAD and node.attr is not statement.buffer
            if other and node.attr in written and node.args[0] is not written[node.attr]:
                return False
    return True


def _among_others(s: ScalarBuilder, loop: Loop) -> list[Stmt]:
    """A loop whose turns do more than scans: the running values go to registers around it."""
    opened: list[Stmt] = []
    body: list[Stmt] = []
    for statement in with_running_values(s, loop.body):
        scan = as_scan(statement)
        if scan is None or scan.index is not loop.index:
            body.append(statement)
            continue
        zero, *step = _step(s, scan)
        opened.append(zero)
        body += step
    return [*opened, replace(loop, body=tuple(body))]


def _step(s: ScalarBuilder, scan: Scan) -> tuple[Stmt, ...]:
    """What declares the running value, and one step with it."""
    store = scan.store
    running = Register(store.buffer.dtype)
    value = s.register(running)

    def rule(expr: Expr) -> Expr | None:
        return value if expr.op is ScalarOp.LOAD and expr.attr is store.buffer else None

    total = s.select(scan.is_first, scan.first, Rewriter(s, rule)(scan.next))
    zero = Declare(running, s.const(0, store.buffer.dtype))
    return zero, Assign(running, total), Store(store.buffer, store.offset, value)


def _running(s: ScalarBuilder, loops: Sequence[Loop], scan: Scan) -> tuple[Stmt, ...]:
    zero, *step = _step(s, scan)
    walked = next(x for x in loops if x.index is scan.index)
    others = [x for x in loops if x is not walked]
    inner: tuple[Stmt, ...] = (zero, replace(walked, body=tuple(step)))
    return _around(others, inner)


def _around(loops: Sequence[Loop], body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    for loop in reversed(loops):
        body = (replace(loop, body=body),)
    return body
