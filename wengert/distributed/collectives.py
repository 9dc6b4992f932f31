"""Collectives for users: functions of pytrees, in traced functions and outside of them.

In a traced function they are operations of the program, with derivatives: reverse mode
differentiates the sum over all ranks of what the function returns. `docs/distributed.md` has a
table. Outside of `wg.distributed.init()` the world is this process alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError
from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.op import REGISTRY
from wengert.ir.passes.communication import described, number_of
from wengert.ir.types import TensorType, type_of
from wengert.tracer.lift import lift, wrap
from wengert.tracer.pytree import tree_map
from wengert.tracer.stack import current
from wengert.world import WORLD, Request, communicator, perform


def rank(axis: str = WORLD) -> int:
    """The number of this process along an axis, from 0: a Python int, so a constant in programs."""
    return communicator(axis).rank


def size(axis: str = WORLD) -> int:
    """How many processes there are along an axis."""
    return communicator(axis).size


axis_size = size


def axis_index(axis: str = WORLD) -> Any:
    """The number of this process along an axis, found when the program runs (int64).

    Programs that use it instead of `rank()` are the same in all processes.
    """
    return _emitted("axis_index", [], {"axis": axis, "size": size(axis)})


def psum(x: Any, axis: str = WORLD) -> Any:
    """The sum over the processes along an axis, leaf by leaf: shapes and dtypes as they are."""
    return _mapped("psum", x, axis)


def pmean(x: Any, axis: str = WORLD) -> Any:
    """The mean over the processes along an axis, leaf by leaf; of integers, as float64."""
    count = size(axis)
    return tree_map(lambda leaf: _emitted("psum", [leaf * _share(leaf, count)], _axis(axis)), x)


def _share(leaf: Any, count: int) -> Any:
    dtype = np.result_type(leaf)
    return dtype.type(1 / count) if kind_of(dtype) == "f" else np.float64(1 / count)


def pmax(x: Any, axis: str = WORLD) -> Any:
    """The largest of each element over the processes along an axis; ties share the derivative."""
    return _mapped("pmax", x, axis)


def pmin(x: Any, axis: str = WORLD) -> Any:
    """The smallest of each element over the processes along an axis; see `pmax`."""
    return _mapped("pmin", x, axis)


def all_gather(x: Any, axis: str = WORLD, *, tiled: bool = False) -> Any:
    """The leaves of all processes, stacked along a new first axis; `tiled`, along their own first.

    Shapes: s -> (size, *s), or (n, ...) -> (size * n, ...).
    """

    def one(leaf: Any) -> Any:
        found = _emitted("all_gather", [leaf], _axis(axis))
        return found.reshape((-1, *found.shape[2:])) if tiled else found

    return tree_map(one, x)


def psum_scatter(x: Any, axis: str = WORLD, *, tiled: bool = False) -> Any:
    """Row r of the sum over all processes, in process r; `tiled`, its r-th part of the first axis.

    Shapes: (size, *s) -> s, or (size * n, ...) -> (n, ...). Raises ShapeError for others.
    """

    def one(leaf: Any) -> Any:
        rows = _in_parts(leaf, size(axis)) if tiled else leaf
        return _emitted("psum_scatter", [rows], _axis(axis))

    return tree_map(one, x)


def all_to_all(x: Any, axis: str = WORLD, *, tiled: bool = False) -> Any:
    """Row r of each process, as the rows of process r: a transpose of processes and rows.

    Shapes: (size, ...) as it is; `tiled`, (size * n, ...) as it is, with parts of n rows.
    """

    def one(leaf: Any) -> Any:
        if not tiled:
            return _emitted("all_to_all", [leaf], _axis(axis))
        found = _emitted("all_to_all", [_in_parts(leaf, size(axis))], _axis(axis))
        return found.reshape(leaf.shape)

    return tree_map(one, x)


def _in_parts(leaf: Any, count: int) -> Any:
    if not leaf.shape or leaf.shape[0] % count:
        raise ArgumentError(
            f"an array of shape {tuple(leaf.shape)} has no first axis that {count} processes could "
            "share evenly; pad it"
        )
    return leaf.reshape((count, leaf.shape[0] // count, *leaf.shape[1:]))


def ppermute(x: Any, pairs: Sequence[tuple[int, int]], axis: str = WORLD) -> Any:
    """The leaves of the process that sends here, for `pairs` (source, target); else zeros.

    Raises ArgumentError if a process sends or receives twice, or does not exist.
    """
    given = tuple([(int(s), int(t)) for s, t in pairs])
    for numbers in ([s for s, _ in given], [t for _, t in given]):
        if len(set(numbers)) < len(numbers) or not all(0 <= n < size(axis) for n in numbers):
            raise ArgumentError(
                f"ppermute takes pairs of {size(axis)} processes in which none sends or receives "
                f"twice, got {list(given)}"
            )
    params = {**_axis(axis), "pairs": given}
    return tree_map(lambda leaf: _emitted("ppermute", [leaf], params), x)


def broadcast(x: Any, root: int = 0, axis: str = WORLD) -> Any:
    """The leaves of process `root`, in all processes along an axis."""
    if not 0 <= root < size(axis):
        raise ArgumentError(f"there is no process {root} among {size(axis)}")
    params = {**_axis(axis), "root": root}
    return tree_map(lambda leaf: _emitted("pbroadcast", [leaf], params), x)


def _axis(axis: str) -> dict[str, Any]:
    return {"axis": axis, "size": size(axis)}


def _mapped(kind: str, x: Any, axis: str) -> Any:
    return tree_map(lambda leaf: _emitted(kind, [leaf], _axis(axis)), x)


def _agree(kind: str, types: Sequence[TensorType], params: dict[str, Any]) -> None:
    """Raises DistributedError unless all processes are about to do the same, as programs do."""
    if params["size"] > 1 and kind != "axis_index":
        number = number_of(described(kind, types, params))
        request = Request("agree", params["axis"], params["size"], (number,))
        perform(request, [], [np.zeros(1, np.int64)])


def _emitted(kind: str, operands: Sequence[Any], params: dict[str, Any]) -> Any:
    """An operation of the open program, also for numbers that differ between processes.

    Outside of programs it is carried out at once.
    """
    op = REGISTRY[kind]
    trace = current()
    if trace is None:
        types = [type_of(x) for x in operands]
        op.infer(*types, **params)
        _agree(kind, types, params)
        found = np.asarray(op.evaluate(*map(np.asarray, operands), **params))
        return found[()] if found.ndim == 0 else found
    values: list[Value] = [lift(x) for x in operands]
    return wrap(trace.builder.emit(op, values, params)[0])
