"""Updates of rows that the data name, grouped by the row.

    for i: for j: out[D * t[i] + j] = out[D * t[i] + j] + x[i, j]

(the gradient of an embedding). Any two turns of i may change the same row, so nothing tells them
apart, and they would go one after the other. Instead the turns are put in order by where their rows
begin (`keys`), equal ones as they stand. What changes one row is then a run of neighbours:

- of writes, the last of a run is the one that counts;
- sums are made in chunks of so many turns of this order, one thread for each chunk and column. A
  run that lies in one chunk is added to the row there. What a chunk has of runs that reach beyond
  it is put aside, at most two parts: of the one that came in (`HEAD`) and the one that goes on
  (`TAIL`). Another kernel adds the parts of each such run up, in order.

So memory is read once in the order of rows, however many turns there are for each row, no two
threads change one element, and a result has the same bits in every run. The order is counted where
turns are few (how many come before each one: all pairs are compared), else a library sorts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import gcd, prod

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.ir.types import INT64
from wengert.kernels.combine import combined, identity
from wengert.kernels.expressions import nodes
from wengert.kernels.grid.nests import extents, flat, one_loop
from wengert.kernels.grid.registers import added
from wengert.kernels.grid.turns import Linear, linear
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Check,
    Declare,
    Factorise,
    If,
    Kernel,
    Kind,
    Loop,
    Matrix,
    Register,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import buffers, changed, expressions

# Fewer turns than this are left to one team.
LEAST = 64
# The order of at most so many turns is counted, which needs no call of a library.
COUNTED = 1 << 14
# So many threads keep a large device busy; a chunk has between these numbers of turns.
BUSY, SHORTEST, LONGEST = 1 << 18, 16, 512
# A thread loads so many rows before it adds the first.
AHEAD = 8
# What the last turn that a chunk has of a run stands for, if not the row that the run changes: the
# middle of a run, a part that came in, one that goes on, and one that does both.
MIDDLE, HEAD, TAIL, ACROSS = (-(1 << 62) - k for k in range(4))


@dataclass(frozen=True, slots=True)
class Rows:
    """A nest that changes a row in each turn of its `outer` loops, an element in each `inner` one.

    An element is at `begin`, which the outer loops decide, plus `within`, which the inner ones do.
    """

    outer: tuple[Loop, ...]
    inner: tuple[Loop, ...]
    checks: tuple[Check, ...]
    buffer: Buffer
    combine: str | None  # of writes there is none
    value: Expr
    begin: Expr
    within: Expr
    step: int  # of which beginnings are multiples, up to what is the same for all
    span: tuple[int, int]  # the first and the last place in a row

    @property
    def count(self) -> int:
        return _turns(self.outer)

    @property
    def width(self) -> int:
        return _turns(self.inner)


def _turns(loops: Sequence[Loop]) -> int:
    return prod(loop.stop.attr for loop in loops)


def as_updates(s: ScalarBuilder, loop: Loop) -> list[Rows] | None:
    """The updates that a loop makes, if it does nothing else and they do not read one another.

    Several of one array must be of other places of the same rows.
    """
    checks = tuple([st for st in loop.body if isinstance(st, Check)])
    others = [st for st in loop.body if not isinstance(st, Check)]
    written = [changed((st,)) for st in others]
    for k, statement in enumerate(others):
        elsewhere = {b for found in written for b in found} - written[k]
        if not elsewhere.isdisjoint(buffers((statement,))):
            return None
    if any(not found.isdisjoint(buffers(checks)) for found in written):
        return None
    parts = [((*checks, st) if k == 0 else (st,)) for k, st in enumerate(others)]
    found = [as_rows(s, replace(loop, body=part)) for part in parts]
    rows = [x for x in found if x is not None]
    if not rows or len(rows) < len(found):
        return None
    return rows if all(_are_apart(x, y) for x, y in combinations(rows, 2)) else None


def _are_apart(x: Rows, y: Rows) -> bool:
    """Whether no element is changed by both."""
    if x.buffer is not y.buffer:
        return True
    low, high = min(x.span[0], y.span[0]), max(x.span[1], y.span[1])
    beside = x.span[1] < y.span[0] or y.span[1] < x.span[0]
    return x.begin is y.begin and x.step == y.step and beside and high - low < x.step


def as_rows(s: ScalarBuilder, loop: Loop) -> Rows | None:
    """What a nest does, if it is this and there are enough turns."""
    found = _nest(loop)
    if found is None:
        return None
    loops, checks, store = found
    form = linear(store.offset)
    outer = _outer(loops, form)
    inner = [x for x in loops if x not in outer]
    parts = _parts(s, form, outer, inner)
    if parts is None or _turns(outer) < LEAST:
        return None
    own = added(store)
    value = store.value if own is None else own[2]
    read = (value, store.offset, *expressions(checks))
    if any(n.op is ScalarOp.LOAD and n.attr is store.buffer for n in nodes(read)):
        return None
    if any(not x.indices.isdisjoint([y.index for y in inner]) for x in expressions(checks)):
        return None
    combine = None if own is None else own[1]
    given = (tuple(outer), tuple(inner), tuple(checks), store.buffer, combine, value)
    return Rows(*given, *parts)


def _nest(loop: Loop) -> tuple[list[Loop], list[Check], Store] | None:
    """The loops of a nest from 0 to known ends around one store, and the checks in it."""
    loops: list[Loop] = []
    checks: list[Check] = []
    inner: Stmt = loop
    while isinstance(inner, Loop):
        loops.append(inner)
        checks += [st for st in inner.body if isinstance(st, Check)]
        others = [st for st in inner.body if not isinstance(st, Check)]
        if len(others) != 1:
            return None
        inner = others[0]
    if extents(loops) is None or any(x.start.attr != 0 for x in loops):
        return None
    return (loops, checks, inner) if isinstance(inner, Store) else None


def _outer(loops: Sequence[Loop], form: Linear) -> list[Loop]:
    """The loops in whose turns something is looked up, or the same element changed again."""
    looked_up: set[Index] = set()
    plain: set[Index] = set()
    for term in form.terms:
        if isinstance(term, Index):
            plain.add(term)
        elif any(n.op is ScalarOp.LOAD for n in nodes((term,))):
            looked_up.update(term.indices)
    if not any(x.index in looked_up for x in loops):
        return []
    return [x for x in loops if x.index in looked_up or x.index not in plain]


def _parts(
    s: ScalarBuilder, form: Linear, outer: Sequence[Loop], inner: Sequence[Loop]
) -> tuple[Expr, Expr, int, tuple[int, int]] | None:
    """An offset as where a row begins and the place in it, if rows do not overlap; see `Rows`.

    Beginnings are multiples of g apart, as all that the outer loops decide is; places in a row span
    less than g, and differ by element: each loop steps over all that those of smaller steps reach.
    """
    own = {x.index for x in outer}
    begin, within, step = s.int(0), s.int(form.const), 0
    low = high = form.const
    steps: list[tuple[int, int]] = []
    for term, coefficient in form.terms.items():
        expr = s.index(term) if isinstance(term, Index) else term
        of_row = next((x for x in inner if x.index is term), None)
        if of_row is not None:
            within = s.add(within, s.mul(expr, coefficient))
            reach = coefficient * (of_row.stop.attr - 1)
            low, high = low + min(0, reach), high + max(0, reach)
            steps.append((abs(coefficient), of_row.stop.attr))
        elif not expr.indices.isdisjoint([x.index for x in inner]):
            return None
        else:
            begin = s.add(begin, s.mul(expr, coefficient))
            step = step if expr.indices.isdisjoint(own) else gcd(step, coefficient)
    span = 0
    for size, extent in sorted(steps):
        if size <= span:
            return None
        span += size * (extent - 1)
    return (begin, within, step, (low, high)) if span < step else None


@dataclass(frozen=True, slots=True)
class _Order:
    """Where the rows of turns begin, and the turns in order."""

    begin: Expr
    outer: tuple[Index, ...]
    keys: Buffer
    order: Buffer


def grouped(s: ScalarBuilder, name: str, updates: Sequence[Rows]) -> list[Loop | Kernel]:
    """What does the same: loops that are still to be placed, and launches."""
    found: list[Loop | Kernel] = []
    known: list[_Order] = []
    for rows in updates:
        outer = tuple([x.index for x in rows.outer])
        order = next((x for x in known if x.begin is rows.begin and x.outer == outer), None)
        if order is None:
            keys, places = (Buffer(INT64, rows.count, Space.TEMP) for _ in range(2))
            order = _Order(rows.begin, outer, keys, places)
            known.append(order)
            own = _Grouped(s, name, rows, order)
            found += [own.find_keys(), *own.in_order()]
        found += _Grouped(s, name, rows, order).changes()
    return found


class _Grouped:
    def __init__(self, s: ScalarBuilder, name: str, rows: Rows, order: _Order) -> None:
        self.s = s
        self.name = name
        self.rows = rows
        self.n, self.width = rows.count, rows.width
        self.keys, self.order = order.keys, order.order
        work = -(-self.n * self.width // BUSY)
        self.size = -(-max(SHORTEST, min(work, LONGEST)) // AHEAD) * AHEAD
        self.chunks = -(-self.n // self.size)

    def numbers(self, size: int) -> Buffer:
        return Buffer(INT64, size, Space.TEMP)

    def changes(self) -> list[Loop | Kernel]:
        combine = self.rows.combine
        return [self.write()] if combine is None else self.sums(combine)

    # the order

    def find_keys(self) -> Loop:
        """Where each turn's row begins."""
        s, turn = self.s, Index(self.n)
        at = s.index(turn)
        own = (*self.rows.checks, Store(self.keys, at, self.rows.begin))
        body = list(flat(s, self.rows.outer, own, at))
        key = body[-1]
        assert isinstance(key, Store)
        return self.loop(turn, (*body[:-1], Store(self.keys, at, key.value)))

    def in_order(self) -> list[Loop | Kernel]:
        """The turns by their keys, equal ones as they stand."""
        if self.n > COUNTED:
            given = Matrix(self.keys, self.s.int(0), self.n, 1)
            out = Matrix(self.order, self.s.int(0), self.n, 1)
            call = Factorise("order", out, self.n, (given,), ((1, self.n),), "sort")
            return [Kernel(f"{self.name}_order", (call,))]
        s, turn, other = self.s, Index(self.n), Index(self.n)
        i, k = s.index(turn), s.index(other)
        mine, its = s.load(self.keys, i), s.load(self.keys, k)
        before = s.or_(s.lt(its, mine), s.and_(s.eq(its, mine), s.lt(k, i)))
        ranks, rank = self.numbers(self.n), Register(INT64)
        counting = self.loop(other, (Accumulate(rank, "add", s.cast(before, INT64)),))
        counted = (Declare(rank, s.int(0)), counting, Store(ranks, i, s.register(rank)))
        element = Index(self.n)
        own = s.index(element)
        put = self.loop(element, (Store(self.order, s.load(ranks, own), own),), Kind.GRID)
        return [self.loop(turn, counted), Kernel(f"{self.name}_order", (put,))]

    def key(self, place: Expr) -> Expr:
        """The key at a place in order; that of the last turn beyond the end."""
        turn = self.s.load(self.order, self.s.min(place, self.s.int(self.n - 1)))
        return self.s.load(self.keys, turn)

    # writes

    def write(self) -> Kernel:
        """Each row as the last turn of its run has it."""
        s, place, column = self.s, Index(self.n), Index(self.width)
        at, key = s.index(place), self.key(s.index(place))
        following = self.key(s.add(at, 1))
        last = s.or_(s.eq(at, self.n - 1), s.ne(following, key))
        value, within = self.element(s.load(self.order, at), s.index(column))
        store = Store(self.rows.buffer, s.add(key, within), value)
        return self.columns(f"{self.name}_write", place, column, (If(last, (store,)),))

    def element(self, turn: Expr, column: Expr) -> tuple[Expr, Expr]:
        """What a turn adds or writes in a column, and the column's place in a row."""
        s, rows = self.s, self.rows
        value = Register(rows.value.dtype)
        both = (Declare(value, rows.value), Declare(Register(INT64), rows.within))
        of_turn = flat(s, rows.outer, both, turn)
        given, place = flat(s, rows.inner, of_turn, column) if rows.inner else of_turn
        assert isinstance(given, Declare) and isinstance(place, Declare)
        return given.init, place.init

    # sums

    def sums(self, combine: str) -> list[Loop | Kernel]:
        """Sums of chunks, then those of runs that several chunks have."""
        padded = self.chunks * self.size
        turns, codes = self.numbers(padded), self.numbers(padded)
        parts = Buffer(self.rows.buffer.dtype, 2 * self.chunks * self.width, Space.TEMP)
        found: list[Loop | Kernel] = [
            self.find_codes(turns, codes),
            self.of_chunks(combine, turns, codes, parts),
        ]
        if self.chunks > 1:
            found.append(self.of_runs(combine, turns, codes, parts))
        return found

    def find_codes(self, turns: Buffer, codes: Buffer) -> Loop:
        """For each place in order its turn, and what it is in its run: see `MIDDLE`."""
        s, place = self.s, Index(turns.size)
        at = s.index(place)
        key, following = self.key(at), self.key(s.add(at, 1))
        goes_on = s.and_(s.lt(at, self.n - 1), s.eq(following, key))
        ends = s.or_(s.not_(goes_on), s.eq(s.irem(at, s.int(self.size)), self.size - 1))
        first = s.mul(s.idiv(at, s.int(self.size)), self.size)
        before = self.key(s.max(s.sub(first, 1), s.int(0)))
        came_in = s.and_(s.gt(first, 0), s.eq(before, key))
        of_part = s.select(came_in, s.int(HEAD), key)
        of_part = s.select(goes_on, s.select(came_in, s.int(ACROSS), s.int(TAIL)), of_part)
        code = s.select(s.and_(ends, s.lt(at, self.n)), of_part, s.int(MIDDLE))
        turn = s.load(self.order, s.min(at, s.int(self.n - 1)))
        return self.loop(place, (Store(turns, at, turn), Store(codes, at, code)))

    def of_chunks(self, combine: str, turns: Buffer, codes: Buffer, parts: Buffer) -> Kernel:
        s, chunk, column, step = self.s, Index(self.chunks), Index(self.width), Index(self.size)
        empty = s.const(identity(combine, parts.dtype), parts.dtype)
        total = Register(parts.dtype)
        first = s.add(s.mul(s.index(chunk), self.size), s.mul(s.index(step), AHEAD))
        loaded: list[Stmt] = []
        summed: list[Stmt] = []
        for k in range(AHEAD):
            at = s.add(first, k)
            value, within = self.element(s.load(turns, at), s.index(column))
            new, code = Register(parts.dtype), Register(INT64)
            loaded += [Declare(code, s.load(codes, at)), Declare(new, value)]
            own = s.register(code)
            side = s.add(s.mul(s.index(chunk), 2), s.cast(s.eq(own, TAIL), INT64))
            aside = Store(parts, self.in_part(side, column), s.register(total))
            row = self.change(combine, s.add(own, within), s.register(total))
            ended = (If(s.gt(own, MIDDLE), (row,), (aside,)), Assign(total, empty))
            summed += [
                Accumulate(total, combine, s.register(new)),
                If(s.ne(own, MIDDLE), ended),
            ]
        body = (
            Declare(total, empty),
            self.loop(step, (*loaded, *summed), turns=self.size // AHEAD),
        )
        return self.columns(self.name, chunk, column, body)

    def of_runs(self, combine: str, turns: Buffer, codes: Buffer, parts: Buffer) -> Kernel:
        """What begins in a chunk and goes on, with all that other chunks have of it."""
        s, chunk, column = self.s, Index(self.chunks - 1), Index(self.width)
        total, other = Register(parts.dtype), Register(INT64)
        at = s.index(chunk)
        last = s.add(s.mul(at, self.size), self.size - 1)
        there = s.register(other)
        tail = s.load(parts, self.in_part(s.add(s.mul(at, 2), 1), column))
        head = s.load(parts, self.in_part(s.mul(there, 2), column))
        end = s.add(s.mul(there, self.size), self.size - 1)
        add = Accumulate(total, combine, head)
        _, within = self.element(s.int(0), s.index(column))
        place = s.add(s.load(self.keys, s.load(turns, last)), within)
        begun = (
            Declare(total, tail),
            Declare(other, s.add(at, 1)),
            add,
            While((), s.eq(s.load(codes, end), ACROSS), (Assign(other, s.add(there, 1)), add)),
            self.change(combine, place, s.register(total)),
        )
        body = (If(s.eq(s.load(codes, last), TAIL), begun),)
        return self.columns(f"{self.name}_combine", chunk, column, body)

    def in_part(self, number: Expr, column: Index) -> Expr:
        return self.s.add(self.s.mul(number, self.width), self.s.index(column))

    def change(self, combine: str, place: Expr, value: Expr) -> Store:
        """Adds to an element."""
        buffer = self.rows.buffer
        return Store(buffer, place, combined(self.s, combine, self.s.load(buffer, place), value))

    # loops

    def loop(
        self, index: Index, body: tuple[Stmt, ...], kind: Kind = Kind.SERIAL, turns: int = 0
    ) -> Loop:
        return Loop(index, self.s.int(0), self.s.int(turns or index.extent), body, kind)

    def columns(self, name: str, outer: Index, column: Index, body: tuple[Stmt, ...]) -> Kernel:
        """A launch with a thread for each turn of `outer` and each column."""
        loops = [self.loop(outer, ()), self.loop(column, ())]
        return Kernel(name, (one_loop(self.s, loops, body, Kind.GRID),))
