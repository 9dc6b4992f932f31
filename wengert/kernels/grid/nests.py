"""Nests of loops as one loop, and other rearrangements that change no meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import INT64
from wengert.kernels.expressions import Rewriter, from_affine, loaded
from wengert.kernels.grid.turns import Order, Uses, classify, count_uses
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Declare,
    Kind,
    Loop,
    Register,
    Space,
    Stmt,
    Store,
)
from wengert.kernels.statements import buffers, map_statements, renamed, walk


def perfect(loop: Loop) -> tuple[list[Loop], tuple[Stmt, ...]]:
    """The loops of a perfect nest, outermost first, and the body of the innermost one."""
    loops = [loop]
    while len(loops[-1].body) == 1 and isinstance(loops[-1].body[0], Loop):
        loops.append(loops[-1].body[0])
    return loops, loops[-1].body


def perfect_to(loop: Loop, depth: int) -> tuple[list[Loop], tuple[Stmt, ...]]:
    """The outermost `depth` loops of a nest, and the body of the last of them."""
    loops = [loop]
    while len(loops) < depth:
        inner = loops[-1].body[0]
        assert isinstance(inner, Loop)
        loops.append(inner)
    return loops, loops[-1].body


def is_rectangular(loops: Sequence[Loop]) -> bool:
    """Whether the bounds of no loop depend on another of them."""
    own = {loop.index for loop in loops}
    return all(own.isdisjoint(x.indices) for loop in loops for x in (loop.start, loop.stop))


def replaced(s: ScalarBuilder, body: Sequence[Stmt], places: dict[Index, Expr]) -> tuple[Stmt, ...]:
    """`body` with indices replaced by expressions."""

    def rule(expr: Expr) -> Expr | None:
        if expr.indices.isdisjoint(places):
            return expr
        return places.get(expr.attr) if expr.op is ScalarOp.INDEX else None

    return map_statements(body, Rewriter(s, rule))


def with_values(s: ScalarBuilder, loop: Loop, uses: Uses) -> Loop:
    """`loop` with what a turn computes once, and keeps in a place of its own, where it is read."""
    inside = count_uses((loop.body,))
    stores = Counter(st.buffer for st in walk(loop.body) if isinstance(st, Store))
    values: dict[Buffer, Expr] = {}

    def rule(expr: Expr) -> Expr | None:
        return values.get(expr.attr) if expr.op is ScalarOp.LOAD else None

    body: list[Stmt] = []
    for statement in loop.body:
        (statement,) = map_statements((statement,), Rewriter(s, rule))
        match statement:
            case Store(buffer, _, value) if (
                buffer.space is Space.LOCAL
                and buffer.size == stores[buffer] == 1
                and inside[buffer] == uses[buffer]
                and loaded((value,)).isdisjoint(stores)
            ):
                values[buffer] = value
            case _:
                body.append(statement)
    return replace(loop, body=tuple(body))


def without_copies(s: ScalarBuilder, body: Sequence[Stmt]) -> Loop | None:
    """The loop between copies of arrays to places near by and back, on the arrays themselves."""
    before: Counter[tuple[Buffer, Buffer]] = Counter()
    after: Counter[tuple[Buffer, Buffer]] = Counter()
    found: list[Loop] = []
    for statement in body:
        copy = _copy(statement)
        if copy is not None:
            target, source, count = copy
            pairs, pair = (after, (source, target)) if found else (before, (target, source))
            pairs[pair] += count
        elif isinstance(statement, Loop) and not found:
            found.append(statement)
        else:
            return None
    names = dict(before.keys())
    if before != after or any(near.space is not Space.LOCAL for near in names):
        return None
    if any(near.size != count for (near, _), count in before.items()):
        return None
    used = buffers(found)
    if not found or len(names) < len(before) or any(far in used for far in names.values()):
        return None
    (made,) = renamed(s, found, names)
    assert isinstance(made, Loop)
    return made


def _copy(statement: Stmt) -> tuple[Buffer, Buffer, int] | None:
    """Where to, where from and how many, if a statement copies elements of an array."""
    loops, body = perfect(statement) if isinstance(statement, Loop) else ([], (statement,))
    if len(body) != 1 or not isinstance(body[0], Store):
        return None
    store = body[0]
    whole = len(loops) == 1 and extent(loops[0]) == store.buffer.size
    value = store.value
    if not (whole or store.offset.is_const) or value.op is not ScalarOp.LOAD:
        return None
    same = value.args[0] is store.offset and value.attr.size == store.buffer.size
    near = Space.LOCAL in (value.attr.space, store.buffer.space)
    return (store.buffer, value.attr, value.attr.size if whole else 1) if same and near else None


def extent(loop: Loop) -> int | None:
    """The number of turns, if it is known."""
    if loop.start.is_const and loop.stop.is_const:
        return max(0, loop.stop.attr - loop.start.attr)
    return None


def extents(loops: Sequence[Loop]) -> list[int] | None:
    """The numbers of turns of a rectangular nest, if all are known."""
    if not is_rectangular(loops):
        return None
    found = [extent(loop) for loop in loops]
    return [e for e in found if e is not None] if None not in found else None


def flat(
    s: ScalarBuilder, loops: Sequence[Loop], body: Sequence[Stmt], at: Expr
) -> tuple[Stmt, ...]:
    """The body of a nest of known extents in its turn number `at`, counted in order.

    Where an offset walks through several loops as if they were one, no division is needed.
    """
    counts = extents(loops)
    assert counts is not None
    indices = [loop.index for loop in loops]
    firsts = [loop.start for loop in loops]

    def rule(expr: Expr) -> Expr | None:
        if expr.indices.isdisjoint(indices):
            return expr
        function = affine(expr) if expr.dtype == INT64 else None
        if function is None:
            return None
        terms = dict(function.terms)
        steps = [terms.pop(index, 0) for index in indices]
        total = from_affine(s, Affine(function.const, terms))
        for step, first in zip(steps, firsts, strict=True):
            total = s.add(total, s.mul(first, step))
        for low, high in _runs(steps, counts):
            place = s.idiv(at, s.int(prod(counts[high + 1 :])))
            if low:
                place = s.irem(place, s.int(prod(counts[low : high + 1])))
            total = s.add(s.mul(place, steps[high]), total)
        return total

    return map_statements(body, Rewriter(s, rule))


def _runs(steps: Sequence[int], counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and last positions of loops that an offset walks through as if they were one."""
    low = 0
    for k in range(len(steps)):
        ends = k + 1 == len(steps) or steps[k] != steps[k + 1] * counts[k + 1]
        if ends:
            if steps[k]:
                yield low, k
            low = k + 1


def one_loop(
    s: ScalarBuilder, loops: Sequence[Loop], body: Sequence[Stmt], kind: Kind = Kind.SERIAL
) -> Loop:
    """A rectangular nest as one loop, if its extents are known; else its outermost loop."""
    known = extents(loops)
    if len(loops) == 1 or known is None:
        inner = tuple(body)
        for loop in reversed(loops[1:]):
            inner = (Loop(loop.index, loop.start, loop.stop, inner, loop.kind),)
        first = loops[0]
        return Loop(first.index, first.start, first.stop, inner, kind)
    index = Index(prod(known))
    return Loop(index, s.int(0), s.int(index.extent), flat(s, loops, body, s.index(index)), kind)


def chain(loop: Loop, uses: Uses, order: Order) -> tuple[list[Loop], tuple[Stmt, ...]]:
    """The outermost loops of a perfect nest that all have the given order, and their body."""
    loops, body = perfect(loop)
    depth = 0
    while depth < len(loops) and classify(loops[depth], uses).order is order:
        depth += 1
    while depth > 1 and extents(loops[:depth]) is None:
        depth -= 1
    return loops[:depth], loops[depth - 1].body if depth else body


@dataclass(frozen=True, slots=True)
class Sum:
    """Registers, a nest of loops that adds to them, and what is done with the results."""

    opened: tuple[Declare, ...]
    loops: tuple[Loop, ...]
    body: tuple[Stmt, ...]
    closed: tuple[Stmt, ...]
    combines: Mapping[Register, str]


def as_sum(body: Sequence[Stmt], uses: Uses) -> Sum | None:
    """`body` as a sum, if that is all it is and the number of summands is known."""
    at = next((k for k, st in enumerate(body) if isinstance(st, Loop)), None)
    if at is None or not all(isinstance(st, Declare) for st in body[:at]):
        return None
    loop = body[at]
    assert isinstance(loop, Loop)
    if any(isinstance(st, Loop) for st in body[at + 1 :]):
        return None
    found = classify(loop, uses)
    if found.order is not Order.REDUCTION or found.private:
        return None
    loops, inner = chain(loop, uses, Order.REDUCTION)
    if extents(loops) is None:
        return None
    opened = tuple(st for st in body[:at] if isinstance(st, Declare))
    combines = {
        st.register: st.combine
        for st in walk(inner)
        if isinstance(st, Accumulate) and st.register in found.sums
    }
    if set(combines) - {st.register for st in opened}:
        return None
    return Sum(opened, tuple(loops), inner, tuple(body[at + 1 :]), combines)
