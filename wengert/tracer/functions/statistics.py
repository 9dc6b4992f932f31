"""Means and spreads: mean, average, var, std, ptp, covariance."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError, ShapeError
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.floats import is_half, kind_of
from wengert.ir.types import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT64,
    Dim,
    DType,
    Shape,
    real_dtype,
    supported_dtype,
)
from wengert.tracer.functions.operands import (
    Operand,
    broadcast,
    expand,
    fit,
    materialise,
    normal_axes,
    number_of,
    operand,
    refuse,
    reshape,
    size_of,
    spread,
    transpose,
    values,
    wrapped,
)
from wengert.tracer.functions.reductions import NO_VALUE, reduce
from wengert.tracer.functions.spans import demand
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.lift import lift
from wengert.tracer.tables import function, method


def _dtypes(x: Operand, dtype: Any) -> tuple[DType, DType]:
    """The dtype to compute a mean in and the dtype of the result."""
    if dtype is not None:
        return supported_dtype(dtype), supported_dtype(dtype)
    if x.dtype.kind in "biu":
        return FLOAT64, FLOAT64
    return (FLOAT32 if is_half(x.dtype) else x.dtype), x.dtype


def _count(x: Operand, axes: tuple[int, ...], where: Any) -> Any:
    """How many elements each result is made of: an int, or an array where a mask is given."""
    if where is True:
        return number_of([x.shape[a] for a in axes])
    mask = operand(where)
    if mask.known:
        spread_out = np.broadcast_to(np.asarray(mask.value, dtype=bool), x.shape)
        return np.add.reduce(spread_out, axis=axes, dtype=np.int64)
    return reduce(np.add, broadcast(materialise(mask, BOOL), x.shape), axes, INT64)


def mean_of(x: Operand, axes: tuple[int, ...], loop: DType, where: Any = True) -> Value:
    """The mean over `axes`."""
    return quotient(reduce(np.add, x, axes, loop, where=where), _count(x, axes, where))


def _kept(keepdims: Any) -> bool:
    return keepdims is not NO_VALUE and bool(keepdims)


def quotient(total: Value, count: Any) -> Value:
    """total / count in the dtype of the total (float64, if that is an int)."""
    total = total if total.type.is_float else total.to(FLOAT64)
    return total.div(fit(materialise(count, total.dtype), total.shape))


@function(np.mean)
@method("mean")
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
) -> Any:
    """The arithmetic mean: the sum over the number of elements."""
    refuse("mean", out=out)
    x = operand(a)
    axes = normal_axes(axis, x.ndim)
    loop, result = _dtypes(x, dtype)
    found = mean_of(x, axes, loop, True if where is NO_VALUE else where).to(result)
    return wrapped(expand(found, *axes) if _kept(keepdims) else found)


def variance(
    x: Operand,
    axes: tuple[int, ...],
    loop: DType,
    ddof: float,
    where: Any,
    centre: Any,
    least: float = 0.0,
) -> Value:
    """Two passes: the mean, then the mean square distance from it.

    `least` is the divisor where there are no degrees of freedom.
    """
    if centre is NO_VALUE:
        middle = spread(mean_of(x, axes, loop, where), x.shape, axes)
    else:
        middle = broadcast(materialise(centre, loop), x.shape)
    distance = materialise(x, loop).sub(middle)
    square = squares(distance)
    total = reduce(np.add, square, axes, square.dtype, where=where)
    count = _count(x, axes, where)
    if isinstance(count, Dim):
        count = lift(count)
    if isinstance(count, Value):
        free = count.to(total.dtype).sub(float(ddof))
        return quotient(total, free.max(0.0) if least == 0 else free.le(0.0).select(least, free))
    return quotient(total, np.where(count - ddof <= 0, least, count - ddof))


def squares(x: Value) -> Value:
    """|x|**2, without a square root of complex numbers."""
    if not x.type.is_complex:
        return x.mul(x)
    re, im = x.real(), x.imag()
    return re.mul(re).add(im.mul(im))


def _spread(
    name: str,
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    ddof: float,
    keepdims: Any,
    where: Any,
    mean: Any,
    correction: Any,
    least: float = 0.0,
) -> Value:
    refuse(name, out=out)
    if correction is not NO_VALUE:
        if ddof != 0:
            raise ArgumentError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    x = operand(a)
    axes = normal_axes(axis, x.ndim)
    loop, result = _dtypes(x, dtype)
    result = real_dtype(result) if result.kind == "c" else result
    found = variance(x, axes, loop, ddof, True if where is NO_VALUE else where, mean, least)
    if name == "std":
        whole = where is NO_VALUE and mean is NO_VALUE
        found = safe_sqrt(found, _constant(x, axes, loop) if whole else None)
    found = found.to(result)
    return expand(found, *axes) if _kept(keepdims) else found


def _constant(x: Operand, axes: tuple[int, ...], loop: DType) -> Value | None:
    """Whether all elements over `axes` are the first one; of such, the mean may be another number
    by its rounding, and their variance not 0. None for lengths that move with a loop's index."""
    value = materialise(x, loop).stop_gradient()
    if not value.type.is_static or not value.type.size:
        return None
    stop = tuple(1 if axis in axes else n for axis, n in enumerate(value.shape))
    first = value.slice(start=(0,) * value.ndim, stop=stop, step=(1,) * value.ndim)
    kept = reshape(first, tuple(n for axis, n in enumerate(value.shape) if axis not in axes))
    return reduce(np.logical_and, value.eq(spread(kept, value.shape, axes)), axes)


def safe_sqrt(x: Value, zero: Value | None = None) -> Value:
    """The square root with derivative 0 at 0, where the true one is infinite, or where `zero` says
    that x is 0 but for rounding errors."""
    none = x.eq(0.0) if zero is None else x.eq(0.0).bitor(zero.bitand(x.eq(x)))
    return none.select(0.0, none.select(1.0, x).sqrt())


@function(np.var)
@method("var")
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
    mean: Any = NO_VALUE,
    correction: Any = NO_VALUE,
) -> Any:
    """The variance, in two passes."""
    return wrapped(_spread("var", a, axis, dtype, out, ddof, keepdims, where, mean, correction))


@function(np.std)
@method("std")
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
    mean: Any = NO_VALUE,
    correction: Any = NO_VALUE,
) -> Any:
    """The standard deviation; its derivative is 0 where it is 0."""
    return wrapped(_spread("std", a, axis, dtype, out, ddof, keepdims, where, mean, correction))


@function(np.average)
def average(
    a: Any,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: Any = NO_VALUE,
) -> Any:
    """The weighted mean."""
    x = operand(a)
    axes = normal_axes(axis, x.ndim)
    if weights is None:
        found = materialise(mean(x, axes, keepdims=keepdims))
        count = number_of([x.shape[i] for i in axes])
        scale = broadcast(materialise(count, found.dtype), found.shape)
        return wrapped((found, scale) if returned else found)
    x, w = _with_weights(x, operand(weights), axis, axes)
    scale = reduce(np.add, w, axes)
    total = reduce(np.add, call(np.multiply, x, w), axes, scale.dtype)
    found = quotient(total, scale)
    if _kept(keepdims):
        found, scale = expand(found, *axes), expand(scale, *axes)
    return wrapped((found, scale) if returned else found)


def _with_weights(x: Operand, w: Operand, axis: Any, axes: tuple[int, ...]) -> tuple[Value, Value]:
    dtype = promotion.result_type(x.dtype, w.dtype)
    if x.dtype.kind in "biu":
        dtype = promotion.result_type(dtype, FLOAT64)
    value, weight = materialise(x, dtype), materialise(w, dtype)
    return value, broadcast(aligned_weights(weight, value.shape, axis, axes), value.shape)


def aligned_weights(weight: Value, shape: Shape, axis: Any, axes: tuple[int, ...]) -> Value:
    """Weights of an array of this shape, or of its axes, so that they broadcast to it."""
    if weight.shape == shape:
        return weight
    if axis is None:
        raise InputTypeError("Axis must be specified when shapes of a and weights differ.")
    if weight.shape != tuple(shape[i] for i in axes):
        raise ShapeError("Shape of weights must be consistent with shape of a along axis.")
    order = sorted(range(len(axes)), key=lambda i: axes[i])
    return reshape(
        transpose(weight, order), tuple(n if i in axes else 1 for i, n in enumerate(shape))
    )


@function(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NO_VALUE) -> Any:
    """The maximum minus the minimum."""
    refuse("ptp", out=out)
    kept = keepdims is not NO_VALUE and bool(keepdims)
    high = reduce(np.maximum, a, axis, keepdims=kept)
    low = reduce(np.minimum, a, axis, keepdims=kept)
    return wrapped(call(np.subtract, high, low))


@function(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
) -> Any:
    """The mean of the elements that are numbers."""
    return mean(a, axis, dtype, out, keepdims, where=_numbers(a, where))


@function(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
    mean: Any = NO_VALUE,
    correction: Any = NO_VALUE,
) -> Any:
    """The variance of the elements that are numbers."""
    where, least = _numbers(a, where), _least(a)
    return wrapped(
        _spread("var", a, axis, dtype, out, ddof, keepdims, where, mean, correction, least)
    )


@function(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
    mean: Any = NO_VALUE,
    correction: Any = NO_VALUE,
) -> Any:
    """The standard deviation of the elements that are numbers."""
    where, least = _numbers(a, where), _least(a)
    return wrapped(
        _spread("std", a, axis, dtype, out, ddof, keepdims, where, mean, correction, least)
    )


def _least(a: Any) -> float:
    """What `nanvar` divides by where there are no degrees of freedom: NaN, if there may be NaNs."""
    return np.nan if kind_of(operand(a).dtype) in "fc" else 0.0


def _numbers(a: Any, where: Any) -> Any:
    """The mask of elements that are not NaN, and of those in `where`."""
    x = operand(a)
    if kind_of(x.dtype) not in "fc":
        return where
    there = call(np.isnan, x).bitnot()
    return there if where is NO_VALUE else call(np.logical_and, there, where)


@function(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """The covariance matrix of variables in rows, of observations that may have weights."""
    if ddof is not None and ddof != int(ddof):
        raise ArgumentError("ddof must be integer")
    rows = _variables(m, dtype)
    if not rowvar and operand(m).ndim != 1:
        rows = transpose(rows, (1, 0))
    if y is not None:
        more = _variables(y, dtype)
        if not rowvar and more.shape[0] != 1:
            more = transpose(more, (1, 0))
        first, second = values(rows, more)
        rows = first.concat(second, axis=0)
    weights, divisor = _normalised(
        rows.shape[1], fweights, aweights, ddof if ddof is not None else (0 if bias else 1)
    )
    whole = wrapped(rows)
    if weights is None:
        centred: Any = wrapped(
            rows.sub(spread(mean_of(operand(rows), (1,), rows.dtype), rows.shape, (1,)))
        )
        other = centred
    else:
        centred = whole - np.average(whole, axis=1, weights=weights)[:, None]
        other = centred * weights
    found = centred @ np.conj(other).T * np.true_divide(1, divisor)
    return np.squeeze(found)


def _normalised(count: int, fweights: Any, aweights: Any, ddof: int) -> tuple[Any, Any]:
    """The weight of each observation, None for one each, and what sums of products are over."""
    given = [wrapped(materialise(w, FLOAT64)) for w in (fweights, aweights) if w is not None]
    if not given:
        return None, max(count - ddof, 0)
    for w in given:
        if w.shape != (count,):
            raise ShapeError(
                f"{count} observations need weights of shape ({count},), got {w.shape}"
            )
        demand(np.all(w >= 0), "the weights of np.cov cannot be negative", ArgumentError)
    weights = given[0] if len(given) == 1 else given[0] * given[1]
    total = np.sum(weights)
    if ddof == 0:
        return weights, total
    if aweights is None:
        return weights, np.maximum(total - ddof, 0)
    return weights, np.maximum(total - ddof * np.sum(weights * given[-1]) / total, 0)


def _variables(m: Any, dtype: Any) -> Value:
    x = operand(m)
    if x.ndim > 2:
        raise ShapeError(f"m has more than 2 dimensions: {x.shape}")
    if dtype is None:
        dtype = FLOAT64 if x.dtype.kind in "biu" else promotion.result_type(x.dtype, FLOAT64)
    value = materialise(x, dtype)
    return value if value.ndim == 2 else reshape(value, (1, size_of(value.shape)))


@function(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The matrix of correlation coefficients."""
    c = materialise(cov(x, y, rowvar, dtype=dtype))
    if c.ndim == 0:
        return wrapped(c.div(c))
    steps = reshape(c, (size_of(c.shape),)).slice(
        start=(0,), stop=(size_of(c.shape),), step=(c.shape[0] + 1,)
    )
    deviation = (steps.real() if c.type.is_complex else steps).sqrt().to(c.dtype)
    rows, columns = (deviation.broadcast(shape=c.shape, dims=(d,)) for d in (0, 1))
    found = c.div(rows).div(columns)
    if not c.type.is_complex:
        return wrapped(found.max(-1.0).min(1.0))
    re, im = (part.max(-1.0).min(1.0) for part in (found.real(), found.imag()))
    return wrapped(re.complex(im))
