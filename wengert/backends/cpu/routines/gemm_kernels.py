"""Tiles of a matrix product, kept in registers while the contracted index runs.

`ROWS` by two vectors: with 28 sums, two vectors of the right operand, and one number of the left
one spread over a vector, 31 of the 32 registers are in use; each step does 28 fused products for
16 loads, more than enough of them to be independent.
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.backends.cpu.llvm.function import Function

ROWS = 14
WIDE = 2  # vectors


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of numbers: its name, and LLVM's; `lanes` of them are a vector of some `bytes`."""

    suffix: str
    scalar: str
    itemsize: int
    bytes: int = 64

    @property
    def lanes(self) -> int:
        return self.bytes // self.itemsize

    @property
    def attributes(self) -> str:
        """Those of a function with vectors of this kind."""
        bits = 8 * self.bytes
        return f'"prefer-vector-width"="{bits}" "min-legal-vector-width"="{bits}"'

    @property
    def vector(self) -> str:
        return f"<{self.lanes} x {self.scalar}>"

    @property
    def mask(self) -> str:
        return f"<{self.lanes} x i1>"

    @property
    def width(self) -> int:
        """The columns of a panel."""
        return WIDE * self.lanes

    @property
    def label(self) -> str:
        """The suffix of intrinsics on vectors."""
        return f"v{self.lanes}{self.suffix}"

    def declarations(self) -> str:
        """The intrinsics of the module."""
        v, m = self.vector, self.mask
        return f"""
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
declare {v} @llvm.fma.{self.label}({v}, {v}, {v})
declare {v} @llvm.masked.load.{self.label}.p0(ptr, i32, {m}, {v})
declare void @llvm.masked.store.{self.label}.p0({v}, ptr, i32, {m})
"""


F32, F64 = Kind("f32", "float", 4), Kind("f64", "double", 8)

VECTORS = F64.attributes
TILE = (
    "i64 %depth, ptr noalias %a, i64 %line, ptr noalias %b, i64 %step, ptr noalias %c, i64 %row, "
    "i64 %valid, i1 %more"
)
"""A tile's parameters: how many steps; the left operand, and its numbers from row to row where it
is not packed; the right panel, and its numbers from step to step; the result with its stride of
rows, how many of its columns there are, and whether it is added to what is there."""
STANDING = 8  # rows of the tiles that read the left operand where it stands, row-major


def tile_name(rows: int, wide: int, packed: bool) -> str:
    """The function of a tile of some rows and vectors."""
    return f"@wg.gemm.{'tile' if packed else 'standing'}.{rows}.{wide}"


def tile(kind: Kind, rows: int, wide: int, packed: bool, linkage: str) -> str:
    """c = a @ b, or c += a @ b, for one tile."""
    head = f"void {tile_name(rows, wide, packed)}({TILE})"
    f = Function(head, linkage, f"nounwind noinline {VECTORS}")
    places = [(r, w) for r in range(rows) for w in range(wide)]
    lines = ["%a", *(f.at(kind.scalar, "%a", f.op(f"mul i64 %line, {r}")) for r in range(1, rows))]
    f.line("br label %loop")
    f.label("%loop")
    f.line("%p = phi i64 [ 0, %0 ], [ %p1, %loop ]")
    f.line("%pb = phi ptr [ %b, %0 ], [ %pb1, %loop ]")
    for r, w in places:
        new = f"%n{r}.{w}"
        f.line(f"%s{r}.{w} = phi {kind.vector} [ zeroinitializer, %0 ], [ {new}, %loop ]")
    if packed:
        block = f.at(kind.scalar, "%a", f.op(f"mul i64 %p, {rows}"))
        numbers = [f.at(kind.scalar, block, r) for r in range(rows)]
    else:
        numbers = [f.at(kind.scalar, line, "%p") for line in lines]
    _step(f, kind, numbers, wide)
    f.line("%p1 = add nuw nsw i64 %p, 1")
    f.line(f"%pb1 = getelementptr inbounds {kind.scalar}, ptr %pb, i64 %step")
    f.line("%again = icmp slt i64 %p1, %depth")
    f.line("br i1 %again, label %loop, label %done")
    f.label("%done")
    for w in range(wide):
        _finish(f, kind, rows, w)
    f.line("ret void")
    return f.text()


def _step(f: Function, kind: Kind, numbers: list[str], wide: int) -> None:
    """One step of the contracted index; `numbers` are the addresses of the left operand's."""
    v = kind.vector
    right = [
        f.op(f"load {v}, ptr {f.at(kind.scalar, '%pb', w * kind.lanes)}, align {kind.itemsize}")
        for w in range(wide)
    ]
    for r, place in enumerate(numbers):
        number = f.op(f"load {kind.scalar}, ptr {place}")
        spread = spread_over(f, number, kind.scalar, kind.lanes)
        for w in range(wide):
            call = f"call {v} @llvm.fma.{kind.label}({v} {spread}, {v} {right[w]}, {v} %s{r}.{w})"
            f.line(f"%n{r}.{w} = {call}")


def _finish(f: Function, kind: Kind, rows: int, w: int) -> None:
    """Stores the sums of a vector's columns, added to what is there if `%more` says so."""
    mask = lane_mask(f, kind, f.op(f"sub i64 %valid, {w * kind.lanes}"))
    none = "zeroinitializer"
    old = f.op(f"select i1 %more, {kind.mask} {mask}, {kind.mask} {none}")
    for r in range(rows):
        start = f.op(f"mul nsw i64 %row, {r}")
        place = f.at(kind.scalar, "%c", f.op(f"add nsw i64 {start}, {w * kind.lanes}"))
        total = f.op(f"fadd {kind.vector} {masked_load(f, kind, place, old)}, %n{r}.{w}")
        masked_store(f, kind, total, place, mask)


def lane_mask(f: Function, kind: Kind, count: str) -> str:
    """The lanes below a count."""
    lanes = kind.lanes
    low = f.least(count, lanes)
    high = f.op(f"call i64 @llvm.smax.i64(i64 {low}, i64 0)")
    word = f.op(f"trunc i64 {high} to i32")
    numbers = ", ".join(f"i32 {lane}" for lane in range(lanes))
    limit = spread_over(f, word, "i32", lanes)
    return f.op(f"icmp slt <{lanes} x i32> <{numbers}>, {limit}")


def spread_over(f: Function, value: str, scalar: str, lanes: int) -> str:
    """A vector with one value in all lanes."""
    v = f"<{lanes} x {scalar}>"
    first = f.op(f"insertelement {v} poison, {scalar} {value}, i64 0")
    return f.op(f"shufflevector {v} {first}, {v} poison, <{lanes} x i32> zeroinitializer")


def masked_load(f: Function, kind: Kind, place: str, mask: str) -> str:
    """A vector with zeros where the mask does not hold."""
    v, m = kind.vector, kind.mask
    call = f"@llvm.masked.load.{kind.label}.p0(ptr {place}, i32 {kind.itemsize}, {m} {mask}"
    return f.op(f"call {v} {call}, {v} zeroinitializer)")


def masked_store(f: Function, kind: Kind, vector: str, place: str, mask: str) -> None:
    """Stores the lanes where the mask holds."""
    operands = f"{kind.vector} {vector}, ptr {place}, i32 {kind.itemsize}, {kind.mask} {mask}"
    f.line(f"call void @llvm.masked.store.{kind.label}.p0({operands})")


def plain_load(f: Function, kind: Kind, place: str) -> str:
    """A vector, wherever a number can stand."""
    return f.op(f"load {kind.vector}, ptr {place}, align {kind.itemsize}")


def plain_store(f: Function, kind: Kind, vector: str, place: str) -> None:
    """Stores all lanes."""
    f.line(f"store {kind.vector} {vector}, ptr {place}, align {kind.itemsize}")
