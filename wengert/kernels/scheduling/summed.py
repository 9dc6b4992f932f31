"""Loops whose turns meet only in sums: each chunk of turns adds to arrays of its own.

    for i: y[i] += f(i, j);  x[idx(i)] += g(i, j)

So are the reverse sweeps of loops whose turns are independent but read the same arrays: each turn
adds to the cotangents of what it read. A chunk's part begins with zeros, and all parts are added up
in order when the chunks are through. The number of chunks depends on shapes alone, so the result
has the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import Rewriter
from wengert.kernels.fusion.emit import loops_around
from wengert.kernels.loops import Buffer, Kind, Loop, Space, Stmt, Store
from wengert.kernels.statements import map_statements, walk

# Parts are cleared, filled and added up, which takes about so many instructions an element, since
# memory is slow; that is to be a quarter of the loop's work at most.
PART_WORK = 16
SHARE = 4
# Parts take at most so many bytes together, and there are at most so many of them.
PART_BYTES = 8 << 20
MAX_PARTS = 16

Range = tuple[int, int]


def touched(loop: Loop, sums: Sequence[Buffer]) -> dict[Buffer, Range]:
    """From where to where a loop adds to each of `sums`, as far as its bounds say so."""
    bounds: dict[Index, Range] = {}
    for statement in walk((loop,)):
        if isinstance(statement, Loop):
            low = statement.start.attr if statement.start.is_const else 0
            high = statement.stop.attr if statement.stop.is_const else statement.index.extent
            old = bounds.get(statement.index, (low, high))
            bounds[statement.index] = (min(low, old[0]), max(high, old[1]))
    found: dict[Buffer, Range] = {}
    for statement in walk(loop.body):
        if isinstance(statement, Store) and statement.buffer in sums:
            low, high = _reach(statement, bounds)
            old = found.get(statement.buffer, (low, high))
            found[statement.buffer] = (min(low, old[0]), max(high, old[1]))
    return found


def _reach(store: Store, bounds: dict[Index, Range]) -> Range:
    place = affine(store.offset)
    if place is None or not bounds.keys() >= place.terms.keys():
        return 0, store.buffer.size
    low = high = place.const
    for index, factor in place.terms.items():
        ends = [factor * bounds[index][0], factor * (bounds[index][1] - 1)]
        low, high = low + min(ends), high + max(ends)
    return max(0, low), min(store.buffer.size, high + 1)


def parts(sums: dict[Buffer, Range], work: int) -> int:
    """Into how many parts at most a loop of so much work is worth cutting."""
    size = sum(high - low for low, high in sums.values())
    nbytes = sum((high - low) * b.dtype.itemsize for b, (low, high) in sums.items())
    most = min(PART_BYTES // max(1, nbytes), work // max(1, SHARE * PART_WORK * size))
    return min(MAX_PARTS, most)


def in_parts(s: ScalarBuilder, chunked: Loop, sums: dict[Buffer, Range]) -> list[Stmt]:
    """A loop over chunks, each of which adds to a part of its own, then their addition."""
    chunk = chunked.index
    lengths = {b: high - low for b, (low, high) in sums.items()}
    own = {b: Buffer(b.dtype, n * chunk.extent, Space.TEMP) for b, n in lengths.items()}

    def place(buffer: Buffer, offset: Expr) -> Expr:
        first = s.mul(s.index(chunk), lengths[buffer])
        return s.add(first, s.sub(offset, sums[buffer][0]))

    def rule(expr: Expr) -> Expr | None:
        if expr.op is ScalarOp.LOAD and expr.attr in own:
            return s.load(own[expr.attr], place(expr.attr, rewrite(expr.args[0])))
        return None

    def store(statement: Store) -> Store:
        if statement.buffer not in own:
            return statement
        offset = place(statement.buffer, statement.offset)
        return Store(own[statement.buffer], offset, statement.value)

    rewrite = Rewriter(s, rule)
    cleared: list[Stmt] = []
    total: list[Stmt] = []
    for buffer, part in own.items():
        element = Index(lengths[buffer])
        at = s.add(s.index(element), sums[buffer][0])
        zero = Store(part, place(buffer, at), s.const(0, buffer.dtype))
        cleared += loops_around(s, (element,), (zero,))
        value = s.load(buffer, at)
        for number in range(chunk.extent):
            there = s.add(s.index(element), number * lengths[buffer])
            value = s.add(value, s.load(part, there))
        total += loops_around(s, (element,), (Store(buffer, at, value),))
    body = (*cleared, *map_statements(chunked.body, rewrite, store))
    return [Loop(chunk, chunked.start, chunked.stop, body, Kind.PARALLEL), *total]
