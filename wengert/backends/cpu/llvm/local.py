"""Local buffers of a function: which there are, and where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wengert.backends.cpu.llvm.expr import Body
from wengert.backends.cpu.llvm.types import memory_type
from wengert.ir.scalar import Expr, ScalarOp
from wengert.kernels.buffers.memory import ALIGNMENT
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Buffer, Space, Stmt, Store
from wengert.kernels.statements import own_expressions, walk

STACK_LIMIT = 1 << 18  # bytes of local buffers that a thread's stack takes; more come from malloc
STACK_SMALL = 1 << 12  # buffers up to this size are on the stack in any case


def local_buffers(statements: Iterator[Stmt] | list[Stmt]) -> dict[Buffer, None]:
    """The local buffers that statements themselves use."""
    found: dict[Buffer, None] = {}
    exprs: list[Expr] = []
    for statement in statements:
        exprs.extend(own_expressions(statement))
        if isinstance(statement, Store):
            found[statement.buffer] = None
    found.update((e.attr, None) for e in nodes(exprs) if e.op is ScalarOp.LOAD)
    return {b: None for b in found if b.space is Space.LOCAL}


def allocate(body: Body, entry: list[str], buffers: Sequence[Buffer]) -> list[str]:
    """Makes room for buffers where a function begins; the lines that give it back."""
    released: list[str] = []
    all_fit = sum(b.nbytes for b in buffers) <= STACK_LIMIT
    for k, b in enumerate(buffers):
        name = body.pointers[b] = f"%local{k}"
        if all_fit or b.nbytes <= STACK_SMALL:
            entry.append(_on_stack(name, b))
            continue
        body.module.declare("@aligned_alloc", "noalias ptr", "i64, i64")
        body.module.declare("@free", "void", "ptr")
        nbytes = -(-b.nbytes // ALIGNMENT) * ALIGNMENT
        entry.append(f"  {name} = call ptr @aligned_alloc(i64 {ALIGNMENT}, i64 {nbytes})")
        released.append(f"  call void @free(ptr {name})")
    return released


def hold(body: Body, entry: list[str], versions: Sequence[Stmt]) -> None:
    """Makes room for what `versions.in_two_versions` copies."""
    new = [b for b in local_buffers(list(walk(versions))) if b not in body.pointers]
    for b in new:
        name = body.pointers[b] = body.fresh("%kept")
        entry.append(_on_stack(name, b))
    for scope in body.scopes:  # the loops around did not know of them
        scope.mutated |= {body.place(b) for b in new}


def _on_stack(name: str, buffer: Buffer) -> str:
    kind = f"[{max(buffer.size, 1)} x {memory_type(buffer.dtype)}]"
    return f"  {name} = alloca {kind}, align {ALIGNMENT}"
