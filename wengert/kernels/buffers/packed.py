"""Large arrays of truth values that loops fill along rows, as bits.

What branches and comparisons did in each turn of nested loops is on tape as a byte each, which soon
is more than caches hold: 27 MB for the shortest paths between 300 places. As bits it is an eighth,
and what a vector comparison gives is bits anyway. So an array is packed if loops over neighbouring
elements fill it, whose turns may become vectors, and if all that reads it goes along its rows too
or takes elements one by one.

Offsets still count elements. Only printers know where a bit is: element e is bit e % 8 of byte
e // 8. Rows begin at multiples of 64 elements, so that no two threads write to one byte: each row
belongs to one turn of a parallel loop. A vector of a loop that begins in the middle of a byte would
change part of two bytes; the printer first does the turns up to the next whole one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import BOOL
from wengert.kernels.buffers.memory import arena
from wengert.kernels.expressions import Rewriter, from_affine, nodes
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Declare,
    If,
    Kernel,
    Kind,
    Loop,
    LoopProgram,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import buffers, map_statements, own_expressions, walk
from wengert.kernels.turns.bounds import Around, least, plus

LARGE = 1 << 18
"""Smaller arrays stay in a core's own cache as they are."""
_ROW = 64
_SHORT = 48
"""Shorter rows would be more than a third empty."""


def packed(program: LoopProgram) -> LoopProgram:
    """The program with such arrays packed."""
    large = {b for b in program.offsets if b.dtype == BOOL and b.size >= LARGE}
    if not large:
        return program
    accesses = list(_accesses(program.steps, {}))
    large -= _whole(program.steps)
    found = {b: x for b in program.offsets if b in large and (x := _packing(b, accesses))}
    packings = _in_step(found, accesses)
    if not packings:
        return program
    steps = _repacked(ScalarBuilder(), program.steps, packings)
    offsets, size = arena(steps)
    return replace(program, steps=steps, offsets=offsets, arena=size)


@dataclass(frozen=True, slots=True)
class _Access:
    """Where a statement reads an array, or writes it, with the loops around."""

    buffer: Buffer
    offset: Expr
    around: Around
    is_store: bool

    @property
    def loop(self) -> Loop | None:
        """The innermost loop around, if it has no other in it."""
        loop = [*self.around.values()][-1] if self.around else None
        if loop is None or any(isinstance(st, Loop | While) for st in walk(loop.body)):
            return None
        return loop


def _accesses(body: Sequence[Stmt], around: Around) -> Iterator[_Access]:
    for statement in body:
        for node in nodes(own_expressions(statement)):
            if node.op is ScalarOp.LOAD and node.dtype == BOOL:
                yield _Access(node.attr, node.args[0], around, False)
        match statement:
            case Store(buffer, offset):
                yield _Access(buffer, offset, around, True)
            case Loop(index):
                yield from _accesses(statement.body, {**around, index: statement})
            case Kernel():
                yield from _accesses(statement.body, around)
            case If(_, then, otherwise):
                yield from _accesses((*then, *otherwise), around)
            case While(before, _, inner):
                yield from _accesses((*before, *inner), around)
            case _:
                pass


def _whole(steps: Sequence[Kernel]) -> set[Buffer]:
    """What libraries and other processes take as it is."""
    calls = [st for k in steps for st in walk(k.body) if not isinstance(st, Store)]
    calls = [st for st in calls if not isinstance(st, Loop | If | While | Kernel)]
    return set(buffers([st for st in calls if not isinstance(st, Declare | Assign | Accumulate)]))


Parts = tuple[Affine, Affine]
"""(row, place) of an offset: it is row * length + place, and the place is within the row."""


@dataclass(frozen=True, slots=True)
class _Packing:
    """The length of an array's rows, and where in them each offset is."""

    length: int
    parts: Mapping[Expr, Parts]

    @property
    def stride(self) -> int:
        return -(-self.length // _ROW) * _ROW

    def size(self, buffer: Buffer) -> int:
        return buffer.size // self.length * self.stride


def _packing(buffer: Buffer, accesses: Sequence[_Access]) -> _Packing | None:
    """How an array is to be packed, if it is."""
    own = [x for x in accesses if x.buffer is buffer]
    loops = {loop for x in own if x.is_store and (loop := x.loop) is not None}
    steps = [c for x in own if x.is_store and x.loop in loops for c in _other_steps(x)]
    length = math.gcd(*steps) or buffer.size
    if not loops or length < _SHORT or buffer.size % length or not all(map(_is_straight, loops)):
        return None
    found: dict[Expr, Parts] = {}
    for x in own:
        parts = _parts(x.offset, length, x.around)
        if parts is None or found.setdefault(x.offset, parts) != parts:
            return None
        if not _is_along(x, parts[1]) or (x.is_store and not _is_one_turns(x.around, *parts)):
            return None
    # stores at several places would begin at different bits of a byte
    places = [[found[x.offset][1] for x in own if x.is_store and x.loop is y] for y in loops]
    return _Packing(length, found) if all(x == y[0] for y in places for x in y) else None


def _in_step(
    packings: Mapping[Buffer, _Packing], accesses: Sequence[_Access]
) -> dict[Buffer, _Packing]:
    """Those arrays that begin at the same bit of a byte, where one loop fills several."""
    begins: dict[Loop, Affine] = {}
    found = dict(packings)
    for x in accesses:
        if x.is_store and x.buffer in found and (loop := x.loop) is not None:
            place = packings[x.buffer].parts[x.offset][1]
            if begins.setdefault(loop, place) != place:
                del found[x.buffer]
    return found


def _other_steps(x: _Access) -> Iterator[int]:
    """The steps of the loops around the innermost one."""
    function, loop = affine(x.offset), x.loop
    if function is not None and loop is not None:
        yield from (c for i, c in function.terms.items() if i is not loop.index)


def _parts(offset: Expr, length: int, around: Around) -> Parts | None:
    """The row of an offset and the place in it, in all turns of the loops around."""
    function = affine(offset)
    if function is None:
        return None
    rows = {i: (c + length // 2) // length for i, c in function.terms.items()}
    others = {i: r for i, c in function.terms.items() if (r := c - rows[i] * length)}
    rows = {i: c for i, c in rows.items() if c}
    for row in (function.const // length, -(-function.const // length)):
        place = Affine(function.const - row * length, others)
        from_end = plus(Affine(length - 1, {}), place, -1)
        if least(place, around) >= 0 and least(from_end, around) >= 0:
            return Affine(row, rows), place
    return None


def _is_along(x: _Access, place: Affine) -> bool:
    """Whether the turns of an innermost loop go along a row, or stand still to read.

    Turns that wait for one another read one by one.
    """
    if x.loop is None or (x.loop.kind is Kind.ORDERED and not x.is_store):
        return True
    step = place.terms.get(x.loop.index, 0)
    moves = x.loop.index in _indices(x.offset)
    return step == 1 or (not moves and not x.is_store)


def _indices(offset: Expr) -> Collection[Index]:
    function = affine(offset)
    return () if function is None else function.terms.keys()


def _is_straight(loop: Loop) -> bool:
    free = loop.kind in (Kind.FREE, Kind.SERIAL)
    return free and all(isinstance(st, Store | Declare | Assign | Accumulate) for st in loop.body)


def _is_one_turns(around: Around, row: Affine, place: Affine) -> bool:
    """Whether each row belongs to one turn of a parallel loop around."""
    for index, loop in around.items():
        if loop.kind is Kind.PARALLEL:
            if index in place.terms or any(_bounded_by(around[i], index) for i in place.terms):
                return False
            if index not in row.terms and not any(_bounded_by(around[i], index) for i in row.terms):
                return False
    return True


def _bounded_by(loop: Loop, index: Index) -> bool:
    return index in loop.start.indices or index in loop.stop.indices


def _repacked(
    s: ScalarBuilder, steps: Sequence[Kernel], packings: Mapping[Buffer, _Packing]
) -> tuple[Kernel, ...]:
    """The steps with packed arrays in the place of others."""
    instead = {b: replace(b, size=x.size(b), packed=True) for b, x in packings.items()}

    def placed(buffer: Buffer, offset: Expr) -> Expr:
        packing = packings[buffer]
        row, place = (from_affine(s, x) for x in packing.parts[offset])
        return s.add(s.mul(row, packing.stride), place)

    def rule(expr: Expr) -> Expr | None:
        if expr.op is not ScalarOp.LOAD or expr.attr not in instead:
            return None
        return s.load(instead[expr.attr], placed(expr.attr, expr.args[0]))

    def store(statement: Store) -> Store:
        buffer = statement.buffer
        if buffer not in instead:
            return statement
        return Store(instead[buffer], placed(buffer, statement.offset), statement.value)

    rewrite = Rewriter(s, rule)
    return tuple([replace(k, body=map_statements(k.body, rewrite, store)) for k in steps])
