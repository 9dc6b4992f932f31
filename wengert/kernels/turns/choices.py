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
from wengert.kernels.turns.turn import lasting, own_scalars

_MANY = 8
_DEAR = MATHS | {ScalarOp.DIV, ScalarOp.SQRT, ScalarOp.IDIV, ScalarOp.IREM, ScalarOp.FREM}
_WORK = 40
"""More operations than this are not done where they are not needed."""


def choices_as_values(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with such loops free of branches."""
    later = lasting(steps)

    def one(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        found = [st for st in loop.body if isinstance(st, If)]
        if loop.kind not in (Kind.SERIAL, Kind.FREE) or not found:
            return None
        if not all(isinstance(st, Store | Accumulate | If) for st in loop.body):
            return None
        if not all(_is_cheap(st, around) for st in found):
            return None
        own = own_scalars(loop.body) - later
        return (replace(loop, body=tuple(_all_straight(s, loop.body, (), own))),)

    return [Kernel(k.name, map_loops(k.body, one)) for k in steps]


def _is_cheap(choice: If, around: Around) -> bool:
    """Whether both sides may run at every turn, and take little time."""
    choices = [st for st in walk((choice,)) if isinstance(st, If)]
    statements = [st for st in walk((choice,)) if not isinstance(st, If)]
    if len(statements) > _MANY or not all(isinstance(st, Store | Accumulate) for st in statements):
        return False
    if any(isinstance(st, Accumulate) and st.combine != "add" for st in statements):
        return False
    conditions = [st.condition for st in choices if st is not choice]
    below = list(nodes([*conditions, *expressions(statements)]))
    if len(below) > _WORK or any(n.op in _DEAR or n.op is ScalarOp.GUARD for n in below):
        return False
    places = [(n.attr, n.args[0]) for n in below if n.op is ScalarOp.LOAD]
    places += [(st.buffer, st.offset) for st in statements if isinstance(st, Store)]
    return all(_is_inside(buffer, offset, around) for buffer, offset in places)


def _is_inside(buffer: Buffer, offset: Expr, around: Around) -> bool:
    place = affine(offset)
    if place is None:
        return False
    above = plus(place, place, -2)  # its negative
    return least(place, around) >= 0 and least(above, around) > -buffer.size


def _all_straight(
    s: ScalarBuilder, body: Sequence[Stmt], around: Sequence[Expr], own: set[Buffer]
) -> list[Stmt]:
    """Statements without branches; what is read besides, `around` them, may be what they store."""
    found: list[Stmt] = []
    for each in body:
        if isinstance(each, If):
            beside = expressions([st for st in body if st is not each])
            found += _straight(s, each, [*around, *beside], own)
        else:
            found.append(each)
    return found


def _straight(
    s: ScalarBuilder, choice: If, around: Sequence[Expr], own: set[Buffer]
) -> Sequence[Stmt]:
    register = Register(BOOL)
    found: list[Stmt] = [Declare(register, choice.condition)]
    yes = s.register(register)
    common = _common(choice)
    sides = (choice.then, choice.otherwise)
    for side, other, chosen in zip(sides, sides[::-1], (yes, s.not_(yes)), strict=True):
        elsewhere = [*around, choice.condition, *expressions(other)]
        read, count = loaded(elsewhere), len(side) - len(common)
        before, ends = side[:count], side[count:]
        flat = _all_straight(s, before, [*elsewhere, *expressions(ends)], own)
        owned = own | own_scalars([*flat, *ends])
        for each in flat:
            alone = isinstance(each, Store) and each.buffer in owned and each.buffer not in read
            is_same = alone or isinstance(each, Declare)
            found.append(each if is_same else _if_chosen(s, each, chosen))
    for one, two in common:
        found.append(replace(one, value=s.select(yes, one.value, two.value)))
    return found


def _common(choice: If) -> Sequence[tuple[Store, Store]]:
    """The stores to the same places with which both sides end."""
    found: list[tuple[Store, Store]] = []
    for one, two in zip(choice.then[::-1], choice.otherwise[::-1], strict=False):
        if not (isinstance(one, Store) and isinstance(two, Store)):
            break
        if one.buffer is not two.buffer or one.offset is not two.offset:
            break
        found.append((one, two))
    return found[::-1]


def _if_chosen(s: ScalarBuilder, statement: Stmt, chosen: Expr) -> Stmt:
    match statement:
        case Store(buffer, offset, value):
            return Store(buffer, offset, s.select(chosen, value, s.load(buffer, offset)))
        case Accumulate(register, combine, value):
            return Accumulate(register, combine, s.select(chosen, value, s.like(0, value)))
        case _:
            raise AssertionError(statement)
