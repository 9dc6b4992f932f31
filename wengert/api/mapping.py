"""vmap: a function of single examples becomes one of whole batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from wengert.api.arguments import abstract, fail, function_name, require_callable
from wengert.capture.convert import convert
from wengert.errors import (
    AxisRangeError,
    InputTypeError,
    ShapeError,
    TreeError,
    WengertError,
    located,
)
from wengert.ir.builder import Builder, Value
from wengert.ir.ops.control_batch import on_rows
from wengert.ir.program import Program
from wengert.ir.transforms.batch import spread
from wengert.ir.types import TensorType
from wengert.tracer.pytree import broadcast_prefix, flatten, paths
from wengert.tracer.stack import user_location
from wengert.tracer.trace import Abstract, Traced, run, trace


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_size: int | None = None,
    apart: bool = False,
) -> Callable[..., Any]:
    """`fun` mapped over an axis of its arguments, all examples at once.

    `in_axes` says which axis of each argument runs over the examples: an int, None for arguments
    that all examples share, or a tuple with an entry (or a pytree of them) for each positional
    argument. Keyword arguments are mapped over axis 0. `out_axes` does the same for the result.
    `axis_size` is needed only if no argument is mapped. With `apart` each example is done by
    itself, in any order and on any thread, and with memory of its own: for examples that are much
    work each, whose intermediate results would be large for all at once.
    """
    require_callable("vmap", fun)
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)

    @functools.wraps(fun)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = flatten((args, kwargs))
        names = [_name(p) for p in paths((args, kwargs))]
        types, axes = _typed_axes(leaves, _in_axes(in_axes, tree), names)
        size = _size(types, axes, names, axis_size)
        places = [i for i, axis in enumerate(axes) if axis is not None]

        def closed(*examples: Any) -> Any:
            filled = list(leaves)
            for place, example in zip(places, examples, strict=True):
                filled[place] = example
            inner_args, inner_kwargs = tree.unflatten(filled)
            return convert(fun)(*inner_args, **inner_kwargs)

        moved = [(t, axis) for t, axis in zip(types, axes, strict=True) if t is not None]
        single = [Abstract(_without(t.type, axis)) for t, axis in moved]
        traced = trace(closed, single, name=function_name(fun))
        outs = _out_axes(out_axes, traced)
        program = _mapped(traced.program, [axis for _, axis in moved], outs, size, apart)
        results = run(program, [*(leaves[i] for i in places), *traced.captured])
        return traced.unflatten(results)

    return mapped


def _typed_axes(
    leaves: Sequence[Any], axes: Sequence[Any], names: Sequence[str]
) -> tuple[list[Abstract | None], list[int | None]]:
    """The types of the leaves that are mapped, and the axes along which they are, from 0 on."""
    types = [
        None if axis is None else abstract(x, name)
        for x, axis, name in zip(leaves, axes, names, strict=True)
    ]
    normal = [
        None if t is None else _normal(axis, t.type, name)
        for axis, t, name in zip(axes, types, names, strict=True)
    ]
    return types, normal


def _name(path: str) -> str:
    """`[0][1].w` leads to positional argument 1, `[1]['x']` to keyword argument x."""
    kind = "argument" if path.startswith("[0]") else "keyword argument"
    head, _, rest = path[4:].partition("]")
    return f"{kind} {head}{rest}"


def _in_axes(in_axes: Any, tree: Any) -> list[Any]:
    positional, keyword = tree.children
    try:
        found = broadcast_prefix(in_axes, positional, "in_axes of vmap")
    except TreeError as error:
        raise located(error, user_location()) from None
    return found + [0] * keyword.num_leaves


def _normal(axis: Any, kind: TensorType, name: str) -> int:
    if isinstance(axis, bool) or not isinstance(axis, int):
        fail(InputTypeError(f"in_axes of vmap holds ints and None, and {axis!r} for {name}"))
    if not -kind.ndim <= axis < kind.ndim:
        fail(
            AxisRangeError(
                f"vmap cannot map axis {axis} of {name}, which is {kind}; in_axes=None shares an "
                "argument between all examples"
            )
        )
    return axis % kind.ndim


def _size(
    types: Sequence[Abstract | None],
    axes: Sequence[int | None],
    names: Sequence[str],
    axis_size: int | None,
) -> int:
    sizes = {
        name: t.type.shape[axis]
        for t, axis, name in zip(types, axes, names, strict=True)
        if t is not None and axis is not None
    }
    if axis_size is not None:
        sizes["axis_size"] = axis_size
    if not sizes:
        fail(InputTypeError("vmap maps no argument: in_axes is None for all; give axis_size"))
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{size} for {name}" for name, size in sizes.items())
        fail(ShapeError(f"vmap needs mapped axes of one length, and got {listed}"))
    return next(iter(sizes.values()))


def _without(kind: TensorType, axis: int | None) -> TensorType:
    assert axis is not None
    return kind.with_shape(kind.shape[:axis] + kind.shape[axis + 1 :])


def _out_axes(out_axes: Any, traced: Traced) -> list[Any]:
    if isinstance(out_axes, list) and traced.out_tree.kind is tuple:
        out_axes = tuple(out_axes)
    try:
        return broadcast_prefix(out_axes, traced.out_tree, "out_axes of vmap")
    except WengertError as error:
        raise located(error, user_location()) from None


def _mapped(
    program: Program,
    in_axes: Sequence[int | None],
    out_axes: Sequence[Any],
    size: int,
    apart: bool,
) -> Program:
    """The batched program, with the batch at the axes asked for; captured inputs are shared."""
    builder = Builder()
    shared = len(program.inputs) - len(in_axes)
    axes: list[int | None] = [*in_axes, *([None] * shared)]
    inputs = [
        builder.input(t if axis is None else t.with_shape(_with(t.shape, axis, size)))
        for t, axis in zip(program.in_types, axes, strict=True)
    ]
    fronted = [
        v if axis is None else _move(v, axis, 0) for v, axis in zip(inputs, axes, strict=True)
    ]
    flags = [a is not None for a in axes]
    if apart and any(flags):
        outs = on_rows(fronted, flags, size, lambda row, given: row.inline(program, given))
    else:
        outs = spread(builder, program, fronted, flags, size)
    return builder.finish(
        [
            _placed(value, batched, axis, size)
            for value, batched, axis in zip(*outs, out_axes, strict=True)
        ]
    )


def _with(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis:])


def _move(value: Value, source: int, target: int) -> Value:
    if source == target:
        return value
    order = [i for i in range(value.ndim) if i != source]
    order.insert(target, source)
    return value.transpose(perm=tuple(order))


def _placed(value: Value, batched: bool, axis: Any, size: int) -> Value:
    if axis is None:
        if batched:
            fail(ShapeError("vmap has out_axes None for a result that differs between examples"))
        return value
    ndim = value.ndim if batched else value.ndim + 1
    if isinstance(axis, bool) or not isinstance(axis, int) or not -ndim <= axis < ndim:
        fail(AxisRangeError(f"out_axes of vmap has {axis!r} for a result with {ndim} axes in all"))
    if batched:
        return _move(value, 0, axis % ndim)
    place = axis % ndim
    dims = tuple(i for i in range(ndim) if i != place)
    return value.broadcast(shape=_with(value.shape, place, size), dims=dims)
