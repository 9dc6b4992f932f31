"""What the functions of `wengert.linalg` take: square matrices of floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.errors import DTypeError, MatrixShapeError
from wengert.tracer.array import Tracer


def square(name: str, a: Any) -> Any:
    """`a` as a batch of square matrices of float32 or float64; integers become float64.

    Raises MatrixShapeError, a `numpy.linalg.LinAlgError`, or DTypeError.
    """
    array = a if isinstance(a, Tracer) else np.asarray(a)
    if array.ndim < 2 or array.shape[-1] != array.shape[-2]:
        fail(MatrixShapeError(f"{name} takes square matrices, got shape {array.shape}"))
    if array.dtype.kind in "bui":
        array = array.astype(np.float64)
    if array.dtype not in (np.float32, np.float64):
        fail(DTypeError(f"{name} takes float32 or float64, got {array.dtype}; use .astype(float)"))
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
