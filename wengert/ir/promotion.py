"""The dtype in which values of several dtypes meet: NumPy's rules, and those of bfloat16.

NumPy knows no common dtype of bfloat16 with float16 or wide integers, and takes Python floats
beside it for float64. The rules are JAX's instead: a Python number beside bfloat16 takes on its
kind, integers and bools become bfloat16, float16 and bfloat16 meet in float32. Otherwise bfloat16
promotes as float16 does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.ir.floats import FLOAT16, DType, is_bfloat16

FLOAT32 = np.dtype(np.float32)
COUNTING = frozenset({"ldexp"})
"""Ufuncs whose integers are not numbers beside floats."""


def result_type(*given: Any) -> DType:
    """As np.result_type: of dtypes, arrays and Python numbers."""
    own = next((d for d in map(_dtype_of, given) if d is not None and is_bfloat16(d)), None)
    if own is None:
        return np.result_type(*given)
    known = [x if _is_number(x) else _beside(_dtype_of(x) or np.result_type(x)) for x in given]
    found = np.result_type(FLOAT16, *known)
    return own if found == FLOAT16 else found


def _dtype_of(x: Any) -> DType | None:
    found = x if isinstance(x, np.dtype) else getattr(x, "dtype", None)
    return found if isinstance(found, np.dtype) else None


def _is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic)


def _beside(dtype: Any) -> Any:
    """What stands for a dtype beside bfloat16, for which float16 stands."""
    if not isinstance(dtype, np.dtype):
        return dtype
    if dtype == FLOAT16:
        return FLOAT32
    return FLOAT16 if is_bfloat16(dtype) or dtype.kind in "biu" else dtype


def can_cast(source: DType, target: DType, casting: Any = "safe") -> bool:
    """As np.can_cast of two dtypes."""
    wide, narrow = is_bfloat16(source), is_bfloat16(target)
    if wide == narrow:
        return bool(np.can_cast(source, target, casting))
    if FLOAT16 in (source, target):  # neither holds all numbers of the other
        return casting in ("same_kind", "unsafe")
    return bool(np.can_cast(FLOAT16 if wide else source, FLOAT16 if narrow else target, casting))


def resolve_dtypes(
    ufunc: np.ufunc, specs: Sequence[Any], dtype: DType | None, casting: str
) -> tuple[DType, ...]:
    """As ufunc.resolve_dtypes, inputs then outputs: of dtypes and types of Python numbers.

    `dtype` is what the caller wants of the outputs.
    """
    wanted = [d for d in (*specs, dtype) if isinstance(d, np.dtype) and is_bfloat16(d)]
    own = wanted[0] if wanted and (dtype is None or dtype != FLOAT16) else None
    if own is not None:
        counting = ufunc.__name__ in COUNTING
        specs = [s if counting and s != own else _beside(s) for s in specs]
        dtype = None if dtype is None else FLOAT16 if is_bfloat16(dtype) else dtype
    elif wanted:
        specs = [FLOAT32 if s == wanted[0] else s for s in specs]
    options: dict[str, Any] = {"casting": casting}
    if dtype is not None:
        options["signature"] = (None,) * ufunc.nin + (dtype,) * ufunc.nout
    if not any(isinstance(s, np.dtype) for s in specs):  # NumPy would compare two ints as objects
        specs = [np.dtype(s) for s in specs]
    found = ufunc.resolve_dtypes((*specs, *(None,) * ufunc.nout), **options)
    return tuple(own if own is not None and d == FLOAT16 else d for d in found)
