"""Data parallelism: the same parameters everywhere, and a shard of each batch."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api.arguments import fail, require_callable
from wengert.api.derivatives import value_and_grad as local_value_and_grad
from wengert.distributed.collectives import pmax, pmin, psum
from wengert.errors import ArgumentError, DistributedError
from wengert.tracer.pytree import tree_leaves, tree_map
from wengert.world import WORLD, communicator

Loss = Callable[..., Any]


def value_and_grad(
    loss: Loss,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    axis: str = WORLD,
    reduced: bool = True,
) -> Callable[..., Any]:
    """As `wg.value_and_grad`, for a loss that is a mean over the rows of its batch.

    Each process calls the result with its own rows: all positional arguments but those of `argnums`
    are the batch, whose leaves have a row each along their first axis. Value and gradient are the
    means over the rows of all processes, weighted by how many each has, and are the same
    everywhere. A process without any row takes part with a weight of zero. What the loss returns
    besides (`has_aux`) stays that process's own.

    With `reduced=False` gradients are weighted, but not yet summed up over the processes (the value
    is): for `sharded` optimisers and `compressed` gradients, which do that in their own way.

    Raises ArgumentError where rows cannot be counted.
    """
    require_callable("value_and_grad", loss)
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(loss)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        rows = count_rows([a for k, a in enumerate(args) if k not in chosen])
        if not rows and has_aux:
            fail(
                ArgumentError(
                    "a process without rows has no auxiliary results; give each process a row, or "
                    "use a loss without them"
                )
            )
        given = args if rows else [a if k in chosen else _one_row(a) for k, a in enumerate(args)]
        part = _part_of(loss, _share(rows, axis), has_aux)
        own, grads = local_value_and_grad(part, argnums, has_aux)(*given, **kwargs)
        value = _sum(own[0] if has_aux else own, axis)
        grads = tree_map(lambda g: _sum(g, axis), grads) if reduced else grads
        return ((value, own[1]) if has_aux else value), grads

    return value_and_gradient


def mean(fun: Loss, *, axis: str = WORLD) -> Callable[..., Any]:
    """`fun(params, *batch)`, a mean over the rows of its batch, over those of all processes.

    Weighted as by `value_and_grad`; the same in all processes.
    """

    @functools.wraps(fun)
    def over_all(params: Any, *batch: Any, **kwargs: Any) -> Any:
        rows = count_rows(batch)
        given = batch if rows else [_one_row(b) for b in batch]
        return _sum(_part_of(fun, _share(rows, axis), False)(params, *given, **kwargs), axis)

    return over_all


def _share(rows: int, axis: str) -> Any:
    """This process's part of all rows: None if there is no other."""
    if communicator(axis).size == 1:
        return None
    return np.float64(rows) / psum(np.asarray(rows, np.float64), axis)


def _part_of(fun: Loss, share: Any, has_aux: bool) -> Loss:
    """What this process adds to the mean over all rows.

    The share is in what is differentiated, so that it is a factor at the beginning of the reverse
    sweep and not one of every gradient. Without rows it is 0: `fun` is given some row for the types
    of its results, and the same messages as in other processes, but not even NaN comes of it.
    """
    if share is None:
        return fun

    @functools.wraps(fun)
    def part(*args: Any, **kwargs: Any) -> Any:
        found = fun(*args, **kwargs)
        value = found[0] if has_aux else found
        factor = share.astype(np.result_type(value))
        value = np.where(factor > 0, value, np.zeros_like(value)) * factor
        return (value, found[1]) if has_aux else value

    return part


def _sum(x: Any, axis: str) -> Any:
    return x if communicator(axis).size == 1 else psum(x, axis)


def _one_row(batch: Any) -> Any:
    """A row of ones in the place of none, made of the batch.

    Constants would be computed with while a program is traced, and its collectives then stand in
    another order than in processes with rows.
    """

    def ones(x: Any) -> Any:
        nothing = np.sum(x, axis=0, keepdims=True).astype(np.result_type(x))
        return nothing + np.ones((), nothing.dtype)

    return tree_map(ones, batch)


def count_rows(batch: Sequence[Any]) -> int:
    """The rows of a batch; raises ArgumentError if its leaves disagree, or there are none."""
    counts = {np.shape(x)[0] if np.ndim(x) else -1 for x in tree_leaves(list(batch))}
    if len(counts) != 1 or -1 in counts:
        fail(
            ArgumentError(
                "a batch has arrays with the same number of rows along their first axis, got "
                f"{sorted(counts)} (-1 for a number); bind what belongs to no row with "
                "functools.partial or a lambda"
            )
        )
    return int(counts.pop())


def check_equal(params: Any, axis: str = WORLD) -> None:
    """Raises DistributedError unless all processes have the same parameters, to the last bit."""
    if not all_equal(params, axis):
        raise DistributedError(
            "the processes start with different parameters; make them from the same seed in all, "
            "or send those of one to all: params = wg.distributed.broadcast(params)"
        )


def all_equal(params: Any, axis: str = WORLD) -> bool:
    """Whether all processes have the same parameters, to the last bit."""
    if communicator(axis).size == 1:
        return True
    found = _digest(params)
    low, high = (np.asarray(reduce(found, axis)) for reduce in (pmin, pmax))
    return bool(np.array_equal(low, high))


def _digest(params: Any) -> Any:
    """Four integers that differ if types, shapes or bits do."""
    known = hashlib.sha256()
    for leaf in tree_leaves(params):
        array = np.ascontiguousarray(leaf)
        known.update(f"{array.dtype}{array.shape}".encode())
        known.update(array.tobytes())
    return np.frombuffer(known.digest(), np.int64)
