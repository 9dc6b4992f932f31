"""Arrays made while tracing: what `np.zeros` and its like become where code has been rewritten.

They are traced arrays, which may be assigned to, and remember their elements as long as only known
numbers are written to them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.errors import TracerConversionError
from wengert.ir.floats import dtype_of, kind_of
from wengert.ir.types import INT64, SUPPORTED, Dim, supported_dtype
from wengert.tracer.affine import bounds, difference
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions import creation
from wengert.tracer.functions.assignment import refuse_constant
from wengert.tracer.functions.creation import CREATION, MOST_KNOWN, array, filled
from wengert.tracer.functions.operands import (
    holds_tracers,
    iota,
    materialise,
    operand,
    shape_argument,
    wrapped,
)
from wengert.tracer.lift import lift
from wengert.tracer.mutation import adopt, all_known, stripped
from wengert.tracer.stack import current
from wengert.tracer.tables import CHANGING, FUNCTIONS

Function = Callable[..., Any]


def creates(*functions: Any) -> Callable[[Function], Function]:
    """Registers what takes the place of these functions."""

    def decorate(implementation: Function) -> Function:
        for function in functions:
            CREATION[function] = _guarded(function, implementation)
        return implementation

    return decorate


def _guarded(function: Any, implementation: Function) -> Function:
    def made(*args: Any, **kwargs: Any) -> Any:
        if current() is None:
            return function(*args, **kwargs)
        kwargs.pop("like", None)
        kwargs.pop("device", None)
        return enter(implementation, *args, **kwargs)

    made.__name__ = made.__qualname__ = function.__name__
    made.__doc__ = function.__doc__
    return made


def _dtype(dtype: Any) -> Any:
    return dtype_of(np.float64 if dtype is None else dtype)


def _filler(function: Function, number: int) -> None:
    @creates(function)
    def fill(shape: Any, dtype: Any = None, order: str = "C") -> Any:
        wanted = _dtype(dtype)
        if kind_of(wanted) not in "biufc":
            return function(shape, dtype)
        return filled(shape_argument(shape), number, supported_dtype(wanted))


_filler(np.zeros, 0)
_filler(np.ones, 1)
_filler(np.empty, 0)


@creates(np.ndarray)
def ndarray(shape: Any, dtype: Any = None, *args: Any, **options: Any) -> Any:
    """As `numpy.ndarray`: an array of zeros, or one on the memory that the arguments name."""
    if args or any(x is not None for key, x in options.items() if key != "order"):
        return np.ndarray(shape, _dtype(dtype), *args, **options)
    return CREATION[np.empty](shape, dtype)


@creates(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Any:
    """As `numpy.full`."""
    target = operand(fill_value).dtype if dtype is None else supported_dtype(dtype)
    return filled(shape_argument(shape), fill_value, target)


creates(np.zeros_like)(creation.zeros_like)
creates(np.ones_like)(creation.ones_like)
creates(np.empty_like)(creation.empty_like)
creates(np.full_like)(creation.full_like)


@creates(np.array)
def array_(x: Any, dtype: Any = None, **options: Any) -> Any:
    """As `numpy.array`: a new array."""
    found = array(x, dtype, **options)
    return found if options.get("copy", True) is not True else adopt(found)


@creates(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """As `numpy.copy`."""
    return array_(a)


@creates(np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None) -> Any:
    """As `numpy.asarray`: an array stays itself."""
    if isinstance(a, np.ndarray) and (dtype is None or a.dtype == dtype_of(dtype)) and not copy:
        return a
    return adopt(creation.asarray(a, dtype, copy=copy))


def asarray_here(a: Any, dtype: Any = None, order: Any = None, **options: Any) -> Any:
    """As `numpy.asarray` of the namespace of traced values: constants become traced as well."""
    if current() is None:
        return np.asarray(a, dtype, order, **options)
    options.pop("device", None)
    options.pop("like", None)
    return enter(constant, enter(asarray, a, dtype, order, **options))


def constant(x: Any) -> Any:
    """Arrays of NumPy as traced ones that are not to be changed; anything else as it is."""
    if type(x) in (tuple, list) and any(isinstance(item, np.ndarray) for item in x):
        return type(x)(map(constant, x))
    if not isinstance(x, np.ndarray):
        return x
    found = adopt(x)
    if isinstance(found, Tracer):
        found.locked = "it holds the elements of a NumPy array; change a copy, np.array(x)"
    return found


@creates(np.arange)
def arange(*args: Any, dtype: Any = None, step: Any = None) -> Any:
    """As `numpy.arange`; the length may be affine in the indices of loops."""
    if step is not None:
        args = (*args, step) if len(args) == 2 else (0, *args, step)
    if all_known(args):
        known = np.arange(*stripped(args), dtype=dtype)
        if known.size <= MOST_KNOWN or known.dtype.kind != "i":
            return adopt(known)
        first = int(known[0])
        return _counted(first, known.size, int(known[1]) - first, known.dtype)
    start, stop, by = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    size = difference(stop, start) if type(by) is int and by == 1 else None
    interval = None if size is None else bounds(size)
    if size is None or interval is None or interval[0] < 0:
        raise TracerConversionError(
            "the length of np.arange must be known while tracing, or be affine in the indices of "
            "loops and never negative; use start + step * np.arange(n) with a known n, and a "
            "condition for what lies beyond"
        )
    return _counted(start, size, 1, INT64 if dtype is None else supported_dtype(dtype))


def _counted(start: Any, size: int, step: int, dtype: Any) -> Tracer:
    """start + step * (0, 1, ..., size - 1)"""
    numbers = iota((size,), 0, INT64)
    if step != 1:
        numbers = numbers.mul(step)
    if isinstance(start, Tracer | Dim):
        numbers = numbers.add(materialise(lift(start), INT64).broadcast(shape=(size,), dims=()))
    elif start:
        numbers = numbers.add(start)
    return wrapped(numbers.to(dtype))


def _spaced(function: Function) -> None:
    traced = FUNCTIONS[function]

    @creates(function)
    def space(*args: Any, **kwargs: Any) -> Any:
        if all_known(args) and all_known(kwargs):
            return adopt(function(*stripped(args), **stripped(kwargs)))
        return traced(*args, **kwargs)


for _function in (np.linspace, np.logspace, np.geomspace):
    _spaced(_function)


def _concrete(function: Function) -> None:
    """A function whose arguments must be known; large results are constants."""

    @creates(function)
    def make(*args: Any, **kwargs: Any) -> Any:
        if not (all_known(args) and all_known(kwargs)):
            raise TracerConversionError(
                f"the arguments of np.{function.__name__} decide about a shape and must be known "
                "while tracing; pass Python ints (static_argnums)"
            )
        return adopt(function(*stripped(args), **stripped(kwargs)))


for _function in (np.tri, np.indices, np.hanning, np.hamming, np.blackman, np.bartlett):
    _concrete(_function)


@creates(np.eye, np.identity)
def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = float, order: str = "C") -> Any:
    """As `numpy.eye` and `numpy.identity`."""
    if isinstance(M, type | np.dtype | str):  # np.identity(n, dtype)
        M, dtype = None, M
    rows, columns = (*shape_argument(N), *shape_argument(N if M is None else M))
    if math.prod((rows, columns)) <= MOST_KNOWN and type(rows) is not Dim:
        return adopt(np.eye(rows, columns, k, dtype))
    shape = (rows, columns)
    target = supported_dtype(_dtype(dtype))
    return wrapped(iota(shape, 1).eq(iota(shape, 0).add(k)).to(target))


@creates(np.fromfunction)
def fromfunction(function: Function, shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """As `numpy.fromfunction`."""
    grids = np.indices(shape_argument(shape), dtype=dtype)
    return function(*(adopt(g) for g in grids), **kwargs)


@creates(np.ndenumerate)
def ndenumerate(arr: Any) -> Iterator[Any]:
    """As `numpy.ndenumerate`."""
    return ((index, arr[index]) for index in np.ndindex(*np.shape(arr)))


def scalar_type(kind: Any) -> Function:
    """A NumPy scalar's type, which converts traced values too."""
    dtype = np.dtype(kind)

    @creates(kind)
    def cast(x: Any = 0, *rest: Any) -> Any:
        if not holds_tracers(x):
            return kind(x, *rest)
        if all_known(x):
            return adopt(kind(stripped(x), *rest))
        return wrapped(materialise(x, dtype))

    return CREATION[kind]


for _kind in SUPPORTED:
    scalar_type(_kind.type)


def tracked(x: Any) -> Any:
    """What a function of NumPy made of known arguments, as an array that may be assigned to.

    An array that does not own its memory is a view of something, and stays a constant.
    """
    if type(x) is np.ndarray and x.base is None and x.ndim and current() is not None:
        return adopt(x)
    return x


@functools.lru_cache(1024)
def tracking(function: Any) -> Function:
    """A function of NumPy whose new arrays may be assigned to, and which changes no constants."""
    name = f"np.{getattr(function, '__name__', function)}"
    inputs = function.nin if isinstance(function, np.ufunc) else None
    changes = function in CHANGING or name == "np.at"

    def run(*args: Any, **options: Any) -> Any:
        if changes and args:
            enter(refuse_constant, args[0], name)
        out = options.get("out", args[inputs:] if inputs is not None else None)
        for given in out if isinstance(out, tuple) else (out,):
            enter(refuse_constant, given, f"{name}(..., out=x)")
        try:
            return tracked(function(*args, **options))
        except TracerConversionError:
            lists = [x for x in (*args, *options.values()) if _is_list(x)]
            if not lists:
                raise
        # np.sum([x, y]): NumPy looks for traced values among the arguments, not in lists of them
        return function(*map(_joined, args), **{k: _joined(x) for k, x in options.items()})

    return run


def _is_list(x: Any) -> bool:
    return type(x) in (list, tuple) and holds_tracers(x)


def _joined(x: Any) -> Any:
    return enter(array, x) if _is_list(x) else x
