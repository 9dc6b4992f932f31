"""Sums into places that the data name: each chunk of turns has sums of its own.

    for i: out[t[i]] = out[t[i]] + x[i]

Any two turns may add to the same element, so nothing tells them apart, and one thread would go
through all of them. Instead chunk c takes the turns c, c + C, c + 2 C, ... and adds to part[p, c]
in the place of out[p]: one thread each, whose neighbours read neighbours. Another kernel adds the
parts of each element up in order. The number of chunks depends on shapes alone, so a result has the
same bits in every run. All parts together are at most a few times as large as what is added, so
where the elements are many the chunks are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.combine import identity
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.grid.nests import extent, replaced
from wengert.kernels.grid.registers import added, only_added
from wengert.kernels.grid.turns import Order, Uses, classify, count_uses
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Check,
    Declare,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
)
from wengert.kernels.statements import map_statements, walk

# So many chunks keep a large device busy; fewer than these are not worth their parts.
MOST_CHUNKS, FEWEST_CHUNKS = 1 << 16, 8
# A chunk has at least so many turns, and the parts at most so many elements for each turn.
LEAST_TURNS, ROOM = 16, 2


@dataclass(frozen=True, slots=True)
class Scattered:
    """Loops that follow one another: fill the parts, add to them, and add them up."""

    fills: tuple[Loop, ...]
    chunks: Loop
    totals: tuple[Loop, ...]


def in_parts(s: ScalarBuilder, loop: Loop, uses: Uses) -> Scattered | None:
    """`loop` in chunks, if sums into places that it looks up are all that its turns share."""
    turns = extent(loop)
    sums = _sums(loop)
    if turns is None or not sums:
        return None
    room = ROOM * turns // sum(max(1, b.size) for b in sums)
    count = min(MOST_CHUNKS, turns // LEAST_TURNS, room)
    if count < FEWEST_CHUNKS:
        return None
    chunk = Index(count)
    parts = {b: Buffer(b.dtype, b.size * count, Space.TEMP) for b in sums}
    made = _chunks(s, loop, parts, chunk, turns)
    fills = tuple(_fill(s, part, identity(sums[b], b.dtype)) for b, part in parts.items())
    totals = tuple(_total(s, b, part, sums[b], count) for b, part in parts.items())
    before, after = count_uses([(loop,)]), count_uses([fills, (made,), totals])
    uses.subtract(before)
    uses.update(after)
    if classify(made, uses).order is Order.INDEPENDENT:
        return Scattered(fills, made, totals)
    uses.subtract(after)
    uses.update(before)
    return None


def _sums(loop: Loop) -> dict[Buffer, str] | None:
    """The buffers that turns add to in places that they look up, and how; None for other turns."""
    found: dict[Buffer, str] = {}
    for statement in loop.body:
        if not isinstance(statement, Store | Check):
            return None
        one = added(statement)
        if one is None or not _looks_up(one[0].offset, loop.index):
            continue
        if found.setdefault(one[0].buffer, one[1]) != one[1]:
            return None
    stores = [st for st in walk(loop.body) if isinstance(st, Store) and st.buffer in found]
    adds = [st for st in stores if added(st) is not None and _looks_up(st.offset, loop.index)]
    return found if len(adds) == len(stores) and only_added(loop.body, found) else None


def _looks_up(offset: Expr, index: Index) -> bool:
    """Whether an offset is made of what is stored in memory for each turn."""
    return any(n.op is ScalarOp.LOAD and index in n.indices for n in nodes((offset,)))


def _chunks(
    s: ScalarBuilder, loop: Loop, parts: dict[Buffer, Buffer], chunk: Index, turns: int
) -> Loop:
    count = chunk.extent
    turn = Index(-(-turns // count))

    def place(offset: Expr) -> Expr:
        return s.add(s.mul(offset, count), s.index(chunk))

    def rule(expr: Expr) -> Expr | None:
        if expr.op is ScalarOp.LOAD and expr.attr in parts:
            return s.load(parts[expr.attr], place(expr.args[0]))
        return None

    def store(statement: Store) -> Store:
        part = parts.get(statement.buffer)
        if part is None:
            return statement
        return Store(part, place(statement.offset), statement.value)

    body: Sequence[Stmt] = map_statements(loop.body, Rewriter(s, rule), store)
    at = s.add(s.add(s.mul(s.index(turn), count), s.index(chunk)), loop.start)
    body = replaced(s, body, {loop.index: at})
    stop = s.int(turns // count)
    if turns % count:  # the first chunks have one turn more
        stop = s.idiv(s.sub(s.int(turns + count - 1), s.index(chunk)), s.int(count))
    inner = Loop(turn, s.int(0), stop, tuple(body))
    return Loop(chunk, s.int(0), s.int(count), (inner,))


def _fill(s: ScalarBuilder, part: Buffer, empty: object) -> Loop:
    element = Index(part.size)
    store = Store(part, s.index(element), s.const(empty, part.dtype))
    return Loop(element, s.int(0), s.int(part.size), (store,))


def _total(s: ScalarBuilder, buffer: Buffer, part: Buffer, combine: str, count: int) -> Loop:
    """Adds the parts of each element, in order, to what is there."""
    element, chunk, total = Index(buffer.size), Index(count), Register(buffer.dtype)
    at = s.index(element)
    row = s.load(part, s.add(s.mul(at, count), s.index(chunk)))
    inner = Loop(chunk, s.int(0), s.int(count), (Accumulate(total, combine, row),))
    opened = Declare(total, s.load(buffer, at))
    closed = Store(buffer, at, s.register(total))
    return Loop(element, s.int(0), s.int(buffer.size), (opened, inner, closed))
