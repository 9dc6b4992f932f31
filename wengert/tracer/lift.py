"""From Python and NumPy values to values of the trace, and the dtypes they combine to."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from wengert.errors import DTypeError, InputTypeError, LeakedTracerError
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.floats import dtype_of
from wengert.ir.types import BOOL, Dim, DType, Symbol, supported_dtype
from wengert.tracer import array
from wengert.tracer.array import Tracer, is_weak
from wengert.tracer.device_arrays import refuse_device_array
from wengert.tracer.stack import Trace, open_trace

__all__ = ["checked", "is_weak", "lift", "open_trace", "promote", "result_dtype", "wrap"]


def lift(x: Any, dtype: Any = None) -> Value:
    """`x` as a value of the current trace, cast to `dtype` if one is given.

    Takes traced values of this trace and, by capturing them, of the traces around it; NumPy arrays
    and scalars; Python numbers; sequences of those.
    """
    if dtype is not None:
        return _lift_as(x, dtype_of(dtype))
    trace = open_trace(x)
    if isinstance(x, Tracer):
        return x.value if x.owner is trace else trace.read(x)
    if isinstance(x, Dim):
        return _lift_dimension(trace, x)
    if isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
        natural = BOOL if isinstance(x, bool) else np.dtype(type(x + 0))
        return trace.builder.literal(_in_range(x, natural), natural)
    if isinstance(x, (np.ndarray, np.generic)):
        return trace.constant(checked(x))
    if isinstance(x, (list, tuple, range)):
        return _lift_sequence(trace, x)
    refuse_device_array(x)
    if hasattr(x, "__array_ufunc__"):
        np.asarray(x)  # what can be told apart by its own error
    raise InputTypeError(
        f"a traced function works on arrays and numbers, and got {_describe(x)}; "
        "convert it to a NumPy array first"
    )


def _lift_as(x: Any, dtype: DType) -> Value:
    if isinstance(x, (bool, int, float)) and not isinstance(x, (np.generic, Dim)):
        return open_trace(x).builder.literal(_in_range(x, dtype), supported_dtype(dtype))
    return lift(x).to(supported_dtype(dtype))


def _lift_dimension(trace: Trace, x: Dim) -> Value:
    """The length that a dimension has at run time, from the loop indices it depends on."""
    total: Value | None = None
    for symbol, factor in x.terms:
        index = _index_of(trace, symbol)
        term = index if factor == 1 else index.mul(factor)
        total = term if total is None else total.add(term)
    assert total is not None
    return total.add(x.const) if x.const else total


def dimension(n: Any) -> Any:
    """A length as a traced integer, weak like a Python int, if it depends on loop indices."""
    return Tracer(open_trace(), lift(n), True) if isinstance(n, Dim) else n


array.as_number = dimension


def _index_of(trace: Trace, symbol: Symbol) -> Value:
    level: Trace | None = trace
    while level is not None:
        for var, known in level.symbols.items():
            if known is symbol:
                return trace.read(Tracer(level, Value(level.builder, var)))
        level = level.parent
    raise LeakedTracerError(
        "a length that depends on the index of a loop was used outside of that loop"
    )


def _in_range(x: Any, dtype: DType) -> Any:
    """`x`, checked as NumPy checks Python integers that meet an integer dtype."""
    if dtype.kind in "iu" and isinstance(x, int) and not isinstance(x, bool):
        dtype.type(x)  # raises OverflowError with NumPy's words
    return x


def _lift_sequence(trace: Trace, items: Any) -> Value:
    if not _contains_tracer(items):
        try:
            array = np.asarray(items)
        except ValueError as error:
            raise InputTypeError(f"this nested sequence is no array: {error}") from None
        return trace.constant(checked(array))
    values = promote(*items)
    shapes = {v.shape for v in values}
    if len(shapes) > 1:
        raise InputTypeError(f"this sequence is no array: its items have shapes {sorted(shapes)}")
    shape = values[0].shape
    dims = tuple(range(1, len(shape) + 1))
    rows = [v.broadcast(shape=(1, *shape), dims=dims) for v in values]
    return rows[0].concat(*rows[1:], axis=0)


def _contains_tracer(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(map(_contains_tracer, x))
    return isinstance(x, Tracer)


def checked(x: Any) -> np.ndarray[Any, Any]:
    """A NumPy array or scalar as a plain array of a dtype that the IR knows.

    Raises InputTypeError for subclasses whose meaning differs (masked arrays, matrices) and
    DTypeError for dtypes without support.
    """
    if type(x) is not np.ndarray and _means_something_else(x):
        raise InputTypeError(
            f"{type(x).__name__} is not supported, as its operations differ from an array's; "
            "pass a plain array (x.filled(...), np.asarray(x))"
        )
    if x.dtype == object:
        raise DTypeError(
            "an array of Python objects cannot be traced; give it a numeric dtype (x.astype(float))"
            " or, for ragged data, pass a list of arrays"
        )
    supported_dtype(x.dtype)
    return np.asarray(x)


def _means_something_else(x: Any) -> bool:
    masked = sys.modules.get("numpy.ma")  # NumPy loads it when it is first used
    return isinstance(x, np.matrix) or (masked is not None and isinstance(x, masked.MaskedArray))


def _describe(x: Any) -> str:
    text = repr(x)
    return f"{type(x).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def result_dtype(*operands: Any) -> DType:
    """The dtype in which NumPy would combine these operands (NEP 50)."""
    stands_for: list[Any] = []
    for x in operands:
        if isinstance(x, Tracer):
            stands_for.append(x.dtype.type(0).item() if x.weak else x.dtype)
        elif isinstance(x, Value):
            stands_for.append(x.dtype)
        elif isinstance(x, (np.ndarray, np.generic)):
            stands_for.append(checked(x).dtype)
        elif isinstance(x, (bool, int, float, complex, np.dtype)):
            stands_for.append(x)
        else:
            stands_for.append(lift(x).dtype)
    return supported_dtype(promotion.result_type(*stands_for))


def promote(*operands: Any) -> list[Value]:
    """The operands lifted and cast to their common dtype; shapes are left alone."""
    dtype = result_dtype(*operands)
    return [x.to(dtype) if isinstance(x, Value) else lift(x, dtype) for x in operands]


def wrap(value: Value, weak: bool = False) -> Tracer:
    """A traced array for a value of the current trace."""
    return Tracer(open_trace(), value, weak)
