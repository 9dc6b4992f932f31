"""Whether Python had better run a loop that could be compiled."""

from __future__ import annotations

from wengert.capture.list_tables import are_known
from wengert.capture.loop_state import LoopState
from wengert.capture.loop_turn import For, Turn
from wengert.capture.sequences import ENDLESS
from wengert.capture.short_loops import is_much, is_short
from wengert.tracer.array import Tracer

MOST_UNROLLED = 2000
"""Longer loops are never written out if their body is traced."""


def is_better_plain(loop: For, turn: Turn, state: LoopState, count: int) -> bool:
    """Whether Python finds the result itself, as nothing traced goes in, or the loop is short."""
    if loop.collects:
        added = [x for row in turn.lists.rows for x in row.added]
        known = not (turn.trace.captured or turn.trace.written)
        return known or not is_much(turn.trace, count, added)
    may = count <= MOST_UNROLLED or count >= ENDLESS
    return (may and is_plain(turn, state)) or is_short(turn.trace, count)


def is_plain(turn: Turn, state: LoopState) -> bool:
    """Whether nothing traced goes into a loop, so that Python finds its result."""
    arrays = [t for t, _ in (*turn.trace.captured.values(), *turn.trace.written.values())]
    if turn.lists.rows or not are_known(arrays):
        return False
    return not any(isinstance(s.before, Tracer) for s in state.slots)
