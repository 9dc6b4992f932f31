"""Scalars that belong to one turn of an innermost loop, in registers instead of memory.

    for j: l[0] = a + d[k, j];  m[0] = l[0] < d[i, j];  d[i, j] = select(m[0], l[0], d[i, j])

What loops carry and branches give has a local buffer, of one element here. A turn writes it before
it reads it, so turns meet in it by name alone, and what would be in the way of vectors is gone.
The buffer does not get the last turn's value: there is no such register for one that may be read
after the loop before it is written again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from wengert.ir.scalar import Expr, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import INT64
from wengert.kernels.expressions import Rewriter, loaded, nodes
from wengert.kernels.loops import (
    Accumulate,
    Assign,
    Buffer,
    Declare,
    If,
    Kernel,
    Kind,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import (
    changed,
    expressions,
    map_loops,
    map_statements,
    walk,
)
from wengert.kernels.turns.bounds import Around
from wengert.kernels.turns.turn import stale


def turn_scalars(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with such scalars in registers."""
    return [_of_kernel(s, step) for step in steps]


def index_scalars(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with sums of indices, which loops hand on as scalars, where these are read.

    What is at such a place can then be told from what is at others.
    """
    return [_with_sums(s, step) for step in steps]


def _with_sums(s: ScalarBuilder, kernel: Kernel) -> Kernel:
    stores: dict[Buffer, list[Store]] = {}
    for st in walk(kernel.body):
        if isinstance(st, Store) and st.buffer.size == 1 and st.buffer.space is Space.LOCAL:
            stores.setdefault(st.buffer, []).append(st)
    once = {b: found[0].value for b, found in stores.items() if len(found) == 1}
    values = {b: x for b, x in once.items() if x.dtype == INT64 and affine(x) is not None}
    if not values:
        return kernel
    for buffer in stale(kernel.body, set()):
        values.pop(buffer, None)
    body = map_statements(kernel.body, Rewriter(s, lambda x: _known(x, values)))
    return replace(kernel, body=_without(body, values)) if values else kernel


def _without(body: Sequence[Stmt], dropped: Collection[Buffer]) -> tuple[Stmt, ...]:
    """Statements without the stores of scalars."""

    def one(st: Stmt) -> Stmt:
        match st:
            case Loop():
                return replace(st, body=_without(st.body, dropped))
            case If(condition, then, otherwise):
                return If(condition, _without(then, dropped), _without(otherwise, dropped))
            case While(before, condition, body):
                return While(_without(before, dropped), condition, _without(body, dropped))
            case _:
                return st

    kept = (st for st in body if not (isinstance(st, Store) and st.buffer in dropped))
    return tuple([one(st) for st in kept])


def _of_kernel(s: ScalarBuilder, kernel: Kernel) -> Kernel:
    scalars = {b for b in changed(kernel.body) if b.size == 1 and b.space is Space.LOCAL}
    if not scalars:
        return kernel
    scalars -= set(stale(kernel.body, set()))

    def one(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        straight = all(isinstance(st, Store | Declare | Assign | Accumulate) for st in loop.body)
        if not straight or loop.kind not in (Kind.SERIAL, Kind.FREE):
            return None
        own = scalars & changed(loop.body)
        return (replace(loop, body=_in_registers(s, loop.body, own)),) if own else None

    return Kernel(kernel.name, map_loops(kernel.body, one)) if scalars else kernel


def _in_registers(s: ScalarBuilder, body: Sequence[Stmt], own: set[Buffer]) -> tuple[Stmt, ...]:
    """The statements of a turn without its own scalars.

    What reads one computes its value, which is the same as long as nothing that this reads has been
    changed; before that happens it goes into a register.
    """
    values: dict[Buffer, Expr] = {}
    found: list[Stmt] = []
    for number, statement in enumerate(body):
        (st,) = map_statements((statement,), Rewriter(s, lambda x: _known(x, values)))
        if isinstance(st, Store) and st.buffer in own:
            values[st.buffer] = st.value
            continue
        needed = loaded(expressions(body[number + 1 :]))
        for buffer, value in values.items():
            if buffer in needed and _changes(st, value):
                register = Register(buffer.dtype)
                found.append(Declare(register, value))
                values[buffer] = s.register(register)
        found.append(st)
    return tuple(found)


def _known(x: Expr, values: Mapping[Buffer, Expr]) -> Expr | None:
    return values.get(x.attr) if x.op is ScalarOp.LOAD else None


def _changes(statement: Stmt, value: Expr) -> bool:
    """Whether a statement changes what a value reads."""
    if isinstance(statement, Store):
        return statement.buffer in loaded((value,))
    assert isinstance(statement, Declare | Assign | Accumulate)
    register = statement.register
    return any(n.op is ScalarOp.REGISTER and n.attr is register for n in nodes((value,)))
