"""Sums into a few elements, made by a short loop inside a long one, kept in registers.

    for i in 0:1000:  a = f(i);  for k in 0:6: y[k] = y[k] + a * x[i, k]

Each turn would add to memory that the turn before has just written, and the short loop would keep
the long one from being vectors. The elements are the same in all turns, so they are six sums:

    r0, ..., r5 = y[0], ..., y[5]
    for i in 0:1000:  a = f(i);  r0 += a * x[i, 0];  ...;  r5 += a * x[i, 5]
    y[0], ..., y[5] = r0, ..., r5

Gradients in a few parameters are of this kind. `y` may be used for nothing else in the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.ir.scalar import Affine, Index, ScalarBuilder, affine
from wengert.kernels.expressions import at_turn
from wengert.kernels.loops import Accumulate, Buffer, Declare, Kind, Loop, Register, Stmt, Store
from wengert.kernels.statements import map_statements, walk
from wengert.kernels.turns.turn import added, only_added, terms_added

# So many sums at most: all stay in vector registers, or nearly so.
MAX_SUMS = 24
MAX_TURNS = 8
# Shorter loops are hardly vectors.
LEAST_TURNS = 16


def in_registers(s: ScalarBuilder, loop: Loop, runs: bool) -> tuple[list[Stmt], Loop, list[Stmt]]:
    """What stands before `loop`, the loop, and what stands after it.

    `runs` says that a loop whose bounds are not known has a turn at least.
    """
    if loop.kind is not Kind.SERIAL or loop.index.extent < LEAST_TURNS:
        return [], loop, []
    if not runs and not (loop.start.is_const and loop.stop.is_const):
        return [], loop, []
    turns = [_written_out(s, loop, st) for st in loop.body]
    sums = _sums([st for written in turns for st in written], loop.index)
    places = dict.fromkeys((st.buffer, st.offset) for st in sums)
    if not sums or len(places) > MAX_SUMS:
        return [], loop, []
    registers = {place: Register(place[0].dtype) for place in places}
    buffers = {st.buffer for st in sums}
    body: list[Stmt] = []
    for statement, written in zip(loop.body, turns, strict=True):
        inside = walk((statement,))
        is_sum = any(isinstance(st, Store) and st.buffer in buffers for st in inside)
        for st in written if is_sum else (statement,):
            if isinstance(st, Store) and st.buffer in buffers:
                value = added(s, st)
                assert value is not None
                st = Accumulate(registers[st.buffer, st.offset], "add", value)
            body.append(st)
    before: list[Stmt] = [Declare(r, s.load(*place)) for place, r in registers.items()]
    after: list[Stmt] = [Store(*place, s.register(r)) for place, r in registers.items()]
    return before, replace(loop, body=tuple(body)), after


def _written_out(s: ScalarBuilder, around: Loop, statement: Stmt) -> Sequence[Stmt]:
    """The turns of a short loop of sums, or the statement itself."""
    match statement:
        case Loop(index, start, stop, body, Kind.SERIAL) if start.is_const and stop.is_const:
            pass
        case _:
            return (statement,)
    stores = [st for st in body if isinstance(st, Store)]
    turns = range(start.attr, stop.attr)
    plain = all(isinstance(st, Store | Accumulate) for st in body)
    if not (stores and plain) or len(turns) > MAX_TURNS:
        return (statement,)
    if not all(_stands(st, around.index) for st in stores):
        return (statement,)
    rewrites = [at_turn(s, index, s.int(turn)) for turn in turns]
    return [st for rewrite in rewrites for st in map_statements(body, rewrite)]


def _stands(store: Store, index: Index) -> bool:
    """Whether a store adds to a place that does not move with `index`."""
    place = affine(store.offset)
    return place is not None and index not in place.terms and terms_added(store) is not None


def _sums(body: Sequence[Stmt], index: Index) -> list[Store]:
    """The stores among `body` that are all what a loop over `index` does to their arrays."""
    found: dict[Buffer, list[Store]] = {}
    for st in body:
        if isinstance(st, Store) and _stands(st, index):
            found.setdefault(st.buffer, []).append(st)
    return [
        st
        for buffer, stores in found.items()
        if _apart([affine(st.offset) for st in stores]) and _alone(body, buffer, stores)
        for st in stores
    ]


def _apart(places: Sequence[Affine | None]) -> bool:
    """Whether places are the same or differ by a number."""
    return all(x is not None and x.terms == places[0].terms for x in places if places[0])


def _alone(body: Sequence[Stmt], buffer: Buffer, stores: Sequence[Store]) -> bool:
    """Whether nothing but these sums uses an array."""
    own = (st for st in walk(body) if isinstance(st, Store) and st.buffer is buffer)
    return all(st in stores for st in own) and only_added(body, buffer)
