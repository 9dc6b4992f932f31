"""Short loops of updates go inside the loops that they stand around.

    for p in 0:5:  for j:  x[j] = x[j] + y[p, j]

passes through x five times. If each element is updated from itself alone, the same numbers come, in
the same order of operations, from one pass that makes all five updates of an element at once:

    for j:  x[j] = ((((x[j] + y[0, j]) + y[1, j]) + ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.loops import Kind, Loop, Stmt, Store
from wengert.kernels.rebuild import Rewriter
from wengert.kernels.stages import nodes

# Loops of at most this many turns, while an element's updates are below so many nodes.
MAX_TURNS = 8
MAX_NODES = 300


def inward(s: ScalarBuilder, loop: Loop) -> Loop:
    """`loop` with the short loops inside it moved inwards where that changes nothing."""
    return replace(loop, body=tuple(_one(s, st) for st in loop.body))


def _one(s: ScalarBuilder, statement: Stmt) -> Stmt:
    if not isinstance(statement, Loop):
        return statement
    loop = inward(s, statement)
    if not _is_short(loop) or len(loop.body) != 1:
        return loop
    return _with_all_turns(s, loop, loop.body[0]) or loop


def _is_short(loop: Loop) -> bool:
    bounds = loop.start.is_const and loop.stop.is_const
    whole = bounds and (loop.start.attr, loop.stop.attr) == (0, loop.index.extent)
    return whole and loop.kind is Kind.SERIAL and loop.index.extent <= MAX_TURNS


def _with_all_turns(s: ScalarBuilder, loop: Loop, statement: Stmt) -> Stmt | None:
    """`statement`, a nest around one store, with the store for all turns of `loop` at once."""
    match statement:
        case Loop(_, start, stop, (inner,)) if loop.index not in start.indices | stop.indices:
            found = _with_all_turns(s, loop, inner)
            return None if found is None else replace(statement, body=(found,))
        case Store(_, offset) if loop.index not in offset.indices:
            return _updated(s, loop, statement)
        case _:
            return None


def _updated(s: ScalarBuilder, loop: Loop, store: Store) -> Store | None:
    old = s.load(store.buffer, store.offset)
    own = [n for n in nodes((store.value,)) if n.op is ScalarOp.LOAD and n.attr is store.buffer]
    size = loop.index.extent * sum(1 for _ in nodes((store.value,)))
    if own != [old] or size > MAX_NODES:
        return None
    value = old
    for turn in range(loop.index.extent):
        value = Rewriter(s, _at(s, loop.index, turn, old, value))(store.value)
    return replace(store, value=value)


def _at(
    s: ScalarBuilder, index: Index, turn: int, old: Expr, before: Expr
) -> Callable[[Expr], Expr | None]:
    own, place = s.index(index), s.int(turn)

    def rule(expr: Expr) -> Expr | None:
        if expr is old:
            return before
        return place if expr is own else None

    return rule
