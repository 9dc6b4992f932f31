"""Loops that meet, at one turn only, an element that all their turns read or add to.

    for j: d[i, j] = min(d[i, j], d[i, k] + d[k, j])

Only turn k changes d[i, k]. The turns before it and those after it have it in a register and do
not wait for one another, so they may become vectors.

Most often turn k leaves d[i, k] as it was, since a way with a detour from k to k is no shorter.
Where a turn need not change what all turns read, it is done first: nothing but that joins it to the
others. If the same bits are there afterwards, all turns are one loop, whose vectors are whole ones,
in which it is done once more and does the same. Where all that a turn does hangs on one condition,
as in transposes of such loops, that condition is asked instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np

from wengert.ir.floats import kind_of
from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import BOOL, FLOAT32, FLOAT64, INT64
from wengert.kernels.expressions import Rewriter, at_turn, from_affine
from wengert.kernels.loops import Buffer, Declare, If, Kernel, Kind, Loop, Register, Stmt, Store
from wengert.kernels.statements import changed, map_loops, map_statements
from wengert.kernels.turns.bounds import Around, apart_turns, least, plus
from wengert.kernels.turns.standing import in_registers, sums_apart, writes_apart
from wengert.kernels.turns.turn import Turn, lasting, own_scalars, simple_turn

_SHORT = 16
"""Loops of fewer turns are not worth being written out three times."""
_BITS = {FLOAT32: np.dtype(np.int32), FLOAT64: INT64}
"""What has the bits of floats as integers."""


def around_meetings(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with such loops in three parts."""
    later = lasting(steps)

    def one(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        if loop.kind is not Kind.ORDERED or loop.index.extent < _SHORT:
            return None
        return split_at_meeting(s, loop, around, later)

    return [Kernel(k.name, map_loops(k.body, one)) for k in steps]


def split_at_meeting(
    s: ScalarBuilder, loop: Loop, around: Around, later: AbstractSet[Buffer] = frozenset()
) -> Sequence[Stmt] | None:
    """The loop in three parts, if it meets what all its turns share at one of them only.

    `later` are scalars that are read as the last turn leaves them.
    """
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
            if _may_be_idle(turn, meeting, later):
                return _middle_first(s, turn, (before, after), middle)
            parts = [_part(s, turn, x) for x in (before, after)]
            if _hangs_on_condition(turn) and isinstance(middle[0], If):
                apart = (*parts[0], *middle[0].then, *parts[1])
                return (If(middle[0].condition, apart, (*in_registers(s, turn, Kind.FREE),)),)
            return (*parts[0], *middle, *parts[1])
    return None


def _hangs_on_condition(turn: Turn) -> bool:
    """Whether turns add something to what stands still, or do nothing at all.

    What they would do nothing for is known before the loop.
    """
    body = turn.loop.body
    if turn.still or len(body) != 1 or not isinstance(body[0], If) or body[0].otherwise:
        return False
    return body[0].condition.loads.isdisjoint(changed(body))


def _may_be_idle(turn: Turn, meeting: Affine, later: AbstractSet[Buffer]) -> bool:
    """Whether the turn that may change what all read can be done first, and again with the others.

    It must be able to leave that as it was, and change nothing else that any turn reads: then it
    does the same again.
    """
    still = {read.attr for read in turn.still}
    if turn.sums or not all(b.dtype in _BITS or kind_of(b.dtype) in "iub" for b in still):
        return False
    if not own_scalars(turn.loop.body).isdisjoint(later):
        return False
    if any(st.buffer in still and not _keeps(st) for st in _always(turn.loop)):
        return False
    return all(
        any(
            read.attr is buffer and _meets(x, place, turn.loop.index, meeting)
            for read, place in turn.still.items()
        )
        for buffer, places in turn.writes.items()
        if buffer in still or buffer in turn.moving
        for x in places
    )


def _always(loop: Loop) -> list[Store]:
    """The stores of each turn that hang on no condition."""
    return [st for st in loop.body if isinstance(st, Store)]


def _keeps(store: Store) -> bool:
    """Whether a store may well be one of what is there."""
    choice = store.value.op in (ScalarOp.MIN, ScalarOp.MAX, ScalarOp.SELECT)
    return choice and any(
        x.op is ScalarOp.LOAD and x.attr is store.buffer and x.args[0] is store.offset
        for x in store.value.args
    )


def _meets(moves: Affine, stands: Affine, index: Index, meeting: Affine) -> bool:
    """Whether the one is where the other is at that turn."""
    rest = Affine(moves.const, {i: c for i, c in moves.terms.items() if i is not index})
    way = plus(plus(rest, meeting, moves.terms[index]), stands, -1)
    return not way.const and not way.terms


def _middle_first(
    s: ScalarBuilder, turn: Turn, parts: tuple[Loop, Loop], middle: tuple[Stmt, ...]
) -> Sequence[Stmt]:
    """The turn at the meeting, and then all turns, or those before it and those after it."""
    registers = {read: Register(read.dtype) for read in turn.still}
    old = {read: s.register(r) for read, r in registers.items()}
    same = s.const(True, BOOL)
    for read, value in old.items():
        same = s.and_(same, s.eq(_bits(s, read), _bits(s, value)))
    before, after = parts
    near = Rewriter(s, old.get)
    whole = replace(turn.loop, body=map_statements(turn.loop.body, near), kind=Kind.FREE)
    first = replace(whole, stop=before.stop)
    load = [Declare(register, read) for read, register in registers.items()]
    return (*load, *middle, If(same, (whole,), (first, *_part(s, turn, after))))


def _bits(s: ScalarBuilder, x: Expr) -> Expr:
    return s.bitcast(x, _BITS[x.dtype]) if x.dtype in _BITS else x


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
