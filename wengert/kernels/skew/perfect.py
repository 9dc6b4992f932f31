"""A recurrence along rows, and what else is done for each row, as one perfect nest.

    for i: (for j: v[j] = f(i, j)), (for j: recurrence), (for j: tape[i, j] = g(v[j]))

Loops over the same row as the recurrence join it: turn k of one becomes part of turn j = k + c, or
j = c - k, of the recurrence. That keeps all dependences if what a later part needs of an earlier
one is there by then, and if the turns of a part that changes direction are independent. Rows of
values that only go from one part to the next become scalars.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import INT64
from wengert.kernels.expressions import Rewriter, from_affine, nodes
from wengert.kernels.grid.turns import Uses, count_uses
from wengert.kernels.loops import Buffer, If, Kind, Loop, Space, Stmt, Store
from wengert.kernels.skew.distances import Access, Box, accesses, conflict
from wengert.kernels.statements import buffers, expressions, map_statements, walk
from wengert.kernels.turns.bounds import plus
from wengert.kernels.turns.turn import own_scalars

_MANY = 64
"""Nests with more statements than this are left alone."""

Part = tuple[Stmt, ...]


def perfect(s: ScalarBuilder, box: Box, loops: Sequence[Loop], uses: Uses) -> Box | None:
    """Two loops with indices of their own that do what `loops`, one of them `box.j`, do for each
    turn of `box.i`.

    None where that cannot be, or where a scalar would outlive its turn.
    """
    if not all(map(_is_plain, loops)):
        return None
    main = next(k for k, loop in enumerate(loops) if loop.index is box.j.index)
    parts = [loop.body if k == main else _moved(s, loop, box) for k, loop in enumerate(loops)]
    bodies = [part for part in parts if part is not None]
    if len(bodies) < len(parts) or not _may_join(s, bodies, main, box):
        return None
    joined = [st for part in bodies for st in part]
    if len(list(walk(joined))) > _MANY:
        return None
    inner = count_uses((joined,))
    own = {b for b in buffers(joined) if b.space is not Space.OUTPUT and inner[b] == uses[b]}
    if not all(b in own for b in own_scalars(joined)):
        return None
    return _with_own_indices(s, box, _in_scalars(s, joined, _scalars(joined, own)))


def _is_plain(loop: Loop) -> bool:
    """Whether a loop has constant bounds, and only stores and choices between them inside."""
    inside = all(isinstance(st, Store | If) for st in walk(loop.body))
    bounds = loop.start.is_const and loop.stop.is_const and loop.start.attr >= 0
    return inside and bounds and loop.kind in (Kind.SERIAL, Kind.ORDERED)


def _moved(s: ScalarBuilder, loop: Loop, box: Box) -> Part | None:
    """The body of a loop over a row, at the turns of the recurrence; None if lengths differ."""
    main = box.j
    if loop.stop.attr - loop.start.attr != main.stop.attr - main.start.attr:
        return None
    turn = Affine(loop.start.attr - main.start.attr, {main.index: 1})
    if _opposite(s, loop, main):
        turn = Affine(loop.start.attr + main.stop.attr - 1, {main.index: -1})
    return map_statements(loop.body, _replacing(s, {loop.index: turn}))


def _opposite(s: ScalarBuilder, loop: Loop, main: Loop) -> bool:
    """Whether the two go through a row that one writes and the other reads in opposite ways."""
    steps: dict[Buffer, int] = {}
    for x in accesses(s, main.body):
        if x.place is not None and x.place.terms.get(main.index):
            steps.setdefault(x.buffer, x.place.terms[main.index])
    for x in accesses(s, loop.body):
        if x.place is not None and x.buffer in steps and x.place.terms.get(loop.index):
            return x.place.terms[loop.index] * steps[x.buffer] < 0
    return False


def _may_join(s: ScalarBuilder, parts: Sequence[Part], main: int, box: Box) -> bool:
    """Whether the parts of a row may run turn by turn: no part comes before what it needs."""
    found = [accesses(s, part) for part in parts]
    own = [own_scalars(part) for part in parts]
    for number, part in enumerate(found):
        for other in range(number, len(found)):
            if number == other == main:
                continue
            private = own[number] & own[other] if number == other else set[Buffer]()
            same = number == other
            if not all(
                _in_time(x, y, box, within=same)
                for x, y in itertools.product(part, found[other])
                if _meet(x, y) and x.buffer not in private
            ):
                return False
    return True


def _meet(x: Access, y: Access) -> bool:
    """Whether two accesses are of one buffer, and one of them writes."""
    return x.buffer is y.buffer and (x.writes or y.writes)


def _in_time(x: Access, y: Access, box: Box, within: bool) -> bool:
    """Whether y, of the same part or a later one, is at no earlier turn of the row than x."""
    found = conflict(x, y, box)
    if found is None or found.everywhere:
        return False
    rows = [d for d in found.distances if d.i == 0]
    return not rows if within else all(d.forward for d in rows)


def _scalars(body: Sequence[Stmt], own: set[Buffer]) -> dict[Buffer, Buffer]:
    """Rows that a turn writes at one place before it reads them there, each as a scalar."""
    written = {st.buffer: None for st in walk(body) if isinstance(st, Store)}
    return {
        b: Buffer(b.dtype, 1, Space.LOCAL)
        for b in written
        if b in own and b.size > 1 and b.space is Space.LOCAL and _at_one_place(body, b)
    }


def _at_one_place(body: Sequence[Stmt], buffer: Buffer) -> bool:
    """Whether a turn accesses one element of an array, the first time to store it."""
    place: Affine | None = None
    for statement in body:
        stores = isinstance(statement, Store) and statement.buffer is buffer
        inside = [st for st in walk((statement,)) if isinstance(st, Store) and st.buffer is buffer]
        loads = [n for n in _loads((statement,)) if n.attr is buffer]
        if place is None and (loads or (inside and not stores)):
            return False
        offsets = [st.offset for st in inside] + [n.args[0] for n in loads]
        for offset in offsets:
            found = affine(offset)
            if found is None or not found.terms:
                return False
            if place is not None and (found.const, found.terms) != (place.const, place.terms):
                return False
            place = found
    return place is not None


def _loads(body: Sequence[Stmt]) -> list[Expr]:
    return [n for n in nodes(expressions(body)) if n.op is ScalarOp.LOAD]


def _in_scalars(
    s: ScalarBuilder, body: Sequence[Stmt], scalars: dict[Buffer, Buffer]
) -> tuple[Stmt, ...]:
    zero = s.int(0)

    def rule(expr: Expr) -> Expr | None:
        known = scalars.get(expr.attr) if expr.op is ScalarOp.LOAD else None
        return None if known is None else s.load(known, zero)

    def store(statement: Store) -> Store:
        known = scalars.get(statement.buffer)
        return statement if known is None else Store(known, zero, statement.value)

    return map_statements(body, Rewriter(s, rule), store)


def _with_own_indices(s: ScalarBuilder, box: Box, body: tuple[Stmt, ...]) -> Box:
    """The nest with new indices, by which it is known from here on."""
    i, j = Index(box.i.index.extent), Index(box.j.index.extent)
    new = {box.i.index: Affine(0, {i: 1}), box.j.index: Affine(0, {j: 1})}
    body = map_statements(body, _replacing(s, new))
    inner = Loop(j, box.j.start, box.j.stop, body, Kind.ORDERED)
    outer = replace(box.i, index=i, body=(inner,))
    around = {k: x for k, x in box.around.items() if k not in (box.i.index, box.j.index)}
    return Box(outer, inner, {**around, i: outer, j: inner})


def _replacing(s: ScalarBuilder, places: dict[Index, Affine]) -> Callable[[Expr], Expr]:
    """Replaces indices by affine functions; what is affine stays in the simplest form."""
    return Rewriter(s, lambda expr: replaced(s, expr, places))


def replaced(s: ScalarBuilder, expr: Expr, places: dict[Index, Affine]) -> Expr | None:
    """A rule for `Rewriter`: indices by affine functions of others."""
    if expr.indices.isdisjoint(places):
        return expr
    function = affine(expr) if expr.dtype == INT64 else None
    if function is None:
        return None
    total = Affine(function.const, {})
    for index, coefficient in function.terms.items():
        total = plus(total, places.get(index, Affine(0, {index: 1})), coefficient)
    return from_affine(s, total)
