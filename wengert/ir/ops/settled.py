"""The ops settled and spectral_tangents: derivatives of a spectrum where some values are equal.

`settled` is the linear map that puts 0 where a mask is set, and its domain are the tangents that
are 0 there already, up to rounding errors: for others the call fails. It is its own transpose.

`spectral_tangents` takes M = V' Ȧ V apart: its diagonal moves eigenvalues, the rest turns vectors
by M[i, j] / (w[j] - w[i]). `settled` stands before that quotient, for forward mode, and after it:
in reverse mode it looks at V' V̄ itself, before that is made skew. Cotangents V̄ that are 0 at equal
values are no proof that vectors are not used there: for log(A) at A = I they are log(1) times
something. So where both values and vectors are used, cotangents of equal values must be 0 as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import DegenerateSpectrumError, DTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.op import Sample, linear_in
from wengert.ir.ops.matrices import (
    along_columns,
    along_rows,
    check_matrix,
    complex_draws,
    diagonal,
    draws,
    negligible,
    on_diagonal,
    on_matrices,
    settled_quotient,
    size,
    spread_over,
)
from wengert.ir.types import BOOL, TensorType

Array = np.ndarray[Any, Any]

MESSAGE = (
    "eigenvectors of equal eigenvalues (or singular vectors of equal singular values) have no "
    "derivative, and one is needed here; wengert.linalg.funm_symmetric(a, f) differentiates "
    "functions of a symmetric matrix whatever its eigenvalues are"
)

ROUNDINGS = 64
"""What counts as 0, in roundings of the largest element for each row."""


def _infer(t: TensorType, mask: TensorType) -> tuple[TensorType]:
    check_matrix("settled", t)
    if mask.shape != t.shape:
        raise ShapeError(f"settled: the mask {mask} does not fit {t}")
    if mask.dtype != BOOL:
        raise DTypeError(f"settled takes a bool mask, got {mask}")
    return (t,)


def _limit(t: TensorType) -> float:
    return ROUNDINGS * max(t.shape[-2:]) * float(np.finfo(t.dtype).eps)


def _evaluate(t: Array, mask: Array) -> Array:
    largest = np.max(np.abs(t), axis=(-2, -1), keepdims=True, initial=0)
    if np.any(mask & (np.abs(t) > largest * _limit(TensorType(t.dtype, t.shape)))):
        raise DegenerateSpectrumError(MESSAGE)
    return np.where(mask, t.dtype.type(0), t)


def _jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value]
) -> list[Value | None]:
    moved = tangents[0]
    return [None if moved is None else moved.settled(primals[1])]


def _transpose(cotangents: Sequence[Value], inputs: Sequence[Any]) -> list[Value | None]:
    return [cotangents[0].settled(inputs[1]), None]


def _expand(values: Sequence[Value]) -> list[Value]:
    t, mask = values
    if not t.type.size:
        return [t]
    sizes = size(t)
    largest = sizes.reduce_max(axes=(t.ndim - 2, t.ndim - 1))
    limit = spread_over(largest * largest.full_like(_limit(t.type)), t.shape)
    allowed = mask.bitand(sizes.gt(limit)).bitnot()
    allowed.require(message=MESSAGE, error=DegenerateSpectrumError.__name__)
    return [mask.select(t.full_like(0), t)]


def _samples() -> list[Sample]:
    """Masks that leave all as it is: with others, no law may move the tangents."""
    shapes = ((3, 3), (2, 3, 2))
    drawn = [draws(90).standard_normal(shapes[0]), complex_draws(90, shapes[1])]
    return [Sample((x, np.zeros(x.shape, bool))) for x in drawn]


on_matrices(
    "settled",
    infer=_infer,
    evaluate=_evaluate,
    jvp=_jvp,
    linear=linear_in(0),
    transpose=_transpose,
    expand=_expand,
    samples=_samples,
    doc="t, but 0 where the mask is set; the call fails unless t is (nearly) 0 there already.",
)


# spectral_tangents


def spectral_tangents(inner: Value, x: Value) -> tuple[Value, Value]:
    """The tangents of values x, and V' V̇ of their vectors V, from V' Ȧ V."""
    gap = along_rows(x, inner) - along_columns(x, inner)
    on = on_diagonal(inner)
    equal = negligible(gap, x).bitand(on.bitnot())
    slopes, others = inner.spectral_tangents(equal)
    apart = on.select(gap.full_like(1), gap)
    return slopes, settled_quotient(others, apart, equal)


def _tangents_infer(m: TensorType, equal: TensorType) -> tuple[TensorType, ...]:
    check_matrix("spectral_tangents", m, square=True)
    if equal != TensorType(BOOL, m.shape):
        raise ShapeError(f"spectral_tangents: the mask {equal} does not fit {m}")
    return m.with_shape(m.shape[:-1]), m


def _tangents_evaluate(m: Array, equal: Array) -> tuple[Array, Array]:
    own = np.eye(m.shape[-1], dtype=bool)
    return np.diagonal(m, axis1=-2, axis2=-1), np.where(own, m.dtype.type(0), m)


def _tangents_jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value]
) -> list[Value | None]:
    return [None, None] if tangents[0] is None else tangents[0].spectral_tangents(primals[1])


def _tangents_transpose(
    cotangents: Sequence[Value | None], inputs: Sequence[Any]
) -> list[Value | None]:
    of_values, of_vectors = cotangents
    equal: Value = inputs[1]
    on = on_diagonal(equal)
    if of_values is None:
        assert of_vectors is not None
        return [on.select(of_vectors.full_like(0), of_vectors), None]
    if of_vectors is None:
        return [
            on.select(along_rows(of_values, equal), equal.to(of_values.dtype).full_like(0)),
            None,
        ]
    return [on.select(along_rows(_unequal(of_values, equal), equal), of_vectors), None]


def _unequal(x: Value, equal: Value) -> Value:
    """Vectors that must be 0 where their values are equal to others."""
    column = (*x.shape, 1)
    mask = equal.reduce_or(axes=(equal.ndim - 1,)).reshape(shape=column)
    return x.reshape(shape=column).settled(mask).reshape(shape=x.shape)


def _tangents_expand(values: Sequence[Value]) -> list[Value]:
    m = values[0]
    return [diagonal(m), on_diagonal(m).select(m.full_like(0), m)]


def _tangents_samples() -> list[Sample]:
    shape = (2, 3, 3)
    drawn = (draws(91).standard_normal(shape), complex_draws(91, shape))
    return [Sample((x, np.zeros(shape, bool))) for x in drawn]


on_matrices(
    "spectral_tangents",
    infer=_tangents_infer,
    evaluate=_tangents_evaluate,
    jvp=_tangents_jvp,
    linear=linear_in(0),
    transpose=_tangents_transpose,
    expand=_tangents_expand,
    samples=_tangents_samples,
    doc="M's diagonal, and M without it: what moves eigenvalues and what turns eigenvectors.",
)
