"""Loops that meet, at one turn only, an element that all their turns read or add to.

    for j: d[i, j] = min(d[i, j], d[i, k] + d[k, j])

Only turn k changes d[i, k]. The turns before it and those after it have it in a register and do
not wait for one another, so they may become vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from wengert.ir.scalar import Affine, Index, ScalarBuilder, affine
from wengert.kernels.expressions import Rewriter, at_turn, from_affine
from wengert.kernels.loops import Declare, If, Kernel, Kind, Loop, Register, Stmt
from wengert.kernels.statements import map_loops, map_statements
from wengert.kernels.turns.bounds import Around, apart_turns, least, plus
from wengert.kernels.turns.standing import sums_apart, writes_apart
from wengert.kernels.turns.turn import Turn, simple_turn

_SHORT = 16
"""Loops of fewer turns are not worth being written out three times."""


def around_meetings(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with such loops in three parts."""

    def one(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        if loop.kind is not Kind.ORDERED or loop.index.extent < _SHORT:
            return None
        return split_at_meeting(s, loop, around)

    return [Kernel(k.name, map_loops(k.body, one)) for k in steps]


def split_at_meeting(s: ScalarBuilder, loop: Loop, around: Around) -> Sequence[Stmt] | None:
    """The loop in three parts, if it meets what all its turns share at one of them only."""
    turn = simple_turn(s, loop)
    if turn is None or turn.calls or not _moves_apart(turn, around):
        return None
    if _is_free(turn, around):
        return None if turn.sums else _part(s, turn, loop)
    for meeting in _meetings(turn):
        if least(plus(meeting, _start(loop), -1), around) < 0:
            continue
        if least(plus(_stop(loop), meeting, -1), around) < 1:
            continue
        at = from_affine(s, meeting)
        before = replace(loop, stop=at)
        after = replace(loop, start=s.add(at, 1))
        if all(_is_free(turn, {**around, loop.index: x}) for x in (before, after)):
            middle = map_statements(loop.body, at_turn(s, loop.index, at))
            return (*_part(s, turn, before), *middle, *_part(s, turn, after))
    return None


def _is_free(turn: Turn, around: Around) -> bool:
    return sums_apart(turn, around) and writes_apart(turn, around)


def _moves_apart(turn: Turn, around: Around) -> bool:
    """Whether places that move are written and read in the same turn, if at all."""
    return all(
        apart_turns(place, other, turn.loop, around)
        for buffer, places in turn.writes.items()
        for place in places
        for other in (*places, *turn.moving.get(buffer, ()))
    )


def _start(loop: Loop) -> Affine:
    return affine(loop.start) or Affine(0, {})


def _stop(loop: Loop) -> Affine:
    found = affine(loop.stop)
    return Affine(-1, {}) if found is None else found


def _meetings(turn: Turn) -> Iterator[Affine]:
    """The turns at which something that moves is where something stands still."""
    standing = [(x.buffer, x.place) for x in turn.sums]
    standing += [(read.attr, place) for read, place in turn.still.items()]
    for buffer, place in standing:
        for other in turn.writes.get(buffer, ()):
            meeting = _meeting(other, place, turn.loop.index)
            if meeting is not None:
                yield meeting


def _meeting(moves: Affine, stands: Affine, index: Index) -> Affine | None:
    """The turn at which the one is where the other is."""
    step = moves.terms[index]
    terms = {i: c for i, c in moves.terms.items() if i is not index}
    way = plus(stands, Affine(moves.const, terms), -1)
    if any(c % step for c in (way.const, *way.terms.values())):
        return None
    return Affine(way.const // step, {i: c // step for i, c in way.terms.items()})


def _part(s: ScalarBuilder, turn: Turn, loop: Loop) -> Sequence[Stmt]:
    """Turns that do not meet what stands still; sums are left to `standing_sums`."""
    registers = {read: Register(read.dtype) for read in turn.still}
    near = Rewriter(s, {read: s.register(r) for read, r in registers.items()}.get)
    kind = Kind.ORDERED if turn.sums else Kind.FREE
    run = replace(loop, body=map_statements(loop.body, near), kind=kind)
    if not registers:
        return (run,)
    load = [Declare(register, read) for read, register in registers.items()]
    # without a turn these may be nowhere
    return (If(s.lt(loop.start, loop.stop), (*load, run)),)
