"""Which temporaries may take over the memory of one that dies in the kernel that writes them.

Kernel k reads A for the last time and is the first to write B. B may stand where A stood if each
element of A is read only in the very turn of a loop that afterwards stores that element of B:
every body that loads A stores B at the same offset, after the last of those loads; and each element
of B is stored once: a reduction that adds to B in every turn of an outer loop reads A again. Loops
over sin and its like get vectors by running some turns twice (`backends/cpu/versions.py`), which B
in the place of A would forbid: they are worth more than the memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wengert.ir.scalar import Expr, Index, ScalarOp
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Buffer, Call, Communicate, If, Kernel, Loop, Stmt, Store, While
from wengert.kernels.maths import PERIODIC
from wengert.kernels.statements import own_expressions, walk

# In bytes: smaller buffers stay in the cache anyway, and there may be thousands.
WORTHWHILE = 1024


def may_take_over(kernel: Kernel, dying: Buffer, new: Buffer) -> bool:
    """Whether `new`, first written in `kernel`, may use the memory of `dying`."""
    if dying.nbytes != new.nbytes or dying.dtype != new.dtype or new.nbytes < WORTHWHILE:
        return False
    if dying.packed or new.packed:  # what a turn changes is a part of a byte
        return False
    if any(isinstance(st, While) for st in walk(kernel.body)):
        return False
    if any(isinstance(st, Call) and _reads(st, dying) for st in walk(kernel.body)):
        return False  # also where a condition chooses between calls
    if sum(isinstance(st, Store) and st.buffer is new for st in walk(kernel.body)) > 1:
        return False  # zeros that are stored first would be all that is left to read
    inside = [st for st in walk(kernel.body) if isinstance(st, If)]
    if any(_offsets((st, *walk((*st.then, *st.otherwise))), dying) for st in inside):
        return False
    if any(_periodic(body, dying, new) for body in _bodies(kernel.body)):
        return False
    if not _stored_once(kernel.body, new, ()):
        return False
    return all(_in_step(body, dying, new) for body in _bodies(kernel.body))


def _reads(call: Call, buffer: Buffer) -> bool:
    return any(x.buffer is buffer for x in call.matrices[1:])


def _periodic(body: Sequence[Stmt], dying: Buffer, new: Buffer) -> bool:
    """Whether the statements read the one and store the other beside sin and its like."""
    found = nodes([e for st in body if not isinstance(st, Loop) for e in own_expressions(st)])
    if all(n.op not in PERIODIC for n in found):
        return False
    stores = any(isinstance(st, Store) and st.buffer is new for st in body)
    return stores and any(n.op is ScalarOp.LOAD and n.attr is dying for n in found)


def _stored_once(body: Sequence[Stmt], new: Buffer, loops: tuple[Loop, ...]) -> bool:
    """Whether no turn of the enclosing `loops` comes back to an element of `new`."""
    for statement in body:
        match statement:
            case Loop():
                if not _stored_once(statement.body, new, (*loops, statement)):
                    return False
            case If(_, then, otherwise):
                if not _stored_once((*then, *otherwise), new, loops):
                    return False
            case Store(buffer, offset) if buffer is new:
                # a chunk's or a tile's index stands in the bounds of the loop inside it
                bounds = [(loop.start, loop.stop) for loop in loops]
                for depth, loop in enumerate(loops):
                    inner = (e for pair in bounds[depth + 1 :] for e in pair)
                    if loop.index not in _indices((offset, *inner)):
                        return False
                if _offsets((statement,), new):
                    return False  # it adds to what is there
            case _:
                pass
    return True


def _indices(exprs: Sequence[Expr]) -> set[Index]:
    return {n.attr for n in nodes(exprs) if n.op is ScalarOp.INDEX}


def _bodies(body: Sequence[Stmt]) -> Iterator[Sequence[Stmt]]:
    yield body
    for statement in body:
        if isinstance(statement, Loop):
            yield from _bodies(statement.body)


def _in_step(body: Sequence[Stmt], dying: Buffer, new: Buffer) -> bool:
    stored: Expr | None = None
    pending: set[Expr] = set()
    for statement in body:
        if isinstance(statement, Communicate) and dying in statement.sources:
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
    found = [e for statement in statements for e in own_expressions(statement)]
    exprs = [e for e in found if buffer in e.loads]
    return {n.args[0] for n in nodes(exprs) if n.op is ScalarOp.LOAD and n.attr is buffer}
