"""Choices between cheap stores become choices between values, in loops that may become vectors.

With a branch LLVM masks the stores, and a load from where a masked store was waits until that is in
the cache. What may not be stored otherwise is stored as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.ir.scalar import MATHS, Expr, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import BOOL
from wengert.kernels.expressions import loaded, nodes
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Declare,
    If,
    Kernel,
    Kind,
    Loop,
    Register,
    Stmt,
    Store,
)
from wengert.kernels.statements import expressions, map_loops, walk
from wengert.kernels.turns.bounds import Around, least, plus
from wengert.kernels.turns.turn import own_scalars

_MANY = 8
_DEAR = MATHS | {ScalarOp.DIV, ScalarOp.SQRT, ScalarOp.IDIV, ScalarOp.IREM, ScalarOp.FREM}
_WORK = 40
"""More operations than this are not done where they are not needed."""


def choices_as_values(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with such loops free of branches."""

    def one(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        found = [st for st in loop.body if isinstance(st, If)]
        if loop.kind not in (Kind.SERIAL, Kind.FREE) or not found:
            return None
        if not all(isinstance(st, Store | Accumulate | If) for st in loop.body):
            return None
        if not all(_is_cheap(st, around) for st in found):
            return None
        own = own_scalars(loop.body)
        body = [new for st in loop.body for new in _straight(s, st, loop.body, own)]
        return (replace(loop, body=tuple(body)),)

    return [Kernel(k.name, map_loops(k.body, one)) for k in steps]


def _is_cheap(choice: If, around: Around) -> bool:
    """Whether both sides may run at every turn, and take little time."""
    statements = (*choice.then, *choice.otherwise)
    if len(statements) > _MANY or not all(isinstance(st, Store | Accumulate) for st in statements):
        return False
    if any(isinstance(st, Accumulate) and st.combine != "add" for st in statements):
        return False
    below = list(nodes(expressions(statements)))
    if len(below) > _WORK or any(n.op in _DEAR or n.op is ScalarOp.GUARD for n in below):
        return False
    places = [(n.attr, n.args[0]) for n in below if n.op is ScalarOp.LOAD]
    places += [(st.buffer, st.offset) for st in walk(statements) if isinstance(st, Store)]
    return all(_is_inside(buffer, offset, around) for buffer, offset in places)


def _is_inside(buffer: Buffer, offset: Expr, around: Around) -> bool:
    place = affine(offset)
    if place is None:
        return False
    above = plus(place, place, -2)  # its negative
    return least(place, around) >= 0 and least(above, around) > -buffer.size


def _straight(
    s: ScalarBuilder, statement: Stmt, body: Sequence[Stmt], own: set[Buffer]
) -> list[Stmt]:
    if not isinstance(statement, If):
        return [statement]
    register = Register(BOOL)
    found: list[Stmt] = [Declare(register, statement.condition)]
    yes = s.register(register)
    sides = (statement.then, statement.otherwise)
    for side, other, chosen in zip(sides, sides[::-1], (yes, s.not_(yes)), strict=True):
        elsewhere = [st for st in body if st is not statement]
        read = loaded([*expressions((*elsewhere, *other)), statement.condition])
        for each in side:
            alone = isinstance(each, Store) and each.buffer in own and each.buffer not in read
            found.append(each if alone else _if_chosen(s, each, chosen))
    return found


def _if_chosen(s: ScalarBuilder, statement: Stmt, chosen: Expr) -> Stmt:
    match statement:
        case Store(buffer, offset, value):
            return Store(buffer, offset, s.select(chosen, value, s.load(buffer, offset)))
        case Accumulate(register, combine, value):
            return Accumulate(register, combine, s.select(chosen, value, s.like(0, value)))
        case _:
            raise AssertionError(statement)
