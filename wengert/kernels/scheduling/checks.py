"""Checks of a loop's indices ahead of the loop, which may then become vectors; checks in a row.

A check may end the call, so a loop with one runs turn by turn. Where much is computed in each turn
and all checks are of values that the loop does not change, a loop of the checks alone comes first.

Checks of one kind in straight code, as of the turns of a short loop that was written out, are made
at once behind the last of them: what is computed meanwhile is of no use if one fails, but does no
harm either, unless a check keeps its addresses inside of arrays.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Check,
    Declare,
    Loop,
    Register,
    Stmt,
    Store,
)
from wengert.kernels.statements import expressions, own_expressions

MUCH = 100
"""Below so many scalar operations in a turn, a loop keeps its checks."""
NEAR, MOST = 4, 8
"""Checks with at most so many statements between them are made together, and so many at a time: in
longer code without a branch LLVM computes much long before it is used, and runs out of registers.
"""
_STRAIGHT = (Accumulate, Assign, Check, Declare, Store)


def ahead(body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """The statements, with the checks of innermost loops ahead of these."""
    found: list[Stmt] = []
    for statement in body:
        if not isinstance(statement, Loop):
            found.append(statement)
        elif all(isinstance(st, _STRAIGHT) for st in statement.body):
            found.extend(_apart(statement))
        else:
            found.append(replace(statement, body=ahead(statement.body)))
    return tuple(found)


def _apart(loop: Loop) -> tuple[Loop, ...]:
    checks = tuple(st for st in loop.body if isinstance(st, Check))
    rest = tuple(st for st in loop.body if not isinstance(st, Check))
    if not checks or not rest or sum(1 for _ in nodes(expressions(rest))) < MUCH:
        return (loop,)
    if not may_go_ahead(loop.body):
        return (loop,)
    return replace(loop, body=checks), replace(loop, body=rest)


def may_go_ahead(body: Sequence[Stmt]) -> bool:
    """Whether all checks among straight statements are of values that these do not change."""
    changed = set(map(_target, body))
    checks = [st for st in body if isinstance(st, Check)]
    return changed.isdisjoint(n for st in checks for n in _read((st.condition, st.value)))


def together(s: ScalarBuilder, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """The statements, with checks of one kind in a row made at once."""
    body = tuple(
        replace(st, body=together(s, st.body)) if isinstance(st, Loop) else st for st in body
    )
    if sum(isinstance(st, Check) for st in body) < 2:
        return body
    found: list[Stmt] = []
    waiting: list[Check] = []
    read: set[object] = set()  # by the conditions of those
    since = 0  # statements behind the last of those

    def make() -> None:
        if waiting:
            condition = functools.reduce(s.and_, [st.condition for st in waiting])
            found.append(replace(waiting[-1], condition=condition))
        waiting.clear()
        read.clear()

    for statement in body:
        if isinstance(statement, Check) and statement.value.is_const:
            if waiting and (_kind(waiting[0]) != _kind(statement) or len(waiting) == MOST):
                make()
            since = 0
            waiting.append(statement)
            read.update(_read((statement.condition,)))
            continue
        since += 1
        if waiting and (since > NEAR or _target(statement) in read or not _may_go_first(statement)):
            make()
        found.append(statement)
    make()
    return tuple(found)


def _kind(check: Check) -> tuple[int, object]:
    return check.code, check.value.attr


def _may_go_first(statement: Stmt) -> bool:
    """Whether a statement may run before checks that stand before it, of what it leaves alone."""
    if not isinstance(statement, Accumulate | Assign | Declare | Store):
        return False
    places = [n.args[0] for n in nodes(own_expressions(statement)) if n.op is ScalarOp.LOAD]
    places += [statement.offset] if isinstance(statement, Store) else []
    return not any(_read(places))


def _target(statement: Stmt) -> Buffer | Register | None:
    """What a straight statement changes."""
    if isinstance(statement, Store):
        return statement.buffer
    return statement.register if isinstance(statement, Accumulate | Assign | Declare) else None


def _read(exprs: Sequence[Expr]) -> Iterator[Buffer | Register]:
    """The buffers and registers that expressions read."""
    return (n.attr for n in nodes(exprs) if n.op in (ScalarOp.REGISTER, ScalarOp.LOAD))
