"""What a loop of the program reads in each of its turns is put into whole lines of the cache first.

    for t in 0 : 1000:  for i:  for j:  ... weights[128 * i + j] ...

Arrays that users give begin anywhere, NumPy's at multiples of 16 bytes. Then each vector of 64
bytes is in two lines, and is read at half the speed from the first-level cache and the second. A
copy among the temporaries, which are aligned, costs as much as one turn or two. (A loop over the
time steps of an LSTM with 128 units takes a third less.) Arrays that are larger than the
second-level cache come from further away, where it does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import Rewriter, nodes
from wengert.kernels.loops import (
    Buffer,
    Call,
    Communicate,
    Kernel,
    Kind,
    Loop,
    Space,
    Stmt,
    Store,
)
from wengert.kernels.statements import map_statements, own_expressions, walk

TURNS = 64
"""A loop of so many turns is worth a copy."""
SMALLEST, LARGEST = 1 << 12, 1 << 20
"""Bytes of arrays that are copied: smaller ones are read in no time."""


def in_whole_lines(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels, reading such arrays from copies, and the kernels that make those."""
    changed = {b for kernel in steps for b in _written(kernel.body)}
    copies: dict[Buffer, Buffer] = {}
    found: list[Kernel] = []
    for kernel in steps:
        again = [b for b in _read_again(kernel.body) if b not in changed]
        for buffer in again:
            if buffer not in copies:
                copies[buffer] = Buffer(buffer.dtype, buffer.size, Space.TEMP)
                found.append(_copy(s, buffer, copies[buffer]))
        found.append(_reading(s, kernel, {b: copies[b] for b in again}) if again else kernel)
    return found


def _written(body: Sequence[Stmt]) -> Iterator[Buffer]:
    for statement in walk(body):
        if isinstance(statement, Store):
            yield statement.buffer
        elif isinstance(statement, Communicate):
            yield from (*statement.outs, *statement.sources)
        elif isinstance(statement, Call):
            yield statement.out.buffer


def _read_again(body: Sequence[Stmt]) -> dict[Buffer, None]:
    """The arrays of the caller's that a loop in a kernel reads in each of its turns, in order."""
    found: dict[Buffer, None] = {}
    for loop in body:
        if isinstance(loop, Loop) and loop.kind is not Kind.PARALLEL and _turns(loop) >= TURNS:
            found.update(dict.fromkeys(_same_in_turns(loop.body, loop.index, ())))
    return found


def _turns(loop: Loop) -> int:
    """The turns of a loop, if they are known."""
    known = loop.start.is_const and loop.stop.is_const
    return loop.stop.attr - loop.start.attr if known else 0


def _same_in_turns(body: Sequence[Stmt], turn: Index, inside: tuple[Loop, ...]) -> Iterator[Buffer]:
    """The arrays of which innermost loops read most, at places that do not depend on the turn."""
    for statement in body:
        if isinstance(statement, Loop):
            yield from _same_in_turns(statement.body, turn, (*inside, statement))
            continue
        for expr in nodes(own_expressions(statement)):
            if inside and expr.op is ScalarOp.LOAD and _is_given(expr.attr):
                place = affine(expr.args[0])
                if place is not None and turn not in place.terms and _most(expr, place, inside):
                    yield expr.attr


def _is_given(buffer: Buffer) -> bool:
    given = buffer.space in (Space.INPUT, Space.CONSTANT)
    return given and SMALLEST <= buffer.nbytes <= LARGEST


def _most(load: Expr, place: Affine, inside: tuple[Loop, ...]) -> bool:
    """Whether the loops inside go over half of the array or more, along neighbours.

    Between the places that they read are those that other expressions read: of several rows, say.
    """
    steps = {loop.index: abs(place.terms.get(loop.index, 0)) for loop in inside}
    span = 1 + sum(step * (index.extent - 1) for index, step in steps.items())
    return place.terms.get(inside[-1].index) == 1 and 2 * span >= load.attr.size


def _copy(s: ScalarBuilder, source: Buffer, target: Buffer) -> Kernel:
    index = Index(source.size)
    store = Store(target, s.index(index), s.load(source, s.index(index)))
    return Kernel("copy", (Loop(index, s.int(0), s.int(source.size), (store,)),))


def _reading(s: ScalarBuilder, kernel: Kernel, copies: dict[Buffer, Buffer]) -> Kernel:
    """A kernel that reads copies."""

    def rule(expr: Expr) -> Expr | None:
        if expr.op is ScalarOp.LOAD and expr.attr in copies:
            return s.load(copies[expr.attr], rewriter(expr.args[0]))
        return None

    rewriter = Rewriter(s, rule)
    return Kernel(kernel.name, map_statements(kernel.body, rewriter))
