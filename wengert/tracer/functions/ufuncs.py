"""Calls of ufuncs on traced values: NumPy's type resolution, broadcasting, then a lowering."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, DTypeError, InputTypeError
from wengert.ir.builder import Value
from wengert.ir.floats import dtype_of, kind_of
from wengert.ir.promotion import resolve_dtypes
from wengert.ir.types import BOOL, DType, Shape, supported_dtype
from wengert.tracer.functions.elementwise import COMPARISONS, LOWERINGS
from wengert.tracer.functions.operands import (
    Operand,
    broadcast,
    broadcast_shapes,
    fit,
    full,
    materialise,
    operand,
    wrapped,
)
from wengert.tracer.tables import UFUNCS

LARGEST_INTEGER_POWER = 32


def loop_dtypes(
    ufunc: np.ufunc, operands: Sequence[Operand], dtype: Any = None, casting: str = "same_kind"
) -> tuple[DType, ...]:
    """The dtypes of the inner loop NumPy would run, inputs then outputs.

    Raises DTypeError where NumPy has no loop.
    """
    wanted = None if dtype is None else dtype_of(dtype)
    try:
        return _resolved(ufunc, tuple(o.spec for o in operands), wanted, casting)
    except TypeError as error:
        given = ", ".join(o.dtype.name for o in operands)
        raise DTypeError(f"np.{ufunc.__name__} does not take ({given}): {error}") from None


@functools.cache
def _resolved(
    ufunc: np.ufunc, specs: tuple[Any, ...], dtype: DType | None, casting: str
) -> tuple[DType, ...]:
    found = resolve_dtypes(ufunc, specs, dtype, casting)
    if ufunc.__name__ == "negative" and found[0] == BOOL:  # refused by NumPy's loop itself
        raise TypeError("use np.logical_not")
    return tuple(supported_dtype(d) for d in found)


def call(ufunc: np.ufunc, *inputs: Any, dtype: Any = None, casting: str = "same_kind") -> Any:
    """The ufunc on values and numbers: a Value, or a tuple of them."""
    operands = [operand(x) for x in inputs]
    dtypes = loop_dtypes(ufunc, operands, dtype, casting)
    shape = broadcast_shapes(*(o.shape for o in operands), what=f"the operands of {ufunc.__name__}")
    special = SPECIAL_CASES.get(ufunc.__name__)
    if special is not None:
        found = special(operands, dtypes, shape)
        if found is not None:
            return found
    name = ufunc.__name__
    if name not in LOWERINGS:
        raise InputTypeError(f"the ufunc '{name}' is not supported on traced values")
    values = [materialise(o, d) for o, d in zip(operands, dtypes, strict=False)]
    results = LOWERINGS[name](*(fit(v, shape) for v in values))
    outputs = results if isinstance(results, tuple) else (results,)
    typed = tuple(
        broadcast(v.to(d), shape) for v, d in zip(outputs, dtypes[ufunc.nin :], strict=True)
    )
    return typed if ufunc.nout > 1 else typed[0]


# cases that are decided by a number known while tracing


def _power(operands: list[Operand], dtypes: tuple[DType, ...], shape: Shape) -> Value | None:
    base, exponent = operands
    if not exponent.known:
        return None
    materialise(exponent, dtypes[1])  # an OverflowError, if it does not fit
    numbers = np.asarray(exponent.value)
    if dtypes[0].kind in "iu":
        if exponent.dtype.kind == "i" and (numbers < 0).any():
            raise ArgumentError("Integers to negative integer powers are not allowed.")
        if numbers.ndim == 0:
            return _whole_power(broadcast(materialise(base, dtypes[0]), shape), int(numbers))
        return None
    if numbers.ndim > 0:
        return None
    whole = numbers.item()
    if isinstance(whole, complex) and whole.imag:
        return None
    number = float(whole.real)
    if number == 0.5:
        return broadcast(materialise(base, dtypes[0]), shape).sqrt()
    if number.is_integer() and abs(number) <= LARGEST_INTEGER_POWER:
        return _whole_power(broadcast(materialise(base, dtypes[0]), shape), int(number))
    return None


def _whole_power(x: Value, exponent: int) -> Value:
    if exponent == 1:
        return x
    if exponent == 0:
        return x.full_like(1)
    if exponent == 2:
        return x.mul(x)
    if exponent == -1 and kind_of(x.dtype) in "fc":
        return 1.0 / x
    return x.integer_pow(exponent=exponent)


def _comparison(name: str) -> Callable[..., Value | None]:
    """Comparing with a Python int that the other dtype cannot hold has a known outcome."""

    def compare(operands: list[Operand], dtypes: tuple[DType, ...], shape: Shape) -> Value | None:
        if dtypes[0].kind not in "iu":
            return None
        limits = np.iinfo(dtypes[0])
        ufunc = getattr(np, name)
        for position, x in enumerate(operands):
            if x.weak and x.known and not limits.min <= x.value <= limits.max:
                sides = [0, 0]
                sides[position] = 1 if x.value > 0 else -1
                return full(shape, bool(ufunc(*sides)), BOOL)
        return None

    return compare


SPECIAL_CASES: dict[str, Callable[..., Value | None]] = {
    "power": _power,
    **{name: _comparison(name) for name in COMPARISONS},
}


def traced(ufunc: np.ufunc) -> Callable[..., Any]:
    """The ufunc as an entry of the table: traced values in, traced values out."""
    return lambda *inputs, **kwargs: wrapped(call(ufunc, *inputs, **kwargs))


for _name in LOWERINGS:
    UFUNCS[_name] = traced(getattr(np, _name))
