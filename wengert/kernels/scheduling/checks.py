"""Checks of a loop's indices ahead of the loop, which may then become vectors.

A check may end the call, so a loop with one runs turn by turn. Where much is computed in each turn
and all checks are of values that the loop does not change, a loop of the checks alone comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.ir.scalar import Expr, ScalarOp
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Accumulate, Assign, Check, Declare, Loop, Stmt, Store
from wengert.kernels.statements import expressions

MUCH = 100
"""Below so many scalar operations in a turn, a loop keeps its checks."""
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
    changed: set[object] = {st.buffer for st in rest if isinstance(st, Store)}
    if any(_depends(x, changed) for check in checks for x in (check.condition, check.value)):
        return (loop,)
    return replace(loop, body=checks), replace(loop, body=rest)


def _depends(x: Expr, changed: set[object]) -> bool:
    """Whether an expression reads a register, or what the loop stores."""
    return any(
        n.op is ScalarOp.REGISTER or (n.op is ScalarOp.LOAD and n.attr in changed)
        for n in nodes((x,))
    )
