"""Copies of a matrix's part in the order in which the tiles of a product read it."""

from __future__ import annotations

from collections.abc import Sequence

from wengert.backends.cpu.llvm.function import Function
from wengert.backends.cpu.routines.gemm_kernels import (
    VECTORS,
    Kind,
    lane_mask,
    masked_load,
    masked_store,
    plain_load,
    plain_store,
)

LINES, COLUMNS, ROW_MAJOR = "@wg.gemm.lines", "@wg.gemm.columns", "@wg.gemm.rowmajor"
PACKING = "ptr noalias %from, i64 %stride, i64 %valid, i64 %depth, ptr noalias %to, i64 %width"
"""Packed is `to[p * width + i]` for `depth` steps p and `valid` lines i, with zeros up to `width`;
it is read from `from[i * stride + p]` (lines) or `from[p * stride + i]` (columns)."""


def pack_columns(kind: Kind) -> str:
    """Lines are next to each other in memory: vectors are copied."""
    f = Function(f"void {COLUMNS}({PACKING})", "internal", f"nounwind noinline {VECTORS}")
    with f.loop("%width", kind.lanes) as i:
        here = lane_mask(f, kind, f.op(f"sub i64 %valid, {i}"))
        room = lane_mask(f, kind, f.op(f"sub i64 %width, {i}"))
        with f.loop("%depth") as p:
            start = f.op(f"mul i64 {p}, %stride")
            source = f.at(kind.scalar, "%from", f.op(f"add i64 {start}, {i}"))
            target = f.at(kind.scalar, "%to", f.op(f"add i64 {f.op(f'mul i64 {p}, %width')}, {i}"))
            masked_store(f, kind, masked_load(f, kind, source, here), target, room)
    f.line("ret void")
    return f.text()


def pack_rows(kind: Kind) -> str:
    """All panels of a row-major right operand at once, along its rows as they lie in memory.

    Panel after panel would read a little of each row, from another page each time: half as fast.
    """
    head = f"void {ROW_MAJOR}(i64 %columns, i64 %depth, ptr noalias %from, i64 %row, "
    f = Function(f"{head}ptr noalias %to)", "internal", f"nounwind noinline {VECTORS}")
    whole = f.op(f"sdiv i64 %columns, {kind.width}")
    inside = f.op(f"mul i64 {whole}, {kind.width}")
    panel = f.op(f"mul i64 %depth, {kind.width}")
    with f.loop("%depth") as p:
        source = f.at(kind.scalar, "%from", f.op(f"mul i64 {p}, %row"))
        target = f.at(kind.scalar, "%to", f.op(f"mul i64 {p}, {kind.width}"))
        with f.loop(whole) as j:
            read = f.at(kind.scalar, source, f.op(f"mul i64 {j}, {kind.width}"))
            written = f.at(kind.scalar, target, f.op(f"mul i64 {j}, {panel}"))
            for lane in range(0, kind.width, kind.lanes):
                place = f.at(kind.scalar, read, lane)
                vector = plain_load(f, kind, place)
                place = f.at(kind.scalar, written, lane)
                plain_store(f, kind, vector, place)
    left = f.op(f"sub i64 %columns, {inside}")
    with f.when(f.op(f"icmp sgt i64 {left}, 0")):
        narrow = f.op(f"icmp sle i64 {left}, {kind.lanes}")
        width = f.op(f"select i1 {narrow}, i64 {kind.lanes}, i64 {kind.width}")
        source = f.at(kind.scalar, "%from", inside)
        target = f.at(kind.scalar, "%to", f.op(f"mul i64 {whole}, {panel}"))
        rest = f"i64 {left}, i64 %depth, ptr {target}, i64 {width}"
        f.line(f"call void {COLUMNS}(ptr {source}, i64 %row, {rest})")
    f.line("ret void")
    return f.text()


def pack_lines(kind: Kind, name: str = LINES, linkage: str = "internal") -> str:
    """Steps are next to each other in memory: squares of a vector's lanes are transposed.

    In `to`, steps are `%step` numbers apart.
    """
    attributes = f"nounwind noinline {kind.attributes}"
    f = Function(f"void {name}({PACKING}, i64 %step)", linkage, attributes)
    square = _square if kind.bytes == 64 else _whole_square
    with f.loop("%width", kind.lanes) as i:
        room = lane_mask(f, kind, f.op(f"sub i64 %width, {i}"))
        lines = f.op(f"sub i64 %valid, {i}")
        with f.loop("%depth", kind.lanes) as p:
            square(f, kind, (i, p), room, lines)
    f.line("ret void")
    return f.text()


def _whole_square(f: Function, kind: Kind, corner: tuple[str, str], room: str, lines: str) -> None:
    """A square without masks, where none are needed.

    Without registers for masks, a masked store takes as long as some dozen others.
    """
    left = f.op(f"sub i64 %depth, {corner[1]}")
    whole = f.op(f"icmp sge i64 {f.least(lines, left)}, {kind.lanes}")
    with f.when(whole):
        rows = [plain_load(f, kind, _read(f, kind, corner, r)) for r in range(kind.lanes)]
        for c, column in enumerate(_transposed(f, kind, rows)):
            plain_store(f, kind, column, _written(f, kind, corner, c))
    with f.when(f.op(f"xor i1 {whole}, true")):
        _square(f, kind, corner, room, lines)


def _square(f: Function, kind: Kind, corner: tuple[str, str], room: str, lines: str) -> None:
    """A square from line and step `corner` on, of which some lines or steps may be missing."""
    none = "zeroinitializer"
    left = f.op(f"sub i64 %depth, {corner[1]}")
    steps = lane_mask(f, kind, left)
    rows: list[str] = []
    for r in range(kind.lanes):
        there = f.op(f"icmp slt i64 {r}, {lines}")
        mask = f.op(f"select i1 {there}, {kind.mask} {steps}, {kind.mask} {none}")
        rows.append(masked_load(f, kind, _read(f, kind, corner, r), mask))
    for c, column in enumerate(_transposed(f, kind, rows)):
        there = f.op(f"icmp slt i64 {c}, {left}")
        mask = f.op(f"select i1 {there}, {kind.mask} {room}, {kind.mask} {none}")
        masked_store(f, kind, column, _written(f, kind, corner, c), mask)


def _read(f: Function, kind: Kind, corner: tuple[str, str], r: int) -> str:
    """Where a square's line `r` is read."""
    start = f.op(f"mul i64 {f.op(f'add i64 {corner[0]}, {r}')}, %stride")
    return f.at(kind.scalar, "%from", f.op(f"add i64 {start}, {corner[1]}"))


def _written(f: Function, kind: Kind, corner: tuple[str, str], c: int) -> str:
    """Where a square's step `c` is written."""
    start = f.op(f"mul i64 {f.op(f'add i64 {corner[1]}, {c}')}, %step")
    return f.at(kind.scalar, "%to", f.op(f"add i64 {start}, {corner[0]}"))


def _transposed(f: Function, kind: Kind, rows: Sequence[str]) -> list[str]:
    """The columns of a square: halves are exchanged between rows at distances of 1, 2, 4 ..."""
    found = list(rows)
    distance = 1
    while distance < kind.lanes:
        for r in (r for r in range(kind.lanes) if not r & distance):
            found[r], found[r + distance] = _exchange(
                f, kind, found[r], found[r + distance], distance
            )
        distance *= 2
    return found


def _exchange(f: Function, kind: Kind, upper: str, lower: str, distance: int) -> tuple[str, str]:
    """The upper row's lanes at `distance` bits change places with the lower row's others."""
    lanes = range(kind.lanes)
    new_upper = [n if not n & distance else kind.lanes + n - distance for n in lanes]
    new_lower = [n + distance if not n & distance else kind.lanes + n for n in lanes]
    return _picked(f, kind, upper, lower, new_upper), _picked(f, kind, upper, lower, new_lower)


def _picked(f: Function, kind: Kind, first: str, second: str, order: Sequence[int]) -> str:
    v = kind.vector
    numbers = ", ".join(f"i32 {n}" for n in order)
    return f.op(f"shufflevector {v} {first}, {v} {second}, <{kind.lanes} x i32> <{numbers}>")
