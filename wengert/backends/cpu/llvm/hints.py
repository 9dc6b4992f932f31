"""What LLVM is told about loops, as metadata on their back edges."""

from __future__ import annotations

import re

from wengert.backends.cpu.llvm.expr import Module
from wengert.ir.floats import kind_of
from wengert.kernels.loops import Accumulate, Kind, Loop, Stmt, While
from wengert.kernels.statements import walk

# A body of so many lines, in a loop of so many iterations, is run for two iterations at a time: the
# machine's window is too small to overlap the long chains of one iteration with those of the next.
# With masks, the iterations left over are then done by masking, for a second and third copy of a
# long body would double the time to compile it.
LONG_BODY, LONG_LOOP = 80, 256
# Diagonals of a table are shorter, and are not masked: long bodies without maths functions, of
# which there are as many, lose by it what the others win.
LONG_FREE = 128
# A loop that runs once in a call, for at most so many instructions, is not worth vector code (the
# results of all chunks, say, added up at the end).
SHORT_RUN, SHORT_LOOP = 512, 64

# Short bodies whose iterations wait for one another are written out so many times: they cannot be
# vectorised, and then the loop's own counting and branching is a good part of the work.
SMALL_BODY, COPIES = 48, 4

_FULL = '!"llvm.loop.unroll.full"'
# On its own this also keeps the vectoriser from interleaving.
_NO_UNROLL = '!"llvm.loop.unroll.disable"'
_COPIES = f'!"llvm.loop.unroll.count", i32 {COPIES}'
_NO_VECTOR = '!"llvm.loop.vectorize.enable", i1 false'
# Iterations that do not wait for one another overlap in the machine without being interleaved.
_ONE = '!"llvm.loop.interleave.count", i32 1'
_TWO = '!"llvm.loop.interleave.count", i32 2'
_MASKED = '!"llvm.loop.vectorize.predicate.enable", i1 true'


def is_short(loop: Loop, lines: int) -> bool:
    """Whether all iterations of a loop with so many instructions are few instructions."""
    return loop.index.extent <= SHORT_LOOP and loop.index.extent * lines <= SHORT_RUN


def is_masked(module: Module, loop: Loop, lines: int) -> bool:
    """Whether the iterations left over are done by masking."""
    long = lines > LONG_BODY and loop.index.extent > LONG_LOOP
    return module.target.masks and long and loop.kind is not Kind.UNROLL and innermost(loop.body)


def is_scalar(loop: Loop) -> bool:
    """Whether a loop's own statements run one number at a time, never as vector code."""
    return loop.kind is Kind.ORDERED or any(map(_stays_loop, walk(loop.body)))


def _stays_loop(stmt: Stmt) -> bool:
    """Whether a statement is a loop in machine code too, so that none around it is of vectors."""
    return isinstance(stmt, While) or (isinstance(stmt, Loop) and stmt.kind is not Kind.UNROLL)


def access_group(module: Module, loop: Loop) -> str:
    """A mark for what a loop of independent turns accesses; empty for others."""
    if loop.kind is not Kind.FREE or not innermost(loop.body):
        return ""
    number = len(module.metadata)
    module.metadata.append(f"!{number} = distinct !{{}}")
    return f", !llvm.access.group !{number}"


def loop_hint(module: Module, loop: Loop, lines: int, rare: bool, group: str = "") -> str:
    """What to write after the branch that closes `loop`, whose body has `lines` instructions.

    A rare loop hardly ever runs, or has one or two iterations (the edges of an array, say), and is
    compiled as cheaply as may be.
    """
    if rare:
        return _attached(module, _NO_VECTOR, _NO_UNROLL)
    if loop.kind is Kind.UNROLL:
        return _attached(module, _FULL)
    if not innermost(loop.body):
        return ""
    if group:
        accesses = f'!"llvm.loop.parallel_accesses", {group.split()[-1]}'
        long = lines > LONG_BODY and loop.index.extent > LONG_FREE
        return _attached(module, accesses, *[_TWO] * long)
    if loop.kind is Kind.ORDERED and lines <= SMALL_BODY:
        return _attached(module, _COPIES)
    if lines <= LONG_BODY or loop.index.extent <= LONG_LOOP:
        return "" if any(map(_waits, loop.body)) else _attached(module, _ONE)
    return _attached(module, _NO_UNROLL, _TWO, *[_MASKED] * is_masked(module, loop, lines))


def _waits(stmt: Stmt) -> bool:
    """Whether an iteration waits for some cycles for the result of the one before."""
    return isinstance(stmt, Accumulate) and kind_of(stmt.register.dtype) == "f"


def innermost(body: tuple[Stmt, ...]) -> bool:
    """Whether there is no loop in the body of a loop."""
    return not any(isinstance(stmt, Loop | While) for stmt in walk(body))


def _attached(module: Module, *properties: str) -> str:
    """Loop metadata of its own, since LLVM tells loops apart by it."""
    number = len(module.metadata)
    nodes = [f"!{number + 1 + k}" for k in range(len(properties))]
    module.metadata.append(f"!{number} = distinct !{{!{number}, {', '.join(nodes)}}}")
    for node, text in zip(nodes, properties, strict=True):
        module.metadata.append(f"{node} = !{{{text}}}")
    return f", !llvm.loop !{number}"


_STEP = re.compile(r"^  (%\S+)\.next = (add nsw .*)$", re.MULTILINE)


def counted_opaquely(text: str) -> str:
    """A function's text, with loops whose counting LLVM cannot see through.

    Its reduction of strength tries many forms of the addresses in a loop, which takes up to a third
    of the time to make code. Where addresses are printed as they are to be, it finds nothing to do.
    It leaves alone what is counted by a `freeze`, which is no instruction of the machine.
    """
    return _STEP.sub(r"  \1.step = \2\n  \1.next = freeze i64 \1.step", text)
