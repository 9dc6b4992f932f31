"""How many elements of a loop nest vectors work on at a time, as far as is seen beforehand."""

from __future__ import annotations

from collections.abc import Iterator

from wengert.ir.scalar import Expr, Index, ScalarOp, affine
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Accumulate, Assign, Declare, Kind, Loop, Stmt, Store
from wengert.kernels.statements import own_expressions

VECTOR = 64  # bytes


def lanes(loop: Loop) -> int:
    """The elements of a vector if all innermost loops are over neighbouring ones; else 1."""
    return min(map(_lanes, _innermost(loop)))


def _innermost(loop: Loop) -> Iterator[Loop]:
    inner = [st for st in loop.body if isinstance(st, Loop)]
    if not inner:
        yield loop
    for each in inner:
        yield from _innermost(each)


def _lanes(loop: Loop) -> int:
    plain = all(isinstance(st, Accumulate | Assign | Declare | Store) for st in loop.body)
    if not plain or loop.kind is Kind.ORDERED:
        return 1
    size = max((_size(st, loop.index) for st in loop.body), default=VECTOR)
    return VECTOR // size if loop.index.extent * size >= VECTOR else 1


def _size(statement: Stmt, index: Index) -> int:
    """Bytes of the widest element that a statement reads or writes; those of a whole vector if
    elements of successive turns are not next to each other."""
    found = [e for e in nodes(own_expressions(statement)) if e.op is ScalarOp.LOAD]
    places = [(e.attr, e.args[0]) for e in found]
    if isinstance(statement, Store):
        places.append((statement.buffer, statement.offset))
    if not all(_close(offset, index) for _, offset in places):
        return VECTOR
    return max((buffer.dtype.itemsize for buffer, _ in places), default=1)


def _close(offset: Expr, index: Index) -> bool:
    function = affine(offset)
    return function is not None and function.terms.get(index, 0) in (0, 1)
