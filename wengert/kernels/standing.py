"""Sums into array elements that stand still while the innermost loop runs, kept in registers.

    for j: v[i] -= f(j);  v[j] += g(j)

Each turn would read v[i] where the turn before has just written it. If no other access of the loop
meets v[i], it is a sum like any other: it stays in a register, may be added up in lanes, and the
loop may become vectors. That nothing meets it is shown with the bounds of the loops around.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wengert.ir.scalar import Affine, Expr, Index, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import FLOAT32, FLOAT64
from wengert.kernels.dependence import distinct
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Declare,
    If,
    Kernel,
    Kind,
    Loop,
    Register,
    Stmt,
    Store,
    While,
)
from wengert.kernels.stages import nodes

_DTYPES = (FLOAT32, FLOAT64)
_SIMPLE = 24
"""More statements than this in a loop are left alone."""


def standing_sums(s: ScalarBuilder, steps: Sequence[Kernel]) -> list[Kernel]:
    """The kernels with such sums in registers."""
    return [Kernel(k.name, _many(s, k.body, {})) for k in steps]


def _many(s: ScalarBuilder, body: Sequence[Stmt], around: Mapping[Index, Loop]) -> tuple[Stmt, ...]:
    return tuple(new for statement in body for new in _one(s, statement, around))


def _one(s: ScalarBuilder, statement: Stmt, around: Mapping[Index, Loop]) -> tuple[Stmt, ...]:
    match statement:
        case Loop():
            inside = {**around, statement.index: statement}
            if statement.kind is Kind.ORDERED and len(statement.body) <= _SIMPLE:
                stores = [st for st in statement.body if isinstance(st, Store)]
                if len(stores) == len(statement.body):
                    return _ordered(s, statement, stores, inside)
            return (replace(statement, body=_many(s, statement.body, inside)),)
        case If(condition, then, otherwise):
            return (If(condition, _many(s, then, around), _many(s, otherwise, around)),)
        case While(before, condition, inner):
            return (While(_many(s, before, around), condition, _many(s, inner, around)),)
        case _:
            return (statement,)


@dataclass(slots=True)
class _Sum:
    """An element that is added to, and what each of its stores adds."""

    store: Store
    added: dict[Store, Expr] = field(default_factory=dict[Store, Expr])


def _ordered(
    s: ScalarBuilder, loop: Loop, stores: Sequence[Store], around: Mapping[Index, Loop]
) -> tuple[Stmt, ...]:
    sums = _sums(s, loop, stores, around)
    if not sums:
        return (loop,)
    registers = [(x, Register(x.store.buffer.dtype)) for x in sums]
    instead: dict[Store, Stmt] = {
        store: Accumulate(register, "add", value)
        for x, register in registers
        for store, value in x.added.items()
    }
    left = [st for st in stores if st not in instead]
    kind = Kind.SERIAL if _in_any_order(loop.index, left, sums) else Kind.ORDERED
    run = replace(loop, body=tuple([instead.get(st, st) for st in stores]), kind=kind)
    load = [Declare(r, s.load(x.store.buffer, x.store.offset)) for x, r in registers]
    save = [Store(x.store.buffer, x.store.offset, s.register(r)) for x, r in registers]
    # without a turn the element may be another thread's, or nowhere
    return (If(s.lt(loop.start, loop.stop), (*load, run, *save)),)


def _in_any_order(index: Index, left: Sequence[Store], sums: Sequence[_Sum]) -> bool:
    """Whether turns do not wait for one another, but for the sums; `left` are the other stores.

    Loops that call a library count as such that do: they are not for vectors.
    """
    own = _own(left)
    moving: dict[Buffer, list[Expr]] = {st.buffer: [] for st in left if st.buffer not in own}
    exprs = [value for x in sums for value in x.added.values()]
    for store in left:
        exprs += [store.offset, store.value]
        if store.buffer in moving:
            moving[store.buffer].append(store.offset)
    for node in nodes(exprs):
        if node.op is ScalarOp.CALL:
            return False
        if node.op is ScalarOp.LOAD and node.attr in moving:
            moving[node.attr].append(node.args[0])
    return all(distinct(index, offsets) for offsets in moving.values())


def _sums(
    s: ScalarBuilder, loop: Loop, stores: Sequence[Store], around: Mapping[Index, Loop]
) -> list[_Sum]:
    """The elements to keep in registers; none unless that leaves no other that stands still."""
    found: dict[tuple[Buffer, Expr], _Sum] = {}
    own = _own(stores)
    for store in stores:
        if loop.index in store.offset.indices or store.buffer in own:
            continue
        added = _added(s, store)
        if added is None or affine(store.offset) is None or store.buffer.dtype not in _DTYPES:
            return []
        found.setdefault((store.buffer, store.offset), _Sum(store)).added[store] = added
    for (buffer, offset), each in found.items():
        for other in _others(stores, each, buffer):
            if not _apart(affine(offset), affine(other), loop, around):
                return []
    return list(found.values())


def _own(stores: Sequence[Store]) -> set[Buffer]:
    """Scalars that a turn writes before it reads them."""
    own: set[Buffer] = set()
    seen: set[Buffer] = set()
    for store in stores:
        seen |= {n.attr for n in nodes((store.offset, store.value)) if n.op is ScalarOp.LOAD}
        if store.buffer.size == 1 and store.buffer not in seen:
            own.add(store.buffer)
    return own


def _added(s: ScalarBuilder, store: Store) -> Expr | None:
    """The x of x[e] = x[e] + x; None for other forms."""
    terms: list[Expr] = []
    value = store.value
    while value.op in (ScalarOp.ADD, ScalarOp.SUB):
        left, right = value.args
        terms.append(right if value.op is ScalarOp.ADD else s.neg(right))
        value = left
    if not terms or not _is_element(value, store):
        return None
    total = terms.pop()
    while terms:
        total = s.add(total, terms.pop())
    return total


def _is_element(x: Expr, store: Store) -> bool:
    return x.op is ScalarOp.LOAD and x.attr is store.buffer and x.args[0] is store.offset


def _others(stores: Sequence[Store], each: _Sum, buffer: Buffer) -> Iterator[Expr]:
    """The offsets of all other accesses of a loop to the buffer of a sum."""
    exprs: list[Expr] = []
    for store in stores:
        exprs.append(store.offset)
        if store in each.added:
            exprs.append(each.added[store])
            continue
        exprs.append(store.value)
        if store.buffer is buffer:
            yield store.offset
    for node in nodes(exprs):
        if node.op is ScalarOp.LOAD and node.attr is buffer:
            yield node.args[0]


def _apart(x: Affine | None, y: Affine | None, loop: Loop, around: Mapping[Index, Loop]) -> bool:
    """Whether two offsets differ at every turn, all of x's lying above y's or below them."""
    if x is None or y is None:
        return False
    above = _plus(x, y, -1)
    return _least(above, around) > 0 or _least(_plus(Affine(0, {}), above, -1), around) > 0


def _least(x: Affine, around: Mapping[Index, Loop]) -> float:
    """A number that x never falls below, by the bounds of the loops, the inner ones first."""
    inner = next((i for i in reversed([*around]) if i in x.terms), None)
    if inner is None:
        return x.const if not x.terms else -float("inf")
    factor, loop = x.terms[inner], around[inner]
    rest = Affine(x.const, {i: c for i, c in x.terms.items() if i is not inner})
    end = affine(loop.start) if factor > 0 else affine(loop.stop)
    plain = Affine(0 if factor > 0 else inner.extent, {})
    ends = [plain] if end is None or inner in end.terms else [plain, end]
    shift = 0 if factor > 0 else -factor
    return max(_least(_plus(rest, e, factor), around) for e in ends) + shift


def _plus(x: Affine, y: Affine, factor: int) -> Affine:
    terms = dict(x.terms)
    for index, coefficient in y.terms.items():
        terms[index] = terms.get(index, 0) + factor * coefficient
    return Affine(x.const + factor * y.const, {i: c for i, c in terms.items() if c})
