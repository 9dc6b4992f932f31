"""Schedules: functions from the number of steps done to a learning rate.

The number may be an int or, inside `jit`, a traced integer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.capture.convert import convert
from wengert.errors import ArgumentError
from wengert.optim.optimizer import Schedule


def constant_schedule(value: float) -> Schedule:
    """The same value at every step."""
    return lambda count: value


def piecewise_constant_schedule(
    init_value: float, boundaries_and_scales: Mapping[int, float]
) -> Schedule:
    """Steps: from each boundary on, the value before it times its scale."""
    values = [init_value]
    for boundary in sorted(boundaries_and_scales):
        values.append(values[-1] * boundaries_and_scales[boundary])
    return join_schedules(
        [constant_schedule(v) for v in values], sorted(boundaries_and_scales), restart=False
    )


def linear_schedule(
    init_value: float, end_value: float, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    """A straight line in `transition_steps` steps; constant before and after."""
    return polynomial_schedule(init_value, end_value, 1, transition_steps, transition_begin)


def polynomial_schedule(
    init_value: float,
    end_value: float,
    power: float,
    transition_steps: int,
    transition_begin: int = 0,
) -> Schedule:
    """end + (init - end) * (1 - t)^power with t from 0 to 1 in `transition_steps` steps."""
    total = _steps("transition_steps", transition_steps)

    def schedule(count: Any) -> Any:
        left = 1.0 - np.clip(count - transition_begin, 0, total) / total
        return end_value + (init_value - end_value) * (left if power == 1 else left**power)

    return schedule


def exponential_decay(
    init_value: float,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """init * decay_rate^(steps / transition_steps), in whole stairs on request.

    `end_value` bounds it from below, or from above where `decay_rate` is above 1.
    """
    total = _steps("transition_steps", transition_steps)

    def schedule(count: Any) -> Any:
        turns = np.maximum(count - transition_begin, 0) / total
        value = init_value * decay_rate ** (np.floor(turns) if staircase else turns)
        if end_value is None:
            return value
        return (np.maximum if decay_rate < 1 else np.minimum)(value, end_value)

    return schedule


def cosine_decay_schedule(
    init_value: float, decay_steps: int, alpha: float = 0.0, exponent: float = 1.0
) -> Schedule:
    """Half a cosine from `init_value` down to alpha * init_value (Loshchilov and Hutter 2017)."""
    total = _steps("decay_steps", decay_steps)

    def schedule(count: Any) -> Any:
        cosine = 0.5 * (1.0 + np.cos(np.pi * np.minimum(count, total) / total))
        return init_value * (
            (1.0 - alpha) * (cosine if exponent == 1 else cosine**exponent) + alpha
        )

    return schedule


def warmup_cosine_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    decay_steps: int,
    end_value: float = 0.0,
    exponent: float = 1.0,
) -> Schedule:
    """A line up to the peak, then half a cosine down; `decay_steps` counts both."""
    if not 0 <= warmup_steps < decay_steps:
        fail(
            ArgumentError(
                "decay_steps of a warm-up schedule counts the warm-up too, so "
                f"0 <= warmup_steps < decay_steps; got {warmup_steps} and {decay_steps}"
            )
        )
    alpha = end_value / peak_value if peak_value else 0.0
    down = cosine_decay_schedule(peak_value, decay_steps - warmup_steps, alpha, exponent)
    if not warmup_steps:
        return down
    up = linear_schedule(init_value, peak_value, warmup_steps)
    return join_schedules([up, down], [warmup_steps])


def cosine_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """One cycle (Smith and Topin 2018): up from peak / div_factor in the first part, then down.

    The end is peak / (div_factor * final_div_factor); each part is half a cosine.
    """
    total = _steps("transition_steps", transition_steps)
    low = peak_value / div_factor
    return _interpolated(
        [0, int(pct_start * total), total], [low, peak_value, low / final_div_factor], cosine=True
    )


def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: float,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """One cycle of lines: up to the peak, down to its start, and further down at the end."""
    total = _steps("transition_steps", transition_steps)
    low = peak_value / div_factor
    return _interpolated(
        [0, int(pct_start * total), int(pct_final * total), total],
        [low, peak_value, low, low / final_div_factor],
        cosine=False,
    )


def _interpolated(steps: Sequence[int], values: Sequence[float], cosine: bool) -> Schedule:
    """Through the values at the steps, by lines or halves of cosines; constant afterwards."""
    if any(b <= a for a, b in pairwise(steps)):
        fail(
            ArgumentError(
                f"the parts of a schedule need a step or more each, and they end at {steps[1:]}"
            )
        )

    def schedule(count: Any) -> Any:
        value = values[0]
        for (a, b), (low, high) in zip(pairwise(steps), pairwise(values), strict=True):
            part = np.clip(count - a, 0, b - a) / (b - a)
            value = value + (high - low) * (0.5 * (1.0 - np.cos(np.pi * part)) if cosine else part)
        return value

    return schedule


def join_schedules(
    schedules: Sequence[Schedule], boundaries: Sequence[int], restart: bool = True
) -> Schedule:
    """One schedule after the other: the next from each boundary on, counted from there.

    Without `restart` all count from the start.
    """
    if len(schedules) != len(boundaries) + 1:
        fail(
            ArgumentError(
                f"{len(schedules)} schedules are joined at {len(schedules) - 1} boundaries, and "
                f"{len(boundaries)} were given"
            )
        )

    first, *others = map(convert, schedules)

    def schedule(count: Any) -> Any:
        value = first(count)
        for following, boundary in zip(others, boundaries, strict=True):
            later = following(count - boundary if restart else count)
            value = np.where(count < boundary, value, later)
        return value

    return schedule


def _steps(name: str, count: int) -> int:
    if count < 1:
        fail(ArgumentError(f"{name} is a positive number of steps, and got {count}"))
    return count
