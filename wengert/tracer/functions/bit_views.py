"""`x.view(dtype)`: the bytes of an array as numbers of another dtype, which write through.

Bytes stand as on little-endian machines: the low ones of a number come first. Real and imaginary
parts of complex numbers are neighbours, and keep their derivatives; other bits have none.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.floats import dtype_of
from wengert.ir.types import (
    BOOL,
    UNSIGNED,
    Dim,
    DType,
    Shape,
    TensorType,
    real_dtype,
    supported_dtype,
)
from wengert.tracer.array import Array, Tracer
from wengert.tracer.functions.cutting import cut
from wengert.tracer.functions.operands import materialise, operand, reshape, wrapped
from wengert.tracer.mutation import known
from wengert.tracer.stack import Trace
from wengert.tracer.tables import method, views
from wengert.tracer.views import unread


@dataclass(frozen=True, slots=True)
class Bits:
    """The bytes of an array of one dtype, seen as another one."""

    inner: DType
    outer: DType

    def read(self, trace: Trace, whole: Value) -> Value:
        """The view's contents, for contents of the base."""
        return seen_as(whole, self.outer)

    def write(self, trace: Trace, whole: Value, value: Value) -> Value:
        """The contents of the base after the view has been given other ones."""
        return seen_as(value, self.inner)

    def of(self, array: Array) -> Array | None:
        """The same view of a concrete array, if its rows are together in memory."""
        try:
            return array.view(self.outer)
        except ValueError:
            return None


@views("view")
@method("view")
def view(a: Any, dtype: Any = None, type: Any = None) -> Any:  # noqa: A002  NumPy's name
    """The array itself, or its bytes as numbers of another dtype."""
    target = _target(dtype, type)
    x = a if isinstance(a, Tracer) else wrapped(materialise(operand(a)))
    if target is None or target == x.dtype:
        return wrapped(materialise(x))
    shape = viewed_shape(x.type.shape, x.dtype, target)
    lens = Bits(x.dtype, target)
    if not x.mutable:
        return wrapped(seen_as(materialise(x), target))
    found = unread(x, lens, shape)
    found.type = TensorType(target, shape)
    found.locked = x.locked
    if known(x, note=False) is None:
        found.viewed(found.owner)
    return found


def _target(dtype: Any, kind: Any) -> DType | None:
    """The dtype asked for; None if there is none, as in x.view(np.ndarray)."""
    for asked in (dtype, kind):
        if isinstance(asked, type) and issubclass(asked, np.ndarray) and asked is not np.ndarray:
            raise ArgumentError(f"x.view({asked.__name__}): traced values are plain arrays")
    if dtype is None or dtype is np.ndarray:
        return None
    return supported_dtype(dtype_of(dtype))


def viewed_shape(shape: Shape, source: DType, target: DType) -> Shape:
    """The shape of a view: the last axis is longer or shorter by the sizes of the dtypes."""
    old, new = source.itemsize, target.itemsize
    if old == new:
        return shape
    if not shape:
        raise ShapeError(
            f"a view of {source} as {target}: numbers of another size need an array with an axis"
        )
    if type(shape[-1]) is Dim or shape[-1] * old % new:
        raise ShapeError(
            f"a view of {source} as {target}: the last axis has {shape[-1]} elements of {old} "
            f"bytes, which is not a multiple of {new} bytes"
        )
    return (*shape[:-1], shape[-1] * old // new)


def seen_as(value: Value, dtype: DType) -> Value:
    """The bytes of a value as numbers of another dtype."""
    if value.dtype == dtype:
        return value
    if not value.shape:
        return reshape(seen_as(value.reshape(shape=(1,)), dtype), ())
    if value.type.is_complex:
        pairs = value.real().reshape(shape=(*value.shape, 1))
        pairs = pairs.concat(value.imag().reshape(shape=(*value.shape, 1)), axis=value.ndim)
        flat = reshape(pairs, (*value.shape[:-1], 2 * value.shape[-1]))
        return seen_as(flat, dtype)
    if dtype.kind == "c":
        reals = seen_as(value, real_dtype(dtype))
        pairs = reshape(reals, (*reals.shape[:-1], reals.shape[-1] // 2, 2))
        first, second = (cut(pairs, pairs.ndim - 1, i, i + 1) for i in (0, 1))
        shape = pairs.shape[:-1]
        return reshape(first, shape).complex(reshape(second, shape))
    bits = _bits(value)
    wide, narrow = bits.dtype.itemsize, dtype.itemsize
    if wide > narrow:
        bits = _split(bits, _unsigned(narrow))
    elif wide < narrow:
        bits = _joined(bits, _unsigned(narrow))
    return bits.ne(0) if dtype == BOOL else _from_bits(bits, dtype)


def _unsigned(size: int) -> DType:
    return UNSIGNED[size.bit_length() - 1]


def _bits(value: Value) -> Value:
    dtype = _unsigned(value.dtype.itemsize)
    return value.to(dtype) if value.dtype == BOOL else _from_bits(value, dtype)


def _from_bits(value: Value, dtype: DType) -> Value:
    return value if value.dtype == dtype else value.bitcast(dtype=dtype)


def _split(bits: Value, dtype: DType) -> Value:
    """Each number in parts, the low one first."""
    count, width = bits.dtype.itemsize // dtype.itemsize, 8 * dtype.itemsize
    parts = [bits.shr(j * width).to(dtype).reshape(shape=(*bits.shape, 1)) for j in range(count)]
    whole = functools.reduce(lambda x, y: x.concat(y, axis=bits.ndim), parts)
    return reshape(whole, (*bits.shape[:-1], bits.shape[-1] * count))


def _joined(bits: Value, dtype: DType) -> Value:
    """Numbers from neighbouring parts, the low one first."""
    count, width = dtype.itemsize // bits.dtype.itemsize, 8 * bits.dtype.itemsize
    shape = (*bits.shape[:-1], bits.shape[-1] // count)
    rows = reshape(bits, (*shape, count))
    parts = [
        reshape(cut(rows, rows.ndim - 1, j, j + 1), shape).to(dtype).shl(j * width)
        for j in range(count)
    ]
    return functools.reduce(lambda x, y: x.bitor(y), parts)
