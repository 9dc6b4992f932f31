"""Which temporaries may take over the memory of one that dies in the kernel that writes them.

Kernel k reads A for the last time and is the first to write B. B may stand where A stood if each
element of A is read only in the very turn of a loop that afterwards stores that element of B:
every body that loads A stores B at the same offset, after the last of those loads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wengert.ir.scalar import Expr, ScalarOp
from wengert.kernels.loops import Buffer, Gemm, Kernel, Loop, Stmt, Store
from wengert.kernels.stages import nodes
from wengert.kernels.statements import own_expressions


def may_take_over(kernel: Kernel, dying: Buffer, new: Buffer) -> bool:
    """Whether `new`, first written in `kernel`, may use the memory of `dying`."""
    if dying.nbytes != new.nbytes or dying.dtype != new.dtype:
        return False
    return all(_in_step(body, dying, new) for body in _bodies(kernel.body))


def _bodies(body: Sequence[Stmt]) -> Iterator[Sequence[Stmt]]:
    yield body
    for statement in body:
        if isinstance(statement, Loop):
            yield from _bodies(statement.body)


def _in_step(body: Sequence[Stmt], dying: Buffer, new: Buffer) -> bool:
    stored: Expr | None = None
    pending: set[Expr] = set()
    for statement in body:
        if isinstance(statement, Gemm) and dying in (statement.lhs.buffer, statement.rhs.buffer):
            return False
        if not isinstance(statement, Loop | Store) and _offsets((statement,), dying):
            return False  # a register may keep the value for later
        loaded = _offsets((statement,), dying)
        if loaded and stored is not None:
            return False
        pending |= loaded
        if isinstance(statement, Store) and statement.buffer is new:
            if stored is not None:
                return False
            stored = statement.offset
    return not pending or pending == {stored}


def _offsets(statements: Sequence[Stmt], buffer: Buffer) -> set[Expr]:
    """The offsets at which the statements themselves load `buffer`."""
    exprs = [e for statement in statements for e in own_expressions(statement)]
    return {n.args[0] for n in nodes(exprs) if n.op is ScalarOp.LOAD and n.attr is buffer}
