"""What a compiled function does to its arguments: checked before it runs, done after it succeeded.

The program gives the new contents of each argument that the function changes as outputs of its
own; they are copied into the caller's arrays. One array passed twice has a program of its own, in
which both arguments are one; arrays that overlap otherwise are an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.errors import MutationError, ReadOnlyError
from wengert.tracer.array import Tracer
from wengert.tracer.device_arrays import is_device_array, may_overlap, place
from wengert.tracer.functions.assignment import refuse_constant, target
from wengert.tracer.mutation import root, write
from wengert.tracer.trace import Traced, lift

MOST_WORK: Any = 10_000
"""How long to look for a common element of two arrays before they are said to overlap."""


def aliases(leaves: Sequence[Any], changed: Sequence[int]) -> tuple[int, ...]:
    """For each argument the first one that is the same array, where one of them is changed.

    Raises MutationError if a changed array overlaps another argument in part.
    """
    found = list(range(len(leaves)))
    for k in changed:
        for other, leaf in enumerate(leaves):
            if other != k and _overlap(leaves[k], leaf):
                first, last = sorted((found[k], found[other]))
                found = [first if f == last else f for f in found]
    return tuple(found)


def _overlap(x: Any, y: Any) -> bool:
    if isinstance(x, Tracer) and isinstance(y, Tracer):
        if x is y:
            return True
        if root(x) is not root(y):
            return False
    elif is_device_array(x) and is_device_array(y):
        if x is y or place(x) == place(y):
            return True
        if not may_overlap(x, y):
            return False
    elif isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        if x is y or _place(x) == _place(y):
            return True
        if not np.may_share_memory(x, y) or not _share(x, y):
            return False
    else:
        return False
    return fail(
        MutationError(
            f"arguments of shapes {x.shape} and {y.shape} are views of the same memory, and the "
            "compiled function changes one of them; pass a copy, or one array and take the views "
            "inside the function"
        )
    )


def _place(x: np.ndarray[Any, Any]) -> Any:
    return x.__array_interface__["data"], x.shape, x.strides, x.dtype


def _share(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> bool:
    try:
        return np.shares_memory(x, y, max_work=MOST_WORK)
    except np.exceptions.TooHardError:
        return True


def check(traced: Traced, args: Sequence[Any], names: Sequence[str]) -> None:
    """Raises ReadOnlyError if an argument that the function changes is read-only."""
    for k in traced.changed:
        x = args[k]
        if isinstance(x, Tracer):
            target(x, names[k])
            continue
        if is_device_array(x):
            continue
        if isinstance(x, np.ndarray):
            refuse_constant(x, names[k])
            if x.flags.writeable:
                continue
        fail(
            ReadOnlyError(
                f"the compiled function changes {names[k]} in place, and it is read-only "
                f"({type(x).__name__} of shape {np.shape(x)}); pass a copy of it"
            )
        )


def finish(traced: Traced, args: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """The function's result from the program's outputs, after its changes have been made."""
    changes = zip(traced.changed, outputs[traced.results :], strict=False)
    for k, contents in changes:
        _put(args[k], contents)
    start = traced.results + len(traced.changed)
    for array, contents in zip(traced.written, outputs[start:], strict=True):
        _put(array, contents)
    return traced.unflatten(outputs[: traced.results], args)


def _put(x: Any, contents: Any) -> None:
    if isinstance(x, Tracer):
        write(x, lift(contents, x.dtype))
    elif is_device_array(x):
        x[...] = contents
    else:
        np.copyto(x, contents.get() if is_device_array(contents) else contents)
