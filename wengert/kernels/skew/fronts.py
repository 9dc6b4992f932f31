"""The pass: finds recurrences over two loops and runs them along their diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.ir.scalar import MATHS, Affine, Index, ScalarBuilder, ScalarOp
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.grid.turns import Uses, count_uses
from wengert.kernels.loops import Buffer, Kernel, Kind, Loop, Space, Stmt, Store
from wengert.kernels.scheduling.scalar_maths import in_lanes
from wengert.kernels.skew.distances import Box, accesses
from wengert.kernels.skew.hyperplane import Hyperplane, hyperplane
from wengert.kernels.skew.layout import Diagonals, diagonals
from wengert.kernels.skew.perfect import perfect, replaced
from wengert.kernels.skew.rows import Rows, around_rows, rows
from wengert.kernels.skew.tables import relaid
from wengert.kernels.statements import expressions, map_loops, map_statements, walk
from wengert.kernels.turns.bounds import Around
from wengert.kernels.turns.meeting import split_at_meeting
from wengert.kernels.turns.standing import kept
from wengert.kernels.turns.turn import added

SHORT = 16
"""Diagonals of fewer cells are not worth it."""
DEAR = MATHS | {ScalarOp.DIV, ScalarOp.SQRT}
"""What a point must have to do: points with nothing but sums and comparisons wait for memory, and
walking along the rows is kinder to that."""


@dataclass(frozen=True, slots=True)
class Front:
    """A perfect nest with the t it is to run by; points of a diagonal go along i, or along j."""

    box: Box
    plane: Hyperplane
    along_i: bool
    rows: Rows


@dataclass(slots=True)
class _Found:
    fronts: dict[Index, Front]
    tables: dict[Buffer, Diagonals | None]


def wavefronts(
    s: ScalarBuilder, steps: Sequence[Kernel], outputs: Sequence[Buffer]
) -> list[Kernel]:
    """The kernels with such nests along their diagonals."""
    uses = count_uses((k.body for k in steps), outputs)
    found = _Found({}, {})

    def mark(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        front = _front(s, loop, around, uses)
        if front is None:
            return None
        found.fronts[front.box.i.index] = front
        _note_tables(s, front, found.tables)
        return around_rows(s, front.rows, (front.box.i,), loop)

    marked = [Kernel(k.name, map_loops(k.body, mark)) for k in steps]
    if not found.fronts:
        return list(steps)
    tables = {b: x for b, x in found.tables.items() if x is not None}
    marked = relaid(s, marked, tables)

    def skew(loop: Loop, _: Around) -> Sequence[Stmt] | None:
        front = found.fronts.get(loop.index)
        inner = loop.body[0]
        return None if front is None or not isinstance(inner, Loop) else _skewed(s, front, inner)

    return [Kernel(k.name, map_loops(k.body, skew)) for k in marked]


def _front(s: ScalarBuilder, loop: Loop, around: Around, uses: Uses) -> Front | None:
    waiting = [st for st in loop.body if isinstance(st, Loop) and st.kind is Kind.ORDERED]
    bounds = loop.start.is_const and loop.stop.is_const and loop.start.attr >= 0
    if loop.kind is not Kind.ORDERED or len(waiting) != 1 or not bounds:
        return None
    inner = waiting[0]
    inside = {**around, inner.index: inner}
    ways = (kept(s, inner, inside), split_at_meeting(s, inner, inside))
    if any(isinstance(st, Loop) and st.kind is Kind.FREE for way in ways for st in walk(way or ())):
        return None  # vectors along the row will do
    whole = Box(loop, inner, inside)
    parts = rows(s, whole, uses)
    if parts is None:
        return None
    inner = next(x for x in parts.loops if x.index is inner.index)
    box = perfect(s, Box(loop, inner, {**inside, inner.index: inner}), parts.loops, uses)
    if box is None or min(box.lengths) < SHORT:
        return None
    body = tuple(in_lanes(s, box.j.body))
    ops = {n.op for n in nodes(expressions(body))}
    if ops.isdisjoint(DEAR) or ScalarOp.CALL in ops:
        return None
    plane = hyperplane(s, body, box)
    if plane is None:
        return None
    along_i = plane.b == 1 and (plane.a > 1 or box.lengths[0] <= box.lengths[1])
    inner = Loop(box.j.index, box.j.start, box.j.stop, body, Kind.ORDERED)
    outer = Loop(box.i.index, box.i.start, box.i.stop, (inner,), Kind.ORDERED)
    return Front(Box(outer, inner, box.around), plane, along_i, parts)


def _note_tables(s: ScalarBuilder, front: Front, tables: dict[Buffer, Diagonals | None]) -> None:
    """How a nest would have its temporaries; None for those that two would have differently."""
    for x in accesses(s, front.box.j.body):
        if x.buffer.space not in (Space.TEMP, Space.LOCAL, Space.OUTPUT) or x.buffer.size == 1:
            continue
        wish = diagonals(x, front.box, front.plane, front.along_i)
        if tables.setdefault(x.buffer, wish) != wish:
            tables[x.buffer] = None


# The loops


def _skewed(s: ScalarBuilder, front: Front, inner: Loop) -> tuple[Stmt, ...]:
    """For each t, its points, first for most of the statements and then for the later ones."""
    box, plane = front.box, front.plane
    i, j = box.i, box.j
    (i0, i1), (j0, j1) = ((x.start.attr, x.stop.attr) for x in (i, j))
    a, b = plane.a, plane.b
    t = Index(a * (i1 - 1) + b * (j1 - 1) + 1)
    walked, other, factor = (i, j, a) if front.along_i else (j, i, b)
    start, stop = _points(s, t, walked, other, factor)
    lane = Index(walked.index.extent)
    place = {
        walked.index: Affine(0, {lane: 1}),
        other.index: Affine(0, {t: 1, lane: -factor}),
    }
    body = map_statements(inner.body, Rewriter(s, lambda e: replaced(s, e, place)))
    loops = [Loop(lane, start, stop, part, kind) for part, kind in _parts(s, plane, lane, body)]
    first, last = s.int(a * i0 + b * j0), s.int(t.extent)
    return (Loop(t, first, last, tuple(loops), Kind.ORDERED),)


def _points(s: ScalarBuilder, t: Index, walked: Loop, other: Loop, factor: int):
    """The first and the last but one x with other.start <= t - factor * x < other.stop.

    t >= factor * walked.start + other.start, so quotients round towards the right side.
    """
    now = s.index(t)
    above = s.max(s.sub(now, other.stop.attr - 1), s.int(0))
    start = s.max(s.idiv(s.add(above, factor - 1), factor), walked.start)
    below = s.idiv(s.sub(now, other.start.attr), factor)
    return start, s.min(s.add(below, 1), walked.stop)


def _parts(s: ScalarBuilder, plane: Hyperplane, lane: Index, body: Sequence[Stmt]):
    """The statements of each loop over a diagonal, and its kind."""
    at = s.index(lane)
    first: list[Stmt] = []
    later: dict[int, list[Stmt]] = {}
    sums: list[Stmt] = []
    for number, statement in enumerate(body):
        group = plane.later.get(number)
        if group is None and number not in plane.sums:
            first.append(statement)
            continue
        assert isinstance(statement, Store)
        value = added(s, statement)
        assert value is not None
        waiting = Buffer(value.dtype, lane.extent, Space.LOCAL)
        first.append(Store(waiting, at, value))
        old, new = s.load(statement.buffer, statement.offset), s.load(waiting, at)
        add = Store(statement.buffer, statement.offset, s.add(old, new))
        if number in plane.sums:
            sums.append(add)
        else:
            later.setdefault(group or 0, []).append(add)
    yield tuple(first), Kind.FREE
    for group in sorted(later):
        yield tuple(later[group]), Kind.FREE
    for add in sums:
        yield (add,), Kind.ORDERED
