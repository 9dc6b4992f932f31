"""Sharing out the loops inside a team's work to its threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wengert.ir.scalar import ScalarBuilder
from wengert.kernels.grid.nests import chain, extent, one_loop
from wengert.kernels.grid.turns import Order, Uses, classify, count_uses
from wengert.kernels.loops import Buffer, If, Kind, Loop, Space, Stmt, While
from wengert.kernels.statements import renamed, walk

# Loops of fewer turns than this are not shared out: each thread runs them.
FEW = 4


@dataclass(frozen=True, slots=True)
class Shared:
    """The body of a team's work, and the largest number of turns that it shares out at once."""

    body: tuple[Stmt, ...]
    lanes: int


def share(s: ScalarBuilder, body: Sequence[Stmt], uses: Uses) -> Shared:
    """`body` with its loops shared out where their turns allow it."""
    made: list[Stmt] = []
    lanes = 0
    for statement in body:
        parts = _one(s, statement, uses)
        made.append(parts.body[0])
        lanes = max(lanes, parts.lanes)
    return Shared(tuple(made), lanes)


def _one(s: ScalarBuilder, statement: Stmt, uses: Uses) -> Shared:
    match statement:
        case Loop():
            return _loop(s, statement, uses)
        case If(condition, then, otherwise):
            first, second = share(s, then, uses), share(s, otherwise, uses)
            made = If(condition, first.body, second.body)
            return Shared((made,), max(first.lanes, second.lanes))
        case While(before, condition, inner):
            first, second = share(s, before, uses), share(s, inner, uses)
            made = While(first.body, condition, second.body)
            return Shared((made,), max(first.lanes, second.lanes))
        case _:
            return Shared((statement,), 0)


def _loop(s: ScalarBuilder, loop: Loop, uses: Uses) -> Shared:
    turns = classify(loop, uses)
    inside = share(s, loop.body, uses)
    count = extent(loop)
    own = loop.index.extent if count is None else count
    if turns.order is Order.SEQUENTIAL or own < FEW:
        return Shared((replace(loop, body=inside.body),), inside.lanes)
    loops, body = chain(loop, uses, turns.order)
    whole = one_loop(s, loops, body, Kind.LANES)
    if turns.private:
        own_copies = {b: Buffer(b.dtype, b.size, Space.LOCAL) for b in turns.private}
        whole = replace(whole, body=renamed(s, whole.body, own_copies))
    lanes = whole.index.extent if extent(whole) is None else extent(whole) or 0
    if inside.lanes > 4 * lanes:
        return Shared((replace(loop, body=inside.body),), inside.lanes)
    return Shared((whole,), lanes)


def has_lanes(body: Sequence[Stmt]) -> bool:
    """Whether any loop is shared out."""
    return any(isinstance(st, Loop) and st.kind is Kind.LANES for st in walk(body))


def team_locals(body: Sequence[Stmt]) -> list[Buffer]:
    """The local buffers that belong to the team as a whole, not to a turn that is shared out."""
    uses = count_uses((body,))
    shared_out = {
        buffer
        for statement in walk(body)
        if isinstance(statement, Loop) and statement.kind is Kind.LANES
        for buffer, count in count_uses((statement.body,)).items()
        if count == uses[buffer]
    }
    return [b for b in uses if b.space is Space.LOCAL and b not in shared_out]
