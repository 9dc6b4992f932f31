"""Parallel loops inside kernels: each becomes a function of its own, which the threads call.

The function takes addresses alone, through a table: of the buffers it uses, of what it reads of the
indices and registers around it, and of the record of failures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wengert.backends.cpu.llvm import calls as llvm_calls
from wengert.backends.cpu.llvm.expr import Body
from wengert.backends.cpu.llvm.local import local_buffers
from wengert.backends.cpu.routines.runtime_text import PARALLEL
from wengert.ir.scalar import Index, ScalarOp
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import Buffer, Declare, Loop, Register, Stmt
from wengert.kernels.statements import expressions, walk


@dataclass(frozen=True, slots=True)
class Outside:
    """What a parallel loop reads from around it, other than buffers of the program."""

    indices: tuple[Index, ...]
    registers: tuple[Register, ...]
    local: tuple[Buffer, ...]


NOWHERE = Outside((), (), ())


def outside(loop: Loop, kernel: tuple[Stmt, ...]) -> Outside:
    """What `loop`, which stands in `kernel`, shares with the rest of it."""
    inner = list(walk((loop,)))
    exprs = list(nodes(expressions((loop,))))
    bound = {st.index for st in inner if isinstance(st, Loop)}
    declared = {st.register for st in inner if isinstance(st, Declare)}
    indices = {e.attr: None for e in exprs if e.op is ScalarOp.INDEX and e.attr not in bound}
    registers = {e.attr: None for e in exprs if e.op is ScalarOp.REGISTER}
    rest = local_buffers(st for st in _around(kernel, loop))
    return Outside(
        tuple(indices),
        tuple(r for r in registers if r not in declared),
        tuple(b for b in local_buffers(inner) if b in rest),
    )


def _around(body: tuple[Stmt, ...], loop: Loop) -> Iterator[Stmt]:
    skipped = {id(st) for st in walk((loop,))}
    return (st for st in walk(body) if id(st) not in skipped)


def parameters(body: Body, given: Outside) -> tuple[list[str], list[str]]:
    """Declarations of the parameters for `given`, and the lines that read them."""
    declared: list[str] = []
    lines: list[str] = []
    for k, buffer in enumerate(given.local):
        body.pointers[buffer] = f"%shared{k}"
        declared.append(f"ptr noalias noundef dereferenceable({buffer.nbytes}) %shared{k}")
    for k, register in enumerate(given.registers):
        body.registers[register] = f"%around{k}"
        declared.append(f"ptr readonly noundef %around{k}")
    for k, index in enumerate(given.indices):
        body.indices[index] = f"%outer{k}"
        declared.append(f"ptr readonly noundef %at{k}")
        lines.append(f"  %outer{k} = load i64, ptr %at{k}")
    return declared, lines


def call(
    body: Body, entry: list[str], name: str, given: Outside, pointers: list[str], loop: Loop
) -> None:
    """Runs the outlined function for each turn of the loop on the threads."""
    llvm_calls.declare(body.module, PARALLEL)
    first, last = body.value(loop.start), body.value(loop.stop)
    addresses = [f"@{name}", *pointers, *(body.pointers[b] for b in given.local)]
    addresses += [body.registers[r] for r in given.registers]
    for index in given.indices:
        slot = body.fresh("%slot")
        entry.append(f"  {slot} = alloca i64")
        body.line(f"store i64 {body.indices[index]}, ptr {slot}")
        addresses.append(slot)
    table = body.fresh("%table")
    entry.append(f"  {table} = alloca [{max(len(addresses) + 1, 1)} x ptr]")
    addresses += ["%failure"] * (name in body.module.failing)
    for k, address in enumerate(addresses):
        place = body.fresh("%entry")
        body.line(f"{place} = getelementptr inbounds ptr, ptr {table}, i64 {k}")
        body.line(f"store ptr {address}, ptr {place}")
    count = body.fresh("%count")
    body.line(f"{count} = sub nsw i64 {last}, {first}")
    function = llvm_calls.calling(body.module, len(addresses) - 1)
    body.line(f"call void @{PARALLEL}(ptr {function}, ptr {table}, i64 {first}, i64 {count})")
