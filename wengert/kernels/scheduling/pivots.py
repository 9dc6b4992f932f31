"""Loops over rows inside loops of the program, on the threads: rows that meet in a pivot alone.

    for k:  for i:  for j:  d[i, j] = min(d[i, j], d[i, k] + d[k, j])

Turn i works on row i. Besides, all turns read row k, the pivot, or add to it (the reverse sweeps of
such loops), and turn k alone does anything else to it. So rows need not wait for one another: what
they read of the pivot is copied before turn k and after it, turn k is done, and then all other
turns run in any order, in chunks for the threads. Those before k take the first copy and those
after it the second, as they would in order:

    copy[0] = d[k];  turn k;  copy[1] = d[k]
    parallel for chunks:  for half in 0, 1:  for rows i of the chunk, before k or after it:
        the turn, with copy[half] in the place of d[k]

What is added to a pivot goes to a part of each chunk's own, one for each half; parts of the turns
before k are added up before turn k, and those of the others after it. Chunks depend on shapes and
indices alone, so results have the same bits for any number of threads.

What rows are: all offsets at which a turn accesses an array that the loop changes are
length * row + place, with the same length for all, 0 <= place < length whatever the loops around
and inside do, and the row either index + constant or free of the index (the pivot).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import FLOAT32, FLOAT64
from wengert.kernels.expressions import Rewriter, at_turn, from_affine, nodes
from wengert.kernels.fusion.emit import loops_around
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Call,
    Communicate,
    Declare,
    If,
    Kernel,
    Kind,
    Loop,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.scheduling.schedule import INNER_CHUNK, INNER_WORK
from wengert.kernels.scheduling.summed import PART_WORK
from wengert.kernels.statements import map_loops, map_statements, own_expressions, walk, work
from wengert.kernels.turns.bounds import Around, least, plus
from wengert.kernels.turns.turn import lasting, own_scalars, terms_added

MAX_CHUNKS = 16
"""Rows are as good as equal, so a few chunks for each thread are enough."""
PART_SHARE = 64
"""Parts that chunks add to are cleared, and added up by one thread while the others wait: that may
take so much of the loop's work (of which idle rows leave out a lot) for each part."""


def rows_on_threads(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with such loops in chunks."""
    later = lasting(steps)

    def one(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        if loop.kind is Kind.PARALLEL:
            return (loop,)
        return _in_chunks(s, loop, around, later) if _may_pay(loop) else None

    return [Kernel(k.name, map_loops(k.body, one)) for k in steps]


def _may_pay(loop: Loop) -> bool:
    """Whether a loop in order, with others inside, is worth calling the threads together."""
    inside = list(walk(loop.body))
    return (
        loop.kind is Kind.ORDERED
        and any(isinstance(st, Loop) for st in inside)
        and not any(isinstance(st, Call | Communicate | While) for st in inside)
        and not any(isinstance(st, Loop) and st.kind is Kind.PARALLEL for st in inside)
        and loop.index.extent * work(loop.body) >= INNER_WORK
    )


@dataclass(slots=True)
class _Rows:
    """What turns do to the rows of an array that they change.

    `sums` are the places in the pivot, by offset, that are only added to; `old` are the loads of
    what is there before.
    """

    length: int
    row: Affine | None = None  # of a turn
    pivot: Affine | None = None
    reads: dict[Expr, Affine] = field(default_factory=dict[Expr, Affine])  # places in the pivot
    sums: dict[Expr, Affine] = field(default_factory=dict[Expr, Affine])
    old: dict[Expr, Affine] = field(default_factory=dict[Expr, Affine])


Arrays = Mapping[Buffer, _Rows]


def _in_chunks(
    s: ScalarBuilder, loop: Loop, around: Around, later: AbstractSet[Buffer]
) -> Sequence[Stmt] | None:
    """The loop in chunks, if its turns meet in a pivot alone, or not at all."""
    scalars = own_scalars(loop.body)
    if not _registers_are_own(loop.body) or not scalars.isdisjoint(later):
        return None
    arrays = _arrays(loop, around, scalars)
    if not arrays:
        return None
    meetings = [_meeting(b, x, loop, around) for b, x in arrays.items() if x.pivot is not None]
    meeting = meetings[0] if meetings else None
    if any(x is None or x != meeting for x in meetings):
        return None
    if any(x.reads for x in arrays.values()) and any(x.sums for x in arrays.values()):
        return None  # turn k would have to come both before the chunks and after them
    count = _number(loop, arrays)
    if count < 2:
        return None
    met = meeting is not None and not _never(meeting, loop, around)
    if not met:
        for rows in arrays.values():
            rows.reads.clear()  # no turn changes what all read
    chunked = _Chunked(s, loop, arrays, scalars, Index(count), Index(2 if met else 1))
    if meeting is None or not met:
        return chunked.never_met()
    at = from_affine(s, meeting)
    if _always(meeting, loop, around):
        return chunked.met(at, at)
    # where it is none of the turns, its row may be nowhere
    return chunked.met(at, s.max(loop.start, s.min(at, s.sub(loop.stop, 1))))


def _number(loop: Loop, arrays: Arrays) -> int:
    """Into how many chunks a loop is cut."""
    total = loop.index.extent * work(loop.body)
    added = sum(2 * x.length for x in arrays.values() if x.sums)
    most = total // (PART_SHARE * PART_WORK * added) if added else MAX_CHUNKS
    return min(loop.index.extent, MAX_CHUNKS, total // INNER_CHUNK, int(most))


def _never(meeting: Affine, loop: Loop, around: Around) -> bool:
    """Whether the meeting is surely before or after all turns."""
    start, stop = affine(loop.start), affine(loop.stop)
    before = start is not None and least(plus(start, meeting, -1), around) > 0
    return before or (stop is not None and least(plus(meeting, stop, -1), around) >= 0)


def _always(meeting: Affine, loop: Loop, around: Around) -> bool:
    """Whether the meeting is surely one of the turns."""
    start, stop = affine(loop.start), affine(loop.stop)
    if start is None or stop is None:
        return False
    return (
        least(plus(meeting, start, -1), around) >= 0 and least(plus(stop, meeting, -1), around) > 0
    )


def _registers_are_own(body: Sequence[Stmt]) -> bool:
    statements = list(walk(body))
    own = {st.register for st in statements if isinstance(st, Declare)}
    changed = {st.register for st in statements if isinstance(st, Assign | Accumulate)}
    return changed <= own


# Rows


@dataclass(frozen=True, slots=True)
class _Access:
    """A place that a turn reads or writes, with the loops around."""

    buffer: Buffer
    place: Affine | None
    around: Around
    by: Expr | Store


def _accesses(body: Sequence[Stmt], around: Around) -> Iterator[_Access]:
    for statement in body:
        if isinstance(statement, Store):
            yield _Access(statement.buffer, affine(statement.offset), around, statement)
        for node in nodes(own_expressions(statement)):
            if node.op is ScalarOp.LOAD:
                yield _Access(node.attr, affine(node.args[0]), around, node)
        match statement:
            case Loop(index):
                yield from _accesses(statement.body, {**around, index: statement})
            case If(_, then, otherwise):
                yield from _accesses((*then, *otherwise), around)
            case _:
                pass


def _arrays(loop: Loop, around: Around, scalars: AbstractSet[Buffer]) -> dict[Buffer, _Rows]:
    """The rows of what a loop changes, its own scalars apart; nothing if one has no such rows."""
    accesses = list(_accesses(loop.body, around))
    stored = dict.fromkeys(x.buffer for x in accesses if isinstance(x.by, Store))
    found: dict[Buffer, _Rows] = {}
    for buffer in stored:
        if buffer not in scalars:
            rows = _rows([x for x in accesses if x.buffer is buffer], loop)
            if rows is None:
                return {}
            found[buffer] = rows
    return found


def _rows(accesses: Sequence[_Access], loop: Loop) -> _Rows | None:
    """The rows in which turns access an array; None for other accesses."""
    steps = {abs(x.place.terms.get(loop.index, 0)) for x in accesses if x.place is not None} - {0}
    if len(steps) != 1:
        return None
    rows = _Rows(min(steps))
    old = _old_values(loop.body)
    if not all(x.by in old or _enter(rows, x, loop) for x in accesses):
        return None
    for store in (x.by for x in accesses if isinstance(x.by, Store) and x.by.offset in rows.sums):
        terms = terms_added(store)
        assert terms is not None
        rows.old[terms[-1].args[0]] = rows.sums[store.offset]
    return None if rows.row is None or (rows.sums and rows.reads) else rows


def _old_values(body: Sequence[Stmt]) -> set[Expr | Store]:
    """The loads of what stores add to, where nothing else reads the same element."""
    found: set[Expr | Store] = set()
    others: set[Expr | Store] = set()
    for statement in walk(body):
        exprs: Sequence[Expr] = own_expressions(statement)
        if isinstance(statement, Store) and (terms := terms_added(statement)):
            found.add(terms[-1].args[0])
            exprs = (statement.offset, *(x.args[1] for x in terms))
        others.update(nodes(exprs))
    return found - others


def _enter(rows: _Rows, x: _Access, loop: Loop) -> bool:
    """Notes an access; False if it is not of a row as they have to be."""
    found = _row_and_place(x, rows.length)
    if found is None:
        return False
    row, place = found
    known = list(x.around)
    outside = set(known[: known.index(loop.index)])
    if not row.terms.keys() <= {*outside, loop.index}:
        return False  # it changes inside a turn
    if loop.index in row.terms:
        rows.row = rows.row or row
        return row == rows.row and abs(row.terms[loop.index]) == 1
    rows.pivot = rows.pivot or row
    if row != rows.pivot:
        return False
    if isinstance(x.by, Store):
        sums = terms_added(x.by) is not None and x.buffer.dtype in (FLOAT32, FLOAT64)
        return sums and rows.sums.setdefault(x.by.offset, place) == place
    return rows.reads.setdefault(x.by, place) == place


def _row_and_place(x: _Access, length: int) -> tuple[Affine, Affine] | None:
    """The row of an offset and the place in it, in all turns of the loops around."""
    if x.place is None:
        return None
    rows = {i: (c + length // 2) // length for i, c in x.place.terms.items()}
    places = {i: r for i, c in x.place.terms.items() if (r := c - rows[i] * length)}
    rows = {i: c for i, c in rows.items() if c}
    for row in (x.place.const // length, -(-x.place.const // length)):
        place = Affine(x.place.const - row * length, places)
        from_end = plus(Affine(length - 1, {}), place, -1)
        if least(place, x.around) >= 0 and least(from_end, x.around) >= 0:
            return Affine(row, rows), place
    return None


def _meeting(buffer: Buffer, rows: _Rows, loop: Loop, around: Around) -> Affine | None:
    """The turn whose row is the pivot; None if that might be no row of the array."""
    assert rows.row is not None and rows.pivot is not None
    outside = {i: x for i, x in around.items() if i is not loop.index}
    from_end = plus(Affine(buffer.size // rows.length - 1, {}), rows.pivot, -1)
    if least(rows.pivot, outside) < 0 or least(from_end, outside) < 0:
        return None
    step = rows.row.terms[loop.index]
    rest = Affine(rows.row.const, {i: c for i, c in rows.row.terms.items() if i is not loop.index})
    way = plus(rows.pivot, rest, -1)
    return Affine(way.const * step, {i: c * step for i, c in way.terms.items()})


# Chunks


@dataclass(slots=True)
class _Chunked:
    """Writes the loop in chunks."""

    s: ScalarBuilder
    loop: Loop
    arrays: Arrays
    scalars: AbstractSet[Buffer]
    chunk: Index
    half: Index  # of two or, where no turn meets the pivot, of one
    copies: dict[Buffer, Buffer] = field(default_factory=dict[Buffer, Buffer])
    own: dict[Buffer, Buffer] = field(default_factory=dict[Buffer, Buffer])

    def __post_init__(self) -> None:
        for b, rows in self.arrays.items():
            length = self.half.extent * rows.length
            if rows.reads:
                self.copies[b] = Buffer(b.dtype, length, Space.TEMP)
            if rows.sums:
                self.own[b] = Buffer(b.dtype, length * self.chunk.extent, Space.TEMP)

    def never_met(self) -> list[Stmt]:
        """What takes the place of the loop where no turn's row is the pivot."""
        return [self._chunks(*self._ends()), *self._added(0)]

    def met(self, at: Expr, place: Expr) -> list[Stmt]:
        """What takes the place of the loop where turn `at`, if it is one, meets the pivot.

        `place` is the same, or some other turn where that is none.
        """
        s, loop = self.s, self.loop
        middle = map_statements(loop.body, at_turn(s, loop.index, place))
        if place is not at:
            # (of a loop without turns, the place is where it would begin)
            middle = (If(s.and_(s.eq(place, at), s.lt(at, loop.stop)), middle),)
        first, last = self._ends()
        early = s.eq(s.index(self.half), 0)
        low = s.select(early, first, s.max(first, s.add(at, 1)))
        high = s.select(early, s.min(last, at), last)
        chunked = self._chunks(low, high)
        if self.own:
            return [chunked, *self._added(0), *middle, *self._added(1)]
        return [*self._copied(0), *middle, *self._copied(1), chunked]

    def _copied(self, half: int) -> list[Stmt]:
        """Copies of the pivots, for one half of the turns."""
        found: list[Stmt] = []
        for b, copy in self.copies.items():
            element = Index(self.arrays[b].length)
            value = self.s.load(b, self._in_pivot(b, element))
            to = self.s.add(self.s.index(element), half * element.extent)
            found += loops_around(self.s, (element,), (Store(copy, to, value),))
        return found

    def _added(self, half: int) -> list[Stmt]:
        """Adds to the pivots what the chunks have for them from one half of the turns."""
        found: list[Stmt] = []
        for b, own in self.own.items():
            element = Index(self.arrays[b].length)
            at = self._in_pivot(b, element)
            total = self.s.load(b, at)
            for number in range(half, self.half.extent * self.chunk.extent, self.half.extent):
                place = self.s.add(self.s.index(element), number * element.extent)
                total = self.s.add(total, self.s.load(own, place))
            found += loops_around(self.s, (element,), (Store(b, at, total),))
        return found

    def _in_pivot(self, buffer: Buffer, element: Index) -> Expr:
        pivot = self.arrays[buffer].pivot
        assert pivot is not None
        first = self.s.mul(from_affine(self.s, pivot), element.extent)
        return self.s.add(first, self.s.index(element))

    # inside a chunk

    def _ends(self) -> tuple[Expr, Expr]:
        """The first turn of a chunk, and the first one after it."""
        s, loop, number = self.s, self.loop, self.s.index(self.chunk)
        turns = s.sub(loop.stop, loop.start)
        first, last = (s.mul(turns, x) for x in (number, s.add(number, 1)))
        count = s.int(self.chunk.extent)
        return s.add(loop.start, s.idiv(first, count)), s.add(loop.start, s.idiv(last, count))

    def _chunks(self, low: Expr, high: Expr) -> Loop:
        """The loop over chunks, with those bounds of the turns of a half."""
        s = self.s
        run = replace(self.loop, start=low, stop=high, body=self._turn(), kind=Kind.SERIAL)
        halves = Loop(self.half, s.int(0), s.int(self.half.extent), (run,))
        body = (*self._cleared(), run if self.half.extent == 1 else halves)
        return Loop(self.chunk, s.int(0), s.int(self.chunk.extent), body, Kind.PARALLEL)

    def _cleared(self) -> list[Stmt]:
        """Zeros to begin with in what a chunk adds to."""
        found: list[Stmt] = []
        for b, own in self.own.items():
            element = Index(self.half.extent * self.arrays[b].length)
            first = self.s.mul(self.s.index(self.chunk), element.extent)
            zero = self.s.const(0, b.dtype)
            store = Store(own, self.s.add(first, self.s.index(element)), zero)
            found += loops_around(self.s, (element,), (store,))
        return found

    def _turn(self) -> tuple[Stmt, ...]:
        """A turn of a chunk, with copies of pivots, parts to add to, and scalars of its own."""
        s = self.s
        near = {b: Buffer(b.dtype, b.size, Space.LOCAL) for b in self.scalars}

        def rule(expr: Expr) -> Expr | None:
            if expr.op is not ScalarOp.LOAD:
                return None
            rows = self.arrays.get(expr.attr)
            if rows is not None and expr in rows.reads:
                return s.load(self.copies[expr.attr], self._in_copy(rows, rows.reads[expr]))
            if rows is not None and expr in rows.old:
                return s.load(self.own[expr.attr], self._in_part(rows, rows.old[expr]))
            if expr.attr in near:
                return s.load(near[expr.attr], expr.args[0])
            return None

        def store(statement: Store) -> Store:
            buffer, offset = statement.buffer, statement.offset
            rows = self.arrays.get(buffer)
            if rows is not None and offset in rows.sums:
                place = self._in_part(rows, rows.sums[offset])
                return Store(self.own[buffer], place, statement.value)
            return replace(statement, buffer=near.get(buffer, buffer))

        return map_statements(self.loop.body, Rewriter(s, rule), store)

    def _in_copy(self, rows: _Rows, place: Affine) -> Expr:
        """A place in the copy of a pivot."""
        half = self.s.index(self.half) if self.half.extent == 2 else self.s.int(0)
        return self.s.add(self.s.mul(half, rows.length), from_affine(self.s, place))

    def _in_part(self, rows: _Rows, place: Affine) -> Expr:
        """A place in what a chunk has to add to a pivot."""
        first = self.s.mul(self.s.index(self.chunk), self.half.extent * rows.length)
        return self.s.add(first, self._in_copy(rows, place))
