"""Unrolls short combining loops, so that small products and sums become straight code.

Loops that only store stay: the vectoriser makes one vector instruction of each of their lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, affine
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Declare,
    If,
    Kind,
    Loop,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.rebuild import Rewriter
from wengert.kernels.stages import nodes
from wengert.kernels.statements import expressions, map_statements

# Loops of at most this many turns are unrolled while the code stays below so many nodes.
MAX_TURNS = 8
MAX_NODES = 1_500
FAR = 64


def unroll(
    s: ScalarBuilder, body: Sequence[Stmt], inside: bool = False, stores: bool = False
) -> tuple[Stmt, ...]:
    """`body` with its short loops written out, innermost first.

    A loop that stands outermost is kept: there is nothing around it to win. With `stores`, loops
    that only store are written out too: small arrays on the stack become scalars in registers.
    """
    result: list[Stmt] = []
    for statement in body:
        if not isinstance(statement, Loop):
            result.append(statement)
            continue
        inner = unroll(s, statement.body, True, stores) if _is_stage(statement) else statement.body
        loop = replace(statement, body=inner)
        result.extend(_turns(s, loop) if inside and _short(loop, stores) else (loop,))
    return tuple(result)


def _is_stage(loop: Loop) -> bool:
    """Whether there are no loops of the program inside, whose bodies are unrolled already."""
    return not any(isinstance(st, While | If) for st in loop.body)


def _short(loop: Loop, stores: bool) -> bool:
    if loop.kind not in (Kind.SERIAL, Kind.ORDERED) or not (
        loop.start.is_const and loop.stop.is_const
    ):
        return False
    turns = loop.stop.attr - loop.start.attr
    if turns > MAX_TURNS or any(isinstance(st, Loop) for st in loop.body):
        return False
    if not stores and not _carries(loop) and not _far_apart(loop):
        return False
    return turns * sum(1 for _ in nodes(expressions(loop.body))) <= MAX_NODES


def _carries(loop: Loop) -> bool:
    """Whether a turn changes a register that lives on after it."""
    own = {st.register for st in loop.body if isinstance(st, Declare)}
    return any(
        isinstance(st, If) or (isinstance(st, Accumulate | Assign) and st.register not in own)
        for st in loop.body
    )


def _far_apart(loop: Loop) -> bool:
    """Whether neighbouring turns store to places that are no neighbours: the loop around it may
    have these."""
    stores = [
        st for st in loop.body if isinstance(st, Store) and st.buffer.space is not Space.LOCAL
    ]
    found = [affine(st.offset) for st in stores]
    return bool(stores) and all(
        f is not None and abs(f.terms.get(loop.index, 0)) >= FAR for f in found
    )


def _turns(s: ScalarBuilder, loop: Loop) -> list[Stmt]:
    return [
        statement
        for turn in range(loop.start.attr, loop.stop.attr)
        for statement in map_statements(loop.body, Rewriter(s, _at(s, loop.index, turn)))
    ]


def _at(s: ScalarBuilder, index: Index, turn: int):
    value = s.int(turn)
    own = s.index(index)

    def rule(expr: Expr) -> Expr | None:
        if index not in expr.indices:
            return expr
        return value if expr is own else None

    return rule
