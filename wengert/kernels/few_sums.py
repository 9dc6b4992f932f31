"""Sums into a few elements, made by a short loop inside a long one, kept in registers.

    for i in 0:1000:  a = f(i);  for k in 0:6: y[k] = y[k] + a * x[i, k]

Each turn would add to memory that the turn before has just written, and the short loop would keep
the long one from being vectors. The elements are the same in all turns, so they are six sums:

    r0, ..., r5 = y[0], ..., y[5]
    for i in 0:1000:  a = f(i);  r0 += a * x[i, 0];  ...;  r5 += a * x[i, 5]
    y[0], ..., y[5] = r0, ..., r5

Gradients in a few parameters are of this kind. `y` may be used for nothing else in the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, affine
from wengert.kernels.loops import Accumulate, Declare, Kind, Loop, Register, Stmt, Store
from wengert.kernels.rebuild import Rewriter
from wengert.kernels.statements import own_expressions, walk
from wengert.kernels.turn import added, terms_added

# So many sums at most: all stay in vector registers, or nearly so.
MAX_SUMS = 24
MAX_TURNS = 8
# Shorter loops are hardly vectors.
LEAST_TURNS = 16


def in_registers(s: ScalarBuilder, loop: Loop) -> tuple[list[Stmt], Loop, list[Stmt]]:
    """What stands before `loop`, the loop, and what stands after it."""
    if loop.kind is not Kind.SERIAL or loop.index.extent < LEAST_TURNS:
        return [], loop, []
    before: list[Stmt] = []
    after: list[Stmt] = []
    body: list[Stmt] = []
    for statement in loop.body:
        found = _sums(s, loop, statement) if isinstance(statement, Loop) else None
        if found is None or len(before) + len(found) > MAX_SUMS:
            body.append(statement)
            continue
        for store, value in found:
            register = Register(store.buffer.dtype)
            before.append(Declare(register, s.load(store.buffer, store.offset)))
            body.append(Accumulate(register, "add", value))
            after.append(Store(store.buffer, store.offset, s.register(register)))
    return before, replace(loop, body=tuple(body)), after


def _sums(s: ScalarBuilder, around: Loop, short: Loop) -> list[tuple[Store, Expr]] | None:
    """For each turn of a short loop and each of its stores: where to, and what is added."""
    if not (short.start.is_const and short.stop.is_const) or short.kind is not Kind.SERIAL:
        return None
    turns = range(short.start.attr, short.stop.attr)
    if len(turns) > MAX_TURNS or not _adds_apart(around, short):
        return None
    found: list[tuple[Store, Expr]] = []
    for turn in turns:
        rewrite = Rewriter(s, _at(s, short.index, turn))
        for store in short.body:
            assert isinstance(store, Store)
            value = added(s, store)
            if value is None:
                return None
            place = rewrite(store.offset)
            found.append((Store(store.buffer, place, s.load(store.buffer, place)), rewrite(value)))
    return found


def _adds_apart(around: Loop, short: Loop) -> bool:
    """Whether a short loop's stores add to places that move with it alone, each to its own array,
    and nothing else in the loop around uses these arrays."""
    targets = {st.buffer for st in short.body if isinstance(st, Store)}
    if len(targets) < len(short.body):
        return False
    for statement in walk(around.body):
        exprs: Sequence[Expr] = own_expressions(statement)
        if isinstance(statement, Store) and statement.buffer in targets:
            place, terms = affine(statement.offset), terms_added(statement)
            if statement not in short.body or place is None or terms is None:
                return False
            if around.index in place.terms or not place.terms.get(short.index):
                return False
            exprs = (statement.offset, *terms)
        if any(not targets.isdisjoint(e.loads) for e in exprs):
            return False
    return True


def _at(s: ScalarBuilder, index: Index, turn: int):
    own, value = s.index(index), s.int(turn)
    return lambda expr: expr if index not in expr.indices else value if expr is own else None
