"""Optimisers around others: large batches in several parts, means of the parameters."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from wengert.api.arguments import fail
from wengert.api.control import cond
from wengert.errors import ArgumentError
from wengert.optim.adaptive import ema
from wengert.optim.optimizer import (
    Optimizer,
    apply_updates,
    arrays,
    cast,
    count_zero,
    require_params,
    zeros,
)
from wengert.tracer.array import Tracer
from wengert.tracer.pytree import tree_map


class AccumulateState(NamedTuple):
    """How many gradients were added up, their mean so far, and the optimiser's state."""

    count: Any
    mean: Any
    inner: Any


def accumulate(optimizer: Optimizer, every: int) -> Optimizer:
    """One update of `optimizer` for the mean of `every` gradients; the updates between are zero."""
    if not isinstance(every, Integral) or every < 1:
        fail(
            ArgumentError(
                f"accumulate takes a whole number of gradients together, one or more, and got "
                f"{every!r}"
            )
        )

    def update(
        gradients: Any, state: AccumulateState, params: Any = None, value: Any = None
    ) -> Any:
        mean = tree_map(lambda m, g: m + cast(g, m.dtype) / every, state.mean, gradients)

        def step() -> Any:
            whole = tree_map(lambda m, g: cast(m, g.dtype), mean, gradients)
            updates, inner = optimizer.update(whole, state.inner, params, value)
            nothing = tree_map(np.zeros_like, mean)
            return updates, AccumulateState(count_zero(), nothing, inner)

        def wait() -> Any:
            updates = tree_map(np.zeros_like, gradients)
            return updates, AccumulateState(state.count + 1, mean, state.inner)

        last = state.count + 1 >= every
        if isinstance(last, Tracer):
            return cond(last, step, wait)
        return step() if last else wait()

    return Optimizer(
        lambda params: AccumulateState(count_zero(), zeros(params), optimizer.init(params)), update
    )


class AverageState(NamedTuple):
    """The mean of the parameters, what it is made from, and the optimiser's state."""

    average: Any
    ema: Any
    inner: Any


def with_average(optimizer: Optimizer, decay: float = 0.999) -> Optimizer:
    """`optimizer`, whose state also has a running mean of the parameters: `state.average`.

    The mean is one of the parameters after each update (Polyak and Juditsky 1992, with weights that
    fall by `decay` for each step), without bias to their start.
    """
    mean = ema(decay)

    def update(gradients: Any, state: AverageState, params: Any = None, value: Any = None) -> Any:
        require_params("with_average", params)
        updates, inner = optimizer.update(gradients, state.inner, params, value)
        average, sums = mean.update(apply_updates(params, updates), state.ema)
        return updates, AverageState(average, sums, inner)

    return Optimizer(
        lambda params: AverageState(arrays(params), mean.init(params), optimizer.init(params)),
        update,
    )
