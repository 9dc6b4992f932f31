"""One step of training, and the evaluation of parameters, as compiled functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from wengert.api.arguments import fail, function_name
from wengert.api.jit import jit
from wengert.capture.convert import convert
from wengert.errors import ShapeError
from wengert.optim.optimizer import Optimizer, apply_updates, updated
from wengert.random.keys import fold_in, require_key
from wengert.random.keys import key as key_of
from wengert.train.batches import Batch
from wengert.train.history import Means
from wengert.train.precision import is_scaled, low_precision, lowered, scaled_update

Metrics = Mapping[str, Callable[..., Any]]
Loss = Callable[..., Any]


def make_step(
    loss: Loss,
    optimizer: Optimizer,
    value_and_grad: Callable[..., Any],
    metrics: Metrics,
    key: Any = None,
    precision: Any = None,
    everywhere: Callable[[Any], Any] = lambda fine: fine,
) -> Callable[..., Any]:
    """(params, state, count, batch) -> (loss, metrics, new params, new state), compiled.

    With a `key`, the loss gets one of its own for each step, as its keyword argument `key`. With a
    `precision`, a float dtype, the loss is computed in it, and the state is a `precision.Scaled` if
    its gradients are scaled (`precision.scaled_update` has `everywhere`).
    """
    in_it = loss if precision is None else lowered(loss, low_precision(precision))
    if is_scaled(precision):
        update = scaled_update(optimizer, value_and_grad, in_it, everywhere)
    else:
        update = _update(optimizer, value_and_grad, in_it)
    metrics = {name: convert(metric) for name, metric in metrics.items()}
    base = None if key is None else require_key(key if hasattr(key, "shape") else key_of(key))

    def step(params: Any, state: Any, count: Any, batch: Any) -> Any:
        extra = {} if base is None else {"key": fold_in(base, count)}
        measured = _measured(metrics, params, batch)
        value, params, state = update(params, state, batch, extra)
        return value, measured, params, state

    step.__name__ = f"training step of {function_name(loss)}"
    return jit(step)


def _update(optimizer: Optimizer, value_and_grad: Callable[..., Any], loss: Loss) -> Any:
    """(params, state, batch, extra) -> loss, new params, new state."""

    def update(params: Any, state: Any, batch: Any, extra: dict[str, Any]) -> Any:
        value, gradients = value_and_grad(loss)(params, *batch, **extra)
        updates, state = updated(optimizer, gradients, state, params, value)
        return value, apply_updates(params, updates), state

    return update


def _measured(metrics: Metrics, params: Any, batch: Batch) -> dict[str, Any]:
    """The metrics by name; raises ShapeError for what is no number."""
    found = {name: metric(params, *batch) for name, metric in metrics.items()}
    for name, value in found.items():
        if np.shape(value):
            fail(
                ShapeError(
                    f"a metric is one number for a batch, and {name!r} has the shape "
                    f"{np.shape(value)}; take its mean"
                )
            )
    return found


def make_evaluation(loss: Loss, metrics: Metrics, key: Any = None) -> Callable[..., Any]:
    """(params, batch) -> loss and metrics by name, compiled; without a `key` for the loss."""
    loss = convert(loss)
    metrics = {name: convert(metric) for name, metric in metrics.items()}

    def evaluate(params: Any, batch: Any) -> Any:
        extra = {} if key is None else {"key": None}
        return {"loss": loss(params, *batch, **extra), **_measured(metrics, params, batch)}

    return jit(evaluate)


def evaluated(
    evaluate: Callable[..., Any],
    params: Any,
    batches: Iterator[tuple[Batch, float]],
) -> dict[str, float]:
    """Means over all batches by their weights, with the prefix "val_"."""
    means = Means()
    for batch, weight in batches:
        found = evaluate(params, batch)
        means.add({f"val_{k}": float(v) for k, v in found.items()}, weight)
    return means.means()
