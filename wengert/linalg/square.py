"""What the functions of `wengert.linalg` take: square matrices of floats or complex numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.errors import DTypeError, MatrixShapeError
from wengert.ir.types import COMPLEX, FLOAT32, FLOAT64, DType
from wengert.tracer.array import Tracer

WIDE = (FLOAT32, FLOAT64)


def square(name: str, a: Any, dtypes: Sequence[DType] = (*WIDE, *COMPLEX)) -> Any:
    """`a` as a batch of square matrices of these dtypes; integers become float64.

    Raises MatrixShapeError, a `numpy.linalg.LinAlgError`, or DTypeError.
    """
    array = a if isinstance(a, Tracer) else np.asarray(a)
    if array.ndim < 2 or array.shape[-1] != array.shape[-2]:
        fail(MatrixShapeError(f"{name} takes square matrices, got shape {array.shape}"))
    if array.dtype.kind in "bui":
        array = array.astype(np.float64)
    if array.dtype not in dtypes:
        names = ", ".join(map(str, dtypes))
        cure = "take np.real(x) or np.abs(x)" if array.dtype in COMPLEX else "use .astype(float)"
        fail(DTypeError(f"{name} takes {names}, got {array.dtype}; {cure}"))
    return array


def identity(a: Any) -> Any:
    """The identity for each matrix, in its dtype."""
    return np.zeros_like(a) + np.eye(a.shape[-1], dtype=a.dtype)


def transposed(a: Any) -> Any:
    """The transpose of each matrix."""
    return np.swapaxes(a, -1, -2)


def norm(a: Any) -> Any:
    """The largest sum of a column's sizes, for each matrix."""
    return np.max(np.sum(np.abs(a), axis=-2), axis=-1)
