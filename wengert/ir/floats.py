"""Floating-point dtypes: NumPy's, and bfloat16, which the package ml_dtypes adds to them.

bfloat16 is the upper half of a float32: its sign and exponent, and 8 bits of precision. NumPy takes
it for a dtype of unknown kind ("V"): it is no np.floating and np.finfo does not know it. So what
wengert asks of a dtype is asked here. The package is imported when a program names the dtype;
arrays of it cannot be without it.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import DTypeError

DType = np.dtype[Any]
FLOAT16 = np.dtype(np.float16)
BFLOAT16 = "bfloat16"


@functools.cache
def bfloat16() -> DType:
    """The dtype of ml_dtypes.bfloat16; raises DTypeError where that package is missing."""
    try:
        return np.dtype(importlib.import_module("ml_dtypes").bfloat16)
    except ImportError as error:
        raise DTypeError(
            "arrays of bfloat16 are those of the package ml_dtypes, which is not installed: "
            "pip install ml_dtypes"
        ) from error


def bfloat16_type() -> Any:
    """The type of bfloat16 scalars, for a module that has it as an attribute.

    Raises AttributeError where the package is missing.
    """
    try:
        return bfloat16().type
    except DTypeError as error:
        raise AttributeError(str(error)) from error


def is_bfloat16(dtype: DType) -> bool:
    """Whether a dtype is bfloat16."""
    return dtype.kind == "V" and dtype.type.__name__ == BFLOAT16


def is_half(dtype: DType) -> bool:
    """Whether a dtype is a float of 16 bits, which stores numbers that are computed in float32."""
    return dtype == FLOAT16 or is_bfloat16(dtype)


def kind_of(dtype: DType) -> str:
    """NumPy's letter for the kind of a dtype, which is "f" for bfloat16 too."""
    return "f" if is_bfloat16(dtype) else dtype.kind


def dtype_of(x: Any) -> DType:
    """As np.dtype, of a name, a scalar type or a dtype; "bfloat16" is a name too."""
    return bfloat16() if isinstance(x, str) and x == BFLOAT16 else np.dtype(x)


def written(dtype: DType) -> str:
    """What `dtype_of` reads as this dtype, byte order included."""
    return dtype.name if is_bfloat16(dtype) else dtype.str


def finfo(dtype: Any) -> Any:
    """The limits of a float dtype, as np.finfo has them."""
    found = dtype_of(dtype)
    if is_bfloat16(found):
        return importlib.import_module("ml_dtypes").finfo(found)
    return np.finfo(found)


def in_single(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays, which are widened to float32 where they are of bfloat16.

    NumPy has no sums, products and roundings of its own for these; what ml_dtypes has adds up in
    bfloat16. The result is in float32 then.
    """

    @functools.wraps(function)
    def wide(*args: Any, **params: Any) -> Any:
        return function(*(widened(a) for a in args), **params)

    return wide


def widened(x: Any) -> Any:
    """An array or a NumPy scalar, in float32 if it is of bfloat16."""
    return x.astype(np.float32) if is_bfloat16(x.dtype) else x


def among(dtype: DType, dtypes: Any) -> bool:
    """Whether a dtype is one of these, where bfloat16 may be wherever float16 is."""
    return dtype in dtypes or (is_bfloat16(dtype) and FLOAT16 in dtypes)
