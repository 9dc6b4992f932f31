"""What is only copied to where it stays is written there at once.

    for i:  for j:  row[j] = ...
            for j:  board[300 * i + j] = row[j]

A loop leaves what its turns give in an array of its own, and the loop around puts that into a
larger one, as tapes of loops within loops do. The first array is not needed if nothing else reads
it, all of it is written in the block that copies it, and nothing there sees the place in the second
one. (A block gives every element it reads of such an array a value: what a loop starts from is
stored before it, unless its turns write all elements.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wengert.ir.scalar import Affine, Expr, ScalarBuilder, ScalarOp, affine
from wengert.kernels.expressions import from_affine, loaded
from wengert.kernels.loops import (
    Buffer,
    Call,
    Communicate,
    If,
    Kernel,
    Kind,
    Loop,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import buffers, map_statements, own_expressions, walk


def written_at_once(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels without such copies."""
    uses = _Uses(s)
    for kernel in steps:
        uses.enter(kernel.body)
    return [Kernel(k.name, uses.block(k.body)) for k in steps]


@dataclass(frozen=True, slots=True)
class _Copy:
    """target[first + i] = source[i] for all i."""

    source: Buffer
    target: Buffer
    first: Affine


def _copy(statement: Stmt) -> _Copy | None:
    match statement:
        case Loop(index, start, stop, (Store(target, offset, value),), Kind.SERIAL):
            pass
        case _:
            return None
    if value.op is not ScalarOp.LOAD or value.dtype != target.dtype:
        return None
    source: Buffer = value.attr
    whole = start.is_const and stop.is_const and (start.attr, stop.attr) == (0, source.size)
    read, place = affine(value.args[0]), affine(offset)
    if not whole or source is target or read is None or place is None:
        return None
    if read.const or read.terms != {index: 1} or place.terms.get(index) != 1:
        return None
    others = {i: c for i, c in place.terms.items() if i is not index}
    return _Copy(source, target, Affine(place.const, others))


class _Uses:
    """How many statements read and write each buffer, and blocks in terms of it."""

    def __init__(self, s: ScalarBuilder) -> None:
        self.s = s
        self.reads: Counter[Buffer] = Counter()
        self.writes: Counter[Buffer] = Counter()

    def enter(self, body: Sequence[Stmt]) -> None:
        """Counts what statements read and write."""
        for statement in walk(body):
            self.reads.update(loaded(own_expressions(statement)))
            if isinstance(statement, Store):
                self.writes[statement.buffer] += 1
            elif isinstance(statement, Call | Communicate):  # these take whole arrays
                self.reads.update(dict.fromkeys(buffers((statement,)), 2))

    def block(self, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """A block without copies, those in the blocks inside it first."""
        found: list[Stmt] = []
        for statement in body:
            inside = self.inside(statement)
            copy = _copy(inside)
            if copy is None or not self.is_alone(copy, found):
                found.append(inside)
            else:
                found = list(self.moved(found, copy))
        return tuple(found)

    def inside(self, statement: Stmt) -> Stmt:
        match statement:
            case Loop():
                return replace(statement, body=self.block(statement.body))
            case If(condition, then, otherwise):
                return If(condition, self.block(then), self.block(otherwise))
            case While(before, condition, body):
                return While(self.block(before), condition, self.block(body))
            case _:
                return statement

    def is_alone(self, copy: _Copy, before: Sequence[Stmt]) -> bool:
        """Whether what is copied is made in this block, for nothing else."""
        source = copy.source
        if source.space not in (Space.TEMP, Space.LOCAL) or self.reads[source] != 1:
            return False
        stores = [[x for x in walk((st,)) if _writes(x, source)] for st in before]
        if not self.writes[source] or sum(map(len, stores)) != self.writes[source]:
            return False
        first = next(k for k, found in enumerate(stores) if found)
        return copy.target not in buffers(before[first:])

    def moved(self, body: Sequence[Stmt], copy: _Copy) -> tuple[Stmt, ...]:
        """A block that writes what would be copied to where it goes."""
        first = from_affine(self.s, copy.first)

        def store(statement: Store) -> Store:
            if statement.buffer is not copy.source:
                return statement
            return Store(copy.target, self.s.add(first, statement.offset), statement.value)

        count = self.writes.pop(copy.source)
        self.writes[copy.target] += count - 1
        return map_statements(body, _same, store)


def _same(expr: Expr) -> Expr:
    return expr


def _writes(statement: Stmt, buffer: Buffer) -> bool:
    return isinstance(statement, Store) and statement.buffer is buffer
