"""Scheduling: collapses and tiles loops, spreads the outermost over chunks, splits at boundaries.

Chunks. A kernel with enough work is cut along its outermost loop into chunks whose number
depends on shapes alone. Reductions over that loop give one partial result per chunk, combined
afterwards in order. So the result does not depend on how many threads run the chunks.

Splitting. A condition that compares a loop's index with a constant (the edges of a pad, the parts
of a concatenation, the first step of a scan) is constant between two breakpoints. The loop is cut
there, and each part keeps only its own branch: no test is left in the inner loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import INT64
from wengert.kernels.combine import combined
from wengert.kernels.expressions import Rewriter, from_affine, nodes
from wengert.kernels.fusion.emit import Nest, Partial, loops_around
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Declare,
    Kernel,
    Kind,
    Loop,
    Space,
    Stmt,
    Store,
)
from wengert.kernels.scheduling.checks import ahead, together
from wengert.kernels.scheduling.conditions import breakpoints, decider
from wengert.kernels.scheduling.inward import inward, some_turns_inward
from wengert.kernels.scheduling.lanes import lanes
from wengert.kernels.scheduling.regroup import regrouped
from wengert.kernels.scheduling.tile import tile
from wengert.kernels.scheduling.unroll import unroll, written_out
from wengert.kernels.statements import expressions, map_statements, work

# A chunk has at least this much work (vector instructions per lane), a few microseconds.
CHUNK_WORK = 40_000
# Calling the threads together takes a microsecond or two, which is far less than the work of this
# many vector instructions; where they are asleep it takes as long as that work.
LEAST_WORK = 12_000
MAX_CHUNKS = 64
# Inside a loop of the program threads are called together at each turn, and find each other awake
# (`team_text.py`). That takes a microsecond, and so pays from a few of them on. Chunks are smaller
# there, so that two threads have as much to do.
INNER_WORK = 3 * CHUNK_WORK
INNER_CHUNK = 15_000
# Partial results of all chunks together take at most this many bytes.
PARTIAL_BYTES = 8 << 20
# A loop is cut into at most this many parts, and code grows to at most this many nodes by it.
# More are only made of what becomes simple in each of them: arrays that stand behind one another.
MAX_PARTS = 6
MAX_PIECES = 40
MAX_NODES = 4_000


def schedule(s: ScalarBuilder, nest: Nest) -> list[Kernel]:
    """The kernels that run a fused loop nest."""
    if nest.loop is None:
        body = tuple(st for x in nest.before for st in _tidy(s, x))
        return [Kernel(nest.name, together(s, unroll(s, body)))]
    loop, *edges = _arranged(s, nest.loop)
    nest = replace(nest, after=(*(x for e in edges for x in _split(s, e)), *nest.after))
    chunks = _chunks(nest, loop)
    if chunks <= 1:
        body = (*nest.before, *_split(s, loop), *nest.after)
        return [Kernel(nest.name, together(s, unroll(s, body)))]
    chunked = _chunked(s, nest, loop, chunks)
    return [replace(k, body=ahead(together(s, unroll(s, k.body)))) for k in chunked]


def _arranged(s: ScalarBuilder, loop: Loop) -> tuple[Loop, ...]:
    """The loops in which a nest runs: that over most of it, and what this leaves over."""
    collapsed = inward(s, _collapse(s, loop))
    main, *others = regrouped(s, collapsed)
    first, *edges = tile(s, main)
    return (*some_turns_inward(s, first), *edges, *others)


def inner(s: ScalarBuilder, nest: Nest, threads: bool) -> tuple[Stmt, ...]:
    """The statements of a fused loop nest inside a loop of the program; in chunks if `threads`."""
    if nest.loop is None:
        return tuple(st for x in nest.before for st in _tidy(s, x))
    first, *others = tile(s, inward(s, _collapse(s, nest.loop)))
    loop, *edges = (*some_turns_inward(s, first), *others)
    nest = replace(nest, after=(*(x for e in edges for x in _split(s, e)), *nest.after))
    large = threads and _is_whole(loop) and loop.index.extent * work(loop.body) >= INNER_WORK
    chunks = _chunks(nest, loop, INNER_CHUNK) if large else 1
    if chunks <= 1:
        return (*nest.before, *_split(s, loop), *nest.after)
    return tuple(st for kernel in _chunked(s, nest, loop, chunks) for st in kernel.body)


def _tidy(s: ScalarBuilder, statement: Stmt) -> tuple[Stmt, ...]:
    if not isinstance(statement, Loop):
        return (statement,)
    return _split(s, _collapse(s, statement))


# Collapsing


class _NotCollapsible(Exception):
    pass


def _collapse(s: ScalarBuilder, loop: Loop) -> Loop:
    """Merges perfectly nested loops whose accesses are those of one loop."""
    body = tuple(_collapse(s, st) if isinstance(st, Loop) else st for st in loop.body)
    loop = replace(loop, body=body)
    if len(body) != 1 or not isinstance(body[0], Loop) or not _is_whole(loop):
        return loop
    inner = body[0]
    if not _is_whole(inner):
        return loop
    index = Index(loop.index.extent * inner.index.extent)

    def rule(expr: Expr) -> Expr | None:
        if not ({loop.index, inner.index} & expr.indices):
            return expr
        function = affine(expr) if expr.dtype == INT64 else None
        if function is None:
            return None
        terms = dict(function.terms)
        outer, step = terms.pop(loop.index, 0), terms.pop(inner.index, 0)
        if outer != step * inner.index.extent:
            raise _NotCollapsible
        if step:
            terms[index] = step
        return from_affine(s, Affine(function.const, terms))

    try:
        merged = map_statements(inner.body, Rewriter(s, rule))
    except _NotCollapsible:
        return loop
    return _collapse(s, Loop(index, s.int(0), s.int(index.extent), merged))


def _is_whole(loop: Loop) -> bool:
    """Whether a loop runs from 0 to the extent of its index."""
    bounds = loop.start.is_const and loop.stop.is_const
    return bounds and (loop.start.attr, loop.stop.attr) == (0, loop.index.extent)


# Chunks


def _chunks(nest: Nest, loop: Loop, least: int = CHUNK_WORK) -> int:
    extent = loop.index.extent
    if not nest.parallel or extent < 2:
        return 1
    total = extent * work(loop.body)
    if total // lanes(loop) < LEAST_WORK:
        return 1
    count = min(extent, MAX_CHUNKS, total // least)
    for partial in nest.partials:
        if partial.buffer is not None:
            count = min(count, PARTIAL_BYTES // max(1, partial.buffer.nbytes))
    return count


def _chunked(s: ScalarBuilder, nest: Nest, loop: Loop, chunks: int) -> list[Kernel]:
    extent = loop.index.extent
    size = -(-extent // chunks)
    if size > 64:
        size = -(-size // 64) * 64
    chunk = Index(-(-extent // size))
    start = s.mul(s.index(chunk), size)
    stop = s.add(start, size)
    if extent % size:
        stop = s.min(stop, s.int(extent))
    partials = [(p, _partial_buffer(p, chunk.extent)) for p in nest.partials]
    inner = replace(loop, start=start, stop=stop)
    body = _split(s, _redirect(s, inner, partials, chunk))
    opened = [st for p, b in partials for st in _open(s, p, b, chunk)]
    closed = [
        Store(b, s.index(chunk), s.register(p.register))
        for p, b in partials
        if p.register is not None
    ]
    outer = Loop(chunk, s.int(0), s.int(chunk.extent), (*opened, *body, *closed), Kind.PARALLEL)
    kernels = [Kernel(nest.name, (outer,))]
    finish = [st for p, b in partials for st in _gather(s, p, b, chunk.extent)]
    if finish or nest.after:
        kernels.append(Kernel(f"{nest.name}_combine", (*finish, *nest.after)))
    return kernels


def _partial_buffer(partial: Partial, chunks: int) -> Buffer:
    size = 1 if partial.buffer is None else partial.buffer.size
    return Buffer(partial.identity.dtype, chunks * size, Space.TEMP)


def _redirect(
    s: ScalarBuilder, loop: Loop, partials: Sequence[tuple[Partial, Buffer]], chunk: Index
) -> Loop:
    """The loop with accumulation into memory turned to the chunk's own part."""
    into = {p.buffer: b for p, b in partials if p.buffer is not None}
    if not into:
        return loop

    def place(buffer: Buffer, offset: Expr) -> Expr:
        return s.add(s.mul(s.index(chunk), buffer.size), offset)

    def rule(expr: Expr) -> Expr | None:
        if expr.op is ScalarOp.LOAD and expr.attr in into:
            return s.load(into[expr.attr], place(expr.attr, expr.args[0]))
        return None

    def store(statement: Store) -> Store:
        target = into.get(statement.buffer)
        if target is None:
            return statement
        return Store(target, place(statement.buffer, statement.offset), statement.value)

    return replace(loop, body=map_statements(loop.body, Rewriter(s, rule), store))


def _open(s: ScalarBuilder, partial: Partial, buffer: Buffer, chunk: Index) -> tuple[Stmt, ...]:
    if partial.register is not None:
        return (Declare(partial.register, partial.identity),)
    assert partial.buffer is not None
    element = Index(partial.buffer.size)
    offset = s.add(s.mul(s.index(chunk), partial.buffer.size), s.index(element))
    return loops_around(s, (element,), (Store(buffer, offset, partial.identity),))


def _gather(s: ScalarBuilder, partial: Partial, buffer: Buffer, chunks: int) -> tuple[Stmt, ...]:
    """Combines the chunks' results in order."""
    chunk = Index(chunks)
    if partial.register is not None:
        part = s.load(buffer, s.index(chunk))
        add = Accumulate(partial.register, partial.combine, part)
        return (Declare(partial.register, partial.identity), *loops_around(s, (chunk,), (add,)))
    assert partial.buffer is not None
    size = partial.buffer.size
    element, later = Index(size), Index(chunks - 1)
    at = s.index(element)
    first = Store(partial.buffer, at, s.load(buffer, at))
    offset = s.add(s.mul(s.index(later), size), s.add(at, size))
    total = combined(s, partial.combine, s.load(partial.buffer, at), s.load(buffer, offset))
    inner = loops_around(s, (element,), (Store(partial.buffer, at, total),))
    around = Loop(later, s.int(0), s.int(later.extent), inner)
    return (*loops_around(s, (element,), (first,)), *some_turns_inward(s, around))


# Splitting


def _split(s: ScalarBuilder, loop: Loop) -> tuple[Stmt, ...]:
    """Cuts a loop, and the loops in it, where conditions on its index change."""
    points = breakpoints(loop)
    size = sum(1 for _ in nodes(expressions(loop.body))) if points else 0
    if points and _is_whole(loop) and len(points) == loop.index.extent - 1:  # no two are alike
        turns = [st for turn in range(loop.index.extent) for st in written_out(s, loop, turn)]
        if sum(1 for _ in nodes(expressions(turns))) <= 2 * size:
            return _split_body(s, turns)
    most = MAX_PIECES if size <= MAX_NODES else 0
    if points and len(points) < most:
        parts = _parts(s, loop, points)
        whole = sum(1 for x in parts for _ in nodes(expressions(x.body)))
        few = len(points) < MAX_PARTS and size * len(parts) <= MAX_NODES
        if few or whole <= 2 * size:  # pieces put together become simple ones
            return tuple(st for x in parts for st in _one_part(s, x))
    return (replace(loop, body=_split_body(s, loop.body)),)


def _one_part(s: ScalarBuilder, part: Loop) -> tuple[Stmt, ...]:
    """A part of a loop with the loops in it cut; without the loop if it has one turn."""
    if part.start.is_const and part.stop.is_const and part.stop.attr == part.start.attr + 1:
        return _split_body(s, written_out(s, part, part.start.attr))
    return (replace(part, body=_split_body(s, part.body)),)


def _parts(s: ScalarBuilder, loop: Loop, points: Sequence[int]) -> list[Loop]:
    """A loop cut at `points`, with what is known of the conditions in each part."""
    parts: list[Loop] = []
    for low, high in pairwise([0, *points, loop.index.extent]):
        body = map_statements(loop.body, Rewriter(s, decider(s, loop.index, low, high)))
        start = s.int(low) if loop.start.is_const else s.max(loop.start, s.int(low))
        stop = s.int(high) if loop.stop.is_const else s.min(loop.stop, s.int(high))
        parts.append(replace(loop, start=start, stop=stop, body=body))
    return parts


def _split_body(s: ScalarBuilder, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    return tuple(part for st in body for part in (_split(s, st) if isinstance(st, Loop) else (st,)))
