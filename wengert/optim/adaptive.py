"""Links of a chain that scale each number by a history of its gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wengert.optim.optimizer import (
    Optimizer,
    arrays,
    cast,
    count_zero,
    flushed,
    map_parts,
    zeros,
)
from wengert.tracer.pytree import tree_map


class AdamState(NamedTuple):
    """The steps done, and running means of the gradients and of their squares."""

    count: Any
    mu: Any
    nu: Any


def unbiased(decay: float, count: Any) -> Any:
    """What a running mean that began at zero is to be multiplied with after `count` steps."""
    return 1.0 / (1.0 - decay**count)


def scale_by_adam(
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    nesterov: bool = False,
) -> Optimizer:
    """Running mean of gradients over the root of that of squares (Kingma and Ba 2015).

    With `nesterov` the mean looks one step ahead (Dozat 2016).
    """

    def update(gradients: Any, state: AdamState, params: Any = None, value: Any = None) -> Any:
        count = state.count + 1
        steps = count.astype(np.float64)
        first, second = unbiased(b1, steps), unbiased(b2, steps)
        ahead = unbiased(b1, steps + 1.0)

        def rule(g: Any, m: Any, v: Any) -> tuple[Any, ...]:
            h = cast(g, m.dtype)
            m = flushed(b1 * m + (1.0 - b1) * h)
            v = flushed(b2 * v + (1.0 - b2) * np.square(h))
            mean = m * cast(first, m.dtype)
            if nesterov:
                mean = m * cast(b1 * ahead, m.dtype) + h * cast((1.0 - b1) * first, m.dtype)
            square = v * cast(second, m.dtype)
            root = np.sqrt(square + eps_root) if eps_root else np.sqrt(square)
            return cast(mean / (root + eps), g.dtype), m, v

        updates, mu, nu = map_parts(rule, 3, gradients, state.mu, state.nu)
        return updates, AdamState(count, mu, nu)

    return Optimizer(lambda params: AdamState(count_zero(), zeros(params), zeros(params)), update)


class RmsState(NamedTuple):
    """Running means of the gradients' squares, and of the gradients if they are centred."""

    nu: Any
    mu: Any


def scale_by_rms(
    decay: float = 0.9,
    eps: float = 1e-8,
    initial_scale: float = 0.0,
    eps_in_sqrt: bool = True,
    centered: bool = False,
) -> Optimizer:
    """Gradients over the root of a running mean of their squares (Hinton 2012).

    `centered` takes the variance in place of the mean of squares (Graves 2013).
    """

    def init(params: Any) -> RmsState:
        start = tree_map(lambda z: z + initial_scale, zeros(params))
        return RmsState(start, zeros(params) if centered else ())

    def scaled(g: Any, h: Any, v: Any) -> Any:
        root = np.sqrt(v + eps) if eps_in_sqrt else np.sqrt(v) + eps
        return cast(h / root, g.dtype)

    def plain(g: Any, v: Any) -> tuple[Any, ...]:
        h = cast(g, v.dtype)
        v = flushed(decay * v + (1.0 - decay) * np.square(h))
        return scaled(g, h, v), v

    def around_mean(g: Any, v: Any, m: Any) -> tuple[Any, ...]:
        h = cast(g, v.dtype)
        v = flushed(decay * v + (1.0 - decay) * np.square(h))
        m = flushed(decay * m + (1.0 - decay) * h)
        # rounding may take the variance of equal gradients below zero
        return scaled(g, h, np.maximum(v - np.square(m), 0.0)), v, m

    def update(gradients: Any, state: RmsState, params: Any = None, value: Any = None) -> Any:
        if centered:
            updates, nu, mu = map_parts(around_mean, 3, gradients, state.nu, state.mu)
            return updates, RmsState(nu, mu)
        updates, nu = map_parts(plain, 2, gradients, state.nu)
        return updates, RmsState(nu, ())

    return Optimizer(init, update)


class SumState(NamedTuple):
    """Sums of the gradients' squares."""

    sum_of_squares: Any


def scale_by_rss(initial_accumulator_value: float = 0.1, eps: float = 1e-7) -> Optimizer:
    """Gradients over the root of the sum of all their squares so far (Duchi et al. 2011)."""

    def init(params: Any) -> SumState:
        return SumState(tree_map(lambda z: z + initial_accumulator_value, zeros(params)))

    def rule(g: Any, total: Any) -> tuple[Any, ...]:
        h = cast(g, total.dtype)
        total = total + np.square(h)
        return cast(h / np.sqrt(total + eps), g.dtype), total

    def update(gradients: Any, state: SumState, params: Any = None, value: Any = None) -> Any:
        updates, sums = map_parts(rule, 2, gradients, state.sum_of_squares)
        return updates, SumState(sums)

    return Optimizer(init, update)


class LionState(NamedTuple):
    """Running means of the gradients."""

    mu: Any


def scale_by_lion(b1: float = 0.9, b2: float = 0.99) -> Optimizer:
    """The sign of a mean of the gradient and its history (Chen et al. 2023)."""

    def rule(g: Any, m: Any) -> tuple[Any, ...]:
        h = cast(g, m.dtype)
        direction = np.sign(b1 * m + (1.0 - b1) * h)
        return cast(direction, g.dtype), flushed(b2 * m + (1.0 - b2) * h)

    def update(gradients: Any, state: LionState, params: Any = None, value: Any = None) -> Any:
        updates, mu = map_parts(rule, 2, gradients, state.mu)
        return updates, LionState(mu)

    return Optimizer(lambda params: LionState(zeros(params)), update)


class EmaState(NamedTuple):
    """The steps done, and the running means."""

    count: Any
    ema: Any


def ema(decay: float, debias: bool = True) -> Optimizer:
    """A running mean of what is given in place of gradients, which is the update.

    In a chain it averages updates. On its own it averages parameters:
    `average, state = ema(0.999).update(params, state)`.
    """

    def update(gradients: Any, state: EmaState, params: Any = None, value: Any = None) -> Any:
        count = state.count + 1
        factor = unbiased(decay, count.astype(np.float64)) if debias else 1.0

        def rule(g: Any, m: Any) -> tuple[Any, ...]:
            m = flushed(decay * m + (1.0 - decay) * cast(g, m.dtype))
            return cast(m * cast(factor, m.dtype) if debias else m, g.dtype), m

        updates, means = map_parts(rule, 2, arrays(gradients), state.ema)
        return updates, EmaState(count, means)

    return Optimizer(lambda params: EmaState(count_zero(), zeros(params)), update)
