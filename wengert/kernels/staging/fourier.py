"""Calls of Fourier transforms, with rows or columns shared out to the threads.

A call takes as much as it can, as several transforms are done in the lanes of vectors: runs of
rows, or, where neighbours in a row belong to different transforms, runs of columns of a row. Few
long rows are transformed in two steps (`kernels/fourier.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wengert.ir.forms import Transform
from wengert.ir.scalar import Expr, Index, ScalarBuilder
from wengert.ir.types import TensorType
from wengert.kernels.fourier import LANES, cut, is_smooth, strips
from wengert.kernels.loops import Buffer, Factorise, If, Kind, Loop, Matrix, Stmt
from wengert.kernels.staging.gemm import shares

# What a transform does per number and level, in multiplications of a product: wengert's own, and
# those of pocketfft.
OWN_WORK, TRANSFORM_WORK = 2, 8
# The same of the step between transforms of real numbers and half as many complex ones.
HALVES_WORK = 16
# Rows of at least so many numbers are transformed in two steps, and shorter ones where they are
# too few to fill vectors.
LONG, SHORT = 1 << 14, 1 << 6

Stages = list[tuple[Buffer, tuple[Stmt, ...], Sequence[Buffer]]]
"""What is written, how, and what is read, one after the other."""


def transform(
    s: ScalarBuilder,
    routine: str,
    out: Buffer,
    source: Buffer,
    kind: TensorType,
    whole: bool,
    new: Callable[[TensorType], Buffer],
) -> Stages:
    """What transforms each row of a contiguous source; `new` makes a buffer.

    With `whole`, nothing is cut into shares or steps: the library has all of a device.
    """
    rows = kind.size // kind.shape[-1] if kind.size else 0
    made = Transform.named(routine)
    lanes = LANES[kind.dtype.itemsize]
    if not rows:
        return [(out, (), (source,))]
    if made.inner == 1 and not whole:
        found = _Rows(s, kind, rows, lanes, new)
        if made.kind == "c2c":
            return found.transformed(made.n, out, source)
        if made.n % 2 == 0 and made.n // 2 > 2 * lanes and is_smooth(made.n // 2):
            return found.real(made, out, source)
    work = kind.size * made.n.bit_length() * _weight(made)
    if made.inner == 1:
        parts = 1 if whole else shares(work, rows)
        body = _in_runs(s, rows, parts, lanes, _RowCalls(s, made, out, source))
        return [(out, (body,), (source,))]
    columns = _ColumnCalls(s, made, out, source)
    if rows == 1:
        parts = 1 if whole else shares(work, made.inner)
        return [(out, (_in_runs(s, made.inner, parts, lanes, columns),), (source,))]
    row = Index(rows)
    kind_of_loop = Kind.SERIAL if whole or shares(work, rows) == 1 else Kind.PARALLEL
    call = columns.of_row(s.index(row), s.int(0), made.inner)
    return [(out, (Loop(row, s.int(0), s.int(rows), (call,), kind_of_loop),), (source,))]


def _weight(made: Transform) -> int:
    return OWN_WORK if made.kind == "c2c" and is_smooth(made.n) else TRANSFORM_WORK


@dataclass(frozen=True, slots=True)
class _Rows:
    """Transforms of so many rows, whose operand has a type."""

    s: ScalarBuilder
    kind: TensorType
    count: int
    lanes: int
    new: Callable[[TensorType], Buffer]

    def transformed(self, n: int, out: Buffer, source: Buffer) -> Stages:
        """Of n complex numbers each, in two steps or in one."""
        made = Transform("c2c", n, 1)
        work = self.count * 2 * n * n.bit_length() * _weight(made)
        factors = _cut(n, self.count, self.lanes)
        if factors is None:
            calls = _RowCalls(self.s, made, out, source)
            body = _in_runs(self.s, self.count, shares(work, self.count), self.lanes, calls)
            return [(out, (body,), (source,))]
        steps = _Steps(self.s, *factors, self.count, self.lanes, work // 2)
        between = self._row_of(steps.size)
        first, second = steps.columns(between, source), steps.rows(out, between)
        return [(between, (first,), (source,)), (out, (second,), (between,))]

    def real(self, made: Transform, out: Buffer, source: Buffer) -> Stages:
        """Of an even number of real numbers each, or to them."""
        h = made.n // 2
        between = self._row_of(made.n)
        if made.kind == "r2c":
            halves = self._halves(f"halves_{made.n}", out, between, h, h + 1)
            return [*self.transformed(h, between, source), (out, (halves,), (between,))]
        pairs = self._halves(f"pairs_{made.n}", between, source, h + 1, h)
        return [(between, (pairs,), (source,)), *self.transformed(h, out, between)]

    def _row_of(self, floats: int) -> Buffer:
        """A buffer with as many floats for each row."""
        return self.new(TensorType(self.kind.dtype, (self.count * floats,)))

    def _halves(self, routine: str, out: Buffer, source: Buffer, given: int, wanted: int) -> Stmt:
        """What leads to real numbers or from them: from `given` numbers to as many as `wanted`."""
        s = self.s

        def call(row: Expr, first: Expr, count: int) -> Factorise:
            place = s.add(s.mul(row, 2 * wanted), s.mul(first, 2))
            return Factorise(
                routine,
                Matrix(out, place, 2 * wanted, 1),
                2 * count,
                (Matrix(source, s.mul(row, 2 * given), 2 * given, 1),),
                ((1, 2 * given),),
                "fourier",
                first=first,
            )

        work = self.count * wanted * HALVES_WORK
        return _shared_out(s, self.count, wanted, self.lanes, work, call)


def _cut(n: int, rows: int, lanes: int) -> tuple[int, int] | None:
    """The factors of rows that are transformed in two steps."""
    least = LONG if 2 * rows > lanes else SHORT
    return cut(n, lanes) if n >= least else None


def _in_runs(
    s: ScalarBuilder, count: int, parts: int, lanes: int, call: Callable[[Expr, int], Factorise]
) -> Stmt:
    """Calls for runs of `count` things, whole vectors but for the last run, on the threads."""
    run = _run(count, parts, lanes)
    number = -(-count // run)
    if number == 1:
        return call(s.int(0), count)
    part = Index(number)
    return Loop(
        part, s.int(0), s.int(number), (_part(s, count, run, s.index(part), call),), Kind.PARALLEL
    )


def _run(count: int, parts: int, lanes: int) -> int:
    """About as many things as make so many parts, in whole vectors."""
    return -(-count // (parts * lanes)) * lanes


def _part(
    s: ScalarBuilder, count: int, run: int, part: Expr, call: Callable[[Expr, int], Factorise]
) -> Stmt:
    """The call for one of the runs of `count` things, the last of which has what is left."""
    last = (count - 1) // run
    rest = count - last * run
    whole = call(s.mul(part, run), run) if last or rest == run else call(s.int(0), rest)
    if rest == run or not last:
        return whole
    return If(s.eq(part, last), (call(s.int(count - rest), rest),), (whole,))


@dataclass(frozen=True, slots=True)
class _Steps:
    """The two steps for rows of p times q numbers, and the work of one of them."""

    s: ScalarBuilder
    p: int
    q: int
    count: int
    lanes: int
    work: int

    @property
    def strip(self) -> int:
        """Floats of a strip."""
        return self.q * 2 * self.lanes

    @property
    def size(self) -> int:
        """Floats of a row between the steps."""
        return strips(self.p, self.lanes) * self.strip

    def columns(self, out: Buffer, source: Buffer) -> Stmt:
        """The first step."""
        s, p, q = self.s, self.p, self.q

        def call(row: Expr, first: Expr, count: int) -> Factorise:
            given = Matrix(source, s.add(s.mul(row, 2 * p * q), s.mul(first, 2)), 2 * q, 1)
            place = s.add(s.mul(row, self.size), s.mul(first, 2 * self.lanes))
            number = strips(p, self.lanes)
            return Factorise(
                f"columns_{p}x{q}",
                Matrix(out, place, self.strip, 1),
                number * count * 2 * self.lanes,
                (given,),
                ((p, 2 * count),),
                "fourier",
                number,
                first=first,
            )

        return _shared_out(s, self.count, q, self.lanes, self.work, call)

    def rows(self, out: Buffer, source: Buffer) -> Stmt:
        """The second step."""
        s, p, q = self.s, self.p, self.q

        def call(row: Expr, first: Expr, count: int) -> Factorise:
            place = s.add(s.mul(row, self.size), s.mul(first, 2 * q))
            target = s.add(s.mul(row, 2 * p * q), s.mul(first, 2))
            return Factorise(
                f"rows_{p}x{q}",
                Matrix(out, target, 2 * p, 1),
                q * 2 * count,
                (Matrix(source, place, self.strip, 1),),
                ((strips(count, self.lanes), self.strip),),
                "fourier",
                q,
                first=first,
            )

        return _shared_out(s, self.count, p, self.lanes, self.work, call)


def _shared_out(
    s: ScalarBuilder,
    rows: int,
    count: int,
    lanes: int,
    work: int,
    call: Callable[[Expr, Expr, int], Factorise],
) -> Stmt:
    """Calls for runs of `count` things of each row, the row and the first of the run given."""
    parts = shares(work, rows * strips(count, lanes))
    run = _run(count, -(-parts // rows), lanes)
    number = -(-count // run)
    task = Index(rows * number)
    row = s.idiv(s.index(task), s.int(number)) if number > 1 else s.index(task)
    part = s.irem(s.index(task), s.int(number)) if number > 1 else s.int(0)
    body = _part(s, count, run, part, lambda first, size: call(row, first, size))
    kind = Kind.PARALLEL if parts > 1 else Kind.SERIAL
    return Loop(task, s.int(0), s.int(task.extent), (body,), kind)


@dataclass(frozen=True, slots=True)
class _RowCalls:
    """Calls for runs of rows, each of which is one transform."""

    s: ScalarBuilder
    routine: Transform
    out: Buffer
    source: Buffer

    def __call__(self, first: Expr, count: int) -> Factorise:
        r = self.routine
        before, after = r.before * r.pair_before, r.after * r.pair_after
        return Factorise(
            f"{r.kind}_{r.n}x1",
            Matrix(self.out, self.s.mul(first, after), after, 1),
            count * after,
            (Matrix(self.source, self.s.mul(first, before), before, 1),),
            ((count, before),),
            "pocketfft",
            count,
        )


@dataclass(frozen=True, slots=True)
class _ColumnCalls:
    """Calls for runs of columns of a row, each of which is one transform."""

    s: ScalarBuilder
    routine: Transform
    out: Buffer
    source: Buffer

    def __call__(self, first: Expr, count: int) -> Factorise:
        return self.of_row(self.s.int(0), first, count)

    def of_row(self, row: Expr, first: Expr, count: int) -> Factorise:
        """The columns from `first` on of a row."""
        r = self.routine
        wide_before, wide_after = r.inner * r.pair_before, r.inner * r.pair_after
        out = Matrix(
            self.out, self.place(row, first, r.after * wide_after, r.pair_after), wide_after, 1
        )
        source = Matrix(
            self.source,
            self.place(row, first, r.before * wide_before, r.pair_before),
            wide_before,
            1,
        )
        return Factorise(
            f"{r.kind}_{r.n}x{count}",
            out,
            r.after * count * r.pair_after,
            (source,),
            ((r.before, count * r.pair_before),),
            "pocketfft",
            r.after,
        )

    def place(self, row: Expr, first: Expr, length: int, pair: int) -> Expr:
        s = self.s
        return s.add(s.mul(row, length), s.mul(first, pair))
