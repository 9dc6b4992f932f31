"""The ends of slices that are known only at run time: where they begin, and how long they are."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from wengert.errors import ArgumentError, TracerConversionError
from wengert.ir.types import INT64, Dim
from wengert.tracer.array import Tracer
from wengert.tracer.functions.masks import is_number, same_mask
from wengert.tracer.functions.operands import materialise
from wengert.tracer.lift import wrap

BACKWARDS = "the step of a slice that is known only at run time must be 1 or more"


def refuse_length(what: str) -> NoReturn:
    """Raises TracerConversionError: `what` needs the length of a slice."""
    raise TracerConversionError(
        f"{what} needs the length of a slice whose bounds depend on data, and shapes are fixed "
        "while tracing. Such a slice can be computed with, summed, and assigned to; for anything "
        "else take the whole array and leave elements out by a condition: "
        "np.where((np.arange(len(x)) >= start) & (np.arange(len(x)) < stop), x, 0)"
    )


def demand(holds: Any, message: str, error: type[Exception]) -> None:
    """Makes a condition part of the program, which fails where it does not hold."""
    materialise(holds).require(message=message, error=error.__name__)


def as_index(k: Any) -> Tracer:
    """A number as a traced integer."""
    return wrap(materialise(k, INT64))


def spanned(part: slice, n: Any, error: Exception | None = None) -> tuple[Tracer, Tracer, Any]:
    """The ends of a slice of an axis of length `n`, and its step."""
    step: Any = 1 if part.step is None else part.step
    if isinstance(step, Tracer):
        step = as_index(step)
        demand(step > 0, BACKWARDS, ArgumentError)
    elif step == 0:
        raise ArgumentError("slice step cannot be zero")
    if type(n) is int and not any(
        isinstance(p, Tracer | Dim) for p in (part.start, part.stop, step)
    ):
        first, last, step = part.indices(n)
        return as_index(first), as_index((max if step > 0 else min)(first, last)), step
    if isinstance(step, Tracer) or step > 0:
        return _end(part.start, 0, n, 0, error), _end(part.stop, n, n, 0, error), step
    return _end(part.start, n - 1, n, -1, error), _end(part.stop, -1, n, -1, error), step


def count(first: Any, last: Any, step: Any) -> Any:
    """How many places there are between two ends."""
    backwards = not isinstance(step, Tracer) and step < 0
    span, size = (first - last, -step) if backwards else (last - first, step)
    return (np.maximum(span, 0) + (size - 1)) // size


def _end(bound: Any, default: Any, n: Any, low: int, error: Exception | None) -> Tracer:
    """An end of a slice: counted from the end if it is negative, and from low to n + low."""
    if isinstance(bound, Tracer) and (bound.type.shape or bound.dtype.kind not in "iu"):
        raise error or TracerConversionError("the bounds of a slice must be integers")
    if bound is None:
        value = materialise(default, INT64)
    else:
        value: Any = materialise(bound, INT64)
        length, high = (
            (n, n + low) if type(n) is int else (materialise(k, INT64) for k in (n, n + low))
        )
        value = value.lt(0).select(value.add(length), value).max(low).min(high)
    if low == 0 and type(n) is int:
        # never fails; what is checked is known to be in range from then on
        value = value.check_index(size=n + 1, axis=0)
    return wrap(value)


def is_basic(entry: Any) -> bool:
    """Whether an entry of an index is an integer or a slice."""
    return is_number(entry) or isinstance(entry, slice)


def same(x: Any, y: Any) -> bool:
    """Whether two scalars, or entries of an index, are known to be the same."""
    if isinstance(x, slice) and isinstance(y, slice):
        return all(map(same, (x.start, x.stop, x.step), (y.start, y.stop, y.step)))
    if isinstance(x, Tracer) and isinstance(y, Tracer):
        return x is y or same_mask(x, y)
    return type(x) is type(y) and not isinstance(x, Tracer) and x == y
