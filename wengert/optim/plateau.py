"""Smaller steps when the loss stops falling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from wengert.api.arguments import fail
from wengert.errors import ArgumentError
from wengert.optim.optimizer import Optimizer, cast
from wengert.tracer.pytree import tree_map


class PlateauState(NamedTuple):
    """The factor, the best mean value, and counts of values."""

    scale: Any
    best_value: Any
    plateau_count: Any
    cooldown_count: Any
    count: Any
    avg_value: Any


@dataclass(frozen=True)
class _Rule:
    """When the number falls, and by how much: the settings of `reduce_on_plateau`."""

    factor: float
    patience: int
    rtol: float
    atol: float
    cooldown: int
    min_scale: float

    def judged(self, state: PlateauState, mean: Any, full: Any) -> PlateauState:
        """The state after a mean value, where it is of as many values as it should be (`full`)."""
        better = mean < (1.0 - self.rtol) * state.best_value - self.atol
        waited = np.where(better, 0, state.plateau_count + 1)
        cooling = state.cooldown_count > 0
        fall = ~cooling & (waited >= self.patience)
        scale = np.where(fall, np.maximum(state.scale * self.factor, self.min_scale), state.scale)
        rest = np.where(cooling, state.cooldown_count - 1, np.where(fall, self.cooldown, 0))
        return PlateauState(
            np.where(full, scale, state.scale),
            np.where(full & better, mean, state.best_value),
            np.where(full, np.where(cooling | fall, 0, waited), state.plateau_count),
            np.where(full, rest, state.cooldown_count),
            np.where(full, 0, state.count + 1),
            np.where(full, 0.0, mean),
        )


def reduce_on_plateau(
    factor: float = 0.1,
    patience: int = 10,
    rtol: float = 1e-4,
    atol: float = 0.0,
    cooldown: int = 0,
    accumulation_size: int = 1,
    min_scale: float = 0.0,
) -> Optimizer:
    """Updates times a number that falls by `factor` when the loss has stopped falling.

    To stand last in a chain; `update` needs `value`, the loss. That is when `patience` values, each
    the mean of `accumulation_size`, were not below (1 - rtol) * best - atol. After a fall,
    `cooldown` values do not count. The number never falls below `min_scale`.
    """
    if not 0 < factor < 1:
        fail(ArgumentError(f"the factor of reduce_on_plateau is between 0 and 1, and got {factor}"))

    rule = _Rule(factor, patience, rtol, atol, cooldown, min_scale)

    def init(params: Any) -> PlateauState:
        zero = np.int64(0)
        one, infinity = np.float64(1.0), np.float64(np.inf)
        return PlateauState(one, infinity, zero, zero, zero, np.float64(0.0))

    def update(gradients: Any, state: PlateauState, params: Any = None, value: Any = None) -> Any:
        if value is None:
            fail(
                ArgumentError(
                    "reduce_on_plateau needs the loss to make an update: call "
                    "update(gradients, state, params, value=loss)"
                )
            )
        count = state.count + 1
        mean = state.avg_value + (np.float64(1.0) * value - state.avg_value) / count
        new = rule.judged(state, mean, count >= accumulation_size)
        return tree_map(lambda g: g * cast(new.scale, g.dtype), gradients), new

    return Optimizer(init, update)
