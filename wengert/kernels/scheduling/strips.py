"""Kernels that walk over the same batch, one after the other, run strip by strip.

A factorisation of each matrix of a batch, the products and substitutions around it and the loops
between them are kernels of their own, each of which goes over arrays of the whole batch. Where what
a turn reads of the others' results is what the same part of the batch left there, they are run one
after the other for a strip of the batch at a time, which stays in a thread's own cache; and what
only they use is an array of a strip, on the thread's stack.

Legality. Kernel k is a loop over units v = 0 .. N, which may be cut into chunks. For each array
that one of the kernels writes, all accesses are at `stride * v + rest` with 0 <= rest < stride, a
stride for each kernel: unit v touches nothing but its own part. Units of two
kernels that share an array are as long as their strides tell: eight matrices, a matrix, an element.
Strips are made of whole units of all of them, so no part of an array is touched in two strips.
A kernel's units keep their order within a strip, and a strip is one thread's. How many there are
depends on shapes alone. At most one of the kernels checks something, so no check comes too early.

Kernels of loops alone are fused by `nest` already, so only runs with a call of a library in them
are taken, for small matrices: large products do better with all of their rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, lcm, prod

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.intervals import BOUNDS, Interval, Intervals
from wengert.kernels.loops import (
    Buffer,
    Call,
    Check,
    Communicate,
    Factorise,
    Gemm,
    Kernel,
    Kind,
    Loop,
    Matrix,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import (
    buffers,
    changed,
    expressions,
    map_calls,
    map_statements,
    walk,
)

# A product or factorisation of more multiplications is worth a pass over memory of its own.
LARGEST_CALL = 64**3
# What a strip's arrays take together, in bytes, of a core's second cache; and how many strips there
# are at least, for the threads to share.
STRIP_BYTES = 256 << 10
LEAST_STRIPS = 16
UNKNOWN = 1 << 62


@dataclass(frozen=True, slots=True)
class Walk:
    """A kernel that is a loop over units, and how far each unit's part of a buffer reaches.

    The stride is 0 if an access may reach into other units' parts.
    """

    kernel: Kernel
    loop: Loop
    count: int
    strides: dict[Buffer, int]
    written: frozenset[Buffer]
    chunked: bool

    @property
    def checks(self) -> bool:
        return any(isinstance(st, Check) for st in walk(self.loop.body))

    @property
    def calls(self) -> bool:
        return any(isinstance(st, Call) for st in walk(self.loop.body))


def in_strips(s: ScalarBuilder, steps: Sequence[Kernel], outputs: Sequence[Buffer]) -> list[Kernel]:
    """`steps` with neighbours that walk over the same batch put together, some with calls."""
    if len(steps) < 2 or not any(isinstance(st, Call) for k in steps for st in walk(k.body)):
        return list(steps)
    found: list[Kernel] = []
    run: list[Walk] = []
    units: dict[Kernel, Fraction] = {}

    def close() -> None:
        made = [w.kernel for w in run]
        if len(run) > 1 and any(w.calls for w in run) and any(w.chunked for w in run):
            others = {b for k in steps if k not in made for b in buffers(k.body)}
            made = [_together(s, run, units, others.union(outputs))]
        found.extend(made)
        run.clear()
        units.clear()

    for step in steps:
        each = _walk(step)
        unit = _unit(run, units, each) if each is not None else None
        if unit is None:
            close()
        if each is None:
            found.append(step)
        else:
            run.append(each)
            units[step] = unit or Fraction(1)
    close()
    return found


# Kernels as walks


def _walk(kernel: Kernel) -> Walk | None:
    """A kernel as a walk over units, if it is one whose calls are small."""
    outer = _only_loop(kernel.body)
    if outer is None:
        return None
    chunked = outer.kind is Kind.PARALLEL
    loop = _only_loop(outer.body) if chunked else outer
    if loop is None or any(_unfit(st) for st in walk((loop,))):
        return None
    count = _count(outer, loop) if chunked else _whole(loop)
    if count is None:
        return None
    strides, written = _strides(loop, count), changed(loop.body)
    if not all(strides[b] for b in written if b.space is not Space.LOCAL):
        return None  # a running sum, say: its units wait for one another
    return Walk(kernel, loop, count, strides, written, chunked)


def _only_loop(body: Sequence[Stmt]) -> Loop | None:
    """The loop that statements consist of."""
    return body[0] if len(body) == 1 and isinstance(body[0], Loop) else None


def _unfit(statement: Stmt) -> bool:
    match statement:
        case While() | Communicate():
            return True
        case Loop(kind=kind):
            return kind is Kind.PARALLEL
        case Gemm():
            rows = statement.m.attr if statement.m.is_const else LARGEST_CALL
            return prod((rows, statement.n, statement.k)) > LARGEST_CALL
        case Factorise():
            size = max(statement.shapes[0][-1], statement.shapes[0][0] // statement.rows)
            return statement.library != "lapack" or size**3 > LARGEST_CALL
        case _:
            return False


def _whole(loop: Loop) -> int | None:
    """How many units a loop goes through that is not cut into chunks."""
    bounds = loop.start.is_const and loop.stop.is_const and loop.kind in (Kind.SERIAL, Kind.FREE)
    return loop.stop.attr if bounds and loop.start.attr == 0 else None


def _count(outer: Loop, loop: Loop) -> int | None:
    """How many units the chunks of a loop go through: chunk c those from c * size on."""
    start, count = affine(loop.start), loop.index.extent
    size = 0 if start is None else start.terms.get(outer.index, 0)
    stop = loop.stop
    if stop.op is ScalarOp.MIN and stop.args[1].is_const:
        if stop.args[1].attr != count:
            return None
        stop = stop.args[0]
    end = affine(stop)
    if start is None or end is None or size <= 0 or not outer.start.is_const:
        return None
    whole = {outer.index: size}
    plain = (start.const, start.terms, end.const, end.terms) == (0, whole, size, whole)
    chunks = outer.stop.attr if outer.stop.is_const and outer.start.attr == 0 else 0
    return count if plain and chunks == ceil(count / size) else None


def _strides(loop: Loop, count: int) -> dict[Buffer, int]:
    """How far each unit's part of a buffer reaches, or 0."""
    ranges = Intervals()
    _note_ranges(ranges, loop.body)
    strides: dict[Buffer, int] = {}
    for buffer, offset, reach in _accesses(loop):
        stride, rest = _place(ranges, offset, loop.index)
        apart = rest is not None and rest[0] >= 0 and rest[1] + reach < stride
        same = strides.setdefault(buffer, stride) == stride
        if not (apart and same and stride * count >= buffer.size):
            strides[buffer] = 0
    return strides


def _place(ranges: Intervals, x: Expr, unit: Index) -> tuple[int, Interval | None]:
    """How many times an offset has the unit's index, and the bounds of what is left of it."""
    if x.op is ScalarOp.INDEX and x.attr is unit:
        return 1, (0, 0)
    if x.op is ScalarOp.MUL and x.args[1].is_const:
        factor = int(x.args[1].attr)
        stride, rest = _place(ranges, x.args[0], unit)
        return factor * stride, rest and BOUNDS[x.op](rest, (factor, factor))
    if x.op not in (ScalarOp.ADD, ScalarOp.SUB):
        return 0, ranges.of(x)
    (first, low), (second, high) = (_place(ranges, a, unit) for a in x.args)
    stride = first + second if x.op is ScalarOp.ADD else first - second
    return stride, low and high and BOUNDS[x.op](low, high)


def _note_ranges(ranges: Intervals, body: Sequence[Stmt]) -> None:
    """The ranges of all loops' indices; of one that stands in several, what covers them all."""
    for loop in (st for st in walk(body) if isinstance(st, Loop)):
        start, stop = ranges.of(loop.start), ranges.of(loop.stop)
        low = start[0] if start is not None else -UNKNOWN
        high = min(stop[1] if stop is not None else UNKNOWN, loop.index.extent) - 1
        known: Interval = ranges.ranges.get(loop.index, (low, max(low, high)))
        ranges.set_range(loop.index, (min(low, known[0]), max(high, known[1])))


def _accesses(loop: Loop) -> Iterator[tuple[Buffer, Expr, int]]:
    """The buffers that a loop touches, where, and how much further."""
    for node in nodes(expressions(loop.body)):
        if node.op is ScalarOp.LOAD:
            yield node.attr, node.args[0], 0
    for statement in walk(loop.body):
        match statement:
            case Store(buffer, offset):
                yield buffer, offset, 0
            case Gemm(out, lhs, rhs, m, n, k):
                rows = m.attr
                for x, shape in ((out, (rows, n)), (lhs, (rows, k)), (rhs, (k, n))):
                    yield x.buffer, x.offset, _reach(x, *shape)
            case Factorise():
                shapes = (statement.out_shape, *statement.shapes)
                for x, shape in zip(statement.matrices, shapes, strict=True):
                    yield x.buffer, x.offset, _reach(x, *shape)
            case _:
                pass


def _reach(x: Matrix, rows: int, columns: int) -> int:
    return max(0, (rows - 1) * x.row + (columns - 1) * x.column)


# Runs of walks


def _unit(run: Sequence[Walk], units: dict[Kernel, Fraction], each: Walk) -> Fraction | None:
    """The length of a walk's units, in those of a run's first one; None if it does not join."""
    found: set[Fraction] = set()
    for other in run:
        for buffer in other.strides.keys() & each.strides.keys():
            if buffer in other.written or buffer in each.written:
                first, second = other.strides[buffer], each.strides[buffer]
                if not first or not second:
                    return None
                found.add(units[other.kernel] * second / first)
    if len(found) != 1 or (each.checks and any(w.checks for w in run)):
        return None
    unit = found.pop()
    # the last unit of a walk may be one of fewer matrices
    ends = [(w.count * u, u) for w, u in ((each, unit), *((w, units[w.kernel]) for w in run))]
    end = min(end for end, _ in ends)
    return unit if all(last - u < end for last, u in ends) else None


def _together(
    s: ScalarBuilder,
    run: Sequence[Walk],
    units: dict[Kernel, Fraction],
    others: AbstractSet[Buffer],
) -> Kernel:
    """One kernel that runs the walks strip by strip; buffers of `others` stay what they are."""
    lengths = [units[w.kernel] for w in run]
    size = _size(run, lengths)
    end = min(w.count * unit for w, unit in zip(run, lengths, strict=True))
    strip = Index(ceil(end / size))
    near = _near(run, {w.kernel: int(size / units[w.kernel]) for w in run}, others)
    loops: list[Stmt] = []
    for each, unit in zip(run, lengths, strict=True):
        many = int(size / unit)
        start = s.mul(s.index(strip), many)
        stop = s.add(start, many)
        if each.count % many:
            stop = s.min(stop, s.int(each.count))
        body = _moved(s, each, near, s.mul(s.index(strip), many))
        loops.append(replace(each.loop, start=start, stop=stop, body=body))
    outer = Loop(strip, s.int(0), s.int(strip.extent), tuple(loops), Kind.PARALLEL)
    names = dict.fromkeys(part for w in run for part in w.kernel.name.split("_"))
    return Kernel("_".join(names), (outer,))


def _size(run: Sequence[Walk], lengths: Sequence[Fraction]) -> int:
    """How many of the first walk's units are a strip: a multiple of the units of all."""
    scale = lcm(*(x.denominator for x in lengths))
    least = lcm(*(int(x * scale) for x in lengths), scale) // scale
    count = run[0].count
    touched = {b for w in run for b in w.strides}
    room = STRIP_BYTES * count // max(1, sum(b.nbytes for b in touched))
    return least * max(1, min(room, count // LEAST_STRIPS) // least)


def _near(
    run: Sequence[Walk], sizes: dict[Kernel, int], others: AbstractSet[Buffer]
) -> dict[Buffer, Buffer]:
    """The array of a strip for each buffer that only the run uses; one may stand for several."""
    lives: dict[Buffer, tuple[int, int, int]] = {}
    for at, each in enumerate(run):
        for buffer, stride in each.strides.items():
            first = lives.get(buffer, (at, at, 0))[0]
            if buffer.space is Space.TEMP and buffer not in others:
                lives[buffer] = (first, at, stride * sizes[each.kernel])
    rooms: list[tuple[Buffer, int]] = []  # and when each is free again
    near: dict[Buffer, Buffer] = {}
    for buffer, (first, last, size) in lives.items():
        if not all(w.strides.get(buffer, 1) for w in run):
            continue
        fits = (
            k
            for k, (room, end) in enumerate(rooms)
            if end < first and (room.dtype, room.size) == (buffer.dtype, size)
        )
        at = next(fits, len(rooms))
        room = rooms[at][0] if at < len(rooms) else Buffer(buffer.dtype, size, Space.LOCAL)
        rooms[at : at + 1] = [(room, last)]
        near[buffer] = room
    return near


def _moved(
    s: ScalarBuilder, each: Walk, near: dict[Buffer, Buffer], first: Expr
) -> tuple[Stmt, ...]:
    """A walk's statements with buffers in the strip's arrays, which begin at its unit `first`."""

    def place(buffer: Buffer, offset: Expr) -> Expr:
        return s.sub(offset, s.mul(first, each.strides[buffer]))

    def rule(expr: Expr) -> Expr | None:
        if expr.op is ScalarOp.LOAD and expr.attr in near:
            return s.load(near[expr.attr], place(expr.attr, rewrite(expr.args[0])))
        return None

    def store(statement: Store) -> Store:
        room = near.get(statement.buffer)
        if room is None:
            return statement
        return Store(room, place(statement.buffer, statement.offset), statement.value)

    def matrix(x: Matrix) -> Matrix:
        room = near.get(x.buffer)
        return x if room is None else replace(x, buffer=room, offset=place(x.buffer, x.offset))

    rewrite = Rewriter(s, rule)
    return map_calls(map_statements(each.loop.body, rewrite, store), matrix)
