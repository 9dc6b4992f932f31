"""Conversion between dtypes, and the barrier to derivatives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wengert.errors import DTypeError
from wengert.ir.builder import Value
from wengert.ir.floats import kind_of, widened
from wengert.ir.op import Linear, Sample, linear_in_all
from wengert.ir.ops.families import check_arity, common_dtype, elementwise, no_derivative
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.samples import draw, operands, specials
from wengert.ir.types import (
    BOOL,
    COMPLEX,
    FLOATS,
    ORDERED,
    SUPPORTED,
    DType,
    TensorType,
    real_dtype,
)


def _infer_cast(*types: TensorType, dtype: DType) -> tuple[TensorType, ...]:
    check_arity("cast", types, 1)
    common_dtype("cast", (*types, TensorType(types[0].dtype, ())), SUPPORTED)
    if types[0].is_complex and dtype not in (BOOL, *COMPLEX):
        raise DTypeError(
            f"{types[0].dtype} cannot be converted to {dtype}: the imaginary part would be lost; "
            "take np.real(x) or np.abs(x) first"
        )
    return (types[0].with_dtype(dtype),)


def _cast_jvp(
    primals: Sequence[Value],
    tangents: Sequence[Value | None],
    outs: Sequence[Value],
    dtype: DType,
) -> Sequence[Value | None]:
    tangent = tangents[0]
    return [tangent.to(dtype) if tangent is not None and kind_of(dtype) in "fc" else None]


def _cast_transpose(
    cotangents: Sequence[Value], inputs: Sequence[Value | Linear], dtype: DType
) -> Sequence[Value | None]:
    """Of a conversion to complex numbers, too: Re(c t) for real t is Re(c) t."""
    ct, operand = cotangents[0], inputs[0].type
    if ct.type.is_complex and not operand.is_complex:
        ct = ct.real()
    return [ct.to(operand.dtype)]


def _cast_parts(x: Parts | Value, dtype: DType) -> Parts | Value:
    if isinstance(x, Value):
        re = x.to(real_dtype(dtype))
        return Parts(re, re.builder.literal(0, re.dtype))
    if dtype == BOOL:
        return x.is_zero.bitnot()
    return x.map(lambda part: part.to(real_dtype(dtype)))


def _targets(source: DType) -> Sequence[DType]:
    return (*COMPLEX, BOOL) if source in COMPLEX else SUPPORTED


def _cast_samples() -> list[Sample]:
    samples = [
        Sample((draw(source, (2, 3), 0, 9, 1),), {"dtype": target})
        for source in SUPPORTED
        for target in _targets(source)
    ]
    for source in ORDERED:
        targets = FLOATS if source in FLOATS else ORDERED
        samples += [
            Sample((specials(source),), {"dtype": target}, differentiable=False)
            for target in (*targets, BOOL)
        ]
    small = np.array([-2.7, -0.5, -0.0, 0.5, 2.7])
    samples += [
        Sample((small.astype(source),), {"dtype": np.dtype(target)})
        for source in ("float32", "float64")
        for target in ("int8", "int16", "int32", "int64")
    ]
    empty, scalar = np.ones((0, 2)), np.array(1.5)
    return [*samples, *(Sample((a,), {"dtype": np.dtype("f4")}) for a in (empty, scalar))]


elementwise(
    "cast",
    1,
    ORDERED,
    lambda x, dtype: widened(x).astype(dtype),
    lambda s, x, dtype: s.cast(x, dtype),
    infer=_infer_cast,
    params=("dtype",),
    jvp=_cast_jvp,
    linear=linear_in_all,
    transpose=_cast_transpose,
    samples=_cast_samples,
    parts=_cast_parts,
    storage=True,
    doc="conversion to `dtype` as NumPy's astype",
)
elementwise(
    "stop_gradient",
    1,
    ORDERED,
    np.asarray,
    lambda s, x: x,
    storage=True,
    samples=operands((-3, 3), dtypes=ORDERED),
    parts=lambda x: x,
    doc="x, with derivative zero",
)


def _infer_bitcast(*types: TensorType, dtype: DType) -> tuple[TensorType, ...]:
    check_arity("bitcast", types, 1)
    source = common_dtype("bitcast", (*types, TensorType(types[0].dtype, ())), NUMBERS)
    if dtype not in NUMBERS:
        raise DTypeError(f"the bits of {source} are not seen as {dtype}: x.astype converts numbers")
    if dtype.itemsize != source.itemsize:
        raise DTypeError(f"bitcast takes numbers of {dtype.itemsize} bytes, got {source}")
    return (types[0].with_dtype(dtype),)


def _bitcast_samples() -> list[Sample]:
    return [
        Sample((specials(source),), {"dtype": target}, differentiable=False)
        for source in NUMBERS
        for target in NUMBERS
        if source.itemsize == target.itemsize
    ]


NUMBERS = tuple(d for d in ORDERED if d != BOOL)

elementwise(
    "bitcast",
    1,
    NUMBERS,
    lambda x, dtype: x.view(dtype),
    lambda s, x, dtype: s.bitcast(x, dtype),
    infer=_infer_bitcast,
    params=("dtype",),
    jvp=no_derivative,
    samples=_bitcast_samples,
    storage=True,
    doc="the bits of x as a number of another dtype of the same size; without a derivative",
)
