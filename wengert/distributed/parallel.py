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
        if rows:
            own, grads = local_value_and_grad(loss, argnums, has_aux)(*args, **kwargs)
        else:
            own, grads = _nothing(loss, args, kwargs, chosen, argnums, has_aux)
        value = own[0] if has_aux else own
        value, grads = _mean(value, grads, rows, axis, reduced)
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
        return _mean(fun(params, *given, **kwargs), (), rows, axis, True)[0]

    return over_all


def _mean(value: Any, grads: Any, rows: int, axis: str, reduced: bool) -> Any:
    """Weighted by rows: sums over the processes, divided by all rows."""
    if communicator(axis).size == 1:
        return value, grads
    weight = functools.partial(_weighted, rows)
    kind = np.result_type(value)
    total = psum(np.asarray(rows, kind), axis)
    value = psum(weight(value), axis) / total
    if reduced:
        return value, tree_map(lambda g: psum(weight(g), axis) / total.astype(g.dtype), grads)
    share = np.asarray(rows, kind) / total
    return value, tree_map(lambda g: g * share.astype(g.dtype), grads)


def _weighted(rows: int, x: Any) -> Any:
    return x * np.result_type(x).type(rows)


def _nothing(
    loss: Loss,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    chosen: Sequence[int],
    argnums: Any,
    has_aux: bool,
) -> Any:
    """The value and the gradient of no rows: zeros of the types that one row gives."""
    if has_aux:
        raise ArgumentError(
            "a process without rows has no auxiliary results; give each process a row, or use a "
            "loss without them"
        )
    given = [a if k in chosen else _one_row(a) for k, a in enumerate(args)]
    value, grads = local_value_and_grad(loss, argnums)(*given, **kwargs)
    return value * 0, tree_map(lambda g: g * 0, grads)


def _one_row(batch: Any) -> Any:
    return tree_map(lambda x: np.ones((1, *np.shape(x)[1:]), np.result_type(x)), batch)


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
    if communicator(axis).size == 1:
        return
    found = _digest(params)
    low, high = (np.asarray(reduce(found, axis)) for reduce in (pmin, pmax))
    if not np.array_equal(low, high):
        raise DistributedError(
            "the processes start with different parameters; make them from the same seed in all, "
            "or send those of one to all: params = wg.distributed.broadcast(params)"
        )


def _digest(params: Any) -> Any:
    """Four integers that differ if types, shapes or bits do."""
    known = hashlib.sha256()
    for leaf in tree_leaves(params):
        array = np.ascontiguousarray(leaf)
        known.update(f"{array.dtype}{array.shape}".encode())
        known.update(array.tobytes())
    return np.frombuffer(known.digest(), np.int64)
