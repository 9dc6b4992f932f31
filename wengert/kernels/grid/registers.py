"""Sums kept in memory become sums kept in registers, by exchanging loops.

A sum over an outer axis is emitted in the order that suits caches:

    for j: out[j] = 0                          for j:
    for k:                            ->         r = 0
      for j: out[j] = out[j] + x[k, j]           for k: r += x[k, j]
                                                 out[j] = r

On a grid each j is a thread's, neighbours read neighbours, and nothing is stored on the way.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from wengert.ir.scalar import Expr, Index, ScalarBuilder, ScalarOp
from wengert.kernels.combine import OPS
from wengert.kernels.grid.nests import is_rectangular, perfect, perfect_to
from wengert.kernels.grid.turns import Order, Uses, classify
from wengert.kernels.loops import (
    Accumulate,
    Buffer,
    Call,
    Communicate,
    Declare,
    If,
    Loop,
    Register,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import buffers, own_expressions, walk

COMBINES = {op: name for name, op in OPS.items()}


def in_registers(s: ScalarBuilder, body: Sequence[Stmt], uses: Uses) -> tuple[Stmt, ...]:
    """`body` with such sums in registers."""
    result: list[Stmt] = []
    for statement in body:
        statement = _inside(s, statement, uses)
        exchanged = _exchanged(s, statement, uses, result) if isinstance(statement, Loop) else None
        result.append(statement if exchanged is None else exchanged)
    return tuple(result)


def _inside(s: ScalarBuilder, statement: Stmt, uses: Uses) -> Stmt:
    match statement:
        case Loop():
            return replace(statement, body=in_registers(s, statement.body, uses))
        case If(condition, then, otherwise):
            return If(condition, in_registers(s, then, uses), in_registers(s, otherwise, uses))
        case While(before, condition, inner):
            return While(in_registers(s, before, uses), condition, in_registers(s, inner, uses))
        case _:
            return statement


def added(statement: Stmt) -> tuple[Store, str, Expr] | None:
    """A store that adds to what is there: itself, how it combines, and what it adds."""
    if not isinstance(statement, Store) or statement.value.op not in COMBINES:
        return None
    value = statement.value
    for old, new in (value.args, reversed(value.args)):
        same = old.op is ScalarOp.LOAD and old.attr is statement.buffer
        if same and old.args[0] is statement.offset and not _reads(new, statement.buffer):
            return statement, COMBINES[value.op], new
    return None


def only_added(body: Sequence[Stmt], sums: Collection[Buffer]) -> bool:
    """Whether statements read these arrays for nothing but adding to elements of them."""
    for statement in walk(body):
        found = added(statement)
        exprs: Sequence[Expr] = own_expressions(statement)
        if found is not None and found[0].buffer in sums:
            exprs = (found[0].offset, found[2])
        if any(not e.loads.isdisjoint(sums) for e in exprs):
            return False
        touched = buffers((statement,)) if isinstance(statement, Call | Communicate) else ()
        if any(b in sums for b in touched):
            return False
    return True


def _reads(expr: Expr, buffer: Buffer) -> bool:
    return buffer in expr.loads


def _exchanged(s: ScalarBuilder, loop: Loop, uses: Uses, before: list[Stmt]) -> Loop | None:
    """The nest with its kept loops outside; takes the fills of its sums out of `before`."""
    loops, body = perfect(loop)
    sums = [found for st in body if (found := added(st)) is not None]
    if not sums or not is_rectangular(loops):
        return None
    kept = [x for x in loops if x.index in sums[0][0].offset.indices]
    summed = [x for x in loops if x not in kept]
    if not kept or not summed or any(_other(body, f[0], summed) for f in sums):
        return None
    made = _nest(s, kept, summed, body, sums)
    if classify(made, uses).order is not Order.INDEPENDENT:
        return None
    return _filled(s, made, kept, sums, before)


def _other(body: Sequence[Stmt], store: Store, summed: Sequence[Loop]) -> bool:
    """Whether the sum moves with the summed loops, or is used by another statement."""
    if any(x.index in store.offset.indices for x in summed):
        return True
    others = [e for st in body if st is not store for e in own_expressions(st)]
    stored = any(isinstance(st, Store) and st.buffer is store.buffer for st in body if st != store)
    return stored or any(_reads(e, store.buffer) for e in others)


def _nest(
    s: ScalarBuilder,
    kept: Sequence[Loop],
    summed: Sequence[Loop],
    body: Sequence[Stmt],
    sums: Sequence[tuple[Store, str, Expr]],
) -> Loop:
    registers = {id(st): Register(st.buffer.dtype) for st, _, _ in sums}
    adds = {id(st): Accumulate(registers[id(st)], how, new) for st, how, new in sums}
    inner: tuple[Stmt, ...] = tuple(adds.get(id(st), st) for st in body)
    for loop in reversed(summed):
        inner = (replace(loop, body=inner),)
    opened = [Declare(registers[id(st)], s.load(st.buffer, st.offset)) for st, _, _ in sums]
    closed = [Store(st.buffer, st.offset, s.register(registers[id(st)])) for st, _, _ in sums]
    inner = (*opened, *inner, *closed)
    for loop in reversed(kept):
        inner = (replace(loop, body=inner),)
    made = inner[0]
    assert isinstance(made, Loop)
    return made


def _filled(
    s: ScalarBuilder,
    nest: Loop,
    kept: Sequence[Loop],
    sums: Sequence[tuple[Store, str, Expr]],
    before: list[Stmt],
) -> Loop:
    """The nest with first values in the place of loads, where a loop just before stores them."""
    first: dict[int, Expr] = {}
    for store, _, _ in sums:
        for statement in reversed(before):
            value = _fill(statement, store, [x.index for x in kept])
            if value is not None:
                first[id(store.buffer)] = value
                before.remove(statement)
                break
    loops, body = perfect_to(nest, len(kept))
    opened: list[Stmt] = []
    for statement in body:
        if isinstance(statement, Declare) and statement.init.op is ScalarOp.LOAD:
            value = first.get(id(statement.init.attr))
            statement = statement if value is None else Declare(statement.register, value)
        opened.append(statement)
    inner: tuple[Stmt, ...] = tuple(opened)
    for loop in reversed(loops):
        inner = (replace(loop, body=inner),)
    made = inner[0]
    assert isinstance(made, Loop)
    return made


def _fill(statement: Stmt, store: Store, indices: Sequence[Index]) -> Expr | None:
    """The constant that `statement` puts everywhere where `store` adds."""
    if not isinstance(statement, Loop):
        return None
    loops, body = perfect(statement)
    if {x.index for x in loops} != set(indices) or len(body) != 1:
        return None
    fill = body[0]
    same = isinstance(fill, Store) and fill.buffer is store.buffer and fill.offset is store.offset
    return fill.value if same and isinstance(fill, Store) and fill.value.is_const else None
