"""The reverse of a loop from snapshots, in fixed memory.

For loops whose number of turns has no bound, and those with a budget (`checkpoint`).
A segment of C turns is run again from a snapshot of the carried values, filling tapes, and then
backwards. Snapshots of C segments, and of C groups of C segments, are made in the same way, by
running from the snapshot before; so C^3 turns take room for 3 C states and are computed at most
three times more than the loop itself, C turns once more. A longer loop is taken in blocks of C^3
turns from its end, each of which is reached from the very start. With a budget and a bound of the
turns, C and the number of levels are the fewest levels that fit into the budget: the square root
of the turns for two, the cube root for three, ...
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.ops.control_family import (
    board_type,
    chosen,
    emit_loop,
    fresh,
    or_zeros,
    read_row,
    write_row,
)
from wengert.ir.ops.for_loop_split import split, tape_row
from wengert.ir.program import Atom, Eqn, Literal, Program, Var
from wengert.ir.transforms.separate import Price, separate
from wengert.ir.transforms.storage import nbytes
from wengert.ir.transforms.transpose import pull_onto

_MEMORY = 1 << 24
"""Bytes that the snapshots of one level may take."""
_MOST, _LEAST = 64, 8
"""Bounds of C."""
_LEVELS = 2
_A_BYTE = Price(lambda atom: 1, lambda atom: 1)
"""Nothing is there anyway."""


def _root(number: int, degree: int) -> int:
    """The least integer whose power of this degree is at least the number."""
    found = max(1, int(number ** (1 / degree)) - 1)
    while found**degree < number:
        found += 1
    return found


@dataclass(frozen=True, slots=True)
class Reversed:
    """A for_loop being transposed; `room` is there once the schedule is made.

    `marks` says which inputs of the body are linear; `live` which carried values have cotangents,
    and `summed` which constants have.
    """

    inputs: Sequence[Any]
    body: Program
    consts: int
    params: dict[str, Any]
    marks: Sequence[bool]
    live: Sequence[bool]
    summed: Sequence[bool]
    room: int = 0
    """C, how many snapshots there is room for."""

    @property
    def const_marks(self) -> Sequence[bool]:
        return self.marks[1 : 1 + self.consts]

    @property
    def carry_marks(self) -> Sequence[bool]:
        return self.marks[1 + self.consts :]

    def plain(self, **changes: Any) -> dict[str, Any]:
        """The params for a part of the loop, which has no budget of its own."""
        params = {k: v for k, v in self.params.items() if k != "checkpoint"}
        return {**params, **changes}


@dataclass(frozen=True, slots=True)
class _Scope:
    """The known operands of the loop, as they are called where equations are being written."""

    start: Value
    stop: Value
    consts: list[Value]

    @property
    def builder(self) -> Builder:
        return self.start.builder

    def all(self) -> list[Value]:
        return [self.start, self.stop, *self.consts]


def _schedule(loop: Reversed) -> tuple[int, int]:
    """C, and the number of levels of segments: as few as fit into the budget."""
    body, turns, budget = loop.body, loop.params["turns"], loop.params.get("checkpoint")
    state = chosen(body.inputs[1 + loop.consts :], loop.carry_marks, False)
    size = sum(nbytes(v.type) for v in state)
    if turns is None or budget is None:
        return max(_LEAST, min(_MOST, _MEMORY // max(1, size))), _LEVELS
    operands = tuple([Var(t) for t in body.in_types])
    params = loop.plain(body=body, consts=loop.consts)
    whole = Eqn(
        REGISTRY["for_loop"], (operands[0], *operands), tuple(fresh(body.out_types)), params
    )
    row = tape_row(whole, (False, *loop.marks))
    levels, room = 0, max(1, turns)
    while (levels * size + row) * room > budget and room > 2:
        levels += 1
        room = _root(turns, levels + 1)
    return room, levels


def from_snapshots(outer: Builder, loop: Reversed, bars: Sequence[Value]) -> list[Value]:
    """Carries `bars`, cotangents and sums, from the loop's last turn to its first."""
    known = chosen(loop.inputs[2 : 2 + loop.consts], loop.const_marks, False)
    state = chosen(loop.inputs[2 + loop.consts :], loop.carry_marks, False)
    scope = _Scope(loop.inputs[0], loop.inputs[1], known)
    turns = _difference(scope.stop, scope.start)
    room, levels = _schedule(loop)
    loop = replace(loop, room=room)
    if room ** (levels + 1) >= (loop.params["turns"] or math.inf):
        return _reverse(loop, levels, scope, (_zero(turns), turns), state, bars)
    block = room ** (levels + 1)
    count = _groups(turns, block)
    given = [*scope.all(), *state, turns]

    def body(k: Value, consts: list[Value], carry: list[Value]) -> list[Value]:
        inner, rest = _scope(consts, len(known))
        *first, end = rest
        begin = k * block
        reached = _forward(loop, inner, k.builder.literal(0, k.dtype), begin, first, None)
        return _reverse(loop, levels, inner, (begin, (begin + block).min(end)), reached, carry)

    return emit_loop(outer, (_zero(turns), count), given, bars, body, reverse=True)


def _scope(values: list[Value], consts: int) -> tuple[_Scope, list[Value]]:
    return _Scope(values[0], values[1], values[2 : 2 + consts]), values[2 + consts :]


def _zero(like: Value) -> Value:
    return like.builder.literal(0, like.dtype)


def _difference(x: Value, y: Value) -> Value:
    if isinstance(x.atom, Literal) and isinstance(y.atom, Literal):
        return x.builder.literal(max(0, x.atom.value - y.atom.value), x.dtype)
    return x - y


def _groups(turns: Value, size: int) -> Value:
    """How many groups of `size` the turns make."""
    return (turns + (size - 1)).floordiv(size)


def _range(loop: Reversed, scope: _Scope, begin: Value, end: Value) -> tuple[Value, Value]:
    """The indices of turns begin, ..., end-1, counted in the order in which the loop runs."""
    if loop.params["reverse"]:
        return scope.stop - end, scope.stop - begin
    return scope.start + begin, scope.start + end


def _forward(
    loop: Reversed,
    scope: _Scope,
    begin: Value,
    end: Value,
    state: Sequence[Value],
    turns: int | None,
) -> list[Value]:
    """The known part of the loop for some turns."""
    marks, body = loop.marks, loop.body
    known = separate(body.eqns, chosen(body.inputs, marks)).known
    outputs = chosen(body.outputs, loop.carry_marks, False)
    live: set[Atom] = set(outputs)
    kept: list[Eqn] = []
    for eqn in reversed(known):
        if not live.isdisjoint(eqn.outputs):
            live.update(eqn.inputs)
            kept.append(eqn)
    region = Program(tuple(chosen(body.inputs, marks, False)), tuple(kept[::-1]), tuple(outputs))
    params = loop.plain(body=region, consts=len(scope.consts), turns=turns)
    operands = [*_range(loop, scope, begin, end), *scope.consts, *state]
    return scope.builder.emit(REGISTRY["for_loop"], operands, params)


def _reverse(
    loop: Reversed,
    level: int,
    scope: _Scope,
    turns: tuple[Value, Value],
    state: Sequence[Value],
    bars: Sequence[Value],
) -> list[Value]:
    """The turns from a state on, backwards: by segments, the last of which comes first."""
    if level == 0:
        return _leaf(loop, scope, turns, state, bars)
    builder, size = scope.builder, loop.room**level
    begin, end = turns
    count = _groups(end - begin, size)
    consts, zero = len(scope.consts), _zero(begin)
    boards = [builder.zeros(board_type(loop.room, v.type)) for v in state]

    def save(s: Value, given: list[Value], carry: list[Value]) -> list[Value]:
        inner, (first, groups) = _scope(given, consts)
        now, saved = carry[: len(state)], carry[len(state) :]
        saved = [write_row(board, v, s) for board, v in zip(saved, now, strict=True)]
        low = first + s * size
        high = (s + 1).lt(groups).select(low + size, low)  # nothing comes after the last one
        bound = size if level == 1 or loop.params["turns"] is not None else None
        return [*_forward(loop, inner, low, high, now, bound), *saved]

    saved = emit_loop(
        builder,
        (zero, count),
        [*scope.all(), begin, count],
        [*state, *boards],
        save,
        turns=loop.room,
    )[len(state) :]

    def back(s: Value, given: list[Value], carry: list[Value]) -> list[Value]:
        inner, (first, last, *rows) = _scope(given, consts)
        now = [read_row(row, v.type, s) for row, v in zip(rows, state, strict=True)]
        low = first + s * size
        return _reverse(loop, level - 1, inner, (low, (low + size).min(last)), now, carry)

    given = [*scope.all(), begin, end, *saved]
    return emit_loop(builder, (zero, count), given, bars, back, turns=loop.room, reverse=True)


def _leaf(
    loop: Reversed,
    scope: _Scope,
    turns: tuple[Value, Value],
    state: Sequence[Value],
    bars: Sequence[Value],
) -> list[Value]:
    """At most C turns: forwards onto tapes, then backwards."""
    builder, body, consts = scope.builder, loop.body, loop.consts
    low, high = _range(loop, scope, *turns)
    given = iter([*scope.consts, *state])
    operands: list[Atom] = [
        Var(v.type) if on else next(given).atom
        for v, on in zip(body.inputs[1:], loop.marks[1:], strict=True)
    ]
    outputs = fresh(body.out_types)
    params = loop.plain(body=body, consts=consts, turns=loop.room)
    eqn = Eqn(REGISTRY["for_loop"], (low.atom, high.atom, *operands), tuple(outputs), params)
    parts = split(eqn, (False, False, *loop.marks[1:]), _A_BYTE)
    builder.eqns += parts.known
    linear = [a for a in chosen(operands, loop.marks[1:]) if isinstance(a, Var)]
    program = Program(tuple(linear), tuple(parts.linear), tuple(chosen(outputs, loop.carry_marks)))
    found = iter(bars)
    cotangents = [next(found) if on else None for on in loop.live]
    sums = [next(found) if on else None for on in loop.summed]
    results = pull_onto(
        builder,
        program,
        [],
        chosen(cotangents, loop.carry_marks),
        chosen(sums, loop.const_marks),
    )
    count = list(loop.const_marks).count(True)
    totals = [
        or_zeros(builder, r, v.type)
        for r, v, on in zip(
            results[:count], linear[:count], chosen(loop.summed, loop.const_marks), strict=True
        )
        if on
    ]
    carry = [
        or_zeros(builder, r, v.type)
        for r, v, on in zip(
            results[count:], linear[count:], chosen(loop.live, loop.carry_marks), strict=True
        )
        if on
    ]
    return [*carry, *totals]
