"""Rows of turns that do nothing are left out.

    for i:  for j:  if taken[i, j]: x[i, j] = 0;  y[j] += x[i, j]

What a branch did is on tape as one truth value for each turn, and where none of a row is true the
transpose of the branch changes nothing. A branch for each element would cost vectors more than
what it saves, but one for a row of them is cheap: the row of truth values is looked at first, many
at a time. Which rows are all false depends on the data: it is most of them where programs look for
something better and seldom find it (shortest paths, dynamic programming, running extremes).

That nothing changes is shown by running the statements with `false` for each of these values: what
is left must store in each place what is there, and add zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from wengert.ir.scalar import Affine, Expr, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import BOOL
from wengert.kernels.expressions import Rewriter, from_affine, nodes
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Declare,
    If,
    Index,
    Kernel,
    Kind,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
)
from wengert.kernels.statements import changed, map_loops, map_statements, own_expressions, walk
from wengert.kernels.turns.bounds import Around, least, plus

_SHORT = 32
"""Rows of fewer turns are not looked at first."""


def idle_rows(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with a test before such rows."""

    def one(loop: Loop, around: Around) -> Sequence[Stmt] | None:
        inside = [st for st in walk(loop.body) if isinstance(st, Loop)]
        if not inside or any(isinstance(st, Loop) for x in inside for st in walk(x.body)):
            return None
        row = next(_rows(s, loop, around), None)
        return None if row is None else (replace(loop, body=_tested(s, row, loop.body)),)

    return [replace(k, body=map_loops(k.body, one)) for k in steps]


@dataclass(frozen=True, slots=True)
class _Row:
    """The elements of an array of truth values from `first` on, so many of them."""

    buffer: Buffer
    first: Affine
    length: int


def _rows(s: ScalarBuilder, loop: Loop, around: Around) -> Iterator[_Row]:
    """The rows without whose elements a turn of the loop does nothing."""
    reads = _reads(loop.body, around)
    written = changed(loop.body)
    for buffer, places in reads.items():
        if buffer in written or None in places:
            continue
        row = _row(buffer, [x for x in places if x is not None], loop)
        if row is not None and _is_idle(s, loop.body, buffer):
            yield row


def _reads(
    body: Sequence[Stmt], around: Around
) -> dict[Buffer, list[tuple[Affine, Around] | None]]:
    """Where statements read each array of truth values, with the loops around; None for what is
    not affine."""
    found: dict[Buffer, list[tuple[Affine, Around] | None]] = {}
    for statement in body:
        for node in nodes(own_expressions(statement)):
            if node.op is ScalarOp.LOAD and node.attr.dtype == BOOL:
                place = affine(node.args[0])
                found.setdefault(node.attr, []).append(place and (place, around))
        parts: list[tuple[Sequence[Stmt], Around]] = []
        match statement:
            case Loop(index):
                parts = [(statement.body, {**around, index: statement})]
            case If(_, then, otherwise):
                parts = [(then, around), (otherwise, around)]
            case _:
                pass
        for part in parts:
            for buffer, places in _reads(*part).items():
                found.setdefault(buffer, []).extend(places)
    return found


def _row(buffer: Buffer, places: Sequence[tuple[Affine, Around]], loop: Loop) -> _Row | None:
    """The row that holds all places, if a loop inside goes along it from its first element on."""
    for place, around in places:
        inner = [i for i in place.terms if [*around].index(i) > [*around].index(loop.index)]
        if len(inner) != 1 or place.terms[inner[0]] != 1 or inner[0].extent < _SHORT:
            continue
        others = {i: c for i, c in place.terms.items() if i is not inner[0]}
        row = _Row(buffer, Affine(place.const, others), inner[0].extent)
        if all(_is_within(plus(x, row.first, -1), row.length, near) for x, near in places):
            outside = {i: x for i, x in around.items() if i is not inner[0]}
            return row if _is_within(row.first, buffer.size - row.length + 1, outside) else None
    return None


def _is_within(x: Affine, length: int, around: Around) -> bool:
    return least(x, around) >= 0 and least(plus(Affine(0, {}), x, -1), around) > -length


def _tested(s: ScalarBuilder, row: _Row, body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    """The statements, to be run only if something in the row is true."""
    found, turn = Register(BOOL), Index(row.length)
    element = s.load(row.buffer, s.add(from_affine(s, row.first), s.index(turn)))
    look = Loop(turn, s.int(0), s.int(row.length), (Accumulate(found, "or", element),), Kind.FREE)
    return (Declare(found, s.const(False, BOOL)), look, If(s.register(found), body))


def _is_idle(s: ScalarBuilder, body: Sequence[Stmt], buffer: Buffer) -> bool:
    """Whether statements change nothing if all they read of an array is false."""
    false = s.const(False, BOOL)

    def rule(expr: Expr) -> Expr | None:
        return false if expr.op is ScalarOp.LOAD and expr.attr is buffer else None

    if buffer not in _buffers_read(body):
        return False
    return _nothing(s, map_statements(body, Rewriter(s, rule)), {})


def _buffers_read(body: Sequence[Stmt]) -> set[Buffer]:
    exprs = [e for st in walk(body) for e in own_expressions(st)]
    return {n.attr for n in nodes(exprs) if n.op is ScalarOp.LOAD}


def _nothing(s: ScalarBuilder, body: Sequence[Stmt], values: Mapping[Register, Expr]) -> bool:
    """Whether statements change nothing, by what registers hold: all else is as it was before."""
    known = dict(values)
    rewrite = Rewriter(s, lambda x: known.get(x.attr) if x.op is ScalarOp.REGISTER else None)
    for statement in body:
        match statement:
            case Store(buffer, offset, value):
                there = rewrite(value)
                same = there.op is ScalarOp.LOAD and there.attr is buffer
                idle = same and there.args[0] is rewrite(offset) and buffer.space is not Space.LOCAL
            case Declare(register, init):
                known[register] = rewrite(init)
                rewrite = replace(rewrite, _memo={})
                idle = True
            case Accumulate(_, combine, value):
                nothing = rewrite(value)
                idle = nothing.is_const and combine in ("add", "or") and not nothing.attr
            case Loop():
                idle = _nothing(s, statement.body, known)
            case If(condition, then, otherwise):
                sides, decided = (then, otherwise), rewrite(condition)
                if decided.is_const:
                    sides = (then,) if decided.attr else (otherwise,)
                idle = all(_nothing(s, side, known) for side in sides)
            case _:
                idle = False
        if not idle:
            return False
    return True
