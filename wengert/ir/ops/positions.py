"""argmax and argmin: where along an axis the first extreme element stands, or the first NaN.

A loop that keeps the best element and its place takes both under a condition, which is no
reduction that vectors know. So before lowering these ops become two that are, along all but short
axes: the extreme itself, and the least place at which it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.forms import Reduction
from wengert.ir.op import Op, Sample, register
from wengert.ir.ops.complex_order import place_of_extreme
from wengert.ir.ops.structural_family import (
    DTYPES,
    batch_unary,
    check_axes,
    check_not_empty,
    draw,
    iota,
    kept_axes,
    no_tangent,
    without,
)
from wengert.ir.types import BOOL, INT64, Dim, TensorType

SHORT = 32
"""Axes that are shorter stay one loop, with a branch in it."""


def _expand(extreme: str) -> Callable[..., list[Value] | None]:
    def expand(values: Sequence[Value], *, axis: int) -> list[Value] | None:
        x = values[0].to(np.dtype(np.int8)) if values[0].dtype == BOOL else values[0]
        length = x.shape[axis]
        if isinstance(length, Dim) or length < SHORT or x.type.is_complex:
            return None
        return [_first(extreme, x, axis)]

    return expand


def _first(extreme: str, x: Value, axis: int) -> Value:
    """The least place along `axis` at which the extreme stands: itself, or, if it is NaN, one.

    If two loops should ever round an element differently none may be found: the last place, then.
    """
    kept = kept_axes(x.ndim, (axis,))
    best = getattr(x, extreme)(axes=(axis,)).broadcast(shape=x.shape, dims=kept)
    found = x.eq(best)
    if kind_of(x.dtype) == "f":
        found = found.bitor(x.ne(x))
    # as wide as the elements where it can be, so that both fill vectors alike
    last = int(x.shape[axis]) - 1
    narrow = x.dtype.itemsize <= 4 and last <= np.iinfo(np.int32).max
    place = iota(x.builder, x.shape, axis, np.dtype(np.int32) if narrow else INT64)
    return found.select(place, last).reduce_min(axes=(axis,)).to(INT64)


def _arg(name: str, extreme: str, reduce: Callable[..., Any]) -> Op:
    def infer(x: TensorType, *, axis: int) -> tuple[TensorType]:
        check_axes(name, x, (axis,))
        check_not_empty(name, x, (axis,))
        return (without(x, (axis,)).with_dtype(INT64),)

    def samples() -> list[Sample]:
        return [
            *(Sample((draw((3, 4), dtype),), {"axis": 1}) for dtype in DTYPES),
            *(Sample((draw((SHORT + 1, 2), dtype),), {"axis": 0}) for dtype in DTYPES),
            Sample((draw((2, 3, 5)),), {"axis": 0}),
            Sample((np.array([2.0, 5.0, 5.0, 2.0]),), {"axis": 0}, differentiable=False),
            Sample((np.array([1.0, np.nan, np.inf, np.nan]),), {"axis": 0}, differentiable=False),
            Sample((draw((0, 3)),), {"axis": 1}),
        ]

    return register(
        Op(
            name=name,
            family="reduction",
            params=("axis",),
            infer=infer,
            evaluate=lambda x, *, axis: reduce(x, axis=axis),
            jvp=no_tangent,
            batch=batch_unary(name, lambda size, *, axis: {"axis": axis + 1}),
            form=lambda types, *, axis: Reduction(name, (axis,)),
            expand=_expand(extreme),
            parts=place_of_extreme(name),
            samples=samples,
            doc="The position of the first extreme element along an axis, or of the first NaN.",
        )
    )


argmax = _arg("argmax", "reduce_max", np.argmax)
argmin = _arg("argmin", "reduce_min", np.argmin)
