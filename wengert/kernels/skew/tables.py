"""Rewrites all accesses of the tables that lie by diagonals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.expressions import Rewriter
from wengert.kernels.intervals import Intervals
from wengert.kernels.loops import (
    Buffer,
    Call,
    Communicate,
    If,
    Kernel,
    Kind,
    Loop,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.scheduling.schedule import MAX_CHUNKS
from wengert.kernels.skew.layout import Diagonals, renewed
from wengert.kernels.statements import buffers, map_statements, walk

# A thread copies at least so many elements of an output.
COPIED = 20_000


def relaid(
    s: ScalarBuilder, steps: Sequence[Kernel], tables: Mapping[Buffer, Diagonals]
) -> list[Kernel]:
    """The kernels with tables in their new places; those of matrix products stay."""
    calls = [st for k in steps for st in walk(k.body) if isinstance(st, Call | Communicate)]
    products = set(buffers(calls))
    moving = {b: x for b, x in tables.items() if b not in products}
    if not moving:
        return list(steps)
    walker = _Tables(s, moving, {b: renewed(b, x) for b, x in moving.items()}, Intervals())
    found = [Kernel(k.name, walker.block(k.body, None)) for k in steps]
    outputs = [b for b in moving if b.space is Space.OUTPUT]
    return [*found, *(Kernel("rows", (walker.copied(b),)) for b in outputs)]


class _Tables:
    def __init__(
        self,
        s: ScalarBuilder,
        tables: Mapping[Buffer, Diagonals],
        new: Mapping[Buffer, Buffer],
        bounds: Intervals,
    ) -> None:
        self.s, self.tables, self.new, self.bounds = s, tables, new, bounds

    def block(self, body: Sequence[Stmt], chunk: Loop | None) -> tuple[Stmt, ...]:
        return tuple(new for st in body for new in self.statement(st, chunk))

    def statement(self, statement: Stmt, chunk: Loop | None) -> Sequence[Stmt]:
        match statement:
            case Loop():
                return self.loop(statement, chunk)
            case If(condition, then, otherwise):
                parts = (self.block(x, None) for x in (then, otherwise))
                return (If(self.expr(condition), *parts),)
            case While(before, condition, inner):
                first, rest = (self.block(x, None) for x in (before, inner))
                return (While(first, self.expr(condition), rest),)
            case Store(buffer, offset, value) if buffer in self.tables:
                value, offset = self.expr(value), self.expr(offset)
                return (Store(self.new[buffer], self.moved(buffer, offset), value),)
            case _:
                return map_statements((statement,), self.expr)

    def loop(self, loop: Loop, chunk: Loop | None) -> Sequence[Stmt]:
        start, stop = self.bounds.of(loop.start), self.bounds.of(loop.stop)
        low = 0 if start is None else start[0]
        high = loop.index.extent if stop is None else min(stop[1], loop.index.extent)
        self.bounds.set_range(loop.index, (low, max(low, high - 1)))
        fills = [st for st in loop.body if self.fills(st, loop, chunk)]
        rest = [st for st in loop.body if st not in fills]
        found: list[Stmt] = [self.filled(st, chunk) for st in fills if isinstance(st, Store)]
        if rest or not fills:
            alone = len(loop.body) == 1 and loop.kind is Kind.PARALLEL
            body = self.block(rest, loop if alone else None)
            start, stop = self.expr(loop.start), self.expr(loop.stop)
            found.append(replace(loop, start=start, stop=stop, body=body))
        return found

    def fills(self, statement: Stmt, loop: Loop, chunk: Loop | None) -> bool:
        """Whether a loop, or all its chunks, gives all elements of a table the same value."""
        if not isinstance(statement, Store) or statement.buffer not in self.tables:
            return False
        size = statement.buffer.size
        own = statement.offset.op is ScalarOp.INDEX and statement.offset.attr is loop.index
        if not own or not statement.value.is_const or loop.index.extent != size:
            return False
        if chunk is not None:
            return self.s.index(chunk.index) in loop.start.args or loop.start.op is ScalarOp.INDEX
        whole = loop.start.is_const and loop.stop.is_const
        return whole and (loop.start.attr, loop.stop.attr) == (0, size)

    def copied(self, output: Buffer) -> Loop:
        """Fills an output, row by row, from its table."""
        s, table = self.s, self.tables[output]
        row, place = Index(output.size // table.row), Index(table.row)
        for index in (row, place):
            self.bounds.set_range(index, (0, index.extent - 1))
        offset = s.add(s.mul(s.index(row), table.row), s.index(place))
        value = s.load(self.new[output], self.moved(output, offset))
        cells = Loop(place, s.int(0), s.int(table.row), (Store(output, offset, value),))
        chunks = min(MAX_CHUNKS, row.extent, output.size // COPIED)
        if chunks <= 1:
            return Loop(row, s.int(0), s.int(row.extent), (cells,))
        share = -(-row.extent // chunks)
        chunk = Index(-(-row.extent // share))
        start = s.mul(s.index(chunk), share)
        stop = s.min(s.add(start, share), s.int(row.extent))
        rows = Loop(row, start, stop, (cells,))
        return Loop(chunk, s.int(0), s.int(chunk.extent), (rows,), Kind.PARALLEL)

    def filled(self, store: Store, chunk: Loop | None) -> Loop:
        s, new = self.s, self.new[store.buffer]
        index = Index(new.size)
        start, stop = s.int(0), s.int(new.size)
        if chunk is not None:
            share = -(-new.size // chunk.stop.attr)
            start = s.min(s.mul(s.index(chunk.index), share), stop)
            stop = s.min(s.add(start, share), stop)
        return Loop(index, start, stop, (Store(new, s.index(index), store.value),))

    def expr(self, expr: Expr) -> Expr:
        """An expression with loads from where they are now."""
        return self._rewriter()(expr)

    def _rewriter(self) -> Rewriter:
        def rule(expr: Expr) -> Expr | None:
            if expr.op is not ScalarOp.LOAD or expr.attr not in self.tables:
                return None
            return self.s.load(self.new[expr.attr], self.moved(expr.attr, rewrite(expr.args[0])))

        rewrite = Rewriter(self.s, rule)
        return rewrite

    def moved(self, buffer: Buffer, offset: Expr) -> Expr:
        return self.tables[buffer].moved(self.s, offset, self.bounds.ranges)
