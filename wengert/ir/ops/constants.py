"""Ops without operands: iota and constant."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import DTypeError, ShapeError
from wengert.ir.floats import among
from wengert.ir.op import ElementContext, Op, Sample, register
from wengert.ir.ops.structural_family import check_axes, draw
from wengert.ir.scalar import Expr
from wengert.ir.types import BOOL, ORDERED, DType, Shape, TensorType, supported_dtype, type_of


def _iota_infer(*, shape: Shape, dtype: DType, axis: int) -> tuple[TensorType]:
    if not among(dtype, ORDERED) or dtype == BOOL:
        raise DTypeError(f"iota counts in a real numeric dtype, got {dtype}")
    if any(n < 0 for n in shape):
        raise ShapeError(f"iota: shape {shape} has a negative dimension")
    out = TensorType(supported_dtype(dtype), tuple(shape))
    check_axes("iota", out, (axis,))
    return (out,)


def _iota_evaluate(*, shape: Shape, dtype: DType, axis: int) -> np.ndarray[Any, Any]:
    aligned = [1] * len(shape)
    aligned[axis] = shape[axis]
    counted = np.arange(shape[axis]).astype(dtype)
    return np.broadcast_to(counted.reshape(aligned), shape)


def _iota_element(ctx: ElementContext, index: tuple[Expr, ...]) -> Expr:
    return ctx.s.cast(index[ctx.params["axis"]], ctx.out_type.dtype)


def _iota_samples() -> list[Sample]:
    dtypes = (np.int64, np.float64, np.float32, np.float16, np.uint8)
    return [
        *(Sample((), {"shape": (2, 3), "dtype": np.dtype(d), "axis": 1}) for d in dtypes),
        Sample((), {"shape": (4,), "dtype": np.dtype(np.int32), "axis": 0}),
        Sample((), {"shape": (3, 0), "dtype": np.dtype(np.int64), "axis": 0}),
        Sample((), {"shape": (300,), "dtype": np.dtype(np.int8), "axis": 0}),
    ]


iota = register(
    Op(
        name="iota",
        family="constants",
        params=("shape", "dtype", "axis"),
        infer=_iota_infer,
        evaluate=_iota_evaluate,
        element=_iota_element,
        samples=_iota_samples,
        cost=0,
        doc="Each element is its own index along an axis (wrapping in narrow integers).",
    )
)


def _constant_infer(*, value: np.ndarray[Any, Any]) -> tuple[TensorType]:
    return (type_of(value),)


def _constant_samples() -> list[Sample]:
    dtypes = (np.float64, np.float32, np.int64, np.bool_, np.complex128)
    values = [*(draw((2, 3), dtype) for dtype in dtypes), draw((0, 2)), draw((5,))]
    for value in values:
        value.flags.writeable = False
    return [Sample((), {"value": value}) for value in values]


# No element rule and no form: the lowering makes a CONSTANT buffer of the array itself.
constant = register(
    Op(
        name="constant",
        family="constants",
        params=("value",),
        infer=_constant_infer,
        evaluate=lambda *, value: value,
        samples=_constant_samples,
        cost=0,
        doc="An array baked into the program; `value` is read-only.",
    )
)
