"""Calls of LAPACK and sorting, with matrices or rows shared out to the threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from wengert.ir.forms import Library
from wengert.ir.scalar import Expr, Index, ScalarBuilder
from wengert.ir.types import TensorType
from wengert.kernels.loops import Buffer, Factorise, If, Kind, Loop, Matrix, Stmt
from wengert.kernels.staging.fourier import Stages, transform
from wengert.kernels.staging.gemm import Dims, shares


def matrix_dims(t: TensorType) -> Dims:
    """The axes of a batch of row-major matrices, as operands of products have them."""
    return Dims(tuple(range(t.ndim - 2)), (t.ndim - 2,), (t.ndim - 1,), t.shape)


def row_dims(t: TensorType) -> Dims:
    """The axes of an array of rows."""
    return Dims((), tuple(range(t.ndim - 1)), (t.ndim - 1,), t.shape)


OF_ROWS = ("pocketfft", "selection", "sort")
"""Libraries that work on rows; LAPACK works on matrices."""


def of_library(
    s: ScalarBuilder,
    form: Library,
    out: Buffer,
    sources: Sequence[Buffer],
    types: Sequence[TensorType],
    whole: bool,
    new: Callable[[TensorType], Buffer],
) -> Stages:
    """What a routine gives for contiguous sources: what is written, how, and what is read.

    With `whole`, here and below, nothing is cut into shares: the library has all of a device.
    `new` makes a buffer.
    """
    if form.library == "pocketfft":
        return transform(s, form.routine, out, sources[0], types[0], whole, new)
    make = {"selection": select_rows, "sort": sort_rows}.get(form.library, factorise)
    return [(out, make(s, form.routine, out, sources, types, whole), sources)]


# What sorting does per number and level, in multiplications of a product.
SORT_WORK = 40
# Rows of at least so many numbers are sorted in runs, which are then merged: so many runs, 2**n.
RUNS = ((1 << 21, 3), (1 << 18, 2), (1 << 15, 1))


def sort_rows(
    s: ScalarBuilder,
    routine: str,
    out: Buffer,
    sources: Sequence[Buffer],
    types: Sequence[TensorType],
    whole: bool = False,
) -> tuple[Stmt, ...]:
    """The statements that sort each row of a contiguous source, or find its order."""
    source, kind = sources[0], types[0]
    n = kind.shape[-1]
    rows = kind.size // n if kind.size else 0
    calls = _Sorts(s, routine, out, source)
    parts = shares(kind.size * n.bit_length() * SORT_WORK, rows)
    levels = next((found for least, found in RUNS if n >= least), 0)
    if not rows:
        return ()
    if whole:
        return _one_by_one(s, rows, 1, lambda row: calls.row(s.mul(row, n), n))
    if rows >= 1 << levels:
        return _one_by_one(s, rows, parts, lambda row: calls.row(s.mul(row, n), n))
    return tuple([st for row in range(rows) for st in calls.long_row(row * n, n, levels)])


# What a selection does per number, in multiplications of a product.
SELECT_WORK = 100


def select_rows(
    s: ScalarBuilder,
    routine: str,
    out: Buffer,
    sources: Sequence[Buffer],
    types: Sequence[TensorType],
    whole: bool = False,
) -> tuple[Stmt, ...]:
    """The statements that find where the numbers of given ranks stand, in each row of the first."""
    n, m = (t.shape[-1] for t in types)
    rows = types[0].size // n
    if not rows * m:
        return ()

    def call(row: Expr) -> Factorise:
        numbers = Matrix(sources[0], s.mul(row, n), n, 1)
        ranks, places = (Matrix(buffer, s.mul(row, m), m, 1) for buffer in (sources[1], out))
        return Factorise(routine, places, m, (numbers, ranks), ((1, n), (1, m)), "selection")

    parts = 1 if whole else shares(types[0].size * SELECT_WORK, rows)
    return _one_by_one(s, rows, parts, call)


@dataclass(frozen=True, slots=True)
class _Sorts:
    """Calls that sort rows, or find their order."""

    s: ScalarBuilder
    routine: str
    out: Buffer
    source: Buffer

    def row(self, first: Expr, n: int) -> Factorise:
        """A row at its place in both buffers."""
        given = Matrix(self.source, first, n, 1)
        out = Matrix(self.out, first, n, 1)
        return Factorise(self.routine, out, n, (given,), ((1, n),), "sort")

    def merged(self, first: Expr, left: int, n: int) -> Factorise:
        """The same where it is known of the first `left` numbers, and of the others.

        It is known in the place of the result: so this works in place.
        """
        out = Matrix(self.out, first, n, 1)
        keys = out if self.routine == "values" else Matrix(self.source, first, n, 1)
        shapes = ((1, n), (1, left))
        return Factorise(self.routine, out, n, (keys, out), shapes, "sort")

    def long_row(self, first: int, n: int, levels: int) -> list[Stmt]:
        """A row in 2**levels runs on the threads, and these merged two by two, level by level."""
        run = n >> levels
        found = [self._in_parallel(1 << levels, lambda at, size: self.row(at, size), first, run, n)]
        for level in range(1, levels + 1):
            left = run << (level - 1)
            found.append(
                self._in_parallel(
                    1 << (levels - level),
                    lambda at, size, left=left: self.merged(at, left, size),
                    *(first, 2 * left, n),
                )
            )
        return found

    def _in_parallel(
        self, count: int, call: Callable[[Expr, int], Stmt], first: int, size: int, n: int
    ) -> Stmt:
        """Calls for `count` parts of this size, the last of which has what is left of the n."""
        s, part = self.s, Index(count)
        at = s.add(s.mul(s.index(part), size), first)
        body = call(at, size)
        if n != count * size:
            longer = call(s.int(first + (count - 1) * size), n - (count - 1) * size)
            body = If(s.eq(s.index(part), count - 1), (longer,), (body,))
        kind = Kind.PARALLEL if count > 1 else Kind.SERIAL
        return Loop(part, s.int(0), s.int(count), (body,), kind)


def _one_by_one(
    s: ScalarBuilder, count: int, parts: int, call: Callable[[Expr], Stmt]
) -> tuple[Stmt, ...]:
    """A call for each of `count` things, in so many runs that the threads share."""
    one = Index(count)
    run = -(-count // parts)
    if run == count:
        return (Loop(one, s.int(0), s.int(count), (call(s.index(one)),)),)
    outer = Index(-(-count // run))
    start = s.mul(s.index(outer), run)
    stop = s.min(s.add(start, run), s.int(count))
    inner = Loop(one, start, stop, (call(s.index(one)),))
    return (Loop(outer, s.int(0), s.int(outer.extent), (inner,), Kind.PARALLEL),)


# What a call of LAPACK takes for a matrix of no size, in multiplications of a product; and how many
# a routine takes for n³, as products run at many in a vector and searches for eigenvalues do not.
CALL_WORK = 4000
ROUTINE_WORK = {"syevd": 40, "gesdd": 60, "geev": 100, "gees": 80}
# Routines that take several small matrices at a time, each a lane of vectors, and from how many on.
SIDE_BY_SIDE = ("potrf", "syevd", "syevd_N")
FEW = 4
SMALL = 32
"""The most rows and columns of matrices that a back end works on itself."""
VECTOR_BYTES = 64
SUBSTITUTED = 512
"""The most rows of triangular systems that the CPU back end solves itself: such a matrix stays in
the second-level cache, from where it is read once for each vector of right-hand sides."""
LEAST_STRIP = 4
"""Vectors of right-hand sides that a thread's share has at least."""


def factorise(
    s: ScalarBuilder,
    routine: str,
    out: Buffer,
    sources: Sequence[Buffer],
    types: Sequence[TensorType],
    whole: bool = False,
) -> tuple[Stmt, ...]:
    """The statements that apply a routine to each matrix of contiguous sources."""
    count = prod(types[0].shape[:-2])
    if not count:
        return ()
    shapes = tuple((t.shape[-2], t.shape[-1]) for t in types)
    name = routine.removeprefix("z").partition("_")[0]
    work = CALL_WORK + ROUTINE_WORK.get(name, 4) * max(shapes[0]) ** 3
    calls = _Factorisations(s, routine, out, sources, shapes, out.size // count)
    if count == 1 and name == "trsm" and is_substituted(routine, shapes[0][0]) and not whole:
        return _in_column_strips(s, calls, types[0].dtype.itemsize)
    together = routine in SIDE_BY_SIDE and max(shapes[0]) <= SMALL and count >= FEW and not whole
    run = VECTOR_BYTES // types[0].dtype.itemsize if together else 1
    runs, rest = -(-count // run), count % run

    def call(at: Expr) -> Stmt:
        full, last = calls(s.mul(at, run), run), calls(s.mul(at, run), rest)
        if not rest or runs == 1:
            return last if rest else full
        return If(s.eq(at, runs - 1), (last,), (full,))

    return _one_by_one(s, runs, 1 if whole else shares(count * work, runs), call)


def is_substituted(routine: str, rows: int) -> bool:
    """Whether triangular systems are solved by loops of wengert's own, rather than LAPACK."""
    return routine.startswith("trsm") and 1 <= rows <= SUBSTITUTED


def _in_column_strips(s: ScalarBuilder, calls: _Factorisations, itemsize: int) -> tuple[Stmt, ...]:
    """A triangular system, with the right-hand sides shared out in whole vectors."""
    (n, _), (_, m) = calls.shapes
    lanes = VECTOR_BYTES // itemsize
    parts = shares(n * n * m // 2, m // (LEAST_STRIP * lanes))
    width = -(-m // (parts * lanes)) * lanes
    whole, rest = divmod(m, width)
    if not whole:
        return (calls.strip(s.int(0), m),)
    strip = Index(whole + (rest > 0))
    body: Stmt = calls.strip(s.mul(s.index(strip), width), width)
    if rest:
        body = If(s.eq(s.index(strip), whole), (calls.strip(s.int(m - rest), rest),), (body,))
    kind = Kind.PARALLEL if parts > 1 else Kind.SERIAL
    return (Loop(strip, s.int(0), s.int(strip.extent), (body,), kind),)


@dataclass(frozen=True, slots=True)
class _Factorisations:
    """Calls of a routine of LAPACK for some matrices, one after the other in memory."""

    s: ScalarBuilder
    routine: str
    out: Buffer
    sources: Sequence[Buffer]
    shapes: tuple[tuple[int, int], ...]
    size: int  # of one result

    def __call__(self, first: Expr, many: int) -> Factorise:
        s = self.s
        given = tuple(
            Matrix(b, s.mul(first, rows * columns), max(1, columns), 1)
            for b, (rows, columns) in zip(self.sources, self.shapes, strict=True)
        )
        out = Matrix(self.out, s.mul(first, self.size), self.size, 1)
        shapes = tuple((many * rows, columns) for rows, columns in self.shapes)
        return Factorise(self.routine, out, many * self.size, given, shapes, rows=many)

    def strip(self, first: Expr, width: int) -> Factorise:
        """So many columns of the second source alone, from `first` on, and of the result."""
        (n, _), (_, m) = self.shapes
        matrix = Matrix(self.sources[0], self.s.int(0), n, 1)
        right, out = (Matrix(b, first, max(1, m), 1) for b in (self.sources[1], self.out))
        shapes = ((n, n), (n, width))
        return Factorise(self.routine, out, n * width, (matrix, right), shapes, lines=n)
