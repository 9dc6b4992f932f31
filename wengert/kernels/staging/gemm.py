"""Contractions as calls of a matrix product: operand layouts, batches, and how the work is cut.

The call takes any matrix with one stride of 1. So an operand needs no copy if its free axes walk
memory like one axis, its contracted axes too, and the innermost axis belongs to either; batch
axes may have any strides. A product of much work is cut into blocks of rows, a batch into runs of
products, and the threads share these; the cut depends on shapes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from wengert.ir.floats import among
from wengert.ir.forms import Contraction
from wengert.ir.scalar import Expr, Index, ScalarBuilder
from wengert.ir.types import FLOAT32, FLOAT64, FLOATS, Shape, TensorType
from wengert.kernels.loops import Buffer, Gemm, Kind, Loop, Matrix, Stmt

# A product with at least this many multiplications is a call; below, the call costs more than the
# work: of a device's library, or of the processor's.
DEVICE_WORK, CALL_WORK = 8_000, 1_000
# Short sums of few columns are written out in registers, as fast as calls can be; short ones of
# many columns are calls if there is much to do.
SHORT, MANY, MUCH_WORK = 8, 64, 100_000
# A thread's share of a product or a batch has at least this many multiplications.
SHARE_WORK = 1_000_000
# Shares of at least this many each are cut further, to feed more threads.
LARGE_WORK = 1 << 28
MAX_SHARES = 32
# A block of rows has at least so many, so that BLAS packs the other operand for enough of them.
LEAST_ROWS = 16
# A block of columns, where there are too few rows for that, has at least so many.
LEAST_COLUMNS = 128
# Products at most this large keep their accumulators in registers.
REGISTER_WORK = 4_096


@dataclass(frozen=True, slots=True)
class Dims:
    """The axes of a contraction's operand: batch, free and contracted ones, with all extents."""

    batch: tuple[int, ...]
    free: tuple[int, ...]
    contract: tuple[int, ...]
    shape: Shape

    def size(self, axes: Sequence[int]) -> int:
        return prod(self.shape[a] for a in axes)

    @property
    def innermost(self) -> int:
        """The last axis that is longer than 1, or -1."""
        return max((a for a, extent in enumerate(self.shape) if extent != 1), default=-1)

    @property
    def packed(self) -> tuple[int, ...]:
        """An order of the axes that BLAS takes, with the innermost axis kept where possible."""
        if self.innermost in self.free:
            return (*self.batch, *self.contract, *self.free)
        return (*self.batch, *self.free, *self.contract)

    def strides(self, steps: Sequence[int] | None = None) -> Strides | None:
        """How BLAS would walk the operand, whose axes have these strides; None if it cannot.

        Without `steps` it is contiguous. Lines must not overlap.
        """
        if steps is None:
            steps = [prod(self.shape[a + 1 :]) for a in range(len(self.shape))]
        free, contract = self._stride(self.free, steps), self._stride(self.contract, steps)
        if free is None or contract is None:
            return None
        m, k = self.size(self.free), self.size(self.contract)
        if (free == 1 and (contract >= m or k == 1)) or (contract == 1 and (free >= k or m == 1)):
            return Strides(tuple(steps[a] for a in self.batch), free, contract)
        return None

    def _stride(self, axes: Sequence[int], steps: Sequence[int]) -> int | None:
        """The one stride of several axes, or None if they do not walk memory like one."""
        long = [a for a in axes if self.shape[a] != 1]
        for outer, inner in pairwise(long):
            if steps[outer] != steps[inner] * self.shape[inner]:
                return None
        return steps[long[-1]] if long else 1


def in_packed_order(dims: Dims) -> Dims:
    """What the axes are called once they stand in the order `dims.packed`."""
    order = dims.packed

    def moved(axes: Sequence[int]) -> tuple[int, ...]:
        return tuple(order.index(a) for a in axes)

    shape = tuple(dims.shape[a] for a in order)
    return Dims(moved(dims.batch), moved(dims.free), moved(dims.contract), shape)


def loop_order(lhs: Dims, rhs: Dims) -> list[tuple[int, int]]:
    """The loops of a contraction as (operand, axis); paired axes count as the first operand's."""
    batch = [(0, a) for a in lhs.batch]
    rows = [(0, a) for a in lhs.free]
    columns = [(1, a) for a in rhs.free]
    inner = [(0, a) for a in lhs.contract]
    m, n, k = lhs.size(lhs.free), rhs.size(rhs.free), lhs.size(lhs.contract)
    if n == 1:
        down = m > 1 and lhs.innermost in lhs.free
        return batch + (inner + rows if down else rows + inner) + columns
    small = m * n * k <= REGISTER_WORK and m > 1
    if small or rhs.innermost in rhs.contract:
        return batch + rows + columns + inner
    return batch + rows + inner + columns


@dataclass(frozen=True, slots=True)
class Strides:
    """Strides of an operand in elements; one per batch axis."""

    batch: tuple[int, ...]
    free: int
    contract: int


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand in memory; its first element is at `offset`."""

    buffer: Buffer
    strides: Strides
    offset: Expr


def contraction_dims(form: Contraction, types: Sequence[TensorType]) -> tuple[Dims, Dims]:
    """The roles of the axes of both operands."""

    def dims(side: int) -> Dims:
        used = {*form.contract[side], *form.batch[side]}
        free = tuple(a for a in range(types[side].ndim) if a not in used)
        return Dims(form.batch[side], free, form.contract[side], types[side].shape)

    return dims(0), dims(1)


def is_call(form: Contraction, types: Sequence[TensorType], narrow: bool = False) -> bool:
    """Whether a contraction is worth a call; if `narrow`, of a device's library for all floats."""
    if not among(types[0].dtype, FLOATS if narrow else (FLOAT32, FLOAT64)):
        return False
    if narrow and not all(t.is_static for t in types):
        return False
    lhs, rhs = contraction_dims(form, types)
    m, n, k = lhs.size(lhs.free), rhs.size(rhs.free), lhs.size(lhs.contract)
    if m <= 1 or n <= 1 or k <= 1:
        return False
    return m * n * k >= DEVICE_WORK if narrow else _pays(m, n, k)


def multiplications(form: Contraction, types: Sequence[TensorType]) -> int:
    """How many a contraction takes."""
    lhs, rhs = contraction_dims(form, types)
    return prod(lhs.shape) * rhs.size(rhs.free)


def _pays(m: int, n: int, k: int) -> bool:
    """Whether a call is faster than loops on a processor."""
    work = m * n * k
    if k <= SHORT:
        return n > MANY and work >= MUCH_WORK
    return work >= (CALL_WORK if n >= SHORT else DEVICE_WORK)


def product(
    s: ScalarBuilder,
    out: Buffer,
    lhs: Operand,
    rhs: Operand,
    dims: tuple[Dims, Dims],
    whole: bool = False,
) -> tuple[Stmt, ...]:
    """The statements of a contraction: one call, or loops over blocks of rows or the batch.

    With `whole` nothing is cut into shares: there are no other threads to take them, or the
    library has all of the device's.
    """
    left, right = dims
    m, n = left.size(left.free), right.size(right.free)
    k = left.size(left.contract)
    extents = [left.shape[a] for a in left.batch]
    if prod(extents) == 1:
        return _by_rows(s, out, lhs, rhs, (m, n, k), whole)
    return _by_batch(s, out, lhs, rhs, (m, n, k), extents, whole)


def _by_rows(
    s: ScalarBuilder,
    out: Buffer,
    lhs: Operand,
    rhs: Operand,
    sizes: tuple[int, int, int],
    whole: bool,
) -> tuple[Stmt, ...]:
    m, n, _ = sizes
    parts = 1 if whole else shares(prod(sizes), m // LEAST_ROWS)
    down, across = _cut(m, n, parts)
    size, width = -(-m // down), n // across
    if parts == 1 and not whole and n > m:
        return _by_columns(s, out, lhs, rhs, sizes)
    if size == m and across == 1:
        return (_call(s, out, lhs, rhs, sizes, [s.int(0)] * 3, s.int(m)),)
    block = Index(-(-m // size) * across)
    at = s.index(block)
    start = s.mul(s.idiv(at, s.int(across)) if across > 1 else at, size)
    first = s.mul(s.irem(at, s.int(across)), width) if across > 1 else s.int(0)
    rows = s.min(s.int(size), s.sub(s.int(m), start)) if m % size else s.int(size)
    offsets = [
        s.add(s.mul(start, n), first),
        s.mul(start, lhs.strides.free),
        s.mul(first, rhs.strides.free),
    ]
    call = _call(s, out, lhs, rhs, (m, width, sizes[2]), offsets, rows, n)
    return (Loop(block, s.int(0), s.int(block.extent), (call,), Kind.PARALLEL),)


def _cut(m: int, n: int, parts: int) -> tuple[int, int]:
    """Blocks of rows times blocks of columns are `parts`, which is a power of two or small.

    A call packs its part of each operand: all of them together the left one once for each block
    of columns, and the right one once for each block of rows.
    """
    cuts = [(parts, 1)]
    if parts > 2:
        widths = (1 << i for i in range(1, parts.bit_length()))
        cuts += [(parts // c, c) for c in widths if n % c == 0 and n // c >= LEAST_COLUMNS]
    return min(cuts, key=lambda cut: cut[0] * n + cut[1] * m)


def _by_columns(
    s: ScalarBuilder, out: Buffer, lhs: Operand, rhs: Operand, sizes: tuple[int, int, int]
) -> tuple[Stmt, ...]:
    """Blocks of columns, for rows too few to share, then the few columns left over."""
    m, n, k = sizes
    parts = shares(prod(sizes), n // LEAST_COLUMNS)
    width = n // parts

    def columns(start: Expr, count: int) -> Gemm:
        offsets = [start, s.int(0), s.mul(start, rhs.strides.free)]
        return _call(s, out, lhs, rhs, (m, count, k), offsets, s.int(m), n)

    if parts == 1:
        return (columns(s.int(0), n),)
    block = Index(parts)
    call = columns(s.mul(s.index(block), width), width)
    blocks = Loop(block, s.int(0), s.int(parts), (call,), Kind.PARALLEL)
    left = n - parts * width
    return (blocks, columns(s.int(n - left), left)) if left else (blocks,)


def _by_batch(
    s: ScalarBuilder,
    out: Buffer,
    lhs: Operand,
    rhs: Operand,
    sizes: tuple[int, int, int],
    extents: Sequence[int],
    whole: bool,
) -> tuple[Stmt, ...]:
    batch = Index(prod(extents))
    at = s.index(batch)
    offsets = [
        s.mul(at, sizes[0] * sizes[1]),
        _walk(s, at, extents, lhs.strides.batch),
        _walk(s, at, extents, rhs.strides.batch),
    ]
    call = _call(s, out, lhs, rhs, sizes, offsets, s.int(sizes[0]))
    size = -(-batch.extent // shares(batch.extent * prod(sizes), batch.extent))
    if whole or size == batch.extent:
        return (Loop(batch, s.int(0), s.int(batch.extent), (call,)),)
    run = Index(-(-batch.extent // size))
    start = s.mul(s.index(run), size)
    stop = s.min(s.add(start, size), s.int(batch.extent))
    inner = Loop(batch, start, stop, (call,))
    return (Loop(run, s.int(0), s.int(run.extent), (inner,), Kind.PARALLEL),)


def _walk(s: ScalarBuilder, at: Expr, extents: Sequence[int], strides: Sequence[int]) -> Expr:
    """The offset of batch element `at`, counted in row-major order over `extents`."""
    offset = s.int(0)
    inner = 1
    for extent, stride in zip(reversed(extents), reversed(strides), strict=True):
        place = s.idiv(at, s.int(inner))
        if inner * extent < prod(extents):
            place = s.irem(place, s.int(extent))
        offset = s.add(s.mul(place, stride), offset)
        inner *= extent
    return offset


def shares(work: int, most: int) -> int:
    """Into how many parts work is cut: two if that pays, more if it is much.

    More are a power of two: of three, one of two threads would do two.
    """
    few = min(2, work // SHARE_WORK)
    many = 1 << max(0, work // LARGE_WORK - 1).bit_length()
    return max(1, min(max(few, many), most, MAX_SHARES))


def _call(
    s: ScalarBuilder,
    out: Buffer,
    lhs: Operand,
    rhs: Operand,
    sizes: tuple[int, int, int],
    offsets: Sequence[Expr],
    rows: Expr,
    columns: int | None = None,
) -> Gemm:
    """One call, for rows of the result that have as many `columns` as the product unless given."""
    return Gemm(
        Matrix(out, offsets[0], columns or sizes[1], 1),
        Matrix(lhs.buffer, s.add(lhs.offset, offsets[1]), lhs.strides.free, lhs.strides.contract),
        Matrix(rhs.buffer, s.add(rhs.offset, offsets[2]), rhs.strides.contract, rhs.strides.free),
        rows,
        sizes[1],
        sizes[2],
    )
