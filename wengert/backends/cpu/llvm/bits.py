"""Reads and writes of packed truth values (`kernels/buffers/packed.py`).

Element e is bit e % 8 of byte e // 8. A write changes no byte but those with elements that it
writes: the next byte may be another thread's, which would lose what it writes meanwhile.

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

    def intrinsic(self, name: str, result: str, parameters: str) -> None:
        """Declare a function of this module once."""
        ...


def begins_at_byte(offset: Expr, index: Index, start: Expr) -> bool:
    """Whether the element of a loop's first turn is known to be the first one of a byte."""
    place = affine(offset)
    if place is None or not start.is_const:
        return False
    first = place.const + place.terms.get(index, 0) * start.attr
    others = [c for i, c in place.terms.items() if i is not index]
    return all(c % BYTE == 0 for c in (first, *others))


def begin_alike(x: Expr, y: Expr) -> bool:
    """Whether two places are known to be those of the same bit of a byte, in all turns."""
    one, two = affine(x), affine(y)
    if one is None or two is None:
        return False
    indices = {*one.terms, *two.terms}
    apart = (one.terms.get(i, 0) - two.terms.get(i, 0) for i in indices)
    return all(c % BYTE == 0 for c in (one.const - two.const, *apart))


def read_one(p: Printer, array: str, offset: str) -> str:
    """One element."""
    return p.op(f"trunc i8 {_word(p, array, offset, BYTE)[0]} to i1")


def write_one(p: Printer, array: str, offset: str, value: str) -> None:
    """Writes one element."""
    bit = p.op(f"zext i1 {value} to i8")
    _put(p, array, offset, bit, "1")


def read(p: Printer, array: str, offset: str, lanes: int, at_byte: bool, masks: bool) -> str:
    """A vector of so many elements from `offset` on, which may be known to begin a byte."""
    if at_byte and lanes >= BYTE:
        bits = p.op(f"load i{lanes}, ptr {_address(p, array, offset)}, align 1")
    else:
        size = _word_size(lanes)
        bits = p.op(f"trunc i{size} {_word(p, array, offset, size)[0]} to i{lanes}")
    if not masks:
        return _spread(p, bits, lanes)
    return p.op(f"bitcast i{lanes} {bits} to <{lanes} x i1>")


def _spread(p: Printer, bits: str, lanes: int) -> str:
    """The bits of a word as truth values, where no register holds them as bits.

    Each lane gets a word or byte with its own bit in it, and looks at that alone.
    """
    size = 32 if lanes <= BYTE else BYTE
    kind, shown = f"<{lanes} x i{size}>", [1 << (k % BYTE) for k in range(lanes)]
    if lanes <= BYTE:
        word = p.op(f"zext i{lanes} {bits} to i{size}")
        first, order = p.op(f"insertelement {kind} poison, i{size} {word}, i64 0"), [0] * lanes
    else:
        count = lanes // BYTE
        first = p.op(f"bitcast i{lanes} {bits} to <{count} x i{size}>")
        order = [k // BYTE for k in range(lanes)]
    source = kind if lanes <= BYTE else f"<{lanes // BYTE} x i{size}>"
    places = ", ".join(f"i32 {k}" for k in order)
    spread = p.op(f"shufflevector {source} {first}, {source} poison, <{lanes} x i32> <{places}>")
    own = f"<{', '.join(f'i{size} {x}' for x in shown)}>"
    return p.op(f"icmp ne {kind} {p.op(f'and {kind} {spread}, {own}')}, zeroinitializer")


def write(p: Printer, array: str, offset: str, lanes: int, value: str, mask: str) -> None:
    """Writes a vector, which begins at a byte.

    Up to 8 elements may stand anywhere in one byte, as those before a whole one do.
    """
    bits = p.op(f"bitcast <{lanes} x i1> {value} to i{lanes}")
    if not mask and lanes >= BYTE:
        p.line(f"store i{lanes} {bits}, ptr {_address(p, array, offset)}, align 1")
        return
    taken = str((1 << lanes) - 1)
    if mask:
        taken = p.op(f"bitcast <{lanes} x i1> {mask} to i{lanes}")
    if lanes > BYTE:
        _put_bytes(p, _address(p, array, offset), lanes, bits, taken)
        return
    if lanes < BYTE:
        bits = p.op(f"zext i{lanes} {bits} to i{BYTE}")
        taken = p.op(f"zext i{lanes} {taken} to i{BYTE}")
    _put(p, array, offset, bits, taken)


def _put(p: Printer, array: str, offset: str, bits: str, taken: str) -> None:
    """Changes the `taken` ones of the bits from `offset` on, all in one byte."""
    _, whole, by = _word(p, array, offset, BYTE)
    here = p.op(f"shl i8 {taken}, {by}")
    changed = _mixed(p, "i8", whole, p.op(f"shl i8 {bits}, {by}"), here, "-1")
    p.line(f"store i8 {changed}, ptr {_address(p, array, offset)}, align 1")


def _put_bytes(p: Printer, address: str, lanes: int, bits: str, taken: str) -> None:
    """Changes the `taken` ones of some bytes, and no byte that has none of them."""
    count = lanes // BYTE
    kind, truth = f"<{count} x i8>", f"<{count} x i1>"
    new, here = (p.op(f"bitcast i{lanes} {x} to {kind}") for x in (bits, taken))
    some = p.op(f"icmp ne {kind} {here}, zeroinitializer")
    read, write = (f"@llvm.masked.{name}.v{count}i8.p0" for name in ("load", "store"))
    p.intrinsic(read, kind, f"ptr, i32, {truth}, {kind}")
    p.intrinsic(write, "void", f"{kind}, ptr, i32, {truth}")
    given = f"ptr {address}, i32 1, {truth} {some}"
    old = p.op(f"call {kind} {read}({given}, {kind} zeroinitializer)")
    ones = f"<{', '.join(['i8 -1'] * count)}>"
    changed = _mixed(p, kind, old, new, here, ones)
    p.line(f"call void {write}({kind} {changed}, {given})")


def _mixed(p: Printer, kind: str, old: str, new: str, taken: str, ones: str) -> str:
    """The `taken` bits of new ones, the others of old ones; `ones` has all bits."""
    others = p.op(f"and {kind} {old}, {p.op(f'xor {kind} {taken}, {ones}')}")
    return p.op(f"or {kind} {others}, {p.op(f'and {kind} {new}, {taken}')}")


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
