"""Dependence distances between accesses of a nest of two loops.

Two accesses x = c + ai*i + aj*j + r and y = c' + ai*i' + aj*j' + r, with r of loops around, are of
the same element iff ai*di + aj*dj = c - c', where (di, dj) = (i' - i, j' - j). With bounds on both
loops there are few solutions where one coefficient is a row's length; each is a distance. Where a
coefficient is 0 its component is free, and it is enough to look at the ends of what it runs over,
since t is linear.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wengert.ir.scalar import Affine, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Buffer, Loop, Stmt, Store
from wengert.kernels.statements import own_expressions, walk
from wengert.kernels.turns.bounds import Around, differ
from wengert.kernels.turns.turn import added

_MANY = 16
"""More solutions than this are not enumerated."""


@dataclass(frozen=True, slots=True)
class Access:
    """An access of statement number `at`; `adds` marks a store of the form x[e] = x[e] + v."""

    at: int
    buffer: Buffer
    place: Affine | None
    writes: bool
    adds: bool = False


@dataclass(frozen=True, slots=True)
class Distance:
    """From a point to a later one; `forward` if the first of two accesses is at the earlier."""

    i: int
    j: int
    forward: bool


@dataclass(frozen=True, slots=True)
class Conflict:
    """How two accesses meet: over distances, at the same point (`same`), or everywhere."""

    distances: tuple[Distance, ...] = ()
    same: bool = False
    everywhere: bool = False


APART = Conflict()


@dataclass(frozen=True, slots=True)
class Box:
    """The two loops of a nest, with constant bounds, and all loops around a point in it."""

    i: Loop
    j: Loop
    around: Around

    @property
    def lengths(self) -> tuple[int, int]:
        """How many turns the two loops have."""
        return tuple(max(0, x.stop.attr - x.start.attr) for x in (self.i, self.j))  # pyright: ignore


def accesses(s: ScalarBuilder, body: Sequence[Stmt], inside: bool = False) -> list[Access]:
    """What statements access; the load of an element that is added to goes with its store.

    So it does in branches if what is `inside` of statements is not to be taken apart.
    """
    found: list[Access] = []
    for at, outer in enumerate(body):
        for statement in walk((outer,)):
            exprs = own_expressions(statement)
            if isinstance(statement, Store):
                value = added(s, statement) if inside or statement is outer else None
                place = affine(statement.offset)
                found.append(Access(at, statement.buffer, place, True, value is not None))
                exprs = exprs if value is None else (statement.offset, value)
            loads = [n for n in nodes(exprs) if n.op is ScalarOp.LOAD]
            found += [Access(at, n.attr, affine(n.args[0]), False) for n in loads]
    return found


def pairs(found: Sequence[Access]) -> Iterator[tuple[Access, Access]]:
    """All two accesses of one array of which one writes, each write with itself too."""
    written = {x.buffer for x in found if x.writes}
    grouped: dict[Buffer, list[Access]] = {}
    for x in found:
        if x.buffer in written:
            grouped.setdefault(x.buffer, []).append(x)
    for group in grouped.values():
        for number, x in enumerate(group):
            for y in group[number:]:
                if x.writes or y.writes:
                    yield x, y


def conflict(x: Access, y: Access, box: Box) -> Conflict | None:
    """How two accesses meet; None if that is not known, or differs from point to point."""
    if x.place is None or y.place is None:
        return None
    i, j = box.i.index, box.j.index
    rest = [{k: c for k, c in p.terms.items() if k not in (i, j)} for p in (x.place, y.place)]
    steps = [(p.terms.get(i, 0), p.terms.get(j, 0)) for p in (x.place, y.place)]
    if rest[0] != rest[1] or steps[0] != steps[1]:
        return APART if _never(x.place, y.place, box) else None
    return _solved(steps[0], x.place.const - y.place.const, box)


def _never(x: Affine, y: Affine, box: Box) -> bool:
    """Whether two accesses are of different elements at any two points."""
    other = {loop.index: Index(loop.index.extent) for loop in (box.i, box.j)}
    moved = Affine(y.const, {other.get(k, k): c for k, c in y.terms.items()})
    loops = {other[loop.index]: loop for loop in (box.i, box.j)}
    return differ(x, moved, {**box.around, **loops})


def _solved(steps: tuple[int, int], gap: int, box: Box) -> Conflict | None:
    """The distances with steps[0] * di + steps[1] * dj = gap."""
    (ai, aj), (rows, columns) = steps, box.lengths
    if ai == 0 and aj == 0:
        return Conflict(same=True, everywhere=rows * columns > 1) if gap == 0 else APART
    if aj == 0 or ai == 0:
        step, turns = (ai, rows) if aj == 0 else (aj, columns)
        if gap % step or abs(gap // step) >= turns:
            return APART
        along = _along_rows if aj == 0 else _along_columns
        return along(gap // step, rows, columns)
    points: list[tuple[int, int]] = []
    swapped = abs(ai) < abs(aj)
    large, small, most, other = (aj, ai, columns, rows) if swapped else (ai, aj, rows, columns)
    reach = abs(small) * (other - 1)
    ends = sorted(((gap - reach) / large, (gap + reach) / large))
    low, high = max(int(ends[0]) - 1, 1 - most), min(int(ends[1]) + 1, most - 1)
    if high - low > _MANY:
        return None
    for d in range(low, high + 1):
        left = gap - large * d
        if left % small == 0 and abs(left // small) < other:
            points.append((left // small, d) if swapped else (d, left // small))
    return _conflict(points)


def _along_rows(di: int, rows: int, columns: int) -> Conflict:
    """Distance (di, anything)."""
    if di == 0:
        later = (Distance(0, 1, True), Distance(0, 1, False)) if columns > 1 else ()
        return Conflict(later, same=True)
    return _conflict([(di, columns - 1), (di, 1 - columns)])


def _along_columns(dj: int, rows: int, columns: int) -> Conflict:
    """Distance (anything, dj): the nearest rows, beyond which t only grows."""
    return _conflict([(0, dj), *(((1, dj), (-1, dj)) if rows > 1 else ())])


def _conflict(points: Sequence[tuple[int, int]]) -> Conflict:
    found = [
        Distance(di, dj, True) if (di, dj) > (0, 0) else Distance(-di, -dj, False)
        for di, dj in points
        if (di, dj) != (0, 0)
    ]
    return Conflict(tuple(found), same=(0, 0) in points)
