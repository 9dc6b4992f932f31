"""How vectors are read from arrays and written to them, by the step from one lane to the next.

Neighbours are one access. Steps of 2 (complex numbers), 3 (points in space) and -1 are wider or
turned ones; what is elsewhere for each lane is gathered, as LLVM does it too. A lane that a mask
leaves out touches no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from wengert.backends.cpu.llvm import bits as llvm_bits
from wengert.backends.cpu.llvm.expr import Body
from wengert.backends.cpu.llvm.types import constant, intrinsic_suffix, memory_type, value_type
from wengert.ir.scalar import Expr, Index, affine, linear_in
from wengert.ir.types import BOOL, INT64, DType
from wengert.kernels.loops import Buffer, Stmt, Store

AHEAD = 2048  # bytes from what is read now to what is fetched for later
FAR = 4  # steps of so many elements are gathered; shorter ones LLVM reads as vectors and sorts
_INT32 = np.dtype(np.int32)


class Vectors(Protocol):
    """What an access asks of what prints the operations."""

    body: Body
    lanes: int
    mask: str

    def op(self, text: str) -> str:
        """Append `%name = text` and return the name."""
        ...

    def intrinsic(self, name: str, result: str, parameters: str) -> None:
        """Declare a function of this module once."""
        ...

    def at_byte(self, offset: Expr) -> bool:
        """Whether a vector of bits with this place is known to begin with a whole byte."""
        ...


def step_of(body: Body, index: Index, offset: Expr) -> int | None:
    """By how many elements an access moves in a turn, if that is the same in all turns."""
    known = body.steps.get((offset, index))
    if known is None:
        found = linear_in(body.module.builder, offset, {index})
        known = body.steps[offset, index] = (None if found is None else found[0].get(index, 0),)
    return known[0]


def is_read(step: int | None, dtype: DType) -> bool:
    """Whether a vector can be read with such a step."""
    return step in (1, 2, 3, -1) or (is_gathered(step) and dtype.itemsize >= 4)


def is_written(step: int | None) -> bool:
    """Whether a vector can be written with such a step."""
    return step in (1, -1)


def is_pair(index: Index, first: Stmt, second: Stmt) -> bool:
    """Whether two stores, one after the other, fill neighbouring elements of pairs."""
    if not (isinstance(first, Store) and isinstance(second, Store)):
        return False
    x, y = affine(first.offset), affine(second.offset)
    if first.buffer is not second.buffer or x is None or y is None or x.terms != y.terms:
        return False
    return x.terms.get(index) == 2 and y.const - x.const == 1


def is_gathered(step: int | None) -> bool:
    """Whether each lane has an address of its own."""
    return step is None or abs(step) >= FAR


def read(e: Vectors, buffer: Buffer, offset: Expr, step: int) -> str:
    """The vector whose first lane is at `offset`."""
    dtype, lanes, body = buffer.dtype, e.lanes, e.body
    if buffer.packed:
        assert step == 1
        first = body.value(offset)
        pointer, masks = body.pointers[buffer], body.module.target.masks
        return llvm_bits.read(body, pointer, first, lanes, e.at_byte(offset), masks)
    if step == -1:
        mask = _turned(e, e.mask, value_type(BOOL, lanes)) if e.mask else ""
        found = _read(e, dtype, lanes, _last(e, buffer, offset), mask)
        found = _turned(e, found, memory_type(dtype, lanes))
    elif step in (2, 3) and not (body.module.target.masks or e.mask):
        found = _every(e, dtype, body.element(buffer, offset), step)
    elif step in (2, 3):
        wide = step * lanes
        found = _read(e, dtype, wide, body.element(buffer, offset), _spread_mask(e, step))
        found = _shuffled(e, found, memory_type(dtype, wide), range(0, wide, step))
    else:
        found = _read(e, dtype, lanes, body.element(buffer, offset), e.mask)
    if dtype.kind != "b":
        return found
    return e.op(f"icmp ne {memory_type(dtype, lanes)} {found}, zeroinitializer")


def _every(e: Vectors, dtype: DType, address: str, step: int) -> str:
    """Every second or third element from an address on, on machines that read whole vectors.

    The last of the vectors read ends with the last element, as nothing beyond it may be touched.
    """
    lanes, kind = e.lanes, memory_type(dtype)
    whole, places = memory_type(dtype, lanes), value_type(_INT32, lanes)
    last = step * (lanes - 1)
    found = ""
    for start in range(0, last + 1, lanes):
        first = min(start, last + 1 - lanes)
        near = e.op(f"getelementptr {kind}, ptr {address}, i64 {first}")
        vector = _read(e, dtype, lanes, near, "")
        # lane k of the result is element step * k of the row
        inside = {k: step * k - first for k in range(lanes) if 0 <= step * k - first < lanes}
        if not found:
            found = _shuffled(e, vector, whole, [inside.get(k) for k in range(lanes)])
            continue
        order = ", ".join(f"i32 {lanes + inside[k] if k in inside else k}" for k in range(lanes))
        both = f"{whole} {found}, {whole} {vector}"
        found = e.op(f"shufflevector {both}, {places} <{order}>")
    return found


def fetch(e: Vectors, buffer: Buffer, offset: Expr) -> None:
    """Asks for the line of memory that is to be read some turns later, near `offset`.

    It may lie beyond the array: nothing is read, and no address is wrong.
    """
    address = e.body.element(buffer, offset)
    ahead = e.op(f"getelementptr i8, ptr {address}, i64 {AHEAD}")
    e.intrinsic("@llvm.prefetch.p0", "void", "ptr, i32, i32, i32")
    e.body.line(f"call void @llvm.prefetch.p0(ptr {ahead}, i32 0, i32 3, i32 1)")


def gather(e: Vectors, buffer: Buffer, offsets: str) -> str:
    """The vector of elements at a vector of offsets."""
    dtype, lanes = buffer.dtype, e.lanes
    kind, pointers, truth = memory_type(dtype, lanes), f"<{lanes} x ptr>", value_type(BOOL, lanes)
    name = f"@llvm.masked.gather.{_suffix(dtype, lanes)}.v{lanes}p0"
    e.intrinsic(name, kind, f"{pointers}, i32, {truth}, {kind}")
    places = e.op(
        f"getelementptr inbounds {memory_type(dtype)}, ptr {e.body.pointers[buffer]}, "
        f"{value_type(INT64, lanes)} {offsets}"
    )
    mask = e.mask or constant(True, BOOL, lanes)
    return e.op(
        f"call {kind} {name}({pointers} {places}, i32 {dtype.itemsize}, {truth} {mask}, "
        f"{kind} zeroinitializer)"
    )


def far_apart(e: Vectors, buffer: Buffer, offset: Expr, step: int) -> str:
    """The vector of elements with such a step between them, one by one."""
    kind, whole = memory_type(buffer.dtype), memory_type(buffer.dtype, e.lanes)
    first, found = e.body.element(buffer, offset), "poison"
    for k in range(e.lanes):
        address = e.op(f"getelementptr {kind}, ptr {first}, i64 {k * step}")
        one = e.op(f"load {kind}, ptr {address}, align {buffer.dtype.itemsize}")
        found = e.op(f"insertelement {whole} {found}, {kind} {one}, i64 {k}")
    return found


def write(e: Vectors, buffer: Buffer, offset: Expr, step: int, value: str) -> None:
    """Writes a vector whose first lane goes to `offset`."""
    dtype, lanes, mask = buffer.dtype, e.lanes, e.mask
    if buffer.packed:
        assert step == 1
        first = e.body.value(offset)
        llvm_bits.write(e.body, e.body.pointers[buffer], first, lanes, value, mask)
        return
    address = _last(e, buffer, offset) if step == -1 else e.body.element(buffer, offset)
    if dtype.kind == "b":
        value = e.op(f"zext {value_type(BOOL, lanes)} {value} to {memory_type(dtype, lanes)}")
    if step == -1:
        value = _turned(e, value, memory_type(dtype, lanes))
        mask = _turned(e, mask, value_type(BOOL, lanes)) if mask else ""
    _write(e, dtype, lanes, address, value, mask)


def write_pairs(e: Vectors, buffer: Buffer, offset: Expr, values: tuple[str, str]) -> None:
    """Writes two vectors whose lanes are neighbours, the first one's to `offset` and so on."""
    dtype, lanes = buffer.dtype, e.lanes
    if dtype.kind == "b":
        truth, bytes_ = value_type(BOOL, lanes), memory_type(dtype, lanes)
        first, second = (e.op(f"zext {truth} {value} to {bytes_}") for value in values)
        values = (first, second)
    kind, places = memory_type(dtype, lanes), value_type(_INT32, 2 * lanes)
    order = ", ".join(f"i32 {k // 2 + lanes * (k % 2)}" for k in range(2 * lanes))
    both = e.op(f"shufflevector {kind} {values[0]}, {kind} {values[1]}, {places} <{order}>")
    twice = [k // 2 for k in range(2 * lanes)]
    mask = _shuffled(e, e.mask, value_type(BOOL, lanes), twice) if e.mask else ""
    address = e.body.element(buffer, offset)
    _write(e, dtype, 2 * lanes, address, both, mask)


def _write(e: Vectors, dtype: DType, lanes: int, address: str, value: str, mask: str) -> None:
    kind, truth = memory_type(dtype, lanes), value_type(BOOL, lanes)
    if not mask:
        e.body.line(f"store {kind} {value}, ptr {address}, align {dtype.itemsize}")
        return
    name = f"@llvm.masked.store.{_suffix(dtype, lanes)}.p0"
    e.intrinsic(name, "void", f"{kind}, ptr, i32, {truth}")
    operands = f"{kind} {value}, ptr {address}, i32 {dtype.itemsize}, {truth} {mask}"
    e.body.line(f"call void {name}({operands})")


def _read(e: Vectors, dtype: DType, lanes: int, address: str, mask: str) -> str:
    kind, truth = memory_type(dtype, lanes), value_type(BOOL, lanes)
    if not mask:
        return e.op(f"load {kind}, ptr {address}, align {dtype.itemsize}")
    name = f"@llvm.masked.load.{_suffix(dtype, lanes)}.p0"
    e.intrinsic(name, kind, f"ptr, i32, {truth}, {kind}")
    operands = f"ptr {address}, i32 {dtype.itemsize}, {truth} {mask}, {kind} zeroinitializer"
    return e.op(f"call {kind} {name}({operands})")


def _last(e: Vectors, buffer: Buffer, first: Expr) -> str:
    """The address of the last lane of a vector that is read backwards from `first`.

    It may lie before the array if the lane is masked, so it is not said to be `inbounds`.
    """
    kind = memory_type(buffer.dtype)
    element = e.body.element(buffer, first)
    return e.op(f"getelementptr {kind}, ptr {element}, i64 {1 - e.lanes}")


def _spread_mask(e: Vectors, step: int) -> str:
    """The mask of every second or third one of so many times as many lanes."""
    wide = range(step * e.lanes)
    if not e.mask:
        return f"<{', '.join('i1 false' if k % step else 'i1 true' for k in wide)}>"
    order = ", ".join(f"i32 {e.lanes if k % step else k // step}" for k in wide)
    truth = value_type(BOOL, e.lanes)
    places = value_type(_INT32, len(wide))
    return e.op(f"shufflevector {truth} {e.mask}, {truth} zeroinitializer, {places} <{order}>")


def _shuffled(e: Vectors, vector: str, kind: str, order: Sequence[int | None]) -> str:
    """Other lanes of a vector of some type; None is one that nothing looks at."""
    taken = ", ".join("i32 poison" if k is None else f"i32 {k}" for k in order)
    places = value_type(_INT32, len(order))
    return e.op(f"shufflevector {kind} {vector}, {kind} poison, {places} <{taken}>")


def _turned(e: Vectors, vector: str, kind: str) -> str:
    return _shuffled(e, vector, kind, range(e.lanes)[::-1])


def _suffix(dtype: DType, lanes: int) -> str:
    return f"v{lanes}i8" if dtype.kind == "b" else intrinsic_suffix(dtype, lanes)
