"""Where elements of given ranks stand in rows, without sorting them.

Elements, and derivatives, follow by a gather. For a few ranks of long rows this takes a fraction of
a sort's time.
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
from wengert.ir.ops.structural_family import Batched, draw, in_front, iota, no_tangent
from wengert.ir.types import INT64, TensorType

Array = np.ndarray[Any, Any]


def _infer(x: TensorType, ranks: TensorType) -> tuple[TensorType]:
    rows = bool(x.ndim) and not x.is_complex and x.dtype.kind != "b" and bool(x.shape[-1])
    if not rows or ranks.dtype != INT64 or ranks.shape[:-1] != x.shape[:-1] or not ranks.ndim:
        raise ShapeError(
            f"selection takes rows of real numbers and int64 ranks for each row, got {x}, {ranks}"
        )
    return (ranks,)


def _evaluate(x: Array, ranks: Array, *, routine: str = "places") -> Array:
    order = np.argsort(x, axis=-1, kind="stable")
    return np.take_along_axis(order, np.clip(ranks, 0, x.shape[-1] - 1), -1).astype(np.int64)


def _batch(values: Sequence[Value], batched: Sequence[bool], size: int) -> Batched:
    x, ranks = (in_front(v, on, size) for v, on in zip(values, batched, strict=True))
    return [x.selection(ranks)], [True]


def _portable(values: Sequence[Value], step: bool) -> list[Value]:
    """By the whole order."""
    x, ranks = values
    order = x.sort(routine="order")
    leading = [iota(x.builder, ranks.shape, axis) for axis in range(ranks.ndim - 1)]
    return [order.gather(*leading, ranks.max(0).min(int(x.shape[-1]) - 1))]


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for shape in ((1,), (60,), (2, 3, 40), (3, 300)):
        ranks = np.arange(5) * 13 % shape[-1] + np.zeros((*shape[:-1], 1), np.int64)
        for dtype in (np.float64, np.float32):
            found.append(Sample((draw(shape, dtype, sum(shape)), ranks)))
    ranks = np.array([[0, 24, 100], [12, 13, -1]])
    for dtype in (np.int64, np.uint8, np.int16):
        numbers = np.arange(50).reshape(2, 25) * 7 % 11
        found.append(Sample((numbers.astype(dtype), ranks)))
    tied = np.array([2.0, np.nan, 1.0, -np.inf, 2.0, np.nan, np.inf, 1.0])
    found.append(Sample((tied, np.arange(8)), differentiable=False))
    return found


register(
    Op(
        name="selection",
        family="sorting",
        infer=_infer,
        evaluate=in_single(_evaluate),
        jvp=no_tangent,
        batch=_batch,
        form=lambda types: Library("places", "selection"),
        portable=_portable,
        samples=_samples,
        cost=20,
        doc="Where the elements of the given ranks are along the last axis, in the order of sort.",
    )
)
