"""Sums at neighbouring places, as transposes of stencils make them, get loops of their own.

    for j:  g = y[i, j];  x[i, j - 1] += a * g;  x[i, j] += b * g;  x[i, j + 1] += a * g

Each turn adds where the turn before has just stored, so no vector has several of them. But sums may
be regrouped (`loops.py`): a loop for each of the three statements has no element twice. What they
add is computed in the first loop, where statements that meet nothing of other turns stay, and waits
in a row of memory. Long loops are cut into strips, for which such rows stay in the nearest cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import at_turn, loaded, nodes
from wengert.kernels.loops import Buffer, Kernel, Kind, Loop, Space, Stmt, Store
from wengert.kernels.skew.distances import Access, accesses
from wengert.kernels.statements import expressions, map_loops, map_statements
from wengert.kernels.turns.bounds import Around, apart_turns
from wengert.kernels.turns.turn import added, only_added, own_scalars

SHORT = 16
"""Loops of fewer turns are not worth it."""
STRIP = 512
"""So many turns at a time."""
_MANY = 24
"""Loops with more statements than this are left alone."""
_MOST = 4
"""More loops than this, each over the same rows, cost what vectors save."""


def with_own_loops(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with loops apart that are of such sums."""

    def one(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        if loop.kind is not Kind.ORDERED or loop.index.extent < SHORT or len(loop.body) > _MANY:
            return None
        stores = [st for st in loop.body if isinstance(st, Store)]
        if len(stores) < len(loop.body):
            return None
        if {st.buffer for st in stores} & loaded((loop.start, loop.stop)):
            return None
        groups = _groups(s, loop, around)
        return None if groups is None else _apart(s, loop, stores, groups)

    return [Kernel(k.name, map_loops(k.body, one)) for k in steps]


def _groups(s: ScalarBuilder, loop: Loop, around: Around) -> dict[int, int] | None:
    """The number of the loop of each statement that may not run in the first; None if not legal."""
    own = own_scalars(loop.body)
    found = [x for x in accesses(s, loop.body) if x.buffer not in own]
    if any(n.op is ScalarOp.CALL for n in nodes(expressions(loop.body))):
        return None
    meetings: dict[int, set[int]] = {}
    for x, y in itertools.combinations_with_replacement(found, 2):
        if x.buffer is not y.buffer or not (x.writes or y.writes):
            continue
        if _are_apart(x, y, loop, around):
            continue
        if not (x.adds and y.adds) or x.at == y.at or not only_added(loop.body, x.buffer):
            return None
        meetings.setdefault(x.at, set()).add(y.at)
        meetings.setdefault(y.at, set()).add(x.at)
    groups: dict[int, int] = {}
    for at in sorted(meetings):
        taken = {groups[other] for other in meetings[at] if other in groups}
        groups[at] = next(number for number in itertools.count() if number not in taken)
    return groups if 0 < max(groups.values(), default=0) < _MOST else None


def _are_apart(x: Access, y: Access, loop: Loop, around: Around) -> bool:
    """Whether no two turns meet at these places, which move from turn to turn."""
    if x.place is None or y.place is None:
        return False
    if loop.index not in x.place.terms or loop.index not in y.place.terms:
        return False
    return apart_turns(x.place, y.place, loop, around)


def _apart(
    s: ScalarBuilder, loop: Loop, stores: Sequence[Store], groups: Mapping[int, int]
) -> tuple[Stmt, ...]:
    """The loops, strip by strip."""
    if loop.index.extent <= STRIP:
        return tuple(_loops(s, loop, stores, groups, s.int(0)))
    strip = Index(-(-loop.index.extent // STRIP))
    first = s.add(loop.start, s.mul(s.index(strip), STRIP))
    turns = Index(loop.index.extent)
    body = map_statements(stores, at_turn(s, loop.index, s.index(turns)))
    part = replace(loop, index=turns, start=first, stop=s.min(s.add(first, STRIP), loop.stop))
    inner = [st for st in body if isinstance(st, Store)]
    count = s.idiv(s.add(s.max(s.sub(loop.stop, loop.start), 0), STRIP - 1), STRIP)
    loops = tuple(_loops(s, part, inner, groups, first))
    return (Loop(strip, s.int(0), count, loops, Kind.ORDERED),)


def _loops(
    s: ScalarBuilder, loop: Loop, stores: Sequence[Store], groups: Mapping[int, int], first: Expr
):
    """The first loop, which computes what the others add, and those.

    Rows begin at turn `first`, or end there if the sums go backwards, as rows are to do as well.
    """
    size = min(loop.index.extent, STRIP)
    at = s.sub(s.index(loop.index), first)
    if _falls(loop, stores[min(groups)]):
        at = s.sub(s.int(size - 1), at)
    rows: dict[Expr, Buffer] = {}
    here: list[Stmt] = []
    later: dict[int, list[Stmt]] = {}
    for number, statement in enumerate(stores):
        group = groups.get(number, 0)
        if not group:
            here.append(statement)
            continue
        value = added(s, statement)
        assert value is not None
        row = rows.get(value)
        if row is None:
            row = rows[value] = Buffer(value.dtype, size, Space.LOCAL)
            here.append(Store(row, at, value))
        old, new = s.load(statement.buffer, statement.offset), s.load(row, at)
        add = Store(statement.buffer, statement.offset, s.add(old, new))
        later.setdefault(group, []).append(add)
    yield replace(loop, body=tuple(here), kind=Kind.FREE)
    for group in sorted(later):
        index = Index(loop.index.extent)
        body = map_statements(later[group], at_turn(s, loop.index, s.index(index)))
        yield replace(loop, index=index, body=body, kind=Kind.FREE)


def _falls(loop: Loop, store: Store) -> bool:
    place = affine(store.offset)
    return place is not None and place.terms.get(loop.index, 0) < 0
