"""Sums into array elements that stand still while the innermost loop runs, kept in registers.

    for j: v[i] -= f(j);  v[j] += g(j)

Each turn would read v[i] where the turn before has just written it. If no other access of the loop
meets v[i], it is a sum like any other: it stays in a register, may be added up in lanes, and the
loop may become vectors. That nothing meets it is shown with the bounds of the loops around.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wengert.ir.scalar import ScalarBuilder
from wengert.kernels.loops import Accumulate, Declare, If, Kernel, Kind, Loop, Register, Stmt, Store
from wengert.kernels.statements import map_loops
from wengert.kernels.turns.bounds import Around, apart_turns, differ
from wengert.kernels.turns.turn import Turn, simple_turn


def standing_sums(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with such sums in registers."""

    def one(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        return kept(s, loop, around) if loop.kind is Kind.ORDERED else None

    return [Kernel(k.name, map_loops(k.body, one)) for k in steps]


def kept(s: ScalarBuilder, loop: Loop, around: Around) -> Sequence[Stmt] | None:
    """The loop with its sums in registers, if nothing else meets them."""
    turn = simple_turn(s, loop)
    if turn is None or not turn.sums or not sums_apart(turn, around):
        return None
    # loops that call a library are not for vectors
    free = not turn.calls and writes_apart(turn, around)
    return in_registers(s, turn, Kind.FREE if free else Kind.ORDERED)


def in_registers(s: ScalarBuilder, turn: Turn, kind: Kind) -> Sequence[Stmt]:
    """The turn's loop, as one of that kind, with sums in registers that nothing else meets."""
    loop = turn.loop
    registers = [Register(x.buffer.dtype) for x in turn.sums]
    instead: dict[Store, Stmt] = {
        store: Accumulate(register, "add", value)
        for x, register in zip(turn.sums, registers, strict=True)
        for store, value in x.added.items()
    }
    run = replace(loop, body=_replaced(loop.body, instead), kind=kind)
    pairs = list(zip(turn.sums, registers, strict=True))
    load = [Declare(r, s.load(x.buffer, x.offset)) for x, r in pairs]
    save = [Store(x.buffer, x.offset, s.register(r)) for x, r in pairs]
    # without a turn the element may be another thread's, or nowhere
    return (If(s.lt(loop.start, loop.stop), (*load, run, *save)),)


def _replaced(body: Sequence[Stmt], instead: Mapping[Store, Stmt]) -> tuple[Stmt, ...]:
    def one(statement: Stmt) -> Stmt:
        match statement:
            case If(condition, then, otherwise):
                return If(condition, _replaced(then, instead), _replaced(otherwise, instead))
            case Store():
                return instead.get(statement, statement)
            case _:
                return statement

    return tuple(one(st) for st in body)


def sums_apart(turn: Turn, around: Around) -> bool:
    """Whether nothing else in the loop meets the elements of its sums."""
    for number, x in enumerate(turn.sums):
        others = [y.place for y in turn.sums[number + 1 :] if y.buffer is x.buffer]
        others += turn.writes.get(x.buffer, []) + turn.moving.get(x.buffer, [])
        others += [place for read, place in turn.still.items() if read.attr is x.buffer]
        if not all(differ(x.place, place, around) for place in others):
            return False
    return True


def writes_apart(turn: Turn, around: Around) -> bool:
    """Whether what a turn writes, sums aside, no other turn reads or writes."""
    for buffer, places in turn.writes.items():
        still = [place for read, place in turn.still.items() if read.attr is buffer]
        for place in places:
            if not all(differ(place, other, around) for other in still):
                return False
            moving = (*places, *turn.moving.get(buffer, ()))
            if not all(apart_turns(place, other, turn.loop, around) for other in moving):
                return False
    return True
