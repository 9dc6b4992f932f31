"""Sums over an outer loop into memory: each chunk of its turns has sums of its own.

    for i: ...; for j: out[j] = out[j] + ...

where more happens in a turn than the sum (the gradient of a norm: a row's own results, and sums
over all rows for its gain). The turns of a chunk are one team's work, which adds into its own row
of partial results; another kernel adds these up in order. The number of chunks depends on shapes
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.combine import identity
from wengert.kernels.expressions import Rewriter
from wengert.kernels.grid.nests import extent, replaced
from wengert.kernels.grid.registers import added, only_added
from wengert.kernels.grid.turns import Order, Uses, classify, count_uses
from wengert.kernels.loops import Accumulate, Buffer, Declare, Loop, Register, Space, Stmt, Store
from wengert.kernels.statements import map_statements, walk

# Two teams for each processor of a large device, and more where rows are shorter than so many
# elements, as teams have fewer threads then. A chunk has at least so many turns; where there are
# more teams than for each processor two, so many that its parts are few beside its rows.
CHUNKS, LONG = 264, 4_096
LEAST_TURNS, ENOUGH_TURNS = 4, 16
PARTIAL_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Chunked:
    """A loop over chunks, whose turns are independent, and loops that add up their results."""

    chunks: Loop
    totals: tuple[Loop, ...]


def in_chunks(s: ScalarBuilder, loop: Loop, uses: Uses) -> Chunked | None:
    """`loop` in chunks, if sums into memory are all that its turns share."""
    turns = extent(loop)
    sums = _sums(loop)
    if turns is None or turns < 2 * LEAST_TURNS or not sums:
        return None
    size = max(LEAST_TURNS, -(-turns // _wanted(loop, turns)))
    chunk = Index(-(-turns // size))
    parts = {b: Buffer(b.dtype, chunk.extent * b.size, Space.TEMP) for b in sums}
    if sum(b.nbytes for b in parts.values()) > PARTIAL_BYTES:
        return None
    body = _redirected(s, loop.body, parts, chunk)
    turn, first = Index(size), s.mul(s.index(chunk), size)
    place = s.add(s.add(first, s.index(turn)), loop.start)
    body = replaced(s, body, {loop.index: place})
    stop = s.min(s.int(size), s.sub(s.int(turns), first)) if turns % size else s.int(size)
    fills = [_fill(s, part, b.size, sums[b], chunk) for b, part in parts.items()]
    inner = Loop(turn, s.int(0), stop, body, loop.kind)
    made = Loop(chunk, s.int(0), s.int(chunk.extent), (*fills, inner))
    totals = tuple(_total(s, b, part, sums[b], chunk.extent) for b, part in parts.items())
    # the new loops stand in the place of the old one
    before, after = count_uses([(loop,)]), count_uses([(made,), totals])
    uses.subtract(before)
    uses.update(after)
    if classify(made, uses).order is Order.INDEPENDENT:
        return Chunked(made, totals)
    uses.subtract(after)
    uses.update(before)
    return None


def _wanted(loop: Loop, turns: int) -> int:
    """Into how many chunks the turns are cut."""
    rows = [extent(st) or 0 for st in walk(loop.body) if isinstance(st, Loop)]
    short = -(-LONG // max(1, *rows)) if rows else 1
    return max(CHUNKS, min(CHUNKS * short, turns // ENOUGH_TURNS))


def _sums(loop: Loop) -> dict[Buffer, str] | None:
    """The buffers that turns add to at places that do not move with the loop, and how."""
    found: dict[Buffer, str] = {}
    for statement in walk(loop.body):
        one = added(statement)
        if one is not None and loop.index not in one[0].offset.indices:
            if one[0].buffer.space is Space.LOCAL:
                continue
            if found.setdefault(one[0].buffer, one[1]) != one[1]:
                return None
    for statement in walk(loop.body):
        one = added(statement)
        fine = one is not None and loop.index not in one[0].offset.indices
        if isinstance(statement, Store) and statement.buffer in found and not fine:
            return None
    return found if only_added(loop.body, found) else None


def _redirected(
    s: ScalarBuilder, body: Sequence[Stmt], parts: dict[Buffer, Buffer], chunk: Index
) -> tuple[Stmt, ...]:
    """`body` with sums in the chunk's own row of partial results."""

    def place(buffer: Buffer, offset: Expr) -> Expr:
        return s.add(s.mul(s.index(chunk), buffer.size), offset)

    def rule(expr: Expr) -> Expr | None:
        if expr.op is ScalarOp.LOAD and expr.attr in parts:
            return s.load(parts[expr.attr], place(expr.attr, expr.args[0]))
        return None

    def store(statement: Store) -> Store:
        part = parts.get(statement.buffer)
        if part is None:
            return statement
        return Store(part, place(statement.buffer, statement.offset), statement.value)

    return map_statements(body, Rewriter(s, rule), store)


def _fill(s: ScalarBuilder, part: Buffer, size: int, combine: str, chunk: Index) -> Loop:
    element = Index(size)
    at = s.add(s.mul(s.index(chunk), size), s.index(element))
    empty = s.const(identity(combine, part.dtype), part.dtype)
    return Loop(element, s.int(0), s.int(size), (Store(part, at, empty),))


def _total(s: ScalarBuilder, buffer: Buffer, part: Buffer, combine: str, chunks: int) -> Loop:
    """Adds the chunks' results, in order, to what is there."""
    element, chunk = Index(buffer.size), Index(chunks)
    at = s.index(element)
    total = Register(buffer.dtype)
    row = s.load(part, s.add(s.mul(s.index(chunk), buffer.size), at))
    inner = Loop(chunk, s.int(0), s.int(chunks), (Accumulate(total, combine, row),))
    body = (
        Declare(total, s.load(buffer, at)),
        inner,
        Store(buffer, at, s.register(total)),
    )
    return Loop(element, s.int(0), s.int(buffer.size), body)
