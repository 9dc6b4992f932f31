"""Windows: a regular part of an array at a position known only at run time.

`window` reads it, `window_set` and `window_add` write to it. Starts are int64 scalars, one for each
axis, and everything must lie in bounds: `check_index` comes before where that is not known. With
steps s, element k of the window stands at start + k*s. Sizes may be `Dim`s.

The transposes are one another: that of a read adds to the cotangent, that of a write reads it, so
the reverse sweep of a loop of element updates touches as many elements as the loop itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import DTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.forms import Update
from wengert.ir.op import ElementContext, Linear, Op, Sample, linear_in, register
from wengert.ir.ops.parts import separately
from wengert.ir.ops.structural_family import (
    DTYPES,
    NUMBERS,
    Batched,
    check_numeric,
    check_same_dtype,
    draw,
    in_front,
    iota,
)
from wengert.ir.scalar import Expr
from wengert.ir.types import INT64, Dim, Shape, TensorType

Array = np.ndarray[Any, Any]
Tangents = Sequence[Value | None]


def _check_starts(
    name: str, x: TensorType, starts: Sequence[TensorType], steps: Sequence[int]
) -> None:
    if len(starts) != x.ndim or len(steps) != x.ndim:
        raise ShapeError(f"{name}: {x} needs a start and a step for each axis, got {len(starts)}")
    if any(s.dtype != INT64 or s.shape for s in starts):
        listed = ", ".join(map(str, starts))
        raise DTypeError(f"{name}: starts must be int64 scalars, got {listed}")


def _check_sizes(name: str, x: TensorType, sizes: Shape, steps: Sequence[int]) -> None:
    fits = len(sizes) == x.ndim and all(
        n <= 0 or (int(n) - 1) * abs(s) < int(m) or isinstance(n, Dim)
        for n, m, s in zip(sizes, x.shape, steps, strict=True)
    )
    if not fits:
        raise ShapeError(f"{name}: a window of shape {sizes} does not fit into {x}")


def _places(shape: Shape, starts: Sequence[Any], steps: Sequence[int]) -> tuple[Array, ...]:
    """Index arrays, one for each axis, that broadcast to the window."""
    return np.ix_(
        *(int(a) + s * np.arange(n) for n, a, s in zip(shape, starts, steps, strict=True))
    )


def _full_starts(starts: Sequence[Value], batched: Sequence[bool], size: int) -> list[Value]:
    return [in_front(s, on, size) for s, on in zip(starts, batched, strict=True)]


def _gather_indices(
    sizes: Shape, steps: Sequence[int], starts: Sequence[Value], size: int
) -> list[Value]:
    """Index arrays [size, *sizes] for starts that differ over a batch."""
    builder = starts[0].builder
    shape = (size, *sizes)
    found: list[Value] = []
    for axis, (start, step) in enumerate(zip(starts, steps, strict=True)):
        along = iota(builder, shape, axis + 1)
        first = start.broadcast(shape=shape, dims=(0,))
        found.append(first + (along if step == 1 else along * step))
    return found


# window


def _window_infer(
    x: TensorType, *starts: TensorType, sizes: Shape, steps: tuple[int, ...]
) -> tuple[TensorType]:
    _check_starts("window", x, starts, steps)
    _check_sizes("window", x, sizes, steps)
    return (x.with_shape(sizes),)


def _window_evaluate(x: Array, *starts: Any, sizes: Shape, steps: tuple[int, ...]) -> Array:
    return x[_places(sizes, starts, steps)] if sizes else x


def _window_element(ctx: ElementContext, index: tuple[Expr, ...]) -> Expr:
    s, steps = ctx.s, ctx.params["steps"]
    places = [
        s.add(ctx.read(axis + 1, ()), s.mul(k, step))
        for axis, (k, step) in enumerate(zip(index, steps, strict=True))
    ]
    return ctx.read(0, places)


def _window_jvp(
    primals: Sequence[Value], tangents: Tangents, outs: Any, **params: Any
) -> list[Value]:
    assert tangents[0] is not None
    return [tangents[0].window(*primals[1:], **params)]


def _window_transpose(
    cotangents: Sequence[Value],
    inputs: Sequence[Any],
    *,
    seeds: Tangents,
    sizes: Shape,
    steps: tuple[int, ...],
) -> list[Value | None]:
    x, starts = inputs[0], inputs[1:]
    target = cotangents[0].builder.zeros(x.type) if seeds[0] is None else seeds[0]
    return [target.window_add(cotangents[0], *starts, steps=steps), *(None for _ in starts)]


def _window_batch(
    values: Sequence[Value],
    batched: Sequence[bool],
    size: int,
    *,
    sizes: Shape,
    steps: tuple[int, ...],
) -> Batched:
    x, starts = values[0], values[1:]
    if not any(batched[1:]):
        zero = x.builder.literal(0, INT64)
        return [x.window(zero, *starts, sizes=(size, *sizes), steps=(1, *steps))], [True]
    places = _gather_indices(sizes, steps, _full_starts(starts, batched[1:], size), size)
    if batched[0]:
        places.insert(0, iota(x.builder, (size, *sizes), 0))
    return [x.gather(*places)], [True]


_CASES: tuple[tuple[Shape, Shape, tuple[int, ...], tuple[int, ...]], ...] = (
    ((4, 5), (2, 3), (1, 1), (1, 2)),
    ((6,), (3,), (2,), (1,)),
    ((6,), (3,), (-2,), (5,)),
    ((4, 5), (1, 5), (1, 1), (3, 0)),
    ((4,), (0,), (1,), (2,)),
    ((), (), (), ()),
)


def _window_samples() -> list[Sample]:
    def sample(shape: Shape, sizes: Shape, steps: Any, starts: Any, dtype: Any) -> Sample:
        args = (draw(shape, dtype), *(np.array(s) for s in starts))
        return Sample(args, {"sizes": sizes, "steps": steps})

    first = [sample(*_CASES[0], dtype) for dtype in DTYPES]
    return first + [sample(*case, np.float64) for case in _CASES[1:]]


window = register(
    Op(
        name="window",
        family="windows",
        params=("sizes", "steps"),
        infer=_window_infer,
        evaluate=_window_evaluate,
        jvp=_window_jvp,
        linear=linear_in(0),
        transpose=_window_transpose,
        accumulates=True,
        batch=_window_batch,
        element=_window_element,
        parts=separately("window"),
        samples=_window_samples,
        cost=0,
        doc="The part of x of shape `sizes` at the starts: element k is x[start + k*step].",
    )
)


# window_set, window_add


def _update_infer(name: str) -> Callable[..., tuple[TensorType]]:
    def infer(
        x: TensorType, v: TensorType, *starts: TensorType, steps: tuple[int, ...]
    ) -> tuple[TensorType]:
        check_same_dtype(name, x, v)
        if name == "window_add":
            check_numeric(name, x)
        _check_starts(name, x, starts, steps)
        _check_sizes(name, x, v.shape, steps)
        return (x,)

    return infer


def _update_evaluate(add: bool) -> Callable[..., Array]:
    def evaluate(x: Array, v: Array, *starts: Any, steps: tuple[int, ...]) -> Array:
        out = np.array(x)
        places = _places(v.shape, starts, steps) if v.shape else ()
        out[places] = x[places] + v if add else v
        return out

    return evaluate


def _update_jvp(name: str) -> Callable[..., list[Value]]:
    def jvp(
        primals: Sequence[Value], tangents: Tangents, outs: Sequence[Value], **params: Any
    ) -> list[Value]:
        """Linear in x and v together; starts have no tangents."""
        zeros = outs[0].builder.zeros
        x, v = (
            zeros(p.type) if t is None else t
            for p, t in zip(primals[:2], tangents[:2], strict=True)
        )
        return [getattr(x, name)(v, *primals[2:], **params)]

    return jvp


def _update_batch(name: str) -> Callable[..., Batched]:
    def batch(
        values: Sequence[Value], batched: Sequence[bool], size: int, *, steps: tuple[int, ...]
    ) -> Batched:
        x, v = (in_front(w, on, size) for w, on in zip(values[:2], batched[:2], strict=True))
        starts = values[2:]
        if not any(batched[2:]):
            zero = x.builder.literal(0, INT64)
            return [getattr(x, name)(v, zero, *starts, steps=(1, *steps))], [True]
        places = _gather_indices(v.shape[1:], steps, _full_starts(starts, batched[2:], size), size)
        scatter = "scatter_set" if name == "window_set" else "scatter_add"
        return [getattr(x, scatter)(v, iota(x.builder, v.shape, 0), *places)], [True]

    return batch


def _set_transpose(
    cotangents: Sequence[Value], inputs: Sequence[Any], *, steps: tuple[int, ...]
) -> list[Value | None]:
    """x keeps what was not overwritten; v has what it wrote."""
    ct, x, v, starts = cotangents[0], inputs[0], inputs[1], inputs[2:]
    x_bar = v_bar = None
    if isinstance(v, Linear):
        v_bar = ct.window(*starts, sizes=v.type.shape, steps=steps)
    if isinstance(x, Linear):
        zeros = ct.builder.zeros(TensorType(ct.dtype, v.type.shape))
        x_bar = ct.window_set(zeros, *starts, steps=steps)
    return [x_bar, v_bar, *(None for _ in starts)]


def _add_transpose(
    cotangents: Sequence[Value], inputs: Sequence[Any], *, steps: tuple[int, ...]
) -> list[Value | None]:
    ct, x, v, starts = cotangents[0], inputs[0], inputs[1], inputs[2:]
    read = isinstance(v, Linear)
    return [
        ct if isinstance(x, Linear) else None,
        ct.window(*starts, sizes=v.type.shape, steps=steps) if read else None,
        *(None for _ in starts),
    ]


def _update_samples(dtypes: Sequence[Any]) -> Callable[[], list[Sample]]:
    def sample(shape: Shape, sizes: Shape, steps: Any, starts: Any, dtype: Any) -> Sample:
        updates = draw(sizes, dtype, seed=1)
        return Sample(
            (draw(shape, dtype), updates, *(np.array(s) for s in starts)), {"steps": steps}
        )

    def samples() -> list[Sample]:
        first = [sample(*_CASES[0], dtype) for dtype in dtypes]
        return first + [sample(*case, np.float64) for case in _CASES[1:]]

    return samples


def _update(name: str, transpose: Callable[..., Any], dtypes: Sequence[Any], doc: str) -> Op:
    combine = name.removeprefix("window_")
    return register(
        Op(
            name=name,
            family="windows",
            params=("steps",),
            infer=_update_infer(name),
            evaluate=_update_evaluate(combine == "add"),
            jvp=_update_jvp(name),
            linear=linear_in(0, 1),
            transpose=transpose,
            batch=_update_batch(name),
            form=lambda types, *, steps: Update(combine, steps),
            parts=separately(name),
            samples=_update_samples(dtypes),
            doc=doc,
        )
    )


window_set = _update(
    "window_set", _set_transpose, DTYPES, "x with v written over the window at the starts."
)
window_add = _update(
    "window_add", _add_transpose, NUMBERS, "x with v added to the window at the starts."
)
