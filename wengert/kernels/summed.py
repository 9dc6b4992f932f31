"""Loops whose turns meet only in sums: each chunk of turns adds to arrays of its own.

    for i: y[i] += f(i, j);  x[idx(i)] += g(i, j)

So are the reverse sweeps of loops whose turns are independent but read the same arrays: each turn
adds to the cotangents of what it read. A chunk's part begins with zeros, and all parts are added up
in order when the chunks are through. The number of chunks depends on shapes alone, so the result
has the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.emit import loops_around
from wengert.kernels.loops import Buffer, Kind, Loop, Space, Stmt, Store
from wengert.kernels.rebuild import Rewriter
from wengert.kernels.statements import map_statements, own_expressions, walk
from wengert.kernels.turn import terms_added

# Parts are cleared and added up, which takes about so many instructions an element; that is to be
# a quarter of the loop's work at most.
PART_WORK = 4
SHARE = 4
# Parts take at most so many bytes together, and there are at most so many of them.
PART_BYTES = 8 << 20
MAX_PARTS = 16


def only_added(body: Sequence[Stmt], buffer: Buffer) -> bool:
    """Whether statements do nothing to an array, and with it, but add to elements of it."""
    for statement in walk(body):
        exprs: Sequence[Expr] = own_expressions(statement)
        if isinstance(statement, Store) and statement.buffer is buffer:
            terms = terms_added(statement)
            if terms is None:
                return False
            exprs = (statement.offset, *terms)
        if any(buffer in e.loads for e in exprs):
            return False
    return True


def parts(sums: Sequence[Buffer], work: int) -> int:
    """Into how many parts at most a loop of so much work is worth cutting."""
    size = sum(b.size for b in sums)
    fit = PART_BYTES // max(1, sum(b.nbytes for b in sums))
    return min(MAX_PARTS, fit, work // max(1, SHARE * PART_WORK * size))


def in_parts(s: ScalarBuilder, chunked: Loop, sums: Sequence[Buffer]) -> list[Stmt]:
    """A loop over chunks, each of which adds to a part of its own, then their addition."""
    chunk = chunked.index
    parts = {b: Buffer(b.dtype, b.size * chunk.extent, Space.TEMP) for b in sums}

    def place(buffer: Buffer, offset: Expr) -> Expr:
        return s.add(s.mul(s.index(chunk), buffer.size), offset)

    def rule(expr: Expr) -> Expr | None:
        if expr.op is ScalarOp.LOAD and expr.attr in parts:
            return s.load(parts[expr.attr], place(expr.attr, rewrite(expr.args[0])))
        return None

    def store(statement: Store) -> Store:
        if statement.buffer not in parts:
            return statement
        offset = place(statement.buffer, statement.offset)
        return Store(parts[statement.buffer], offset, statement.value)

    rewrite = Rewriter(s, rule)
    cleared: list[Stmt] = []
    total: list[Stmt] = []
    for buffer, part in parts.items():
        element = Index(buffer.size)
        at = s.index(element)
        zero = s.const(0, buffer.dtype)
        cleared += loops_around(s, (element,), (Store(part, place(buffer, at), zero),))
        value = s.load(buffer, at)
        for number in range(chunk.extent):
            value = s.add(value, s.load(part, s.add(at, number * buffer.size)))
        total += loops_around(s, (element,), (Store(buffer, at, value),))
    body = (*cleared, *map_statements(chunked.body, rewrite, store))
    return [Loop(chunk, chunked.start, chunked.stop, body, Kind.PARALLEL), *total]
