"""What is done once for each row of a recurrence: taken out of the nest, before or behind it.

    for i: s = f(i);  (for j: d[i, j] = g(d, s));  last[i] = d[i, m]

becomes three loops over i, with a cell of s for each row. That is sound where no earlier row of the
recurrence meets what `before` accesses, and no later one what `after` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import INT64
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.grid.turns import Uses, count_uses
from wengert.kernels.loops import Buffer, Kind, Loop, Space, Stmt, Store
from wengert.kernels.scheduling.scalar_maths import in_lanes
from wengert.kernels.skew.distances import Access, Box, accesses
from wengert.kernels.statements import map_statements, walk
from wengert.kernels.turns.bounds import differ


@dataclass(frozen=True, slots=True)
class Rows:
    """The statements of a row: stores, loops over its cells, stores."""

    before: tuple[Stmt, ...]
    loops: tuple[Loop, ...]
    after: tuple[Stmt, ...]


def rows(s: ScalarBuilder, box: Box, uses: Uses) -> Rows | None:
    """The parts of a row, with scalars that one row has for itself in a cell for each row."""
    body = _numbers_in_place(s, box.i.body, uses)
    first = next(at for at, st in enumerate(body) if isinstance(st, Loop))
    outside = [st for st in body if not isinstance(st, Loop)]
    if not all(isinstance(st, Store) for st in outside):
        return None
    scalars = _scalars(body, first, box.i.index.extent, uses)
    spread = _in_cells(s, box.i.index, body, scalars)
    loops = tuple(st for st in spread if isinstance(st, Loop))
    before, after = spread[:first], tuple(st for st in spread[first:] if isinstance(st, Store))
    inside = [x for loop in loops for x in accesses(s, loop.body)]
    ends = accesses(s, before), accesses(s, after)
    cells = set(scalars.values())
    for x, others, later in ((ends[0], (inside, ends[1]), False), (ends[1], (inside,), True)):
        for other in others:
            if not _apart(s, x, other, box, cells, later):
                return None
    return Rows(before, loops, after) if _last(s, spread) else None


def _last(s: ScalarBuilder, body: Sequence[Stmt]) -> bool:
    """Whether stores between loops may as well come after them."""
    waiting: list[Access] = []
    started = False
    for statement in body:
        if isinstance(statement, Loop):
            found = accesses(s, statement.body)
            if any(x.buffer is y.buffer and (x.writes or y.writes) for x in waiting for y in found):
                return False
            started = True
        elif started:
            waiting += accesses(s, (statement,))
    return True


def _numbers_in_place(s: ScalarBuilder, body: Sequence[Stmt], uses: Uses) -> tuple[Stmt, ...]:
    """A row without scalars that hold an affine function of indices."""
    inner = count_uses((body,))
    stores = Counter(st.buffer for st in walk(body) if isinstance(st, Store))
    known: dict[Buffer, Expr] = {}
    kept: list[Stmt] = []
    read: set[Buffer] = set()
    started = False

    def rule(expr: Expr) -> Expr | None:
        return known.get(expr.attr) if expr.op is ScalarOp.LOAD else None

    for statement in body:
        started = started or not isinstance(statement, Store)
        if isinstance(statement, Store) and not started:
            read |= {x.attr for x in _loads(statement)}
            (statement,) = map_statements((statement,), Rewriter(s, rule))
            assert isinstance(statement, Store)
            buffer, value = statement.buffer, statement.value
            alone = stores[buffer] == 1 and inner[buffer] == uses[buffer] and buffer not in read
            if alone and buffer.size == 1 and buffer.dtype == INT64 and affine(value) is not None:
                known[buffer] = value
                continue
        kept.append(statement)
    return map_statements(kept, Rewriter(s, rule))


def around_rows(s: ScalarBuilder, found: Rows, nest: Sequence[Stmt], row: Loop) -> tuple[Stmt, ...]:
    """The nest between what is done for each row before it and behind it."""
    parts = (in_lanes(s, x) for x in (found.before, found.after))
    before, after = ((_over_rows(s, x, row),) if x else () for x in parts)
    return (*before, *nest, *after)


def _over_rows(s: ScalarBuilder, body: tuple[Stmt, ...], row: Loop) -> Loop:
    index = Index(row.index.extent)
    body = map_statements(body, Rewriter(s, {s.index(row.index): s.index(index)}.get))
    return Loop(index, row.start, row.stop, body, Kind.SERIAL)


def _scalars(body: Sequence[Stmt], first: int, rows: int, uses: Uses) -> dict[Buffer, Buffer]:
    """Scalars that each row sets anew, and that nobody else reads; with room for all rows."""
    inner = count_uses((body,))
    read: set[Buffer] = set()
    found: dict[Buffer, Buffer] = {}
    for statement in body[:first]:
        assert isinstance(statement, Store)
        buffer = statement.buffer
        read |= {x.attr for x in _loads(statement)}
        own = buffer.size == 1 and buffer.space is not Space.OUTPUT
        if own and buffer not in read and inner[buffer] == uses[buffer]:
            found[buffer] = Buffer(buffer.dtype, rows, Space.LOCAL)
    return found


def _loads(store: Store) -> list[Expr]:
    return [n for n in nodes((store.offset, store.value)) if n.op is ScalarOp.LOAD]


def _in_cells(
    s: ScalarBuilder, row: Index, body: Sequence[Stmt], scalars: dict[Buffer, Buffer]
) -> tuple[Stmt, ...]:
    at = s.index(row)

    def rule(expr: Expr) -> Expr | None:
        cell = scalars.get(expr.attr) if expr.op is ScalarOp.LOAD else None
        return None if cell is None else s.load(cell, at)

    def store(statement: Store) -> Store:
        cell = scalars.get(statement.buffer)
        return statement if cell is None else Store(cell, at, statement.value)

    return map_statements(body, Rewriter(s, rule), store)


def _apart(
    s: ScalarBuilder,
    ends: Sequence[Access],
    others: Sequence[Access],
    box: Box,
    cells: set[Buffer],
    later: bool,
) -> bool:
    """Whether what is done at the end of a row meets nothing of the others at earlier rows, or
    at later ones."""
    row, other, inner = box.i.index, Index(box.i.index.extent), Index(box.j.index.extent)
    if later:
        elsewhere = Loop(other, s.add(s.index(row), 1), box.i.stop, ())
    else:
        elsewhere = Loop(other, box.i.start, s.index(row), ())
    outer = {i: x for i, x in box.around.items() if i not in (row, box.j.index)}
    around = {**outer, row: box.i, other: elsewhere, inner: replace(box.j, index=inner)}
    moved = {row: other, box.j.index: inner}
    for x in ends:
        for y in others:
            if x.buffer is not y.buffer or x.buffer in cells or not (x.writes or y.writes):
                continue
            if x.place is None or y.place is None:
                return False
            terms = {moved.get(i, i): c for i, c in y.place.terms.items()}
            if not differ(x.place, Affine(y.place.const, terms), around):
                return False
    return True
