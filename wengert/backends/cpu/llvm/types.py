"""How dtypes and constants are spelled in LLVM text."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from wengert.ir.floats import is_bfloat16
from wengert.ir.types import DType

_BYTE = np.dtype(np.uint8)
_FLOATS = {2: "half", 4: "float", 8: "double"}


def value_type(dtype: DType, lanes: int = 0) -> str:
    """The type of a scalar in a register: a bool is one bit, and a bfloat16 its own 16 bits.

    LLVM has a type for it, whose conversions are calls of a compiler library on most processors.
    With `lanes` the type of a vector of so many.
    """
    if dtype.kind == "b":
        kind = "i1"
    else:
        kind = _FLOATS[dtype.itemsize] if dtype.kind == "f" else f"i{8 * dtype.itemsize}"
    return f"<{lanes} x {kind}>" if lanes else kind


def memory_type(dtype: DType, lanes: int = 0) -> str:
    """The type of an element in memory, or of so many `lanes`: a bool is a byte."""
    return value_type(_BYTE if dtype.kind == "b" else dtype, lanes)


def constant(value: Any, dtype: DType, lanes: int = 0) -> str:
    """A literal, in all `lanes` of a vector if there are any.

    Floats are written by their bits: LLVM rejects inexact decimals.
    """
    number = _number(value, dtype)
    return f"splat ({value_type(dtype)} {number})" if lanes else number


def _number(value: Any, dtype: DType) -> str:
    if dtype.kind == "b":
        return "true" if value else "false"
    if is_bfloat16(dtype):
        return str(int(np.asarray(value, dtype).view(np.uint16)))
    if dtype.kind != "f":
        return str(int(value))
    if dtype.itemsize == 2:
        return f"0xH{np.float16(value).view(np.uint16):04X}"
    # LLVM writes a float constant as the double of the same value
    exact = float(np.float32(value)) if dtype.itemsize == 4 else float(value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"


def intrinsic_suffix(dtype: DType, lanes: int = 0) -> str:
    """The suffix of an overloaded intrinsic's name, such as `f64` or `v8f64`."""
    if dtype.kind == "b":
        kind = "i1"
    else:
        kind = f"{'f' if dtype.kind == 'f' else 'i'}{8 * dtype.itemsize}"
    return f"v{lanes}{kind}" if lanes else kind
