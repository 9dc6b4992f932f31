"""Python's functions of numbers on traced values: float, int, min, math.sin and their kin.

They give what Python would: numbers without a dtype of their own, next to which arrays keep theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.capture.branching import truth
from wengert.capture.runtime_branches import or_
from wengert.errors import CaptureError, InputTypeError, ShapeError, located
from wengert.ir.floats import kind_of
from wengert.ir.types import COMPLEX128, FLOAT64, INT64, Dim
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.masks import Selection
from wengert.tracer.functions.stretches import Stretch
from wengert.tracer.lift import lift, wrap
from wengert.tracer.stack import user_location
from wengert.tracer.tables import UFUNCS

Function = Callable[..., Any]


def is_traced(x: Any) -> bool:
    """Whether `x` is known only at run time."""
    return isinstance(x, (Tracer, Dim))


def scalar(x: Any, dtype: Any = None) -> Tracer:
    """A traced value of one element as a scalar."""
    value = lift(x)
    if value.shape:
        if value.type.size != 1:
            raise located(
                InputTypeError(
                    f"a number is needed here, and this is an array of shape {value.shape}; index "
                    "it (x[0]), or use NumPy's function of the same name"
                ),
                user_location(),
            )
        value = value.reshape(shape=())
    weak = isinstance(x, Dim) or (isinstance(x, Tracer) and x.weak)
    return wrap(value if dtype is None else value.to(dtype), weak or dtype is not None)


def to_float(x: Any = 0.0, /) -> Any:
    """`float(x)`"""
    return enter(scalar, x, FLOAT64) if is_traced(x) else float(x)


def to_complex(re: Any = 0.0, im: Any = 0.0, /) -> Any:
    """`complex(re, im)`"""
    if not is_traced(re) and not is_traced(im):
        return complex(re, im)
    return enter(_complex, re, im)


def _complex(re: Any, im: Any) -> Tracer:
    parts = [scalar(x).value for x in (re, im)]
    if any(v.type.is_complex for v in parts):
        x, y = (v.to(COMPLEX128) for v in parts)
        return wrap(x + y * 1j, True)
    x, y = (v.to(FLOAT64) for v in parts)
    return wrap(x.complex(y), True)


def to_int(x: Any = 0, /, *base: Any, **more: Any) -> Any:
    """`int(x)`"""
    return enter(_truncated, x, "trunc") if is_traced(x) else int(x, *base, **more)


def _truncated(x: Any, rounding: str) -> Tracer:
    value = scalar(x).value
    if kind_of(value.dtype) == "f":
        value = getattr(value, rounding)()
    return wrap(value.to(INT64), True)


def to_bool(x: Any = False, /) -> Any:
    """`bool(x)`"""
    return enter(_truth, x) if is_traced(x) else bool(x)


def _truth(x: Any) -> Tracer:
    return wrap(truth(x))


def rounded(x: Any, digits: Any = None) -> Any:
    """`round(x)`"""
    if not is_traced(x):
        return round(x) if digits is None else round(x, digits)
    if digits is None and not (isinstance(x, Tracer) and x.shape):
        return enter(_truncated, x, "rint")
    result: Any = np.round(x, digits or 0)
    return wrap(result.value, x.weak) if isinstance(x, Tracer) else result


def absolute(x: Any, /) -> Any:
    """`abs(x)`"""
    return abs(scalar(x)) if isinstance(x, Dim) else abs(x)


def power(x: Any, y: Any, mod: Any = None) -> Any:
    """`pow(x, y)`"""
    return (
        pow(x, y, mod)
        if mod is not None and not is_traced(x)
        else (x**y if mod is None else (x**y) % mod)
    )


def length(x: Any, /) -> Any:
    """`len(x)`"""
    if isinstance(x, Selection | Stretch):
        return x.shape[0]
    return x.shape[0] if isinstance(x, Tracer) and x.shape else len(x)


def summed(items: Any, /, start: Any = 0) -> Any:
    """`sum(items)`"""
    if isinstance(items, Selection | Stretch) or (isinstance(items, Tracer) and items.shape):
        total = np.sum(items, axis=0)
        return total if type(start) is int and start == 0 else start + total
    return sum(items, start)


def _extreme(name: str, first: Function, array: Function, wins: Function) -> Function:
    def extreme(*args: Any, **options: Any) -> Any:
        items = args
        if len(args) == 1:
            if (
                isinstance(args[0], Tracer | Selection | Stretch)
                and args[0].ndim == 1
                and not options
            ):
                return array(args[0])
            items = tuple(args[0])
        if not any(map(is_traced, items)):
            return first(items, **options) if len(args) == 1 else first(*args, **options)
        if options.get("key") is not None:
            raise located(
                CaptureError(f"{name}(..., key=...) compares traced values; use np.arg{name}"),
                user_location(),
            )
        found = items[0]
        for x in items[1:]:
            found = _pick(wins(x, found), x, found)
        return found

    extreme.__name__ = name
    return extreme


def _pick(condition: Any, x: Any, y: Any) -> Any:
    if not is_traced(condition):
        return x if condition else y
    if isinstance(condition, Tracer) and condition.shape and condition.size != 1:
        raise located(
            ShapeError(
                f"min and max compare arrays of shape {condition.shape}, whose truth value is "
                "ambiguous; use np.minimum, np.maximum, np.min or np.max"
            ),
            user_location(),
        )
    weak = all(
        isinstance(v, (int, float, complex)) or (isinstance(v, Tracer) and v.weak) for v in (x, y)
    )
    found = np.where(condition, x, y)
    return wrap(found.value, True) if weak and isinstance(found, Tracer) else found


smallest = _extreme("min", min, np.min, lambda x, best: x < best)
largest = _extreme("max", max, np.max, lambda x, best: x > best)


def any_of(items: Any, /) -> Any:
    """`any(items)`"""
    if isinstance(items, Tracer | Selection | Stretch):
        return np.any(items)
    found: Any = False
    for x in items:
        if not is_traced(x):
            if x:
                return True
            continue
        found = or_(found, lambda x=x: to_bool(x), True)
    return found


def all_of(items: Any, /) -> Any:
    """`all(items)`"""
    if isinstance(items, Tracer | Selection | Stretch):
        return np.all(items)
    found: Any = True
    for x in items:
        if not is_traced(x):
            if not x:
                return False
            continue
        found = to_bool(x) if found is True else np.logical_and(found, to_bool(x))
    return found


# the math module

_SAME = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "exp2", "log2", "log10")
_SAME += ("log1p", "sqrt", "cbrt", "fabs", "degrees", "radians")
_RENAMED = {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh,
}  # fmt: skip
_SPECIAL = {"erf": "erf", "erfc": "erfc", "gamma": "gamma", "lgamma": "gammaln"}
_PAIRS = {
    "atan2": np.arctan2, "pow": np.power, "fmod": np.fmod, "copysign": np.copysign,
    "nextafter": np.nextafter,
}  # fmt: skip
_TESTS = {"isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite}
_WHOLE = {"floor": "floor", "ceil": "ceil", "trunc": "trunc"}


def _weak(x: Any) -> Any:
    return wrap(x.value, True)


def _of_floats(original: Function, ufunc: Function) -> Function:
    def function(*args: Any) -> Any:
        if not any(map(is_traced, args)):
            return original(*args)
        return _weak(ufunc(*[to_float(a) if is_traced(a) else a for a in args]))

    return function


def _special(name: str) -> Function:
    return lambda x: enter(UFUNCS[name], x)


def _logarithm(x: Any, *base: Any) -> Any:
    if not any(map(is_traced, (x, *base))):
        return math.log(x, *base)
    top = _natural(x)
    return top / _natural(base[0]) if base else top


def _natural(x: Any) -> Any:
    return _weak(np.log(to_float(x))) if is_traced(x) else math.log(x)


def _hypotenuse(*args: Any) -> Any:
    if not any(map(is_traced, args)):
        return math.hypot(*args)
    if len(args) == 2:
        return _of_floats(math.hypot, np.hypot)(*args)
    return _weak(np.sqrt(sum(to_float(a) ** 2 for a in args)))


def _test(original: Function, ufunc: Function) -> Function:
    return lambda x: ufunc(x) if is_traced(x) else original(x)


def _whole(original: Function, rounding: str) -> Function:
    return lambda x: enter(_truncated, x, rounding) if is_traced(x) else original(x)


def _precise_sum(items: Any) -> Any:
    if isinstance(items, Tracer):
        return _weak(np.sum(items))
    items = list(items)
    return sum(items) if any(map(is_traced, items)) else math.fsum(items)


def _product(items: Any, *, start: Any = 1) -> Any:
    if isinstance(items, Tracer):
        return start * np.prod(items)
    for x in items:
        start = start * x
    return start


def _distance(p: Any, q: Any) -> Any:
    pairs = list(zip(p, q, strict=True))
    if not any(is_traced(x) for pair in pairs for x in pair):
        return math.dist(p, q)
    return _hypotenuse(*[x - y for x, y in pairs])


def _of_ints(original: Function, ufunc: Function) -> Function:
    def function(*args: Any) -> Any:
        if not any(map(is_traced, args)):
            return original(*args)
        found: Any = abs(args[0])
        for x in args[1:]:
            found = ufunc(found, x)
        return _weak(found)

    return function


def _integer_root(n: Any) -> Any:
    if not is_traced(n):
        return math.isqrt(n)
    near = to_int(np.sqrt(to_float(n)))  # is off by one at most
    near = near - (near * near > n)
    return _weak(near + ((near + 1) * (near + 1) <= n))


def _fraction_and_whole(x: Any) -> Any:
    return tuple(map(_weak, np.modf(to_float(x)))) if is_traced(x) else math.modf(x)


def _mantissa_and_exponent(x: Any) -> Any:
    if not is_traced(x):
        return math.frexp(x)
    mantissa, exponent = np.frexp(to_float(x))
    return _weak(mantissa), to_int(exponent)


def _scaled(x: Any, i: Any) -> Any:
    traced = is_traced(x) or is_traced(i)
    return _weak(np.ldexp(to_float(x), to_int(i))) if traced else math.ldexp(x, i)


def _isclose(a: Any, b: Any, *, rel_tol: float = 1e-9, abs_tol: float = 0.0) -> Any:
    if not any(map(is_traced, (a, b))):
        return math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol)
    tolerance = np.maximum(rel_tol * np.maximum(abs(a), abs(b)), abs_tol)
    return abs(a - b) <= tolerance


BUILTINS: dict[Any, Function] = {
    float: to_float,
    complex: to_complex,
    int: to_int,
    bool: to_bool,
    round: rounded,
    abs: absolute,
    pow: power,
    len: length,
    sum: summed,
    min: smallest,
    max: largest,
    any: any_of,
    all: all_of,
    math.log: _logarithm,
    math.hypot: _hypotenuse,
    math.fsum: _precise_sum,
    math.prod: _product,
    math.isclose: _isclose,
    math.dist: _distance,
    math.isqrt: _integer_root,
    math.ldexp: _scaled,
    math.gcd: _of_ints(math.gcd, np.gcd),
    math.lcm: _of_ints(math.lcm, np.lcm),
    math.modf: _fraction_and_whole,
    math.frexp: _mantissa_and_exponent,
    **{getattr(math, n): _of_floats(getattr(math, n), getattr(np, n)) for n in _SAME},
    **{getattr(math, n): _of_floats(getattr(math, n), f) for n, f in _RENAMED.items()},
    **{getattr(math, n): _of_floats(getattr(math, n), f) for n, f in _PAIRS.items()},
    **{
        getattr(math, n): _of_floats(getattr(math, n), _special(name))
        for n, name in _SPECIAL.items()
    },
    **{getattr(math, n): _test(getattr(math, n), f) for n, f in _TESTS.items()},
    **{getattr(math, n): _whole(getattr(math, n), r) for n, r in _WHOLE.items()},
}
"""What stands for Python's functions in rewritten code; on concrete numbers they are the same."""
