"""How dtypes and constants are spelled in CUDA C++."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ir.floats import BFLOAT16, kind_of
from wengert.ir.types import DType

_INTEGERS = {
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long long",
    "uint8": "unsigned char",
    "uint16": "unsigned short",
    "uint32": "unsigned int",
    "uint64": "unsigned long long",
    "bool": "bool",
}
_FLOATS = {"float16": "float", BFLOAT16: "float", "float32": "float", "float64": "double"}
_HALVES = {"float16": "half", BFLOAT16: "bfloat"}


def value_type(dtype: DType) -> str:
    """The type of a value in a register: those of 16 bits are computed with as float."""
    return _FLOATS[dtype.name] if kind_of(dtype) == "f" else _INTEGERS[dtype.name]


def memory_type(dtype: DType) -> str:
    """The type of an element in memory."""
    half = half_of(dtype)
    return f"wg_{half}" if half else value_type(dtype)


def half_of(dtype: DType) -> str | None:
    """What a float of 16 bits is called in text/: `wg_half`, `wg_from_half`, `wg_to_half`."""
    return _HALVES.get(dtype.name)


def exchanged_type(dtype: DType) -> str:
    """The type in which threads exchange values of a dtype: at least 32 bits."""
    if kind_of(dtype) == "f" or dtype.itemsize >= 4:
        return value_type(dtype)
    return "unsigned int" if dtype.kind == "u" else "int"


def constant(value: Any, dtype: DType) -> str:
    """A literal; floats by their exact value in hexadecimal."""
    if dtype.kind == "b":
        return "true" if value else "false"
    if kind_of(dtype) == "f":
        return _float(float(value), dtype)
    number = int(value)
    if dtype.name == "uint64":
        return f"{number}ULL"
    if dtype.name == "int64":
        return f"(-{-(number + 1)}LL - 1)" if number < 0 else f"{number}LL"
    return f"(({value_type(dtype)}){number})"


def _float(value: float, dtype: DType) -> str:
    kind = value_type(dtype)
    if np.isnan(value):
        return f"wg_nan<{kind}>()"
    if np.isinf(value):
        return f"{'-' if value < 0 else ''}wg_infinity<{kind}>()"
    text = value.hex()
    text = f"({text})" if text.startswith("-") else text
    suffix = "f" if kind == "float" else ""
    return f"({text[1:-1]}{suffix})" if text.startswith("(") else f"{text}{suffix}"
