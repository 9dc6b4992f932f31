"""Parts of values along an axis, and values put together again."""

from __future__ import annotations

from collections.abc import Sequence

from wengert.errors import ShapeError
from wengert.ir.builder import Value
from wengert.ir.types import Dim
from wengert.tracer.affine import bounds
from wengert.tracer.lift import lift


def cut(value: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    """`value[..., start:stop:step, ...]` along one axis, for 0 <= start <= stop <= n, step >= 1."""
    if (start, stop, step) == (0, value.shape[axis], 1):
        return value
    if step == 1 and any(type(n) is Dim for n in (*value.shape, start, stop)):
        return _moving_cut(value, axis, start, stop)
    starts, stops = [0] * value.ndim, list(value.shape)
    steps = [1] * value.ndim
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return value.slice(start=tuple(starts), stop=tuple(stops), step=tuple(steps))


def _moving_cut(value: Value, axis: int, start: int, stop: int) -> Value:
    """The same where lengths depend on loop indices."""
    interval = bounds(stop - start)
    rest = bounds(value.shape[axis] - stop)
    if interval is None or interval[0] < 0 or rest is None or rest[0] < 0:
        raise ShapeError(
            f"elements {start} to {stop} of an axis of length {value.shape[axis]} may not be there "
            "in every turn of the loop"
        )
    sizes = list(value.shape)
    sizes[axis] = stop - start
    starts = [lift(start if d == axis else 0) for d in range(value.ndim)]
    return value.window(*starts, sizes=tuple(sizes), steps=(1,) * value.ndim)


def joined(parts: Sequence[Value], axis: int) -> Value:
    """Values one after the other along `axis`; empty ones are left out."""
    full_parts = [p for p in parts if p.shape[axis] != 0] or list(parts[:1])
    if len(full_parts) > 1 and any(type(p.shape[axis]) is Dim for p in full_parts):
        return _joined_moving(full_parts, axis)
    return (
        full_parts[0] if len(full_parts) == 1 else full_parts[0].concat(*full_parts[1:], axis=axis)
    )


def _joined_moving(parts: Sequence[Value], axis: int) -> Value:
    """The same where lengths depend on loop indices: each is written to its place."""
    shape = list(parts[0].shape)
    shape[axis] = sum(p.shape[axis] for p in parts)
    return placed(parts, axis, parts[0].builder.full(tuple(shape), 0, parts[0].dtype))


def placed(parts: Sequence[Value], axis: int, whole: Value) -> Value:
    """`whole` with parts written over it, one after the other along an axis."""
    offset = 0
    for part in parts:
        starts = [lift(offset if d == axis else 0) for d in range(part.ndim)]
        whole = whole.window_set(part, *starts, steps=(1,) * part.ndim)
        offset = offset + part.shape[axis]
    return whole
