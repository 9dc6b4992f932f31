"""Arrays that lie on a GPU: CuPy's, known without importing CuPy."""

from __future__ import annotations

import sys
from typing import Any, TypeGuard

from wengert.errors import InputTypeError


def is_device_array(x: Any) -> TypeGuard[Any]:
    """Whether `x` is an array of CuPy."""
    cupy: Any = sys.modules.get("cupy")  # nobody has such an array before it is there
    return cupy is not None and isinstance(x, cupy.ndarray)


def device_array_type() -> type:
    """The type of CuPy's arrays; CuPy must be there."""
    cupy: Any = sys.modules["cupy"]
    found: type = cupy.ndarray
    return found


def refuse_device_array(x: Any) -> None:
    """Raises InputTypeError if `x` is an array of CuPy: NumPy is about to compute with it."""
    if is_device_array(x):
        raise InputTypeError(
            f"a CuPy array of shape {x.shape} was met where NumPy arrays are computed with: CuPy "
            "arrays are arguments of compiled functions. Put wg.jit around the outermost transform "
            "(wg.jit(wg.grad(f))), and pass the array instead of reading a global one"
        )


def may_overlap(x: Any, y: Any) -> bool:
    """Whether the stretches of memory of two arrays of CuPy meet."""
    cupy: Any = sys.modules["cupy"]
    return bool(cupy.may_share_memory(x, y))


def place(x: Any) -> Any:
    """Where the elements of an array of CuPy lie, and how."""
    return x.data.ptr, x.shape, x.strides, x.dtype
