"""Sorted rows: the op sort, which gives the elements in order, or the order itself.

The order is a permutation that elements and derivatives follow by a gather; the elements alone are
what `passes.sorting` makes of such a gather if nothing else needs the permutation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.ir.builder import Value
from wengert.ir.floats import in_single
from wengert.ir.forms import Library
from wengert.ir.op import Op, Sample, register
from wengert.ir.ops.complex_order import sorted_rows
from wengert.ir.ops.merging import SHORT, order_of_rows
from wengert.ir.ops.structural_family import batch_unary, draw, iota
from wengert.ir.types import INT64, TensorType

Array = np.ndarray[Any, Any]
ROUTINES = ("values", "order")


def _infer(x: TensorType, *, routine: str) -> tuple[TensorType]:
    if not x.ndim or x.dtype.kind == "b" or routine not in ROUTINES:
        raise ShapeError(f"sort ({routine}) takes rows of numbers, got {x}")
    return (x if routine == "values" else TensorType(INT64, x.shape),)


def _evaluate(x: Array, known: Array | None = None, *, routine: str) -> Array:
    """What is known of parts of x, when kernels merge those, does not change the result."""
    if routine == "values":
        return np.sort(x, axis=-1)
    return np.argsort(x, axis=-1, kind="stable").astype(np.int64)


def _jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value], *, routine: str
) -> list[Value | None]:
    if routine == "order":
        return [None]
    places = primals[0].sort(routine="order")
    return [tangents[0].gather(*_leading(places), places)]


def _leading(places: Value) -> list[Value]:
    """The indices of all axes but the last."""
    return [iota(places.builder, places.shape, axis) for axis in range(places.ndim - 1)]


def _portable(values: Sequence[Value], step: bool, *, routine: str) -> list[Value] | None:
    """Short rows in arithmetic, since that fuses; the merging of long ones is slow on a grid."""
    shape = values[0].shape
    if step and shape[-1] > SHORT:
        return None
    rows = 1
    for extent in shape[:-1]:
        rows *= extent
    keys = values[0].reshape(shape=(rows, shape[-1]))
    places = order_of_rows(keys)
    found = places
    if routine == "values":
        found = keys.gather(iota(keys.builder, keys.shape, 0), places)
    return [found.reshape(shape=shape)]


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for routine in ROUTINES:
        params = {"routine": routine}
        for shape in ((1,), (5,), (2, 3, 40), (3, 0), (0, 3)):
            found.append(Sample((draw(shape, float, sum(shape)),), params))
        for dtype in (np.float32, np.complex128, np.complex64):
            found.append(Sample((draw((70,), dtype, 1),), params))
        for dtype in (np.int64, np.uint8, np.int16):
            numbers = np.arange(50).reshape(2, 25) * 7 % 11
            found.append(Sample((numbers.astype(dtype),), params))
        tied = np.array([2.0, np.nan, 1.0, -np.inf, 2.0, np.nan, np.inf, 1.0])
        found.append(Sample((tied,), params, differentiable=False))
    return found


register(
    Op(
        name="sort",
        family="sorting",
        params=("routine",),
        infer=_infer,
        evaluate=in_single(_evaluate),
        jvp=_jvp,
        batch=batch_unary("sort", lambda size, **params: params),
        form=lambda types, *, routine: Library(routine, "sort"),
        parts=sorted_rows,
        portable=_portable,
        samples=_samples,
        cost=100,
        doc="Along the last axis, NaNs last: the elements in order (values), or where they are, "
        "equal ones as they stand (order).",
    )
)
