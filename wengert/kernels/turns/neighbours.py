"""Neighbouring loops over the same range, inside loops of the program, become one.

    for i: t[i] = a[i] * c;  for j: y[j] += t[j] * b[j];  for k: x[k] += t[k] * a[k]

Stages that work in place (a row of a tape, a sum of cotangents) are loops of their own. One loop
reads once what they read in common, and finds in registers what the stage before it has written.

The turns of two loops may alternate if each array that one of them writes and the other uses is
used by both at one place alone, which moves with the turns: turn k of the second then needs
nothing of the first but its turn k, and neither changes what later turns of the other read.
Loops that would not be vectors alike stay apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import at_turn, nodes
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Declare,
    If,
    Kernel,
    Kind,
    Loop,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import expressions, map_statements, registers, walk

# One loop has at most so many nodes of expressions, and uses at most so many arrays.
MAX_NODES = 600
MAX_ARRAYS = 16
PLAIN = (Store, Declare, Accumulate, Loop)


@dataclass(slots=True)
class _Uses:
    """Where a loop's body writes and reads each array, and the indices of the loops in it."""

    written: dict[Buffer, set[Expr]] = field(default_factory=dict[Buffer, "set[Expr]"])
    read: dict[Buffer, set[Expr]] = field(default_factory=dict[Buffer, "set[Expr]"])
    inner: set[Index] = field(default_factory=set[Index])

    def places(self, buffer: Buffer) -> set[Expr]:
        return self.written.get(buffer, set()) | self.read.get(buffer, set())


def neighbours_joined(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with loops put into those before them where that saves reading something."""
    return [Kernel(k.name, _inside(s, k.body)) for k in steps]


def _inside(s: ScalarBuilder, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """Statements with what is inside their loops and branches joined."""

    def one(statement: Stmt) -> Stmt:
        match statement:
            case Loop():
                return replace(statement, body=_block(s, _inside(s, statement.body)))
            case If(condition, then, otherwise):
                return If(condition, *(_block(s, _inside(s, x)) for x in (then, otherwise)))
            case While(before, condition, inner):
                return While(_inside(s, before), condition, _block(s, _inside(s, inner)))
            case _:
                return statement

    return tuple(one(st) for st in body)


def _block(s: ScalarBuilder, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    result: list[Stmt] = []
    for statement in body:
        last = result[-1] if result else None
        both = None
        if isinstance(last, Loop) and isinstance(statement, Loop):
            both = _joined(s, last, statement)
        if both is None:
            result.append(statement)
        else:
            result[-1] = both
    return tuple(result)


def _joined(s: ScalarBuilder, first: Loop, second: Loop) -> Loop | None:
    if first.index.extent != second.index.extent or not (_is_plain(first) and _is_plain(second)):
        return None
    if first.start is not second.start or first.stop is not second.stop:
        return None
    inner = map_statements(second.body, at_turn(s, second.index, s.index(first.index)))
    one, two = _uses(first.body), _uses(inner)
    if not (_shares(one, two, first.index) and _may_alternate(one, two, first.index)):
        return None
    if registers(first.body) & registers(inner) or _is_dense(first) != _is_dense(second):
        return None
    body = (*first.body, *inner)
    arrays = {*one.written, *one.read, *two.written, *two.read}
    if len(arrays) > MAX_ARRAYS or sum(1 for _ in nodes(expressions(body))) > MAX_NODES:
        return None
    return replace(first, body=body)


def _is_plain(loop: Loop) -> bool:
    """Whether a loop does nothing but compute, and no turn of it reads what others write."""
    if loop.kind is not Kind.SERIAL or any(not isinstance(st, PLAIN) for st in walk(loop.body)):
        return False
    uses = _uses(loop.body)
    return all(_is_one(uses.places(b), loop.index, uses.inner) for b in uses.written)


def _is_one(places: set[Expr], index: Index, inner: set[Index]) -> bool:
    """Whether there is one place, which is another one in each turn and does not move in it."""
    (place, *others) = places
    function = affine(place)
    return (
        not others
        and function is not None
        and bool(function.terms.get(index))
        and inner.isdisjoint(function.terms)
    )


def _is_dense(loop: Loop) -> bool:
    """Whether all that it writes are neighbours."""
    found = [affine(st.offset) for st in walk(loop.body) if isinstance(st, Store)]
    return all(f is not None and abs(f.terms.get(loop.index, 0)) == 1 for f in found)


def _uses(body: Sequence[Stmt]) -> _Uses:
    found = _Uses()
    for statement in walk(body):
        if isinstance(statement, Store):
            found.written.setdefault(statement.buffer, set()).add(statement.offset)
        elif isinstance(statement, Loop):
            found.inner.add(statement.index)
    for node in nodes(expressions(body)):
        if node.op is ScalarOp.LOAD:
            found.read.setdefault(node.attr, set()).add(node.args[0])
    return found


def _shares(one: _Uses, two: _Uses, index: Index) -> bool:
    """Whether the second loop reads, in each turn, something that the first one has there."""
    return any(
        index in place.indices and place in one.places(buffer)
        for buffer, places in two.read.items()
        for place in places
    )


def _may_alternate(one: _Uses, two: _Uses, index: Index) -> bool:
    met = [b for x, y in ((one, two), (two, one)) for b in x.written if y.places(b)]
    inner = one.inner | two.inner
    return all(_is_one(one.places(b) | two.places(b), index, inner) for b in met)
