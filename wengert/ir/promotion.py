"""The dtype in which values of several dtypes meet: NumPy's rules, and those of bfloat16.

NumPy knows no common dtype of bfloat16 with float16 or wide integers, and takes Python floats
beside it for float64. The rules are JAX's instead: a Python number beside bfloat16 takes on its
kind, integers and bools become bfloat16, float16 and bfloat16 meet in float32. Otherwise bfloat16
promotes as float16 does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from wengert.ir.floats import BFLOAT16, FLOAT16, DType, dtype_of, is_bfloat16

FLOAT32 = np.dtype(np.float32)
COUNTING = frozenset({"ldexp"})
"""Ufuncs whose integers are not numbers beside floats."""
DOUBLE = frozenset({"float_power"})
"""Ufuncs that compute in float64, whatever they get."""


def result_type(*given: Any) -> DType:
    """As np.result_type: of dtypes, arrays and Python numbers."""
    own = next((d for d in map(_dtype_of, given) if d is not None and is_bfloat16(d)), None)
    if own is None:
        return np.result_type(*given)
    known = [x if _is_number(x) else _beside(_dtype_of(x) or np.result_type(x)) for x in given]
    found = np.result_type(FLOAT16, *known)
    return own if found == FLOAT16 else found


def _dtype_of(x: Any) -> DType | None:
    return _as_dtype(x) or _as_dtype(getattr(x, "dtype", None))


def _as_dtype(x: Any) -> DType | None:
    """`x` if it is a dtype."""
    return cast(DType, x) if isinstance(x, np.dtype) else None


def _is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic)


def _beside(dtype: Any) -> Any:
    """What stands for a dtype beside bfloat16, for which float16 stands."""
    known = _as_dtype(dtype)
    if known == FLOAT16:
        return FLOAT32
    narrow = known is not None and (is_bfloat16(known) or known.kind in "biu")
    return FLOAT16 if narrow else dtype


def can_cast(source: DType, target: DType, casting: Any = "safe") -> bool:
    """As np.can_cast of two dtypes."""
    wide, narrow = is_bfloat16(source), is_bfloat16(target)
    if wide == narrow:
        return bool(np.can_cast(source, target, casting))
    if FLOAT16 in (source, target):  # neither holds all numbers of the other
        return casting in ("same_kind", "unsafe")
    return bool(np.can_cast(FLOAT16 if wide else source, FLOAT16 if narrow else target, casting))


def promote_types(type1: Any, type2: Any) -> DType:
    """As np.promote_types."""
    return result_type(dtype_of(type1), dtype_of(type2))


def issubdtype(arg1: Any, arg2: Any) -> bool:
    """As np.issubdtype, where bfloat16 is a np.floating."""
    if not _is_bfloat16(arg1):
        return bool(np.issubdtype(arg1, arg2))
    return _is_bfloat16(arg2) or arg2 in (np.floating, np.inexact, np.number, np.generic)


def isdtype(dtype: Any, kind: Any) -> bool:
    """As np.isdtype, where bfloat16 is a real floating dtype."""
    if not _is_bfloat16(dtype):
        return bool(np.isdtype(dtype, kind))
    kinds = cast(tuple[Any, ...], kind if isinstance(kind, tuple) else (kind,))
    return any(k in ("real floating", "numeric") or _is_bfloat16(k) for k in kinds)


def _is_bfloat16(x: Any) -> bool:
    """Whether `x` stands for the dtype: itself, or its scalars' type."""
    known = _as_dtype(x)
    if known is not None:
        return is_bfloat16(known)
    return isinstance(x, type) and issubclass(x, np.generic) and x.__name__ == BFLOAT16


def resolve_dtypes(
    ufunc: np.ufunc, specs: Sequence[Any], dtype: DType | None, casting: str
) -> tuple[DType, ...]:
    """As ufunc.resolve_dtypes, inputs then outputs: of dtypes and types of Python numbers.

    `dtype` is what the caller wants of the outputs. Functions without a loop for float16
    (SciPy's) take bfloat16 as float32, and give bfloat16.
    """
    known = [_as_dtype(x) for x in (*specs, dtype)]
    own = next((d for d in known if d is not None and is_bfloat16(d)), None)
    if own is None:
        return _resolved(ufunc, specs, dtype, casting)
    if dtype is not None and dtype == FLOAT16:
        return _resolved(ufunc, [FLOAT32 if s == own else s for s in specs], dtype, casting)
    counting = ufunc.__name__ in COUNTING
    specs = [s if counting and s != own else _beside(s) for s in specs]
    dtype = None if dtype is None else _beside(dtype)
    if ufunc.__name__ in DOUBLE or any("e" in loop for loop in ufunc.types):
        found = _resolved(ufunc, specs, dtype, casting)
        return tuple(own if d == FLOAT16 else d for d in found)
    narrow = FLOAT32 not in map(_as_dtype, specs)
    specs = [FLOAT32 if _as_dtype(s) == FLOAT16 else s for s in specs]
    found = _resolved(ufunc, specs, None, casting)
    outputs = [own if narrow and d == FLOAT32 else d for d in found[ufunc.nin :]]
    return (*found[: ufunc.nin], *outputs)


def _resolved(
    ufunc: np.ufunc, specs: Sequence[Any], dtype: DType | None, casting: str
) -> tuple[DType, ...]:
    # Of dtypes in the machine's byte order "equiv" asks for what "no" does. With it and the type of
    # a Python number NumPy 2.4's resolve_dtypes ends the process.
    options: dict[str, Any] = {"casting": "no" if casting == "equiv" else casting}
    if dtype is not None:
        options["signature"] = (None,) * ufunc.nin + (dtype,) * ufunc.nout
    if not any(isinstance(s, np.dtype) for s in specs):  # NumPy would compare two ints as objects
        specs = [np.dtype(s) for s in specs]
    return ufunc.resolve_dtypes((*specs, *(None,) * ufunc.nout), **options)
