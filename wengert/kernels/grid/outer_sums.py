"""Sums over all rows that are made along with the rows leave a part for each row.

    r = 0                                         for i:
    for i:                                          q = 0
      for j: y[i, j] = ...                  ->      for j: y[i, j] = ...
      for j: r += z[i, j]                           for j: q += z[i, j]
                                                    part[i] = q
                                                  r = 0
                                                  for i: r += part[i]

(a loss, beside the gradient of its rows). Without the register that all turns share each row is a
team's work, and the parts are added up like any other sum. A row is long, so the parts are few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wengert.ir.scalar import Index, ScalarBuilder
from wengert.kernels.combine import identity
from wengert.kernels.grid.nests import extent
from wengert.kernels.grid.turns import shared_sums
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Declare,
    If,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import registers, walk

# A row has at least so many elements for each part.
LONG = 32


def with_parts(s: ScalarBuilder, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """`body` with such sums made in parts."""
    made: list[Stmt] = []
    for statement in body:
        sums = _sums(statement)
        if not sums:
            made.append(statement)
            continue
        assert isinstance(statement, Loop)
        row, total = _in_parts(s, statement, sums)
        made.append(row)
        made += [*_taken(made, sums), total]
    return tuple(made)


def _taken(made: list[Stmt], sums: Mapping[Register, str]) -> list[Stmt]:
    """The declarations of registers that nothing has used yet, taken out of where they stand."""
    found = [st for st in made if isinstance(st, Declare) and st.register in sums]
    used = registers([st for st in made if st not in found])
    late = [st for st in found if st.register not in used]
    made[:] = [st for st in made if st not in late]
    return [*late]


def _sums(statement: Stmt) -> Mapping[Register, str]:
    """The sums of a loop over rows, if it also stores something."""
    if not isinstance(statement, Loop) or extent(statement) is None:
        return {}
    inner = list(walk(statement.body))
    stores = any(isinstance(st, Store) and st.buffer.space is not Space.LOCAL for st in inner)
    long = any(isinstance(st, Loop) and (extent(st) or 0) >= LONG for st in inner)
    return (shared_sums(statement.body) or {}) if stores and long else {}


def _in_parts(s: ScalarBuilder, loop: Loop, sums: Mapping[Register, str]) -> tuple[Loop, Loop]:
    """The loop that leaves parts, and the one that adds them up."""
    count = extent(loop) or 0
    own = {r: Register(r.dtype) for r in sums}
    parts = {r: Buffer(r.dtype, count, Space.TEMP) for r in sums}
    opened = [Declare(own[r], s.const(identity(sums[r], r.dtype), r.dtype)) for r in sums]
    place = s.sub(s.index(loop.index), loop.start)
    closed = [Store(parts[r], place, s.register(own[r])) for r in sums]
    row = (*opened, *_renamed(loop.body, own), *closed)
    turn = Index(count)
    adds = [Accumulate(r, sums[r], s.load(parts[r], s.index(turn))) for r in sums]
    return replace(loop, body=row), Loop(turn, s.int(0), s.int(count), tuple(adds))


def _renamed(body: Sequence[Stmt], names: Mapping[Register, Register]) -> tuple[Stmt, ...]:
    """`body` with what it adds to some registers added to others."""

    def one(statement: Stmt) -> Stmt:
        match statement:
            case Accumulate(register):
                return replace(statement, register=names.get(register, register))
            case Loop():
                return replace(statement, body=_renamed(statement.body, names))
            case If(condition, then, otherwise):
                return If(condition, _renamed(then, names), _renamed(otherwise, names))
            case While(before, condition, inner):
                return While(_renamed(before, names), condition, _renamed(inner, names))
            case _:
                return statement

    return tuple([one(st) for st in body])
