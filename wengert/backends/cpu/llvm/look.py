"""Loops that ask whether any bit of a row is set.

What `kernels/turns/idle.py` looks at before a row of turns is a handful of words; as vectors of
truth values it would be spread first, and gathered again. Machines that have masks need not do
that, but words are fewer instructions for them, too: with looks at 90,000 rows of 300 bits, the
gradient of shortest paths takes 4.05 ms instead of 4.25.
"""

from __future__ import annotations

from wengert.backends.cpu.llvm import bits as llvm_bits
from wengert.backends.cpu.llvm.access import step_of
from wengert.backends.cpu.llvm.expr import Body
from wengert.backends.cpu.versions import constant_length
from wengert.ir.scalar import ScalarOp
from wengert.kernels.loops import Accumulate, Kind, Loop

LONGEST = 2048  # bits, whose words are read one after another without a loop
WORDS = (64, 32, 16, 8)


def print_look(body: Body, loop: Loop) -> bool:
    """Prints such a loop; says whether it is one."""
    if len(loop.body) != 1:
        return False
    stmt, length = loop.body[0], constant_length(body.module.builder, loop)
    if not isinstance(stmt, Accumulate) or loop.kind not in (Kind.SERIAL, Kind.FREE):
        return False
    if not 0 < (length or 0) <= LONGEST:
        return False
    x = stmt.value
    if stmt.combine != "or" or x.op is not ScalarOp.LOAD or not x.attr.packed:
        return False
    whole = llvm_bits.begins_at_byte(x.args[0], loop.index, loop.start)
    if not whole or step_of(body, loop.index, x.args[0]) != 1:
        return False
    with body.at(loop.index, body.value(loop.start)):
        first = body.op(f"ashr i64 {body.value(x.args[0])}, 3")
        found = _any(body, body.pointers[x.attr], first, length or 0)
    slot = body.registers[stmt.register]
    old = body.op(f"load i1, ptr {slot}")
    body.line(f"store i1 {body.op(f'or i1 {old}, {found}')}, ptr {slot}")
    body.forget((stmt.register,))
    return True


def _any(body: Body, array: str, first: str, length: int) -> str:
    """Whether one of so many bits from the byte `first` on is set."""
    row = body.op(f"getelementptr inbounds i8, ptr {array}, i64 {first}")
    whole, done = "0", 0
    while done < length:
        left = length - done
        size = next((n for n in WORDS if n <= left), llvm_bits.BYTE)
        near = body.op(f"getelementptr inbounds i8, ptr {row}, i64 {done // llvm_bits.BYTE}")
        word = body.op(f"load i{size}, ptr {near}, align 1")
        if left < size:
            word = body.op(f"and i{size} {word}, {(1 << left) - 1}")
        wide = word if size == WORDS[0] else body.op(f"zext i{size} {word} to i{WORDS[0]}")
        whole = wide if whole == "0" else body.op(f"or i{WORDS[0]} {whole}, {wide}")
        done += size
    return body.op(f"icmp ne i{WORDS[0]} {whole}, 0")
