"""Innermost loops whose turns are independent run in the order in which their arrays lie.

The transpose of a loop runs backwards: its index falls while the program's rose, so that nearly all
of its accesses go backwards through memory. As vectors these would be turned around, one by one,
after each load and before each store. Of a FREE loop the turns may run in any order, but for
scalars that keep what the last one has left; so where more accesses fall than rise, the last turn
becomes the first one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import at_turn, nodes
from wengert.kernels.loops import Kernel, Kind, Loop, Stmt, Store
from wengert.kernels.statements import changed, expressions, map_loops, map_statements, walk
from wengert.kernels.turns.turn import lasting


def ascending(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with such loops turned round."""
    later = lasting(steps)

    def one(loop: Loop, around: Mapping[Index, Loop]) -> Sequence[Stmt] | None:
        inside = list(walk(loop.body))
        if loop.kind is not Kind.FREE or any(isinstance(st, Loop) for st in inside):
            return None
        if not later.isdisjoint(changed(loop.body)):
            return None
        steps = list(_steps(loop))
        return (_turned(s, loop),) if 2 * sum(x < 0 for x in steps) > len(steps) else None

    return [Kernel(k.name, map_loops(k.body, one)) for k in steps]


def _steps(loop: Loop) -> Iterator[int]:
    """By how many elements each access that moves does so from turn to turn."""
    loads = {n for n in nodes(expressions(loop.body)) if n.op is ScalarOp.LOAD}
    stores = {(st.buffer, st.offset) for st in walk(loop.body) if isinstance(st, Store)}
    for offset in (*(n.args[0] for n in loads), *(offset for _, offset in stores)):
        place = affine(offset)
        if place is not None and loop.index in place.terms:
            yield place.terms[loop.index]


def _turned(s: ScalarBuilder, loop: Loop) -> Loop:
    """The turns of a loop in the opposite order: turn i becomes turn extent - 1 - i."""
    index = Index(loop.index.extent)
    turn = s.sub(s.int(index.extent - 1), s.index(index))
    body = map_statements(loop.body, at_turn(s, loop.index, turn))
    start, stop = (_from_the_end(s, index.extent, x) for x in (loop.stop, loop.start))
    return replace(loop, index=index, start=start, stop=stop, body=body)


def _from_the_end(s: ScalarBuilder, extent: int, bound: Expr) -> Expr:
    """extent - bound, with the least of bounds as the greatest of what they become."""
    match bound.op:
        case ScalarOp.MIN:
            return s.max(*(_from_the_end(s, extent, x) for x in bound.args))
        case ScalarOp.MAX:
            return s.min(*(_from_the_end(s, extent, x) for x in bound.args))
        case _:
            return s.sub(s.int(extent), bound)
