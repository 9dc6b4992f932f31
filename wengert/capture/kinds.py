"""What the values are that go around a loop or come out of a branch: dtypes, shapes, weakness."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import WengertError
from wengert.ir import promotion
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, COMPLEX128, FLOAT64, INT64, TensorType, supported_dtype
from wengert.tracer.array import Tracer, is_weak
from wengert.tracer.lift import lift
from wengert.tracer.trace import Abstract

_NUMBERS = (bool, int, float, complex)
_WIDE = (BOOL, INT64, FLOAT64, COMPLEX128)


def is_numeric(x: Any) -> bool:
    """Whether `x` can be a value of the IR: an array, traced or not, or a number."""
    if isinstance(x, (Tracer, *_NUMBERS)):
        return True
    if not isinstance(x, (np.ndarray, np.generic)):
        return False
    try:
        supported_dtype(x.dtype)
    except WengertError:
        return False
    return True


def kind_of(x: Any) -> Abstract:
    """The type of a numeric value, and whether it is a Python number."""
    if isinstance(x, Tracer):
        return Abstract(x.type, x.weak)
    if isinstance(x, (np.ndarray, np.generic)):
        return Abstract(TensorType(supported_dtype(x.dtype), x.shape))
    natural = ((bool, BOOL), (int, INT64), (float, FLOAT64), (complex, COMPLEX128))
    dtype = next(dtype for kind, dtype in natural if isinstance(x, kind))
    return Abstract(TensorType(dtype, ()), is_weak(x))


def joined(a: Abstract, b: Abstract) -> Abstract:
    """What holds values of both kinds, by NumPy's rules for dtypes; the shapes are equal."""
    if a == b:
        return a
    dtype = supported_dtype(promotion.result_type(_stand_in(a), _stand_in(b)))
    numbers = [k.weak or (k.type.dtype == BOOL and not k.type.shape) for k in (a, b)]
    return Abstract(a.type.with_dtype(dtype), all(numbers) and dtype != BOOL)


def _stand_in(kind: Abstract) -> Any:
    dtype = kind.type.dtype
    return dtype.type(0).item() if kind.weak else dtype


def entry(value: Value, kind: Abstract, trace: Any) -> Tracer:
    """The traced array that stands for an input of a region."""
    return Tracer(trace, value, kind.weak)


def lifted(x: Any, kind: Abstract) -> Value:
    """`x` as a value of the current trace, of this kind."""
    if isinstance(x, _NUMBERS) and not isinstance(x, np.generic):
        value = lift(x, kind.type.dtype)
    else:
        value = lift(x).to(kind.type.dtype)
    return value


def is_wide(program_eqns: Any) -> bool:
    """Whether no narrow dtype occurs, next to which a Python number would act otherwise."""
    return all(v.type.dtype in _WIDE for eqn in program_eqns for v in eqn.outputs)
