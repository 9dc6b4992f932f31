"""Reductions and running reductions: sum, max, any, argmax, cumsum and their kin.

`reduce` is the engine on Values that the other files build on; the functions below it take
NumPy's arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, InputTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.ops.complex_order import identity as complex_identity
from wengert.ir.types import BOOL, INT64, DType, supported_dtype
from wengert.tracer.functions.folds import (
    ASSOCIATIVE,
    FROM_FIRST,
    folded,
    in_turn,
    part,
    running_fold,
)
from wengert.tracer.functions.operands import (
    Operand,
    broadcast,
    broadcast_shapes,
    expand,
    fit,
    flat_or_axis,
    full,
    materialise,
    normal_axis,
    operand,
    reduced_axes,
    refuse,
    reshape,
    size_of,
    wrapped,
)
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.tables import function, method, ufunc_method

NO_VALUE: Any = np._NoValue
REDUCIBLE = {
    "add": "reduce_sum",
    "multiply": "reduce_prod",
    "maximum": "reduce_max",
    "minimum": "reduce_min",
    "fmax": "reduce_max",
    "fmin": "reduce_min",
    "logical_and": "reduce_and",
    "logical_or": "reduce_or",
    "logical_xor": "reduce_sum",
}
RUNNING = {
    "add": "cumsum",
    "multiply": "cumprod",
    "maximum": "cummax",
    "minimum": "cummin",
    "logical_or": "cummax",
    "logical_and": "cummin",
}
WITHOUT_IDENTITY = {"maximum", "minimum", "fmax", "fmin"}


def reduction_dtype(ufunc: np.ufunc, x: Operand, dtype: Any) -> DType:
    """The dtype in which NumPy reduces: ints and bools are summed in 64 bits."""
    if dtype is not None:
        return supported_dtype(dtype)
    specs = (None, x.dtype, None)
    return supported_dtype(ufunc.resolve_dtypes(specs, reduction=True)[0])


def reduce(
    ufunc: np.ufunc,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = NO_VALUE,
    where: Any = True,
) -> Value:
    """`ufunc.reduce` with NumPy's arguments, but over all axes by default."""
    name = ufunc.__name__
    if name not in REDUCIBLE and name not in ASSOCIATIVE:
        return _in_order(ufunc, x, axis, dtype, keepdims, initial, where)
    x = operand(x)
    if where is not True:
        if operand(where).ndim > x.ndim:
            raise ShapeError(f"where= has more dimensions than the array of shape {x.shape}")
        x = operand(broadcast(materialise(x), broadcast_shapes(x.shape, operand(where).shape)))
    axes = reduced_axes(axis, x.ndim)
    loop = BOOL if name.startswith("logical") else reduction_dtype(ufunc, x, dtype)
    value = materialise(x, loop)
    empty = size_of([x.shape[a] for a in axes]) == 0 and size_of(x.shape) == 0
    if initial is NO_VALUE:
        _check_identity(name, [x.shape[a] for a in axes], where)
    if where is not True:
        value = _masked(ufunc, value, where)
    result = _reduced(name, value, axes, x.shape, empty)
    if initial is not NO_VALUE and initial is not None:
        result = call(ufunc, result, materialise(initial, loop)).to(loop)
    return restore(result, axes) if keepdims else result


def _check_identity(name: str, lengths: list[int], where: Any) -> None:
    """Raises ArgumentError where the result needs the identity of a ufunc that has none."""
    if name == "lcm" and len(lengths) > 1:
        raise ArgumentError(
            "reduction operation 'lcm' is not reorderable, so at most one axis may be specified"
        )
    if name not in WITHOUT_IDENTITY and name != "lcm":
        return
    if where is not True:
        raise ArgumentError(
            f"reduction operation '{name}' does not have an identity, so to use a where mask "
            "one has to specify 'initial'"
        )
    if size_of(lengths) == 0:
        raise ArgumentError(f"zero-size array to reduction operation {name} which has no identity")


def _reduced(
    name: str, value: Value, axes: tuple[int, ...], shape: tuple[int, ...], empty: bool
) -> Value:
    rest = tuple(n for a, n in enumerate(shape) if a not in axes)
    if empty:
        return full(rest, identity(name, value.dtype), value.dtype)
    if not axes:
        return value
    if name in ("maximum", "minimum", "fmax", "fmin") and value.dtype == BOOL:
        name = "logical_or" if name.endswith("max") or name == "maximum" else "logical_and"
    if name in ("add", "multiply") and value.dtype == BOOL:
        name = "logical_or" if name == "add" else "logical_and"
    if name == "logical_xor":
        return value.to(INT64).reduce_sum(axes=axes).mod(2).to(BOOL)
    if name in ("fmax", "fmin") and kind_of(value.dtype) in "fc":
        return _ignoring_nan(name, value, axes)
    if name in ASSOCIATIVE:
        for axis in axes:
            value = folded(getattr(np, name), value, axis)
        return reshape(value, rest)
    return getattr(value, REDUCIBLE[name])(axes=axes)


def _in_order(
    ufunc: np.ufunc, x: Any, axis: Any, dtype: Any, keepdims: bool, initial: Any, where: Any
) -> Value:
    """A reduction whose order counts: of one axis, from its first element or the initial value."""
    x = operand(x)
    axes, name = reduced_axes(axis, x.ndim), ufunc.__name__
    if len(axes) != 1:
        raise ArgumentError(
            f"reduction operation '{name}' is not reorderable, so at most one axis may be specified"
        )
    loop = reduction_dtype(ufunc, x, dtype)
    value, (position,) = materialise(x, loop), axes
    count, rest = value.shape[position], _without(value.shape, position)
    first = None if initial is NO_VALUE or initial is None else materialise(initial, loop)
    if first is None and (not count or where is not True):
        raise ArgumentError(
            f"reduction operation {name} has no identity: an empty array and where= need initial="
        )
    if where is not True:
        mask = fit(materialise(where, BOOL), value.shape)
        found = in_turn(ufunc, value, position, first, mask)[0]
    elif name in FROM_FIRST:
        found = _from_first(ufunc, value, position, first)
    else:
        found = in_turn(ufunc, value, position, first)[0]
    found = broadcast(found.to(loop), rest)
    return restore(found, axes) if keepdims else found


def _from_first(ufunc: np.ufunc, value: Value, axis: int, first: Value | None) -> Value:
    """All elements but the first, or the initial value, are taken from it, or divide it."""
    join = getattr(np, FROM_FIRST[ufunc.__name__])
    if first is None:
        first = reshape(part(value, axis, 0, 1), _without(value.shape, axis))
        value = part(value, axis, 1, value.shape[axis])
    if not value.shape[axis]:
        return first
    return call(ufunc, first, reduce(join, value, axis, value.dtype))


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def _ignoring_nan(name: str, value: Value, axes: tuple[int, ...]) -> Value:
    """The extreme of the elements that are numbers; NaN where there are none."""
    missing = value.ne(value) if value.type.is_complex else value.isnan()
    op = REDUCIBLE[name]
    found = getattr(missing.select(identity(name, value.dtype), value), op)(axes=axes)
    return missing.reduce_and(axes=axes).select(np.nan, found)


def identity(name: str, dtype: DType) -> Any:
    """The number that changes nothing when `name` combines it with another."""
    if name in ASSOCIATIVE:
        return np.array(ASSOCIATIVE[name]).astype(dtype).item()
    if name in WITHOUT_IDENTITY:
        low = name.endswith("max") or name == "maximum"
        if dtype == BOOL:
            return not low
        if kind_of(dtype) == "f":
            return -np.inf if low else np.inf
        if dtype.kind == "c":
            return complex_identity("max" if low else "min")
        limits = np.iinfo(dtype)
        return int(limits.min if low else limits.max)
    return {"multiply": 1, "logical_and": True, "logical_or": False, "logical_xor": False}.get(
        name, 0
    )


def _masked(ufunc: np.ufunc, value: Value, where: Any) -> Value:
    mask = fit(materialise(where, BOOL), value.shape)
    return mask.select(
        value, value.builder.literal(identity(ufunc.__name__, value.dtype), value.dtype)
    )


def restore(value: Value, axes: tuple[int, ...]) -> Value:
    """Puts reduced axes back with length 1 (keepdims)."""
    return expand(value, *axes)


# the functions


def _reducer(ufunc: np.ufunc) -> Callable[..., Any]:
    def reducer(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = NO_VALUE,
        initial: Any = NO_VALUE,
        where: Any = NO_VALUE,
    ) -> Any:
        refuse(ufunc.__name__, out=out)
        mask = True if where is NO_VALUE else where
        kept = keepdims is not NO_VALUE and bool(keepdims)
        return wrapped(reduce(ufunc, a, axis, dtype, kept, initial, mask))

    return reducer


def _without_dtype(ufunc: np.ufunc) -> Callable[..., Any]:
    def reducer(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = NO_VALUE,
        initial: Any = NO_VALUE,
        where: Any = NO_VALUE,
    ) -> Any:
        return _reducer(ufunc)(a, axis, None, out, keepdims, initial, where)

    return reducer


def _logical(ufunc: np.ufunc) -> Callable[..., Any]:
    def reducer(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = NO_VALUE,
        *,
        where: Any = NO_VALUE,
    ) -> Any:
        return _reducer(ufunc)(a, axis, None, out, keepdims, NO_VALUE, where)

    return reducer


sum_ = function(np.sum)(method("sum")(_reducer(np.add)))
prod = function(np.prod)(method("prod")(_reducer(np.multiply)))
max_ = function(*{np.max, np.amax})(method("max")(_without_dtype(np.maximum)))
min_ = function(*{np.min, np.amin})(method("min")(_without_dtype(np.minimum)))
all_ = function(np.all)(method("all")(_logical(np.logical_and)))
any_ = function(np.any)(method("any")(_logical(np.logical_or)))
nanmax = function(np.nanmax)(_without_dtype(np.fmax))
nanmin = function(np.nanmin)(_without_dtype(np.fmin))


@ufunc_method("reduce")
def ufunc_reduce(
    ufunc: np.ufunc,
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = NO_VALUE,
    where: Any = True,
) -> Any:
    """`np.add.reduce` and its like, over axis 0 by default."""
    refuse(f"{ufunc.__name__}.reduce", out=out)
    return wrapped(reduce(ufunc, array, axis, dtype, keepdims, initial, where))


def without_nan(x: Any, replacement: float) -> Value:
    """`x` with NaN replaced."""
    value = materialise(x)
    return call(np.isnan, value).select(replacement, value) if value.type.is_float else value


@function(np.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    initial: Any = NO_VALUE,
    where: Any = NO_VALUE,
) -> Any:
    """The sum of the elements that are numbers."""
    return sum_(without_nan(a, 0.0), axis, dtype, out, keepdims, initial, where)


@function(np.nanprod)
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    initial: Any = NO_VALUE,
    where: Any = NO_VALUE,
) -> Any:
    """The product of the elements that are numbers."""
    return prod(without_nan(a, 1.0), axis, dtype, out, keepdims, initial, where)


@function(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """How many elements are not zero."""
    return wrapped(reduce(np.add, materialise(a, BOOL), axis, INT64, keepdims))


def extreme_index(op: str, x: Any, axis: Any, keepdims: bool) -> Value:
    """The index of the first extreme element, along `axis` or in the flattened array."""
    value = materialise(x)
    if value.dtype == BOOL:
        value = value.to(np.dtype(np.int8))
    shape = value.shape
    value, position = flat_or_axis(value, axis)
    if value.shape[position] == 0:
        raise ArgumentError(f"attempt to get {op} of an empty sequence")
    result = getattr(value, op)(axis=position)
    if not keepdims:
        return result
    if axis is None or not shape:
        return reshape(result, (1,) * len(shape))
    return expand(result, position)


def _arg(op: str) -> Callable[..., Any]:
    def find(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = NO_VALUE) -> Any:
        refuse(op, out=out)
        kept = keepdims is not NO_VALUE and bool(keepdims)
        return wrapped(extreme_index(op, a, axis, kept))

    return find


argmax = function(np.argmax)(method("argmax")(_arg("argmax")))
argmin = function(np.argmin)(method("argmin")(_arg("argmin")))


# running reductions


def accumulate(ufunc: np.ufunc, x: Any, axis: Any, dtype: Any = None) -> Value:
    """`ufunc.accumulate`; with axis None, of the flattened array."""
    name = ufunc.__name__
    x = operand(x)
    if axis is not None and x.ndim:
        normal_axis(axis, x.ndim)
    loop = BOOL if name.startswith("logical") else reduction_dtype(ufunc, x, dtype)
    value, position = flat_or_axis(materialise(x, loop), axis)
    if name in RUNNING:
        return running(RUNNING[name], value, position)
    if name in (*ASSOCIATIVE, "fmax", "fmin", "logical_xor"):
        return running_fold(ufunc, value, position)
    return in_turn(ufunc, value, position)[1] if value.shape[position] else value


def running(op: str, value: Value, axis: int) -> Value:
    """cumsum, cumprod, cummax or cummin; bools are combined by or, and."""
    if value.dtype != BOOL:
        return getattr(value, op)(axis=axis, reverse=False)
    combine = {"cumsum": "cummax", "cumprod": "cummin"}.get(op, op)
    return getattr(value.to(np.dtype(np.int8)), combine)(axis=axis, reverse=False).to(BOOL)


@ufunc_method("accumulate")
def ufunc_accumulate(
    ufunc: np.ufunc, array: Any, axis: int = 0, dtype: Any = None, out: Any = None
) -> Any:
    """`np.add.accumulate` and its like."""
    refuse(f"{ufunc.__name__}.accumulate", out=out)
    if operand(array).ndim == 0:
        raise InputTypeError("cannot accumulate on a scalar")
    return wrapped(accumulate(ufunc, array, axis, dtype))


def _cumulative(ufunc: np.ufunc) -> Callable[..., Any]:
    def cumulate(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        refuse(ufunc.__name__, out=out)
        return wrapped(accumulate(ufunc, a, axis, dtype))

    return cumulate


cumsum = function(np.cumsum)(method("cumsum")(_cumulative(np.add)))
cumprod = function(np.cumprod)(method("cumprod")(_cumulative(np.multiply)))


def _cumulative_api(ufunc: np.ufunc) -> Callable[..., Any]:
    def cumulate(
        x: Any,
        /,
        *,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        include_initial: bool = False,
    ) -> Any:
        refuse(ufunc.__name__, out=out)
        known = operand(x)
        if axis is None and known.ndim > 1:
            raise ArgumentError(
                "For arrays which have more than one dimension ``axis`` is required."
            )
        result = accumulate(ufunc, known, axis, dtype)
        position = normal_axis(0 if axis is None else axis, result.ndim)
        if include_initial:
            shape = (*result.shape[:position], 1, *result.shape[position + 1 :])
            start = full(shape, identity(ufunc.__name__, result.dtype), result.dtype)
            result = start.concat(result, axis=position)
        return wrapped(result)

    return cumulate


cumulative_sum = function(np.cumulative_sum)(_cumulative_api(np.add))
cumulative_prod = function(np.cumulative_prod)(_cumulative_api(np.multiply))


@function(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """The running sum with NaN as 0."""
    return cumsum(without_nan(a, 0.0), axis, dtype, out)


@function(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """The running product with NaN as 1."""
    return cumprod(without_nan(a, 1.0), axis, dtype, out)


@ufunc_method("outer")
def outer(ufunc: np.ufunc, a: Any, b: Any, /, **kwargs: Any) -> Any:
    """The ufunc of all pairs."""
    x, y = operand(a), operand(b)
    refuse(f"{ufunc.__name__}.outer", out=kwargs.pop("out", None))
    if x.ndim and y.ndim:
        x = operand(reshape(materialise(x), x.shape + (1,) * y.ndim))
    return wrapped(call(ufunc, x, y, **kwargs))
