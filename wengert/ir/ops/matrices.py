"""What the factorisations share: matrices are the last two axes, all before them are a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.errors import DTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.op import REGISTRY, Op, Sample, register
from wengert.ir.ops.structural_family import Batched, in_front, iota
from wengert.ir.types import COMPLEX, FLOAT32, FLOAT64, DType, TensorType, real_dtype

Array = Any

COST = 1000
"""What an element of a factorisation costs: it is never computed twice."""

SMALL = 6
"""Matrices up to this size are worked on element by element, so that a batch runs in vectors."""

SMALL_COMPLEX = 4
"""The same for complex ones, which are four times the operations: of 6 by 6, LLVM took 12 s."""


def check_matrix(name: str, t: TensorType, square: bool = False) -> None:
    """Raises ShapeError or DTypeError unless `t` is a batch of float or complex matrices."""
    if t.dtype not in (FLOAT32, FLOAT64, *COMPLEX):
        raise DTypeError(
            f"{name} takes float32, float64, complex64 or complex128, got {t}; "
            "convert it with .astype(float)"
        )
    if t.ndim < 2:
        raise ShapeError(f"{name} takes matrices (two axes or more), got {t}")
    if square and t.shape[-1] != t.shape[-2]:
        raise ShapeError(f"{name} takes square matrices, got {t}")


def batch_all(name: str) -> Callable[..., Batched]:
    """The batch rule of an op on matrices: its leading axes are a batch already."""

    def batch(values: Sequence[Value], batched: Sequence[bool], size: int, **params: Any) -> Any:
        given = [in_front(v, on, size) for v, on in zip(values, batched, strict=True)]
        op = REGISTRY[name]
        results = given[0].builder.emit(op, given, params)
        return results, [True] * len(results)

    return batch


def on_matrices(
    name: str,
    infer: Callable[..., tuple[TensorType, ...]],
    evaluate: Callable[..., Any],
    jvp: Callable[..., Sequence[Any]],
    expand: Callable[..., Sequence[Any]],
    samples: Callable[[], Iterable[Sample]],
    doc: str,
    **more: Any,
) -> Op:
    """An op on each matrix of a batch, made of others before lowering; `more` are `Op`'s fields."""
    return register(
        Op(
            name=name,
            family="linear algebra",
            infer=infer,
            evaluate=evaluate,
            jvp=jvp,
            batch=batch_all(name),
            expand=expand,
            samples=samples,
            cost=COST,
            doc=doc,
            **more,
        )
    )


def transposed(x: Value) -> Value:
    """The transpose of each matrix."""
    return x.transpose(perm=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def adjoint(x: Value) -> Value:
    """The conjugate transpose of each matrix, which is the transpose of a real one."""
    return transposed(x.conj() if x.type.is_complex else x)


def real_part(x: Value) -> Value:
    """The real parts of numbers that may be real already."""
    return x.real() if x.type.is_complex else x


def size(x: Value) -> Value:
    """The absolute values."""
    return x.real().hypot(x.imag()) if x.type.is_complex else x.abs()


def matmul(x: Value, y: Value) -> Value:
    """The product of each pair of matrices; both have the same batch."""
    batch = tuple(range(x.ndim - 2))
    return x.dot_general(y, contract=((x.ndim - 1,), (x.ndim - 2,)), batch=(batch, batch))


def whole_sum(x: Value) -> Value:
    """The sum of each matrix's elements."""
    return x.reduce_sum(axes=(x.ndim - 2, x.ndim - 1))


def triangle(x: Value, lower: bool, strict: bool = False) -> Value:
    """Each matrix with zeros outside a triangle; a strict one is without the diagonal."""
    row, column = (iota(x.builder, x.shape, x.ndim - k) for k in (2, 1))
    first, second = (row, column) if lower else (column, row)
    inside = first.gt(second) if strict else first.ge(second)
    return inside.select(x, x.full_like(0))


def on_diagonal(x: Value) -> Value:
    """Whether an element stands on its matrix's diagonal."""
    row, column = (iota(x.builder, x.shape, x.ndim - k) for k in (2, 1))
    return row.eq(column)


def diagonal(x: Value) -> Value:
    """The diagonal of each square matrix."""
    return on_diagonal(x).select(x, x.full_like(0)).reduce_sum(axes=(x.ndim - 1,))


def symmetric(x: Value) -> Value:
    """Each matrix with its lower triangle mirrored, which is all that is read of it.

    Complex ones become Hermitian, so imaginary parts on the diagonal are not read either.
    """
    mirrored = triangle(x, True) + adjoint(triangle(x, True, strict=True))
    if not x.type.is_complex:
        return mirrored
    return on_diagonal(x).select(x.real().to(x.dtype), mirrored)


def along_rows(x: Value, matrix: Value) -> Value:
    """A vector of each matrix, repeated as all of its rows."""
    dims = (*range(x.ndim - 1), x.ndim)
    return x.broadcast(shape=matrix.shape, dims=dims)


def along_columns(x: Value, matrix: Value) -> Value:
    """A vector of each matrix, repeated as all of its columns."""
    return x.broadcast(shape=matrix.shape, dims=tuple(range(x.ndim)))


def settled_quotient(t: Value, divisor: Value, zero: Value) -> Value:
    """t / divisor for a tangent t; where the divisor is `zero`, there must be nothing to divide,
    and in reverse mode, which meets the outer `settled` first, nothing may be wanted of it."""
    return (t.settled(zero) * inverted(divisor, zero.bitnot()).to(t.dtype)).settled(zero)


def negligible(matrix: Value, x: Value) -> Value:
    """Which elements are no larger than the rounding errors of a spectrum x."""
    if not x.type.size:
        return matrix.ne(matrix)
    largest = size(x).reduce_max(axes=(x.ndim - 1,))
    limit = largest * largest.full_like(_roundings(x))
    return size(matrix).le(spread_over(limit, matrix.shape))


def _roundings(x: Value) -> float:
    return 8 * x.shape[-1] * float(np.finfo(x.dtype).eps)


def inverted(x: Value, where: Value) -> Value:
    """1 / x where `where` holds, and 0 elsewhere, without dividing by 0 there."""
    one = x.full_like(1)
    return where.select(one / where.select(x, one), x.full_like(0))


def library(routine: str, *given: Value) -> Value:
    """What a routine gives for each matrix; of complex ones, that for rows of pairs of floats."""
    if not given[0].type.is_complex:
        return given[0].lapack(*given[1:], routine=routine)
    first, *others = [_pairs(x) for x in given]
    return first.lapack(*others, routine="z" + routine)


def _pairs(x: Value) -> Value:
    """Complex matrices as real ones, real and imaginary parts being neighbours in a row."""
    columns = [p.reshape(shape=(*x.shape, 1)) for p in (x.real(), x.imag())]
    return (
        columns[0].concat(columns[1], axis=x.ndim).reshape(shape=(*x.shape[:-1], 2 * x.shape[-1]))
    )


def part(x: Value, first: int, shape: tuple[int, ...]) -> Value:
    """Numbers of a routine's results, from `first` on, in their shape."""
    count = math.prod(shape)
    batch = x.shape[:-1]
    taken = x.slice(
        start=(*(0 for _ in batch), first), stop=(*batch, first + count), step=(1,) * x.ndim
    )
    return taken.reshape(shape=(*batch, *shape))


def numbers(x: Value, first: int, shape: tuple[int, ...], dtype: DType) -> Value:
    """The same in this dtype, in which a complex number is a pair of floats."""
    if dtype.kind != "c":
        return part(x, first, shape)
    pairs = part(x, first, (math.prod(shape), 2))
    start, stop = (0,) * pairs.ndim, pairs.shape
    re, im = (
        pairs.slice(
            start=(*start[:-1], k), stop=(*stop[:-1], k + 1), step=(1,) * pairs.ndim
        ).reshape(shape=(*x.shape[:-1], *shape))
        for k in (0, 1)
    )
    return re.complex(im)


def is_small(t: TensorType) -> bool:
    """Whether square matrices are worked on element by element."""
    return t.shape[-1] <= (SMALL_COMPLEX if t.is_complex else SMALL)


def width(t: TensorType) -> int:
    """How many floats a number of this type is."""
    return 2 if t.is_complex else 1


def spread_over(x: Value, shape: tuple[int, ...]) -> Value:
    """A number of each matrix, repeated to matrices of this shape."""
    return x.broadcast(shape=shape, dims=tuple(range(x.ndim)))


def row_of(x: Value, i: int) -> Value:
    """Row i of each matrix."""
    batch = x.shape[:-2]
    zeros = (0,) * len(batch)
    found = x.slice(start=(*zeros, i, 0), stop=(*batch, i + 1, x.shape[-1]), step=(1,) * x.ndim)
    return found.reshape(shape=(*batch, x.shape[-1]))


def element(a: Value, i: int, j: int) -> Value:
    """Element (i, j) of each matrix."""
    batch = a.shape[:-2]
    zeros = (0,) * len(batch)
    found = a.slice(start=(*zeros, i, j), stop=(*batch, i + 1, j + 1), step=(1,) * a.ndim)
    return found.reshape(shape=batch)


def stacked(cells: Sequence[Value], shape: tuple[int, ...]) -> Value:
    """Matrices of these elements, each given for the whole batch, in row-major order."""
    columns = [c.reshape(shape=(*c.shape, 1)) for c in cells]
    whole = columns[0].concat(*columns[1:], axis=columns[0].ndim - 1) if columns[1:] else columns[0]
    return whole.reshape(shape=shape)


def take_rows(x: Value, order: Value) -> Value:
    """Row order[i] of each matrix as row i."""
    *batch, n, m = x.shape
    count = math.prod(batch)
    flat, places = x.reshape(shape=(count, n, m)), order.reshape(shape=(count, n))
    return flat.gather(iota(x.builder, (count, n), 0), places).reshape(shape=x.shape)


def empty(a: Value, infer: Callable[..., Sequence[TensorType]]) -> list[Value]:
    """The factors of matrices without elements."""
    return [a.builder.zeros(t) for t in infer(a.type)]


def each_matrix(function: Callable[..., Array], *stacks: Array, real: bool = False) -> Array:
    """`function` of each matrix of a batch, the results stacked, in the operands' dtype.

    With `real` they are in that of their real parts.
    """
    batch, dtype = stacks[0].shape[:-2], stacks[0].dtype
    count = math.prod(batch)
    dtype = real_dtype(dtype) if real else dtype
    if not count:
        sample = function(*(np.ones(s.shape[-2:], s.dtype) for s in stacks))
        return np.zeros((*batch, *np.shape(sample)), dtype)
    flat = [s.reshape(count, *s.shape[-2:]) for s in stacks]
    found = np.stack([function(*matrices) for matrices in zip(*flat, strict=True)])
    return found.reshape(*batch, *found.shape[1:]).astype(dtype)


def draws(seed: int) -> np.random.Generator:
    """Random numbers for samples."""
    return np.random.default_rng(seed)


def complex_draws(seed: int, shape: tuple[int, ...]) -> Array:
    """Complex ones."""
    rng = draws(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
