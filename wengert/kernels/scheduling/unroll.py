"""Unrolls short combining loops, so that small products and sums become straight code.

Loops that only store stay: the vectoriser makes one vector instruction of each of their lines. But
very short ones, which do not fill a vector, are written out where divisions or maths functions take
the time, and so are those whose turns store far apart: then the loop around them becomes vectors.
Less is won by that where checks are made, which no vector has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wengert.ir.scalar import MATHS, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import at_turn, nodes
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Check,
    Declare,
    If,
    Kind,
    Loop,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import expressions, map_statements, walk
from wengert.kernels.turns.few_sums import in_registers

# Loops of at most this many turns are unrolled while the code stays below so many nodes; fewer
# where the loop around cannot become vectors.
MAX_TURNS = 8
MAX_NODES = 1_500
MAX_CHECKED = 400
# Elements so far apart are no neighbours.
FAR = 64
# So many turns do not fill a vector.
FEW_TURNS = 4
_DEAR = MATHS | {ScalarOp.DIV, ScalarOp.SQRT}


def unroll(
    s: ScalarBuilder,
    body: Sequence[Stmt],
    inside: bool = False,
    stores: bool = False,
    dear: bool = False,
) -> tuple[Stmt, ...]:
    """`body` with its short loops written out, innermost first.

    A loop that stands outermost is kept: there is nothing around it to win. With `stores`, loops
    that only store are written out too: small arrays on the stack become scalars in registers.
    Sums into a few elements are kept in registers around their loops (`few_sums.py`).
    `dear` says whether divisions or maths functions are computed in the loop around.
    """
    result: list[Stmt] = []
    for statement in body:
        if not isinstance(statement, Loop):
            result.append(statement)
            continue
        before, loop, after = in_registers(s, statement, runs=not stores)
        if _is_stage(loop):
            loop = replace(loop, body=_inner(s, loop, stores, dear))
        turns = _turns(s, loop) if inside and _short(loop, stores, dear) else (loop,)
        result += (*before, *turns, *after)
    return tuple(result)


def _inner(s: ScalarBuilder, loop: Loop, stores: bool, dear: bool) -> tuple[Stmt, ...]:
    """The body of a loop, which becomes the innermost one if it is dear and that can be."""
    if not dear and _is_dear(loop) and not _sums_in_memory(loop):
        found = unroll(s, loop.body, True, stores, True)
        if not any(isinstance(st, Loop) for st in found):
            return found
    return unroll(s, loop.body, True, stores, dear)


def _sums_in_memory(loop: Loop) -> bool:
    """Whether a turn adds to what others may add to: turns are no lanes of vectors then."""
    return any(isinstance(st, Store) and st.buffer in st.value.loads for st in walk(loop.body))


def _is_dear(loop: Loop) -> bool:
    return any(node.op in _DEAR for node in nodes(expressions(loop.body)))


def _is_stage(loop: Loop) -> bool:
    """Whether there are no loops of the program inside, whose bodies are unrolled already."""
    return not any(isinstance(st, While | If) for st in loop.body)


def _short(loop: Loop, stores: bool, dear: bool) -> bool:
    if loop.kind not in (Kind.SERIAL, Kind.ORDERED) or not (
        loop.start.is_const and loop.stop.is_const
    ):
        return False
    turns = loop.stop.attr - loop.start.attr
    if turns > MAX_TURNS or any(isinstance(st, Loop) for st in loop.body):
        return False
    outwards = (dear and turns <= FEW_TURNS) or _far_apart(loop)
    if not (stores or outwards or _carries(loop)):
        return False
    checks = not (stores or outwards) and any(isinstance(st, Check) for st in loop.body)
    most = MAX_CHECKED if checks else MAX_NODES
    return turns * sum(1 for _ in nodes(expressions(loop.body))) <= most


def _carries(loop: Loop) -> bool:
    """Whether a turn changes a register that lives on after it."""
    own = {st.register for st in loop.body if isinstance(st, Declare)}
    return any(
        isinstance(st, If) or (isinstance(st, Accumulate | Assign) and st.register not in own)
        for st in loop.body
    )


def _far_apart(loop: Loop) -> bool:
    """Whether neighbouring turns store to places that are no neighbours: the loop around it may
    have these."""
    stores = [
        st for st in loop.body if isinstance(st, Store) and st.buffer.space is not Space.LOCAL
    ]
    found = [affine(st.offset) for st in stores]
    return bool(stores) and all(
        f is not None and abs(f.terms.get(loop.index, 0)) >= FAR for f in found
    )


def _turns(s: ScalarBuilder, loop: Loop) -> list[Stmt]:
    turns = range(loop.start.attr, loop.stop.attr)
    return [statement for turn in turns for statement in written_out(s, loop, turn)]


def written_out(s: ScalarBuilder, loop: Loop, turn: int) -> tuple[Stmt, ...]:
    """The statements of one turn of a loop."""
    return map_statements(loop.body, at_turn(s, loop.index, s.int(turn)))
