"""Simple links of a chain: scaling, clipping, regularisation, momentum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.api.arguments import fail
from wengert.capture.convert import convert
from wengert.errors import ArgumentError
from wengert.optim.optimizer import (
    Optimizer,
    Schedule,
    cast,
    count_zero,
    flushed,
    map_parts,
    require_params,
    stateless,
    wide,
    zeros,
)
from wengert.tracer.pytree import tree_leaves, tree_map


def scale(factor: float) -> Optimizer:
    """Updates times a number."""
    return stateless(lambda g: g * number(factor, g.dtype))


class ScheduleState(NamedTuple):
    """How many steps were done."""

    count: Any


def scale_by_schedule(schedule: Schedule) -> Optimizer:
    """Updates times `schedule(count)`, where `count` steps were done before."""
    captured = convert(schedule)

    def update(gradients: Any, state: ScheduleState, params: Any = None, value: Any = None) -> Any:
        factor = captured(state.count)
        scaled = tree_map(lambda g: g * number(factor, g.dtype), gradients)
        return scaled, ScheduleState(state.count + 1)

    return Optimizer(lambda params: ScheduleState(count_zero()), update)


def scale_by_learning_rate(learning_rate: float | Schedule, flip_sign: bool = True) -> Optimizer:
    """Updates times the learning rate, a number or a schedule, and by default times -1."""
    sign = -1.0 if flip_sign else 1.0
    if callable(learning_rate):
        captured = convert(learning_rate)
        return scale_by_schedule(lambda count: sign * captured(count))
    return scale(sign * learning_rate)


def number(x: Any, dtype: Any) -> Any:
    """A factor that leaves arrays of `dtype` what they are."""
    return x if isinstance(x, (int, float)) and not isinstance(x, np.generic) else cast(x, dtype)


def clip(max_delta: float) -> Optimizer:
    """Each element clipped to [-max_delta, max_delta]."""
    limit = _positive("clip", max_delta)
    return stateless(lambda g: np.clip(g, -limit, limit))


def global_norm(tree: Any) -> Any:
    """The Euclidean norm of all numbers of a pytree together, in at least single precision."""
    squares = [np.sum(np.square(cast(x, wide(x.dtype)))) for x in tree_leaves(tree)]
    return np.sqrt(sum(squares[1:], squares[0])) if squares else np.float32(0)


def clip_by_global_norm(max_norm: float) -> Optimizer:
    """All gradients times one number, so that their norm together is at most `max_norm`."""
    limit = _positive("clip_by_global_norm", max_norm)

    def update(gradients: Any, state: Any, params: Any = None, value: Any = None) -> Any:
        factor = limit / np.maximum(global_norm(gradients), limit)
        return tree_map(lambda g: g * cast(factor, g.dtype), gradients), state

    return Optimizer(lambda params: (), update)


def clip_by_block_rms(threshold: float) -> Optimizer:
    """Each array times one number, so that its root mean square is at most `threshold`."""
    limit = _positive("clip_by_block_rms", threshold)

    def rule(g: Any) -> Any:
        rms = np.sqrt(np.mean(np.square(cast(g, wide(g.dtype)))))
        return g * cast(limit / np.maximum(rms, limit), g.dtype)

    return stateless(rule)


def _positive(name: str, limit: float) -> float:
    if not limit > 0:
        fail(ArgumentError(f"{name} needs a limit above zero, and got {limit}"))
    return float(limit)


Mask = Any | Callable[[Any], Any]
"""A pytree of bools in the structure of the parameters, or a function from them to one."""


def add_decayed_weights(weight_decay: float, mask: Mask = None) -> Optimizer:
    """Updates plus `weight_decay` times the parameters, where `mask` is True."""
    return _regularised("add_decayed_weights", lambda p: weight_decay * p, mask)


def l2(strength: float, mask: Mask = None) -> Optimizer:
    """Gradients of the loss plus strength / 2 times the sum of the parameters' squares.

    To stand first in a chain. It is `add_decayed_weights` by the name of the penalty.
    """
    return _regularised("l2", lambda p: strength * p, mask)


def l1(strength: float, mask: Mask = None) -> Optimizer:
    """Gradients of the loss plus `strength` times the sum of the parameters' absolute values."""
    return _regularised("l1", lambda p: strength * np.sign(p), mask)


def _regularised(name: str, term: Callable[[Any], Any], mask: Mask) -> Optimizer:
    def update(gradients: Any, state: Any, params: Any = None, value: Any = None) -> Any:
        require_params(name, params)
        if mask is None:
            return tree_map(lambda g, p: g + cast(term(p), g.dtype), gradients, params), state
        chosen = mask(params) if callable(mask) else mask
        if any(np.ndim(on) for on in tree_leaves(chosen)):
            fail(
                ArgumentError(
                    f"the mask of {name} has True or False for each array of the parameters, and "
                    "got an array; keep parts of one that are not to change in arrays of their own"
                )
            )
        return (
            tree_map(
                lambda g, p, on: g + cast(term(p), g.dtype) if on else g, gradients, params, chosen
            ),
            state,
        )

    return Optimizer(lambda params: (), update)


class TraceState(NamedTuple):
    """The running sums of gradients."""

    trace: Any


def trace(decay: float, nesterov: bool = False) -> Optimizer:
    """Momentum: t = g + decay * t, which is the update; Nesterov's is g + decay * t."""

    def rule(g: Any, t: Any) -> tuple[Any, Any]:
        t = flushed(g + decay * t)
        return cast(g + decay * t if nesterov else t, g.dtype), t

    def update(gradients: Any, state: TraceState, params: Any = None, value: Any = None) -> Any:
        updates, sums = map_parts(rule, 2, gradients, state.trace)
        return updates, TraceState(sums)

    return Optimizer(lambda params: TraceState(zeros(params)), update)
