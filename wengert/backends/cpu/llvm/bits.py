"""Reads and writes of packed truth values (`kernels/buffers/packed.py`).

Element e is bit e % 8 of byte e // 8.

None of these accesses is marked as independent of other turns', as two turns may share a byte.
"""

from __future__ import annotations

from typing import Protocol

from wengert.ir.scalar import Expr, Index, affine

BYTE = 8
MOST_LANES = 32
"""So many bits are within one word of 64, wherever in its first byte they begin."""


class Printer(Protocol):
    """What prints instructions."""

    def op(self, text: str) -> str:
        """Append `%name = text` and return the name."""
        ...

    def line(self, text: str) -> None:
        """Append an instruction without a result."""
        ...


def begins_at_byte(offset: Expr, index: Index, start: Expr) -> bool:
    """Whether the element of a loop's first turn is known to be the first one of a byte."""
    place = affine(offset)
    if place is None or not start.is_const:
        return False
    first = place.const + place.terms.get(index, 0) * start.attr
    others = [c for i, c in place.terms.items() if i is not index]
    return all(c % BYTE == 0 for c in (first, *others))


def read_one(p: Printer, array: str, offset: str) -> str:
    """One element."""
    return p.op(f"trunc i8 {_word(p, array, offset, BYTE)[0]} to i1")


def write_one(p: Printer, array: str, offset: str, value: str) -> None:
    """Writes one element."""
    bit = p.op(f"zext i1 {value} to i8")
    _put(p, array, offset, BYTE, bit, "1")


def read(p: Printer, array: str, offset: str, lanes: int, at_byte: bool) -> str:
    """A vector of so many elements from `offset` on, which may be known to begin a byte."""
    if at_byte and lanes >= BYTE:
        bits = p.op(f"load i{lanes}, ptr {_address(p, array, offset)}, align 1")
    else:
        size = _word_size(lanes)
        bits = p.op(f"trunc i{size} {_word(p, array, offset, size)[0]} to i{lanes}")
    return p.op(f"bitcast i{lanes} {bits} to <{lanes} x i1>")


def write(p: Printer, array: str, offset: str, lanes: int, value: str, mask: str) -> None:
    """Writes a vector: whole bytes of one that has no mask, which begins at a byte.

    Others of up to 8 elements are within one byte: those before a whole one, or after the last.
    """
    bits = p.op(f"bitcast <{lanes} x i1> {value} to i{lanes}")
    if not mask and lanes >= BYTE:
        p.line(f"store i{lanes} {bits}, ptr {_address(p, array, offset)}, align 1")
        return
    taken = str((1 << lanes) - 1)
    if mask:
        taken = p.op(f"bitcast <{lanes} x i1> {mask} to i{lanes}")
    size = BYTE if lanes <= BYTE else _word_size(lanes)
    if lanes < size:
        bits = p.op(f"zext i{lanes} {bits} to i{size}")
        taken = p.op(f"zext i{lanes} {taken} to i{size}")
    _put(p, array, offset, size, bits, taken)


def _put(p: Printer, array: str, offset: str, size: int, bits: str, taken: str) -> None:
    """Changes the `taken` ones of the bits from `offset` on."""
    _, whole, by = _word(p, array, offset, size)
    kind = f"i{size}"
    here = p.op(f"shl {kind} {taken}, {by}")
    others = p.op(f"and {kind} {whole}, {p.op(f'xor {kind} {here}, -1')}")
    new = p.op(f"and {kind} {p.op(f'shl {kind} {bits}, {by}')}, {here}")
    changed = p.op(f"or {kind} {others}, {new}")
    p.line(f"store {kind} {changed}, ptr {_address(p, array, offset)}, align 1")


def _word(p: Printer, array: str, offset: str, size: int) -> tuple[str, str, str]:
    """The bits from `offset` on, the word that they are in, and by how much it was shifted."""
    by = p.op(f"and i64 {offset}, {BYTE - 1}")
    by = by if size == 64 else p.op(f"trunc i64 {by} to i{size}")
    whole = p.op(f"load i{size}, ptr {_address(p, array, offset)}, align 1")
    return p.op(f"lshr i{size} {whole}, {by}"), whole, by


def _address(p: Printer, array: str, offset: str) -> str:
    byte = p.op(f"ashr i64 {offset}, 3")
    return p.op(f"getelementptr inbounds i8, ptr {array}, i64 {byte}")


def _word_size(lanes: int) -> int:
    """That of a word with so many bits, wherever in its first byte they begin."""
    return max(2 * lanes, 2 * BYTE)
