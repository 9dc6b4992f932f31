"""Large batches in several parts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wengert.api.arguments import fail
from wengert.api.control import cond
from wengert.errors import ArgumentError
from wengert.optim.optimizer import Optimizer, cast, count_zero, zeros
from wengert.tracer.array import Tracer
from wengert.tracer.pytree import tree_map


class AccumulateState(NamedTuple):
    """How many gradients were added up, their mean so far, and the optimiser's state."""

    count: Any
    mean: Any
    inner: Any


def accumulate(optimizer: Optimizer, every: int) -> Optimizer:
    """One update of `optimizer` for the mean of `every` gradients; the updates between are zero."""
    if every < 1:
        fail(ArgumentError(f"accumulate takes one gradient or more together, and got {every}"))

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
