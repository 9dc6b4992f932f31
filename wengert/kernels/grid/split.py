"""Long sums of few results, cut into chunks, so that there is work for the whole device.

A sum is taken per chunk, by one kernel, and then over the chunks, by another. How it is cut depends
on shapes alone, so a result has the same bits in every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from wengert.ir.scalar import Index, ScalarBuilder
from wengert.kernels.combine import identity
from wengert.kernels.grid.nests import Sum, extents, flat
from wengert.kernels.loops import Accumulate, Buffer, Declare, Loop, Space, Stmt, Store

# So many threads keep a large device busy.
BUSY = 1 << 18
# A chunk has at least this many summands.
CHUNK = 32
# Threads of a team that work on one chunk together.
TEAM = 256
MAX_CHUNKS = 1_024


def chunks(results: int, summands: int, together: bool) -> int:
    """Into how many chunks each of `results` sums is cut; those of a team are longer."""
    workers = results * (min(TEAM, summands) if together else 1)
    least = CHUNK * (128 if together else 1)
    wanted = min(BUSY // max(1, workers), summands // least, MAX_CHUNKS)
    return max(1, wanted)


def cut(
    s: ScalarBuilder, outer: Sequence[Loop], sum_: Sum, count: int, together: bool
) -> tuple[Loop, tuple[Stmt, ...]]:
    """The nest that sums each chunk, and the statements that sum over the chunks.

    `outer` are the independent loops around the sum. Chunks are the outermost loop where each is
    one thread's work, so that neighbouring threads stay neighbours in the rows they read.
    """
    known = extents(outer) if outer else []
    inner = extents(sum_.loops)
    assert known is not None and inner is not None
    results, summands = prod(known), prod(inner)
    size = -(-summands // count)
    chunk = Index(-(-summands // size))
    parts = {r: Buffer(r.dtype, results * chunk.extent, Space.TEMP) for r in sum_.combines}
    place = s.int(0)
    for loop, extent in zip(outer, known, strict=True):
        place = s.add(s.mul(place, extent), s.sub(s.index(loop.index), loop.start))
    place = s.add(s.mul(s.index(chunk), results), place)
    first = _chunk_sum(s, sum_, chunk, size, summands)
    own = [Store(b, place, s.register(r)) for r, b in parts.items()]
    body: tuple[Stmt, ...] = (*first, *own)
    whole = Loop(chunk, s.int(0), s.int(chunk.extent), ())
    loops = [*outer, whole] if together else [whole, *outer]
    for loop in reversed(loops):
        body = (Loop(loop.index, loop.start, loop.stop, body),)
    made = body[0]
    assert isinstance(made, Loop)
    adds = tuple(Accumulate(r, sum_.combines[r], s.load(b, place)) for r, b in parts.items())
    total = Loop(chunk, s.int(0), s.int(chunk.extent), adds)
    second: tuple[Stmt, ...] = (*sum_.opened, total, *sum_.closed)
    for loop in reversed(outer):
        second = (Loop(loop.index, loop.start, loop.stop, second),)
    return made, second


def _chunk_sum(
    s: ScalarBuilder, sum_: Sum, chunk: Index, size: int, summands: int
) -> tuple[Stmt, ...]:
    """The sum of one chunk, from nothing."""
    opened: list[Declare] = []
    for st in sum_.opened:
        combine = sum_.combines.get(st.register)
        empty = None if combine is None else identity(combine, st.register.dtype)
        init = st.init if empty is None else s.const(empty, st.register.dtype)
        opened.append(Declare(st.register, init))
    step, start = Index(size), s.mul(s.index(chunk), size)
    stop = s.int(size)
    if summands % size:
        stop = s.min(stop, s.sub(s.int(summands), start))
    # with the chunk's number in all places, it shows that what chunks store is apart
    inner = flat(s, sum_.loops, sum_.body, s.add(start, s.index(step)))
    return (*opened, Loop(step, s.int(0), stop, inner))
