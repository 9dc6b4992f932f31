"""Choices by element and cleaning up: where, select, clip, round, nan_to_num, isclose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import (
    ArgumentError,
    DTypeError,
    InputTypeError,
    ShapeError,
    TracerConversionError,
)
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.floats import finfo, is_half, kind_of
from wengert.ir.types import BOOL, FLOAT64, supported_dtype
from wengert.tracer.array import Tracer
from wengert.tracer.functions.operands import (
    Operand,
    broadcast,
    broadcast_shapes,
    cut_to,
    fit,
    integer,
    materialise,
    operand,
    refuse,
    result_type,
    wrapped,
)
from wengert.tracer.functions.reductions import reduce
from wengert.tracer.functions.ufuncs import call
from wengert.tracer.tables import UFUNCS, function, method

NO_VALUE: Any = np._NoValue


def data_dependent(name: str, cure: str) -> Callable[..., Any]:
    """An entry for a function whose result's shape depends on the elements."""

    def refuse_call(*args: Any, **kwargs: Any) -> Any:
        raise TracerConversionError(
            f"the shape of np.{name}'s result depends on the elements, which are known only when "
            f"the compiled program runs; {cure}"
        )

    return refuse_call


MASK_CURE = (
    "use np.where(condition, x, y) or sums with where= instead, or give a length: "
    "wengert.numpy.{}(..., size=n)"
)
SIZE_CURE = "give its length, wengert.numpy.{}(..., size=n), or compute it before tracing"
for _function in (
    *(np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values),
    *(np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d),
):
    function(_function)(data_dependent(_function.__name__, SIZE_CURE.format(_function.__name__)))
function(np.trim_zeros)(data_dependent("trim_zeros", "compute it before tracing"))


@function(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """`x` where the condition holds, else `y`."""
    if x is None and y is None:
        return np.nonzero(wrapped(materialise(condition)))
    if x is None or y is None:
        raise ArgumentError("either both or neither of x and y should be given")
    a, b = operand(x), operand(y)
    return wrapped(chosen(operand(condition), a, b, result_type(a, b)))


def chosen(condition: Operand, x: Operand, y: Operand, dtype: Any) -> Value:
    """np.where on operands, in a given dtype."""
    shape = broadcast_shapes(
        condition.shape, x.shape, y.shape, what="the condition and the choices"
    )
    if condition.known and condition.ndim == 0:
        return broadcast(cut_to(x if condition.value else y, dtype), shape)
    mask = broadcast(materialise(condition, BOOL), shape)
    return mask.select(fit(cut_to(x, dtype), shape), fit(cut_to(y, dtype), shape))


@function(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """The first choice whose condition holds."""
    if len(condlist) != len(choicelist):
        raise ArgumentError("list of cases must be same length as list of conditions")
    if not condlist:
        raise ArgumentError("select with an empty condition list is not possible")
    conditions = [operand(c) for c in condlist]
    for i, condition in enumerate(conditions):
        if condition.dtype != BOOL:
            raise InputTypeError(
                f"invalid entry {i} in condlist: should be boolean ndarray, got {condition.dtype}"
            )
    choices = [operand(c) for c in (*choicelist, default)]
    dtype = result_type(*choices)
    shape = broadcast_shapes(*(o.shape for o in (*conditions, *choices)), what="the choices")
    result = choices[-1]
    for condition, choice in zip(reversed(conditions), reversed(choices[:-1]), strict=True):
        result = operand(chosen(condition, choice, result, dtype))
    return wrapped(broadcast(materialise(result, dtype), shape))


@function(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """A function by cases, the last true one counts: each gets the elements where it is true."""
    value = wrapped(materialise(x))
    whole = np.reshape(value, (-1,)) if value.ndim == 0 else value
    conditions = _conditions(condlist, value.ndim)
    if value.ndim == 0:
        conditions = [np.reshape(c, (-1,)) for c in conditions]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.any(np.stack(conditions), axis=0))
    elif len(funclist) != len(conditions):
        raise ArgumentError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or "
            f"{len(conditions) + 1} functions are expected"
        )
    result = np.zeros_like(whole)
    for condition, case in zip(conditions, funclist, strict=True):
        found = case(whole[condition], *args, **kw) if callable(case) else case
        result[condition] = found
    return np.reshape(result, ()) if value.ndim == 0 else result


def _conditions(condlist: Any, ndim: int) -> list[Any]:
    """The conditions as traced arrays; a single one need not be in a list."""
    if isinstance(condlist, list | tuple):  # NumPy's own rule for a list of truth values
        single = ndim > 0 and np.ndim(condlist[0]) == 0
    else:
        single = np.ndim(condlist) <= ndim
    if single:
        condlist = [condlist]
    return [wrapped(materialise(c, BOOL)) for c in condlist]


# bounds


def clipped(x: Any, low: Any, high: Any, dtype: Any = None) -> Value:
    """np.clip: minimum(maximum(x, low), high), bounds that are None left out."""
    x = operand(x)
    bounds = [None if b is None else operand(b) for b in (low, high)]
    bounds = [None if _never_binds(x, b, s) else b for b, s in zip(bounds, (0, 1), strict=True)]
    present = [b for b in bounds if b is not None]
    target = result_type(x, *present) if dtype is None else supported_dtype(dtype)
    shape = broadcast_shapes(x.shape, *(b.shape for b in present), what="the array and its bounds")
    value = fit(materialise(x, target), shape)
    ops = ("bitor", "bitand") if target == BOOL else ("max", "min")
    for bound, op in zip(bounds, ops, strict=True):
        if bound is not None:
            value = getattr(value, op)(fit(materialise(bound, target), shape))
    return broadcast(value, shape)


def _never_binds(x: Operand, bound: Operand | None, side: int) -> bool:
    """Whether a Python int lies beyond the range of x's integer dtype, on the harmless side."""
    if bound is None or x.dtype.kind not in "iu" or not (bound.weak and bound.known):
        return False
    limits = np.iinfo(x.dtype)
    if type(bound.value) is not int:
        return False
    return bound.value <= limits.min if side == 0 else bound.value >= limits.max


@function(np.clip)
@method("clip")
def clip(
    a: Any,
    a_min: Any = NO_VALUE,
    a_max: Any = NO_VALUE,
    out: Any = None,
    *,
    min: Any = NO_VALUE,  # noqa: A002  NumPy's names
    max: Any = NO_VALUE,  # noqa: A002
    dtype: Any = None,
) -> Any:
    """Elements limited to an interval."""
    refuse("clip", out=out)
    if a_min is NO_VALUE:
        a_min = None if min is NO_VALUE else min
    elif min is not NO_VALUE:
        raise ArgumentError("Passing `min` or `max` keyword argument when `a_min` is provided")
    if a_max is NO_VALUE:
        a_max = None if max is NO_VALUE else max
    elif max is not NO_VALUE:
        raise ArgumentError("Passing `min` or `max` keyword argument when `a_max` is provided")
    return wrapped(clipped(a, a_min, a_max, dtype))


UFUNCS["clip"] = lambda a, low, high, **kwargs: wrapped(clipped(a, low, high, **kwargs))


# rounding


@function(*{np.round, np.around})
@method("round")
def round_(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Rounded to a number of decimals, halves to even, by NumPy's own scaling."""
    refuse("round", out=out)
    value = materialise(a)
    digits = integer(decimals, "decimals")
    if value.dtype == BOOL and digits:
        raise DTypeError("np.round of bools takes no decimals")
    if value.dtype == BOOL:
        value = value.to(np.dtype(np.float16))
    if value.dtype.kind in "iu":
        if digits >= 0:
            return wrapped(value)
        scale = 10.0**-digits
        rounded = value.to(FLOAT64).div(scale).rint().mul(scale)
        return wrapped(rounded.to(value.dtype))
    if digits == 0:
        return wrapped(call(np.rint, value))
    scale = 10.0 ** abs(digits)
    if digits > 0:
        return wrapped(call(np.rint, value.mul(scale)).div(scale))
    return wrapped(call(np.rint, value.div(scale)).mul(scale))


@function(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """Rounded towards zero."""
    refuse("fix", out=out)
    return wrapped(call(np.trunc, x))


@function(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """NaN and infinities replaced by numbers; in the array itself without `copy`."""
    found = _without_nan(x, nan, posinf, neginf)
    if not copy and isinstance(x, Tracer) and x.mutable:
        x[...] = found
        return x
    return found


def _without_nan(x: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    value = materialise(x)
    if value.type.is_complex:
        parts = (_without_nan(p, nan, posinf, neginf) for p in (value.real(), value.imag()))
        re, im = map(materialise, parts)
        return wrapped(re.complex(im))
    if kind_of(value.dtype) != "f":
        return wrapped(value)
    limits = finfo(value.dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    result = value.isnan().select(fit(materialise(nan, value.dtype), value.shape), value)
    result = value.eq(np.inf).select(fit(materialise(high, value.dtype), value.shape), result)
    return wrapped(
        value.eq(-np.inf).select(fit(materialise(low, value.dtype), value.shape), result)
    )


def _refuse_complex(name: str, x: Any) -> None:
    if operand(x).dtype.kind == "c":
        raise InputTypeError(
            f"np.{name} is not supported for {operand(x).dtype} values because it would be "
            "ambiguous: an infinite complex number has no sign; ask np.real(x) or np.imag(x)"
        )


@function(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Any:
    """Whether each element is positive infinity."""
    refuse("isposinf", out=out)
    _refuse_complex("isposinf", x)
    return wrapped(call(np.equal, x, np.inf))


@function(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    """Whether each element is negative infinity."""
    refuse("isneginf", out=out)
    _refuse_complex("isneginf", x)
    return wrapped(call(np.equal, x, -np.inf))


def close(a: Any, b: Any, rtol: Any, atol: Any, equal_nan: bool) -> Value:
    """np.isclose: |a - b| <= atol + rtol * |b|, infinities equal only to themselves."""
    x, y = operand(a), operand(b)
    if kind_of(y.dtype) not in "fc":
        y = operand(materialise(y, promotion.result_type(y.dtype, 1.0)))
    distance = call(np.absolute, call(np.subtract, x, y))
    bound = call(np.add, atol, call(np.multiply, rtol, call(np.absolute, y)))
    near = call(np.logical_and, call(np.less_equal, distance, bound), call(np.isfinite, y))
    result = call(np.logical_or, near, call(np.equal, x, y))
    if equal_nan:
        both = call(np.logical_and, call(np.isnan, x), call(np.isnan, y))
        result = call(np.logical_or, result, both)
    return result


@function(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Whether elements are equal within a tolerance."""
    return wrapped(close(a, b, rtol, atol, equal_nan))


@function(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Whether all elements are equal within a tolerance (a traced bool)."""
    return wrapped(reduce(np.logical_and, close(a, b, rtol, atol, equal_nan)))


@function(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether shapes and all elements are equal (a traced bool; False if the shapes differ)."""
    x, y = operand(a1), operand(a2)
    if x.shape != y.shape:
        return False
    return wrapped(_equal(x, y, equal_nan))


@function(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether all elements are equal after broadcasting (False if the shapes do not fit)."""
    x, y = operand(a1), operand(a2)
    try:
        broadcast_shapes(x.shape, y.shape)
    except ShapeError:
        return False
    return wrapped(_equal(x, y, False))


def _equal(x: Operand, y: Operand, equal_nan: bool) -> Value:
    same = call(np.equal, x, y)
    if equal_nan and kind_of(x.dtype) in "fc" and kind_of(y.dtype) in "fc":
        same = call(np.logical_or, same, call(np.logical_and, call(np.isnan, x), call(np.isnan, y)))
    return reduce(np.logical_and, same)


@function(np.sinc)
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), and 1 at 0."""
    known = operand(x)
    value = materialise(known, known.dtype if kind_of(known.dtype) in "fc" else FLOAT64)
    zero = value.eq(0.0)
    angle = zero.select(1e-20 if not is_half(value.dtype) else 1.0, value).mul(np.pi)
    return wrapped(zero.select(1.0, angle.sin().div(angle)))


@method("copy")
def copied(a: Any, order: str = "C") -> Any:
    """A new array of the same elements."""
    return copy(a)


@method("to_device")
def to_device(a: Any, device: str, /, *, stream: Any = None) -> Any:
    """As `ndarray.to_device`."""
    if device != "cpu":
        raise ArgumentError(f"Unsupported device: {device}.")
    return a


@function(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """A new array of the same elements."""
    found = wrapped(materialise(a))
    found.made = getattr(a, "made", False)
    return found
