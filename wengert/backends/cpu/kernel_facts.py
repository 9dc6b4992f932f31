"""What is asked of a kernel before it is printed: its buffers, whether it can fail, its work."""

from __future__ import annotations

from wengert.ir.scalar import Expr, ScalarOp, affine
from wengert.kernels.expressions import nodes
from wengert.kernels.loops import (
    Buffer,
    Call,
    Check,
    Communicate,
    Factorise,
    Gemm,
    If,
    Kernel,
    Loop,
    LoopProgram,
    Space,
    Stmt,
    Store,
    While,
)
from wengert.kernels.statements import expressions, own_expressions, walk

NEAR = 4  # elements
MANY_TURNS = 1 << 32  # what the turns of a while loop count for, and waiting for others


def kernel_buffers(kernel: Kernel) -> tuple[list[Buffer], frozenset[Buffer], list[Buffer]]:
    """The kernel's buffers by first use, those that it writes, and its local ones."""
    used: dict[Buffer, None] = {}
    written: set[Buffer] = set()
    seen: set[Expr] = set()
    for stmt in walk(kernel.body):
        if isinstance(stmt, Store):
            used[stmt.buffer] = None
            written.add(stmt.buffer)
        elif isinstance(stmt, Call):
            used.update((x.buffer, None) for x in reversed(stmt.matrices))
            written.add(stmt.out.buffer)
        elif isinstance(stmt, Communicate):
            used.update(dict.fromkeys((*stmt.sources, *stmt.outs)))
            written.update(stmt.outs)
        stack = list(own_expressions(stmt))
        while stack:
            x = stack.pop()
            if x in seen:
                continue
            seen.add(x)
            if x.op is ScalarOp.LOAD:
                used[x.attr] = None
            stack.extend(x.args)
    shared = [b for b in used if b.space is not Space.LOCAL]
    return shared, frozenset(written), [b for b in used if b.space is Space.LOCAL]


def work(program: LoopProgram) -> int:
    """An upper bound of the loop iterations and multiplications that a program makes."""
    total = 0
    for step in program.steps:
        total += sum(_iterations(stmt) for stmt in step.body)
    return total


def _iterations(stmt: Stmt) -> int:
    if isinstance(stmt, Loop):
        return stmt.index.extent * sum(_iterations(s) for s in stmt.body)
    if isinstance(stmt, While | Communicate):
        return MANY_TURNS
    if isinstance(stmt, If):
        return max(sum(map(_iterations, part)) for part in (stmt.then, stmt.otherwise))
    if isinstance(stmt, Factorise):
        return (
            max(stmt.shapes[0]) ** 3
            if stmt.library == "lapack"
            else 10 * max(stmt.count, *stmt.shapes[0])
        )
    if isinstance(stmt, Gemm):
        return stmt.n * stmt.k * (stmt.m.attr if stmt.m.is_const else stmt.out.buffer.size)
    return 1


def has_checks(kernel: Kernel) -> bool:
    """Whether a kernel can fail, or be interrupted."""
    return any(isinstance(s, Check | While | Communicate) for s in walk(kernel.body))


def interleaves(kernel: Kernel) -> bool:
    """Whether innermost loops mostly go through arrays by a few elements at a time.

    LLVM sorts such elements into vectors and out of them, which takes longer the wider they are.
    """
    loops = [st for st in walk(kernel.body) if isinstance(st, Loop)]
    innermost = [x for x in loops if not any(isinstance(st, Loop) for st in walk(x.body))]
    steps = [abs(step) for loop in innermost for step in _steps(loop) if step]
    return 2 * sum(1 < step < NEAR for step in steps) > len(steps)


def _steps(loop: Loop) -> list[int]:
    """By how many elements the accesses of a loop move from turn to turn."""
    loads = [n for n in nodes(expressions(loop.body)) if n.op is ScalarOp.LOAD]
    offsets = [n.args[0] for n in loads]
    offsets += [st.offset for st in walk(loop.body) if isinstance(st, Store)]
    places = [affine(offset) for offset in offsets]
    return [0 if place is None else place.terms.get(loop.index, 0) for place in places]
