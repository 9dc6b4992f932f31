"""The ops det and slogdet.

The derivative of det is the sum of cofactors times Ȧ (`cofactors`), for singular matrices too, and
that of log det is tr(A⁻¹ Ȧ), whose imaginary part turns the sign of a complex determinant. Like the
logarithm, log|det| has infinite slopes at 0; a cotangent of 0 wins over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.ops.cofactors import WRITTEN_OUT, determinant_samples, minors, singular_samples
from wengert.ir.ops.matrices import (
    check_matrix,
    diagonal,
    on_diagonal,
    on_matrices,
    size,
    transposed,
    whole_sum,
)
from wengert.ir.types import TensorType, real_dtype


def _det_infer(a: TensorType) -> tuple[TensorType]:
    check_matrix("det", a, square=True)
    return (a.with_shape(a.shape[:-2]),)


def _det_jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]
) -> list[Value | None]:
    a, moved = primals[0], tangents[0]
    if not a.shape[-1]:
        return [None]
    found = minors(a) if a.shape[-1] <= WRITTEN_OUT else a.cofactors()
    return [whole_sum(found * moved)]


def _det_expand(values: Sequence[Value]) -> list[Value]:
    both, _, _, sign = values[0].lu()
    return [sign.to(both.dtype) * diagonal(both).reduce_prod(axes=(both.ndim - 2,))]


def _slogdet_infer(a: TensorType) -> tuple[TensorType, TensorType]:
    check_matrix("slogdet", a, square=True)
    return (a.with_shape(a.shape[:-2]), a.with_shape(a.shape[:-2]).with_dtype(real_dtype(a.dtype)))


def _slogdet_jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value]
) -> list[Value | None]:
    a, (sign, _) = primals[0], outs
    if not a.shape[-1]:
        return [None, None]
    inverse = transposed(a.linear_solve(on_diagonal(a).to(a.dtype), transpose=False))
    moved = whole_sum(tangents[0].scale(inverse))
    if not a.type.is_complex:
        return [None, moved]
    turn = moved.imag()
    return [sign * turn.full_like(0).complex(turn), moved.real()]


def _slogdet_expand(values: Sequence[Value]) -> list[Value]:
    both, _, _, sign = values[0].lu()
    pivots = diagonal(both)
    last = (pivots.ndim - 1,)
    sizes = size(pivots)
    if both.type.is_complex:
        zero = sizes.eq(sizes.full_like(0))
        signs = zero.select(pivots, pivots / zero.select(sizes.full_like(1), sizes).to(both.dtype))
    else:
        signs = pivots.sign()
    signed = sign.to(both.dtype) * signs.reduce_prod(axes=last)
    return [signed, sizes.log().reduce_sum(axes=last)]


def _slogdet_evaluate(a: Any) -> tuple[Any, Any]:
    found = np.linalg.slogdet(a)
    return found[0], found[1]


on_matrices(
    "det",
    infer=_det_infer,
    evaluate=lambda a: np.asarray(np.linalg.det(a)).astype(a.dtype),
    jvp=_det_jvp,
    expand=_det_expand,
    samples=lambda: [*determinant_samples(1), *singular_samples(1)],
    doc="The determinant of each matrix.",
)
on_matrices(
    "slogdet",
    infer=_slogdet_infer,
    evaluate=_slogdet_evaluate,
    jvp=_slogdet_jvp,
    expand=_slogdet_expand,
    samples=lambda: determinant_samples(1),
    doc="The sign of each matrix's determinant and the logarithm of its size.",
)
