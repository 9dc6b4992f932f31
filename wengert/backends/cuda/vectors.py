"""Which accesses of a loop can be made in vectors of up to 16 bytes.

V neighbouring turns of a loop, the first a multiple of V, access neighbouring elements if the
offset grows by one from turn to turn, and one vector if the first offset is a multiple of V. Rows
of a length that is a multiple of V keep both: i // n stays and i % n grows within such turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wengert.ir.scalar import Expr, Index, ScalarOp
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Accumulate, Assign, Check, Declare, Stmt, Store
from wengert.kernels.statements import own_expressions

VECTOR_BYTES = 16


class Walk(NamedTuple):
    """How an offset moves over V turns: by `step` each, from a multiple of V or not."""

    step: int
    aligned: bool


@dataclass(frozen=True, slots=True)
class Vectors:
    """The width, the loads (of memory that the loop does not write) and the stores in vectors."""

    width: int
    loads: tuple[Expr, ...]
    stores: tuple[Store, ...]


def find_vectors(body: Sequence[Stmt], index: Index) -> Vectors | None:
    """The vector accesses of a loop body without loops; None if there are none."""
    return narrowed(body, index, VECTOR_BYTES)


def narrowed(body: Sequence[Stmt], index: Index, most: int) -> Vectors | None:
    """Those of at most so many turns at once."""
    if not all(isinstance(st, Store | Declare | Assign | Accumulate | Check) for st in body):
        return None
    loads = [n for n in nodes(_expressions(body)) if n.op is ScalarOp.LOAD]
    stores = [st for st in body if isinstance(st, Store)]
    written = [st.buffer for st in stores]
    if len(set(written)) < len(written) or any(n.attr in written for n in loads):
        return None
    sizes = [b.dtype.itemsize for b in (*written, *(n.attr for n in loads))]
    width = min(most, VECTOR_BYTES // max(sizes, default=VECTOR_BYTES))
    while width > 1:
        made = _of_width(width, index, loads, stores, _guarded(body))
        if made is not None:
            return made
        width //= 2
    return None


def _expressions(body: Sequence[Stmt]) -> list[Expr]:
    return [e for st in body for e in own_expressions(st)]


def _guarded(body: Sequence[Stmt]) -> set[Expr]:
    """Loads under a condition: they may be out of bounds where it does not hold."""
    guards = [n for n in nodes(_expressions(body)) if n.op is ScalarOp.GUARD]
    return {n for g in guards for n in nodes((g.args[1],)) if n.op is ScalarOp.LOAD}


def _of_width(
    width: int,
    index: Index,
    loads: Sequence[Expr],
    stores: Sequence[Store],
    guarded: set[Expr],
) -> Vectors | None:
    def fits(offset: Expr) -> bool:
        found = walk(offset, index, width)
        return found is not None and found == (1, True)

    wide_stores = tuple(st for st in stores if fits(st.offset))
    wide_loads = tuple(n for n in loads if n not in guarded and fits(n.args[0]))
    if not wide_stores and not wide_loads:
        return None
    return Vectors(width, wide_loads, wide_stores)


def walk(x: Expr, index: Index, width: int) -> Walk | None:
    """How `x` moves over `width` turns of the loop over `index`; None if unevenly."""
    if index not in x.indices:
        return Walk(0, is_multiple(x, width))
    match x.op:
        case ScalarOp.INDEX:
            return Walk(1, True)
        case ScalarOp.ADD | ScalarOp.SUB:
            left, right = (walk(a, index, width) for a in x.args)
            if left is None or right is None:
                return None
            sign = 1 if x.op is ScalarOp.ADD else -1
            return Walk(left.step + sign * right.step, left.aligned and right.aligned)
        case ScalarOp.MUL if x.args[1].is_const:
            inner = walk(x.args[0], index, width)
            if inner is None:
                return None
            factor = int(x.args[1].attr)
            return Walk(inner.step * factor, inner.aligned or factor % width == 0)
        case ScalarOp.IDIV | ScalarOp.IREM if x.args[1].is_const and x.args[1].attr % width == 0:
            inner = walk(x.args[0], index, width)
            if inner != (1, True):
                return None
            return Walk(1, True) if x.op is ScalarOp.IREM else Walk(0, False)
        case _:
            return None


def is_multiple(x: Expr, width: int) -> bool:
    """Whether an int64 expression is surely a multiple of `width`."""
    match x.op:
        case ScalarOp.CONST:
            return x.attr % width == 0
        case ScalarOp.ADD | ScalarOp.SUB:
            return all(is_multiple(a, width) for a in x.args)
        case ScalarOp.MUL:
            return any(is_multiple(a, width) for a in x.args)
        case ScalarOp.IREM:
            return all(is_multiple(a, width) for a in x.args)
        case _:
            return False
