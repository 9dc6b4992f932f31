"""ravel_pytree: all numbers of a pytree in one vector, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api.arguments import abstract, fail
from wengert.errors import DTypeError, ShapeError
from wengert.tracer.array import Tracer
from wengert.tracer.lift import result_dtype
from wengert.tracer.pytree import flatten, paths


def ravel_pytree(pytree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """A vector of all numbers in `pytree`, and a function from such vectors to such pytrees.

    The vector has the common dtype of the leaves; going back restores that of each leaf.
    """
    leaves, tree = flatten(pytree)
    types = [abstract(x, f"leaf{path}").type for x, path in zip(leaves, paths(pytree), strict=True)]
    sizes = [t.size for t in types]
    offsets = [sum(sizes[:i]) for i in range(len(sizes))]
    dtype = result_dtype(*(t.dtype for t in types)) if types else np.dtype(np.float64)

    def unravel(vector: Any) -> Any:
        if np.shape(vector) != (sum(sizes),):
            fail(
                ShapeError(
                    f"unravel takes a vector of {sum(sizes)} numbers, and got an array of shape "
                    f"{np.shape(vector)}"
                )
            )
        if np.dtype(vector.dtype) != dtype:
            fail(DTypeError(f"unravel takes a vector of {dtype}, and got {vector.dtype}"))
        parts = [
            vector[offset : offset + t.size].reshape(t.shape).astype(t.dtype)
            for offset, t in zip(offsets, types, strict=True)
        ]
        return tree.unflatten([p if t.shape else p[()] for p, t in zip(parts, types, strict=True)])

    if not leaves:
        return np.zeros(0), unravel
    flat = [_flat(x).astype(dtype) for x in leaves]
    return (flat[0] if len(flat) == 1 else np.concatenate(flat)), unravel


def _flat(x: Any) -> Any:
    return x.ravel() if isinstance(x, Tracer) else np.ravel(x)
