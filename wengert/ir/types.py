"""Types of IR values: a dtype and a static shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import DTypeError

DType = np.dtype[Any]
Shape = tuple[int, ...]

BOOL = np.dtype(np.bool_)
INT64 = np.dtype(np.int64)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
SIGNED = tuple(np.dtype(t) for t in (np.int8, np.int16, np.int32, np.int64))
UNSIGNED = tuple(np.dtype(t) for t in (np.uint8, np.uint16, np.uint32, np.uint64))
INTEGERS = SIGNED + UNSIGNED
FLOATS = tuple(np.dtype(t) for t in (np.float16, np.float32, np.float64))
SUPPORTED = (BOOL, *INTEGERS, *FLOATS)


@dataclass(frozen=True, slots=True)
class TensorType:
    """The type of an IR value.

    `dtype` is one of `SUPPORTED`, in native byte order; each dimension is a non-negative int.
    """

    dtype: DType
    shape: Shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype.kind == "f"

    def with_shape(self, shape: Shape) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


def supported_dtype(dtype: Any) -> DType:
    """`dtype` as a native-order `np.dtype` that the IR knows.

    Raises DTypeError for any other (objects, strings, dates, long doubles, structures).
    """
    found = np.dtype(dtype).newbyteorder("=")
    if found not in SUPPORTED:
        names = ", ".join(d.name for d in SUPPORTED)
        raise DTypeError(f"dtype {np.dtype(dtype)} is not supported; wengert knows {names}")
    return found


def type_of(value: Any) -> TensorType:
    """The type of a NumPy array, NumPy scalar or Python number."""
    array = np.asarray(value)
    return TensorType(supported_dtype(array.dtype), array.shape)
