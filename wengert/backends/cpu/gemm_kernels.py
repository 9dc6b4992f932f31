"""Tiles of a matrix product, kept in registers while the contracted index runs.

`ROWS` by two vectors: with 28 sums, two vectors of the right operand, and one number of the left
one spread over a vector, 31 of the 32 registers are in use; each step does 28 fused products for
16 loads, more than enough of them to be independent.
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.backends.cpu.llvm_function import Function

ROWS = 14
WIDE = 2  # vectors


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of numbers: its name, and LLVM's; `lanes` of them are a vector."""

    suffix: str
    scalar: str
    itemsize: int

    @property
    def lanes(self) -> int:
        return 64 // self.itemsize

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
declare {v} @llvm.fma.{self.label}({v}, {v}, {v})
declare {v} @llvm.masked.load.{self.label}.p0(ptr, i32, {m}, {v})
declare void @llvm.masked.store.{self.label}.p0({v}, ptr, i32, {m})
"""


F32, F64 = Kind("f32", "float", 4), Kind("f64", "double", 8)

VECTORS = '"prefer-vector-width"="512" "min-legal-vector-width"="512"'
TILE = "i64 %depth, ptr noalias %a, ptr noalias %b, i64 %step, ptr noalias %c, i64 %row, i1 %more"
"""A tile's parameters: how many steps, the packed panels, the right one's numbers from step to
step, the result with its stride of rows, and whether it is added to what is there."""


def tile_name(rows: int, wide: int) -> str:
    """The function of a tile of some rows and vectors."""
    return f"@wg.gemm.tile.{rows}.{wide}"


def tile(kind: Kind, rows: int, wide: int, linkage: str) -> str:
    """c = a @ b, or c += a @ b, for one tile."""
    f = Function(f"void {tile_name(rows, wide)}({TILE})", linkage, f"nounwind noinline {VECTORS}")
    places = [(r, w) for r in range(rows) for w in range(wide)]
    f.line("br label %loop")
    f.label("%loop")
    f.line("%p = phi i64 [ 0, %0 ], [ %p1, %loop ]")
    f.line("%pa = phi ptr [ %a, %0 ], [ %pa1, %loop ]")
    f.line("%pb = phi ptr [ %b, %0 ], [ %pb1, %loop ]")
    for r, w in places:
        new = f"%n{r}.{w}"
        f.line(f"%s{r}.{w} = phi {kind.vector} [ zeroinitializer, %0 ], [ {new}, %loop ]")
    _step(f, kind, rows, wide)
    f.line("%p1 = add nuw nsw i64 %p, 1")
    f.line(f"%pa1 = getelementptr inbounds {kind.scalar}, ptr %pa, i64 {rows}")
    f.line(f"%pb1 = getelementptr inbounds {kind.scalar}, ptr %pb, i64 %step")
    f.line("%again = icmp slt i64 %p1, %depth")
    f.line("br i1 %again, label %loop, label %done")
    f.label("%done")
    all_or_none = spread_over(f, "%more", "i1", kind.lanes)
    for r, w in places:
        _finish(f, kind, r, w, all_or_none)
    f.line("ret void")
    return f.text()


def _step(f: Function, kind: Kind, rows: int, wide: int) -> None:
    """One step of the contracted index."""
    v = kind.vector
    right = [
        f.op(f"load {v}, ptr {f.at(kind.scalar, '%pb', w * kind.lanes)}, align {kind.itemsize}")
        for w in range(wide)
    ]
    for r in range(rows):
        number = f.op(f"load {kind.scalar}, ptr {f.at(kind.scalar, '%pa', r)}")
        spread = spread_over(f, number, kind.scalar, kind.lanes)
        for w in range(wide):
            call = f"call {v} @llvm.fma.{kind.label}({v} {spread}, {v} {right[w]}, {v} %s{r}.{w})"
            f.line(f"%n{r}.{w} = {call}")


def spread_over(f: Function, value: str, scalar: str, lanes: int) -> str:
    """A vector with one value in all lanes."""
    v = f"<{lanes} x {scalar}>"
    first = f.op(f"insertelement {v} poison, {scalar} {value}, i64 0")
    return f.op(f"shufflevector {v} {first}, {v} poison, <{lanes} x i32> zeroinitializer")


def _finish(f: Function, kind: Kind, r: int, w: int, old: str) -> None:
    """Stores the sums of a row and vector, added to what is there if `old` says so."""
    start = f.op(f"mul nsw i64 %row, {r}")
    place = f.at(kind.scalar, "%c", f.op(f"add nsw i64 {start}, {w * kind.lanes}"))
    total = f.op(f"fadd {kind.vector} {masked_load(f, kind, place, old)}, %n{r}.{w}")
    f.line(f"store {kind.vector} {total}, ptr {place}, align {kind.itemsize}")


def masked_load(f: Function, kind: Kind, place: str, mask: str) -> str:
    """A vector with zeros where the mask does not hold."""
    v, m = kind.vector, kind.mask
    call = f"@llvm.masked.load.{kind.label}.p0(ptr {place}, i32 {kind.itemsize}, {m} {mask}"
    return f.op(f"call {v} {call}, {v} zeroinitializer)")
