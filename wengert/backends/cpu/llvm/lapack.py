"""Calls of LAPACK from kernels: copies of what it overwrites, its workspace, and its results.

`ir.ops.lapack` says which numbers each routine leaves in one row. LAPACK is column-major, so what
is passed to it as a matrix is the transpose of what is in memory. Complex numbers are pairs of
floats, as they are for LAPACK; sizes of matrices are in numbers, places in floats. Workspace comes
from `malloc`, since its size depends on the routine alone and a thread may need it any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wengert.backends.cpu.libraries import integer_bits
from wengert.backends.cpu.llvm.blas import fortran_constant
from wengert.backends.cpu.llvm.expr import Body
from wengert.backends.cpu.llvm.types import constant
from wengert.backends.cpu.routines import lane_eigen, small_eigen, small_factors
from wengert.kernels.loops import Factorise
from wengert.kernels.staging.library import SMALL, is_substituted

BLOCK = 64
"""Columns for which blocked routines are given room."""


def print_factorisation(body: Body, entry: list[str], call: Factorise) -> None:
    """Prints one call of a routine."""
    printer = _Printer(body, entry, call)
    routine, _, flags = call.routine.removeprefix("z").partition("_")
    if routine == "trsm":
        printer.triangular(flags)
    else:
        _ROUTINES[routine + flags](printer)
    body.forget((body.place(call.out.buffer),))


@dataclass(frozen=True, slots=True)
class _Printer:
    body: Body
    entry: list[str]
    call: Factorise

    @property
    def kind(self) -> str:
        """LLVM's name of the numbers."""
        return "double" if self.width == 8 else "float"

    @property
    def width(self) -> int:
        """Bytes of a number."""
        return self.call.out.buffer.dtype.itemsize

    @property
    def pair(self) -> int:
        """How many floats a number is."""
        return 2 if self.call.routine.startswith("z") else 1

    def shape(self, number: int = 0) -> tuple[int, int]:
        """Rows and columns of an operand, in numbers."""
        rows, columns = self.call.shapes[number]
        return rows, columns // self.pair

    def size(self, value: int) -> str:
        """The address of an integer argument."""
        return fortran_constant(self.body.module, "i64", value)

    def letter(self, value: str) -> str:
        """The address of a character argument."""
        return fortran_constant(self.body.module, "i8", ord(value))

    def source(self, number: int) -> str:
        """The address of an operand."""
        matrix = self.call.sources[number]
        return self.body.address(matrix.buffer, self.body.value(matrix.offset))

    def out(self, first: int) -> str:
        """The address of the result's number `first`."""
        matrix = self.call.out
        start = self.body.address(matrix.buffer, self.body.value(matrix.offset))
        return self.body.op(f"getelementptr inbounds {self.kind}, ptr {start}, i64 {first}")

    def copy(self, target: str, source: str, count: int) -> None:
        """Copies `count` numbers."""
        name = "@llvm.memcpy.p0.p0.i64"
        self.body.module.declare(name, "void", "ptr, ptr, i64, i1")
        given = f"ptr {target}, ptr {source}, i64 {count * self.pair * self.width}, i1 false"
        self.body.line(f"call void {name}({given})")

    def room(self, count: int, width: int) -> str:
        """Workspace for `count` elements of `width` bytes, to be freed."""
        self.body.module.declare("@malloc", "ptr", "i64")
        return self.body.op(f"call ptr @malloc(i64 {max(1, count) * width})")

    def numbers(self, count: int) -> str:
        """Workspace for `count` numbers."""
        return self.room(count, self.pair * self.width)

    def reals(self, count: int) -> str:
        """Workspace for `count` floats."""
        return self.room(count, self.width)

    def stack(self, count: int, kind: str = "") -> str:
        """Workspace for `count` floats, or others of a kind, that is not to be freed."""
        address = self.body.fresh("%room")
        self.entry.append(f"  {address} = alloca [{count} x {kind or self.kind}], align 64")
        return address

    def free(self, *addresses: str) -> None:
        """Gives workspace back."""
        self.body.module.declare("@free", "void", "ptr")
        for address in addresses:
            self.body.line(f"call void @free(ptr {address})")

    def fortran(self, routine: str, arguments: Sequence[str]) -> None:
        """Calls `routine` for the kind of the numbers, complex ones by their name for it."""
        if self.pair == 2:
            routine = _COMPLEX_NAMES.get(routine, routine)
        precision = ("dz" if self.width == 8 else "sc")[self.pair - 1]
        name = f"@blas.{precision}{routine}"
        self.body.module.declare(name, "void", ", ".join(["ptr"] * len(arguments)))
        self.body.line(f"call void {name}({', '.join('ptr ' + a for a in arguments)})")

    def status(self) -> str:
        """The address of a status, which is 0."""
        address = self.body.fresh("%status")
        self.entry.append(f"  {address} = alloca i64")
        self.body.line(f"store i64 0, ptr {address}")
        return address

    def keep_status(self, status: str, place: int) -> None:
        """The status as the result's number `place`."""
        found = self.body.op(f"load i64, ptr {status}")
        number = self.body.op(f"sitofp i64 {found} to {self.kind}")
        self.body.line(f"store {self.kind} {number}, ptr {self.out(place)}")

    def one(self) -> str:
        """The address of the number 1."""
        if self.pair == 1:
            return fortran_constant(self.body.module, self.kind, "1.0")
        name, value = f"@wg.complex.{self.kind}.1", f"[{self.kind} 1.0, {self.kind} 0.0]"
        self.body.module.helpers[name] = f"{name} = internal constant [2 x {self.kind}] {value}"
        return name

    @property
    def is_small(self) -> bool:
        """Whether wengert's own loops take the place of LAPACK's."""
        return self.pair == 1 and 1 <= self.shape()[0] <= SMALL

    def small(self, routine: str, arguments: Sequence[str | int]) -> None:
        """Calls one of wengert's own loops with addresses and integers."""
        symbol = f"@{small_factors.name(routine, self.call.out.buffer.dtype)}"
        listed = small_factors.PARAMETERS[routine].format(kind=self.kind)
        self.body.module.declare(symbol, "void", listed)
        pairs = zip(listed.split(", "), arguments, strict=True)
        self.body.line(f"call void {symbol}({', '.join(f'{t} {x}' for t, x in pairs)})")

    def triangular(self, flags: str) -> None:
        """X of A X = B, or A' X = B: as X' A' = B' and X' A = B' on what LAPACK sees, A', B'."""
        (n, _), (_, m) = self.shape(0), self.shape(1)
        uplo, trans, diag = flags
        if is_substituted(self.call.routine, n) and m:
            lanes = small_factors.lanes(self.call.out.buffer.dtype)
            order = small_factors.substitution(n, uplo == "L", trans == "T")
            places = [self.source(0), self.source(1), self.out(0), self.stack(n * lanes)]
            wide = self.call.sources[1].row
            self.small("trsm", [*places, *order, int(diag == "U"), n, m, wide, lanes])
            return
        self.copy(self.out(0), self.source(1), n * m)
        one = self.one()
        seen = "U" if uplo == "L" else "L"
        letters = [self.letter(x) for x in ("R", seen, trans, diag)]
        matrices = [self.source(0), self.size(max(1, n)), self.out(0), self.size(max(1, m))]
        self.fortran("trsm", [*letters, self.size(m), self.size(n), one, *matrices])


_COMPLEX_NAMES = {"syevd": "heevd", "orgqr": "ungqr"}


def _potrf(p: _Printer) -> None:
    _, n = p.shape()
    if p.call.rows > 1:
        lanes = small_factors.lanes(p.call.out.buffer.dtype)
        room = p.stack((n * n + 1) * lanes)
        p.small("potrf", [p.source(0), p.out(0), room, n, p.call.rows, lanes])
        return
    p.copy(p.out(0), p.source(0), n * n)
    status = p.status()
    size = p.size(n)
    p.fortran("potrf", [p.letter("U"), size, p.out(0), p.size(max(1, n)), status])
    p.keep_status(status, p.pair * n * n)


def _getrf(p: _Printer) -> None:
    n, _ = p.shape()
    if p.is_small:
        dtype = p.call.out.buffer.dtype
        wide = small_factors.lanes(dtype)
        vectors = -(-n // wide)
        room, tiny = p.stack((n + 1) * vectors * wide), float(np.finfo(dtype).tiny)
        sizes = [n, vectors * wide, vectors]
        p.small("getrf", [p.source(0), p.out(0), room, room, constant(tiny, dtype), *sizes])
        return
    end = p.pair * n * n
    p.copy(p.out(0), p.source(0), n * n)
    status, pivots = p.status(), p.room(n, 8)
    size = p.size(n)
    p.fortran("getrf", [size, size, p.out(0), p.size(max(1, n)), pivots, status])
    name = f"@wg.permutation.{p.kind}"
    wide = integer_bits() == 64
    p.body.module.helpers[name] = _PERMUTATION.format(
        name=name,
        kind=p.kind,
        integer="i64" if wide else "i32",
        widened="add i64 %one.based, 0" if wide else "sext i32 %one.based to i64",
    )
    after = p.out(end)
    p.body.line(f"call void {name}(ptr {pivots}, ptr {after}, i64 {n})")
    p.free(pivots)
    p.keep_status(status, end + 2 * n + 1)


# From the rows that were exchanged one after the other to the permutation that they make together,
# its inverse, and its sign.
_PERMUTATION = """define internal void {name}(ptr %pivots, ptr %out, i64 %n) nounwind {{
entry:
  %inverse = getelementptr {kind}, ptr %out, i64 %n
  %sign = getelementptr {kind}, ptr %inverse, i64 %n
  store {kind} 1.0, ptr %sign
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %fill, label %done
fill:
  %i = phi i64 [ 0, %entry ], [ %i.next, %fill ]
  %i.number = sitofp i64 %i to {kind}
  %i.place = getelementptr {kind}, ptr %out, i64 %i
  store {kind} %i.number, ptr %i.place
  %i.next = add i64 %i, 1
  %i.more = icmp slt i64 %i.next, %n
  br i1 %i.more, label %fill, label %swap
swap:
  %k = phi i64 [ 0, %fill ], [ %k.next, %swap ]
  %k.pivot = getelementptr {integer}, ptr %pivots, i64 %k
  %one.based = load {integer}, ptr %k.pivot
  %wide = {widened}
  %other = sub i64 %wide, 1
  %k.place = getelementptr {kind}, ptr %out, i64 %k
  %other.place = getelementptr {kind}, ptr %out, i64 %other
  %mine = load {kind}, ptr %k.place
  %theirs = load {kind}, ptr %other.place
  store {kind} %theirs, ptr %k.place
  store {kind} %mine, ptr %other.place
  %same = icmp eq i64 %k, %other
  %old = load {kind}, ptr %sign
  %turned = fneg {kind} %old
  %new = select i1 %same, {kind} %old, {kind} %turned
  store {kind} %new, ptr %sign
  %k.next = add i64 %k, 1
  %k.more = icmp slt i64 %k.next, %n
  br i1 %k.more, label %swap, label %invert
invert:
  %j = phi i64 [ 0, %swap ], [ %j.next, %invert ]
  %j.place = getelementptr {kind}, ptr %out, i64 %j
  %from.number = load {kind}, ptr %j.place
  %from = fptosi {kind} %from.number to i64
  %to = getelementptr {kind}, ptr %inverse, i64 %from
  %j.number = sitofp i64 %j to {kind}
  store {kind} %j.number, ptr %to
  %j.next = add i64 %j, 1
  %j.more = icmp slt i64 %j.next, %n
  br i1 %j.more, label %invert, label %done
done:
  ret void
}}"""


def _small_eigen(p: _Printer, values: bool) -> None:
    """`syevd` by loops of wengert's own; the stack has room for what they overwrite."""
    n, _ = p.shape()
    dtype, end = p.call.out.buffer.dtype, 0 if values else n * n
    symbol = f"@{small_eigen.name(dtype)}"
    p.body.module.declare(symbol, "void", small_eigen.PARAMETERS.format(kind=p.kind))
    matrix, *rooms = (p.stack(count) for count in (n * n, n, n))
    p.copy(matrix, p.source(0), n * n)
    vectors = p.stack(n * n) if values else p.out(0)
    places = [matrix, vectors, p.out(end), *rooms]
    limits = [f"{p.kind} {constant(x, dtype)}" for x in small_eigen.limits(dtype)]
    given = [*(f"ptr {x}" for x in places), *limits, f"i64 {n}"]
    p.body.line(f"call void {symbol}({', '.join(given)})")
    p.body.line(f"store {p.kind} 0.0, ptr {p.out(end + n)}")


def _eigen_together(p: _Printer, values: bool) -> None:
    """`syevd` of as many matrices as vectors have lanes."""
    _, n = p.shape()
    dtype = p.call.out.buffer.dtype
    lanes = small_factors.lanes(dtype)
    room, words = p.stack(lane_eigen.room(n) * lanes), p.stack(lane_eigen.words(n, lanes), "i64")
    limits = [constant(x, dtype) for x in small_eigen.limits(dtype)]
    sizes = [n, lane_eigen.row_length(n), lane_eigen.DIVIDED, p.call.rows, lanes]
    given = [p.source(0), p.out(0), room, room, words, *limits, *sizes]
    p.small("syevd", [*given, int(not values), lane_eigen.KEPT])


def _syevd(p: _Printer, values: bool = False) -> None:
    n, _ = p.shape()
    if p.call.rows > 1:
        _eigen_together(p, values)
        return
    if p.pair == 1 and 1 <= n <= small_eigen.LARGEST:
        _small_eigen(p, values)
        return
    end = 0 if values else p.pair * n * n
    matrix = p.numbers(n * n) if values else p.out(0)
    p.copy(matrix, p.source(0), n * n)
    reals, liwork = 1 + 6 * n + 2 * n * n, 3 + 5 * n
    lwork = reals if p.pair == 1 else (n + 2 + BLOCK) * n
    status, work, iwork = p.status(), p.numbers(lwork), p.room(liwork, 8)
    size = p.size(n)
    where = [matrix, p.size(max(1, n)), p.out(end)]
    rooms = [work, p.size(lwork)]
    rwork = [p.reals(reals)] if p.pair == 2 else []
    rooms += [*rwork, p.size(reals)] if rwork else []
    rooms += [iwork, p.size(liwork)]
    wanted = p.letter("N" if values else "V")
    p.fortran("syevd", [wanted, p.letter("L"), size, *where, *rooms, status])
    p.free(work, iwork, *rwork, *[matrix] * values)
    p.keep_status(status, end + n)


def _geev(p: _Printer) -> None:
    n, _ = p.shape()
    end = p.pair * n * n
    matrix, status, lwork = p.numbers(n * n), p.status(), (2 * BLOCK + 4) * max(1, n)
    work = p.numbers(lwork)
    p.copy(matrix, p.source(0), n * n)
    rows, one = p.size(max(1, n)), p.size(1)
    values = [p.out(end)] if p.pair == 2 else [p.out(end), p.out(end + n)]
    rwork = [p.reals(2 * n)] if p.pair == 2 else []
    # no left eigenvectors are made, so no place for them is read
    vectors = [p.out(0), one, p.out(0), rows]
    given = [p.letter("N"), p.letter("V"), p.size(n), matrix, rows, *values, *vectors]
    p.fortran("geev", [*given, work, p.size(lwork), *rwork, status])
    p.free(matrix, work, *rwork)
    p.keep_status(status, end + 2 * n)


def _gees(p: _Printer) -> None:
    n, _ = p.shape()
    lwork = (2 * BLOCK + 4) * max(1, n)
    status, unused, work = p.status(), p.status(), p.numbers(lwork)
    values = p.numbers(n) if p.pair == 2 else p.numbers(2 * n)
    p.copy(p.out(0), p.source(0), n * n)
    end, rows = p.pair * n * n, p.size(max(1, n))
    found = [values]
    if p.pair == 1:
        found.append(p.body.op(f"getelementptr inbounds {p.kind}, ptr {values}, i64 {n}"))
    rwork = [p.reals(n)] if p.pair == 2 else []
    # eigenvalues keep their order, so neither a choice of some nor room for it is read
    given = [p.letter("V"), p.letter("N"), unused, p.size(n), p.out(0), rows, unused, *found]
    rooms = [p.out(end), rows, work, p.size(lwork), *rwork, unused, status]
    p.fortran("gees", [*given, *rooms])
    p.free(values, work, *rwork)
    p.keep_status(status, 2 * end)


def _geqrf(p: _Printer) -> None:
    n, m = p.shape()  # the transpose of what is factorised
    k, vectors = min(m, n), p.out(p.pair * m * n)
    p.copy(p.out(0), p.source(0), m * n)
    status, tau, lwork = p.status(), p.numbers(k), BLOCK * max(1, n)
    work = p.numbers(lwork)
    rows, room = p.size(max(1, m)), [work, p.size(lwork), status]
    p.fortran("geqrf", [p.size(m), p.size(n), p.out(0), rows, tau, *room])
    p.copy(vectors, p.out(0), m * k)
    sizes = [p.size(m), p.size(k), p.size(k)]
    p.fortran("orgqr", [*sizes, vectors, rows, tau, *room])
    p.free(tau, work)
    p.keep_status(status, p.pair * (m * n + m * k))


def _gesdd(p: _Printer, values: bool = False) -> None:
    n, m = p.shape()  # the transpose of what is factorised
    k, second = min(m, n), 0 if values else p.pair * min(m, n) * m
    end = 0 if values else second + p.pair * n * k
    status = p.status()
    lwork = 4 * k * k + 7 * k + BLOCK * (m + n + 1)
    matrix, work, iwork = p.numbers(m * n), p.numbers(lwork), p.room(8 * k, 8)
    rwork = [p.reals(k * max(5 * k + 7, 2 * max(m, n) + 2 * k + 1))] if p.pair == 2 else []
    p.copy(matrix, p.source(0), m * n)
    rows = p.size(max(1, m))
    # without vectors no places for them are read
    wanted = p.letter("N" if values else "S")
    given = [wanted, p.size(m), p.size(n), matrix, rows, p.out(end)]
    vectors = [p.out(0), rows, p.out(second), p.size(max(1, k))]
    p.fortran("gesdd", [*given, *vectors, work, p.size(lwork), *rwork, iwork, status])
    p.free(matrix, work, iwork, *rwork)
    p.keep_status(status, end + k)


_ROUTINES: dict[str, Callable[[_Printer], None]] = {
    "potrf": _potrf,
    "getrf": _getrf,
    "syevd": _syevd,
    "syevdN": lambda p: _syevd(p, values=True),
    "geev": _geev,
    "gees": _gees,
    "geqrf": _geqrf,
    "gesdd": _gesdd,
    "gesddN": lambda p: _gesdd(p, values=True),
}
