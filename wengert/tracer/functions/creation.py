"""New arrays: zeros_like and its kin, linspace, and np.array of lists with traced values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, TracerConversionError
from wengert.ir.types import FLOAT64, Dim, DType, Shape, real_dtype, supported_dtype
from wengert.tracer.array import Tracer
from wengert.tracer.functions.operands import (
    broadcast,
    broadcast_shapes,
    expand,
    full,
    holds_tracers,
    integer,
    iota,
    materialise,
    normal_axis,
    operand,
    result_type,
    shape_argument,
    transpose,
    wrapped,
)
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.mutation import adopt, all_known, stripped
from wengert.tracer.stack import open_trace
from wengert.tracer.tables import function

CREATION: dict[Any, Callable[..., Any]] = {}
"""What takes the place of functions of NumPy that make arrays where code has been rewritten; filled
by `making`. Without an open trace they are NumPy's own."""

MOST_KNOWN = 1024
"""Larger arrays of one number are not remembered element by element."""


def filled(shape: Shape, number: Any, dtype: DType) -> Tracer:
    """A new array of one number, or of a traced one."""
    trace = open_trace()
    fixed = not any(type(n) is Dim for n in shape)
    if not holds_tracers(number) and np.ndim(number) == 0:
        if fixed and math.prod(shape) <= MOST_KNOWN:
            return adopt(np.full(shape, number, dtype))
        return Tracer(trace, full(shape, number, dtype))
    if not holds_tracers(number) and fixed:
        return adopt(np.full(shape, number, dtype))
    found = Tracer(trace, broadcast(materialise(number, dtype), shape))
    found.made = True
    return found


def _like(number: int) -> Callable[..., Any]:
    def like(
        a: Any,
        dtype: Any = None,
        order: str = "K",
        subok: bool = True,
        shape: Any = None,
        *,
        device: Any = None,
    ) -> Any:
        return full_like(a, number, dtype, order, subok, shape)

    return like


zeros_like = function(np.zeros_like)(_like(0))
ones_like = function(np.ones_like)(_like(1))
empty_like = function(np.empty_like)(_like(0))


@function(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """An array of one value, of the dtype and shape of `a` unless others are given."""
    x = operand(a)
    target = x.dtype if dtype is None else supported_dtype(dtype)
    return filled(x.shape if shape is None else shape_argument(shape), fill_value, target)


def _no_array(name: str, needed: str) -> Callable[..., Any]:
    def refuse_call(*args: Any, **kwargs: Any) -> Any:
        raise TracerConversionError(
            f"np.{name} of a traced value would have a shape that depends on it; {needed}"
        )

    return refuse_call


@function(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """Evenly spaced numbers between traced ends."""
    count = integer(num, "num")
    if count < 0:
        raise ArgumentError(f"Number of samples, {count}, must be non-negative.")
    if type(count) is Dim:
        raise TracerConversionError(
            "num of np.linspace must be known; use start + step * np.arange(n) for a length that "
            "depends on the index of a loop"
        )
    first, last = operand(start), operand(stop)
    loop = result_type(first, last, operand(float(count)))
    result = loop if dtype is None else supported_dtype(dtype)
    low, high = materialise(first, loop), materialise(last, loop)
    shape = broadcast_shapes(low.shape, high.shape, what="start and stop")
    low, high = broadcast(low, shape), broadcast(high, shape)
    parts = count - 1 if endpoint else count
    span = high.sub(low)
    step = span.div(float(parts)) if parts > 0 else span.full_like(np.nan)
    whole = (count, *shape)
    dims = tuple(range(1, len(whole)))
    wide_low = low.broadcast(shape=whole, dims=dims)
    if parts > 0:
        index = iota(whole, 0, real_dtype(loop) if loop.kind == "c" else loop).to(loop)
        numbers = index.mul(step.broadcast(shape=whole, dims=dims)).add(wide_low)
        if endpoint and count > 1:
            at_end = iota(whole, 0).eq(count - 1)
            numbers = at_end.select(high.broadcast(shape=whole, dims=dims), numbers)
    else:
        numbers = wide_low
    if result.kind in "iu":
        numbers = numbers.floor()
    position = normal_axis(axis, len(whole))
    order = list(range(1, len(whole)))
    order.insert(position, 0)
    found = wrapped(transpose(numbers.to(result), order))
    return (found, wrapped(step)) if retstep else found


@function(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Powers of a base with evenly spaced exponents."""
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    result = call(np.power, base, exponents)
    return wrapped(result if dtype is None else result.to(supported_dtype(dtype)))


# functions that NumPy does not hand on


def array(
    x: Any,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    like: Any = None,
) -> Any:
    """`np.array`, also of traced values and of lists that hold some."""
    if not holds_tracers(x):
        return np.array(x, dtype=dtype, copy=copy, order=order, ndmin=ndmin)  # pyright: ignore
    target = None if dtype is None else supported_dtype(dtype)
    if isinstance(x, Tracer) and not copy and (target is None or target == x.dtype) and not ndmin:
        return x
    known = stripped(x) if all_known(x) else None
    if known is not None:
        return adopt(np.array(known, dtype=dtype, ndmin=ndmin))
    value = materialise(x, target)
    missing = max(ndmin - value.ndim, 0)
    found = wrapped(expand(value, *range(missing)) if missing else value)
    found.made = True
    return found


def asarray(
    x: Any,
    dtype: Any = None,
    order: str | None = None,
    *,
    device: Any = None,
    copy: bool | None = None,
    like: Any = None,
) -> Any:
    """`np.asarray`, also of traced values and of lists that hold some."""
    if not holds_tracers(x):
        return np.asarray(x, dtype=dtype, order=order, copy=copy)  # pyright: ignore
    return array(x, dtype, copy=copy)


def full_array(shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    """`np.full`, also with a traced value."""
    if not holds_tracers(fill_value):
        return np.full(shape, fill_value, dtype=dtype, **options)
    target = operand(fill_value).dtype if dtype is None else supported_dtype(dtype)
    return filled(shape_argument(shape), fill_value, target)


def arange(*args: Any, dtype: Any = None, **options: Any) -> Any:
    """`np.arange`; its arguments must be known, as the length depends on them."""
    if holds_tracers(list(args)):
        return _no_array("arange", "use start + step * np.arange(n) with a known n")()
    return np.arange(*args, dtype=dtype, **options)


@function(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """Numbers evenly spaced on a log scale; all are turned to where start is positive."""
    dtypes = [
        operand(x).dtype if isinstance(x, Tracer) else np.asarray(x).dtype for x in (start, stop)
    ]
    kind = np.result_type(*dtypes, np.float32, FLOAT64 if dtype is None else dtype)
    ends = [call(np.multiply, materialise(end, kind), 1) for end in (start, stop)]
    turn = call(np.sign, ends[0])
    both = np.broadcast_arrays(*map(wrapped, ends))
    low, high = (wrapped(call(np.divide, end, turn)) for end in both)
    logs = wrapped(linspace(np.log10(low), np.log10(high), num, endpoint))
    inner = np.power(10.0, logs[1 : num - 1 if endpoint else num])
    found = np.concatenate([low[None], inner, high[None]][: 3 if endpoint else 2])[:num]
    found = np.moveaxis(found * wrapped(turn), 0, axis)
    return found if dtype is None else found.astype(supported_dtype(dtype))
