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
from collections.abc import Mapping, Sequence
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


@dataclass(slots=True)
class _Facts:
    """What a statement reads or writes, and how many stores into each buffer are in it."""

    touched: set[Buffer]
    stores: Counter[Buffer]

    def redirect(self, copy: _Copy) -> None:
        """What is stored in the source of a copy goes to the target from now on."""
        count = self.stores.pop(copy.source, 0)
        if count:
            self.stores[copy.target] += count
            self.touched.discard(copy.source)
            self.touched.add(copy.target)


def _facts(statement: Stmt) -> _Facts:
    stores = Counter(st.buffer for st in walk((statement,)) if isinstance(st, Store))
    return _Facts(set(buffers((statement,))), stores)


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
        """A block without copies, those in the blocks inside it first.

        Each statement is looked at once and made again once, however many copies there are.
        """
        found: list[Stmt] = []
        facts: list[_Facts] = []  # of the first ones in `found`, as far as they were asked for
        moved: dict[Buffer, _Copy] = {}
        for statement in body:
            inside = self.inside(statement)
            copy = _copy(inside)
            if copy is None or not self.may_be_alone(copy.source):
                found.append(inside)
                continue
            facts += map(_facts, found[len(facts) :])
            if not self.is_alone(copy, facts):
                found.append(inside)
                continue
            moved[copy.source] = copy
            self.writes[copy.target] += self.writes.pop(copy.source) - 1
            for each in facts:
                each.redirect(copy)
        return self.redirected(found, moved) if moved else tuple(found)

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

    def may_be_alone(self, source: Buffer) -> bool:
        """Whether nothing but the copy reads what is copied."""
        return source.space in (Space.TEMP, Space.LOCAL) and self.reads[source] == 1

    def is_alone(self, copy: _Copy, before: Sequence[_Facts]) -> bool:
        """Whether what is copied is made in this block, and where it goes is not seen since."""
        stores = [facts.stores[copy.source] for facts in before]
        if not self.writes[copy.source] or sum(stores) != self.writes[copy.source]:
            return False
        first = next(k for k, count in enumerate(stores) if count)
        return not any(copy.target in facts.touched for facts in before[first:])

    def redirected(self, body: Sequence[Stmt], copies: Mapping[Buffer, _Copy]) -> tuple[Stmt, ...]:
        """A block that writes what would be copied to where it goes."""
        firsts = {b: from_affine(self.s, copy.first) for b, copy in copies.items()}

        def store(statement: Store) -> Store:
            buffer, offset = statement.buffer, statement.offset
            while buffer in copies:  # what was copied twice goes to the second place
                buffer, offset = copies[buffer].target, self.s.add(firsts[buffer], offset)
            return (
                statement
                if buffer is statement.buffer
                else replace(statement, buffer=buffer, offset=offset)
            )

        return map_statements(body, _same, store)


def _same(expr: Expr) -> Expr:
    return expr
