"""What one turn of an innermost loop does to memory: what it writes, and what it adds to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from wengert.ir.scalar import Affine, Expr, ScalarBuilder, ScalarOp, affine
from wengert.ir.types import FLOAT32, FLOAT64
from wengert.kernels.expressions import loaded, nodes
from wengert.kernels.loops import (
    Buffer,
    Call,
    Communicate,
    Factorise,
    Gemm,
    If,
    Kernel,
    Loop,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import buffers, changed, own_expressions, walk

_DTYPES = (FLOAT32, FLOAT64)
_MANY = 24
"""Loops with more statements than this are left alone."""


@dataclass(slots=True)
class Sum:
    """An element that is the same in all turns and is added to, and what each store adds."""

    buffer: Buffer
    offset: Expr
    place: Affine
    added: dict[Store, Expr] = field(default_factory=dict[Store, Expr])


@dataclass(slots=True)
class Turn:
    """The accesses of a turn to arrays that the loop writes, by array.

    `writes` are those whose place moves with the turns; what stands still is a sum, or only read.
    """

    loop: Loop
    sums: list[Sum] = field(default_factory=list[Sum])
    writes: dict[Buffer, list[Affine]] = field(default_factory=dict[Buffer, list[Affine]])
    moving: dict[Buffer, list[Affine]] = field(default_factory=dict[Buffer, list[Affine]])
    still: dict[Expr, Affine] = field(default_factory=dict[Expr, Affine])
    calls: bool = False


def simple_turn(s: ScalarBuilder, loop: Loop) -> Turn | None:
    """The turn of a loop of stores and choices between them, if all their places are affine."""
    statements = list(walk(loop.body))
    stores = [st for st in statements if isinstance(st, Store)]
    if len(statements) > _MANY or not all(isinstance(st, Store | If) for st in statements):
        return None
    written = {st.buffer for st in stores} - own_scalars(loop.body)
    turn = Turn(loop)
    for store in stores:
        if store.buffer in written and not _enter_store(s, turn, store):
            return None
    exprs: list[Expr] = []
    sums = {store: value for each in turn.sums for store, value in each.added.items()}
    for statement in statements:
        if isinstance(statement, Store) and statement in sums:
            exprs += [statement.offset, sums[statement]]
        else:
            exprs += own_expressions(statement)
    for node in nodes(exprs):
        turn.calls = turn.calls or node.op is ScalarOp.CALL
        if node.op is ScalarOp.LOAD and node.attr in written:
            place = affine(node.args[0])
            if place is None:
                return None
            if loop.index in place.terms:
                turn.moving.setdefault(node.attr, []).append(place)
            else:
                turn.still[node] = place
    return turn


def _enter_store(s: ScalarBuilder, turn: Turn, store: Store) -> bool:
    place = affine(store.offset)
    if place is None:
        return False
    if turn.loop.index in place.terms:
        turn.writes.setdefault(store.buffer, []).append(place)
        return True
    value = added(s, store)
    if value is None or store.buffer.dtype not in _DTYPES:
        return False
    for each in turn.sums:
        if each.buffer is store.buffer and each.offset is store.offset:
            each.added[store] = value
            return True
    turn.sums.append(Sum(store.buffer, store.offset, place, {store: value}))
    return True


def own_scalars(body: Sequence[Stmt]) -> set[Buffer]:
    """Scalars that a turn writes before it reads them."""
    written = {st.buffer for st in walk(body) if isinstance(st, Store) and st.buffer.size == 1}
    return written - set(stale(body, set(), kept=True))


def lasting(steps: Sequence[Kernel]) -> frozenset[Buffer]:
    """The scalars that may be read as the last turn of a loop has left them, or by the caller."""
    body = [st for kernel in steps for st in kernel.body]
    written = [st.buffer for st in walk(body) if isinstance(st, Store) and st.buffer.size == 1]
    given = {b for b in written if b.space not in (Space.LOCAL, Space.TEMP)}
    return frozenset(given.union(stale(body, set(), kept=True)).intersection(written))


def stale(body: Sequence[Stmt], fresh: set[Buffer], kept: bool = False) -> Iterator[Buffer]:
    """The buffers that statements may read as a loop, a branch or the last turn has left them.

    All others are read where they are `fresh`: written before, by a statement beside or around.
    With `kept`, what is fresh stays so where a branch, but no loop in it, may write it again.
    """
    for st in body:
        match st:
            case While(before, condition, inner):
                fresh -= changed((st,))
                begun = set(fresh)
                yield from stale(before, begun, kept)
                yield from loaded((condition,)) - begun
                yield from stale(inner, begun, kept)
            case Gemm() | Factorise() | Communicate():
                yield from buffers((st,))
            case _:
                yield from loaded(own_expressions(st)) - fresh
        match st:
            case Loop():
                fresh -= changed((st,))
                yield from stale(st.body, set(fresh), kept)
            case If(_, then, otherwise):
                yield from stale(then, set(fresh), kept)
                yield from stale(otherwise, set(fresh), kept)
                loops = [x for x in walk((st,)) if isinstance(x, Loop | While)]
                fresh -= changed(loops if kept else (st,))
            case Store():
                fresh.add(st.buffer)
            case _:
                pass


def terms_added(store: Store) -> list[Expr] | None:
    """The sums and differences that x[e] = x[e] + a - ... is made of, the last one first.

    What each adds or takes away is its second operand. None for other forms.
    """
    found: list[Expr] = []
    value = store.value
    while value.op in (ScalarOp.ADD, ScalarOp.SUB):
        found.append(value)
        value = value.args[0]
    is_old = value.op is ScalarOp.LOAD and value.attr is store.buffer
    return found if found and is_old and value.args[0] is store.offset else None


def added(s: ScalarBuilder, store: Store) -> Expr | None:
    """The x of x[e] = x[e] + x; None for other forms."""
    total: Expr | None = None
    for one in reversed(terms_added(store) or ()):
        term = one.args[1] if one.op is ScalarOp.ADD else s.neg(one.args[1])
        total = term if total is None else s.add(total, term)
    return total


def only_added(body: Sequence[Stmt], buffer: Buffer) -> bool:
    """Whether statements do nothing to an array, and with it, but add to elements of it."""
    for statement in walk(body):
        exprs: Sequence[Expr] = own_expressions(statement)
        if isinstance(statement, Call | Communicate) and buffer in buffers((statement,)):
            return False
        if isinstance(statement, Store) and statement.buffer is buffer:
            terms = terms_added(statement)
            if terms is None:
                return False
            exprs = (statement.offset, *(x.args[1] for x in terms))
        if any(buffer in e.loads for e in exprs):
            return False
    return True
