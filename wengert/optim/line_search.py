"""A step length that fulfils the strong Wolfe conditions.

Nocedal and Wright, Numerical Optimization (2006), algorithms 3.5 and 3.6, with cubic
interpolation. Close to a minimum, where differences of values drown in rounding, the condition on
values is taken from slopes (Hager and Zhang 2005, the approximate Wolfe conditions).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

DECREASE, CURVATURE = 1e-4, 0.9
TRIALS = 40
GROWTH = 2.0
FAST_GROWTH = 10.0
"""After `FIRST_TRIALS`, as something may be far away."""
FIRST_TRIALS = 10
EDGE = 0.1  # an interpolated step stays away from the ends of its interval by this share


class Trial(NamedTuple):
    """A step length, the value and the slope along the direction there, and the point.

    It is `endless` if values still fell, as steeply as they began to, at the longest step tried.
    """

    step: float
    value: float
    slope: float
    point: Any
    endless: bool = False

    @property
    def finite(self) -> bool:
        """Whether value and slope are numbers."""
        return math.isfinite(self.value) and math.isfinite(self.slope)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The Wolfe conditions for a search from `start`; `noise` is the rounding of a value there."""

    start: Trial
    noise: float

    def decreased(self, t: Trial) -> bool:
        """Whether the value has fallen enough."""
        if not t.finite:
            return False
        if t.value <= self.start.value + DECREASE * t.step * self.start.slope:
            return True
        flat = t.slope <= (2.0 * DECREASE - 1.0) * self.start.slope
        return flat and t.value <= self.start.value + self.noise

    def level(self, t: Trial) -> bool:
        """Whether the slope has fallen enough."""
        return abs(t.slope) <= -CURVATURE * self.start.slope


def strong_wolfe(
    at: Callable[[float], Trial], start: Trial, first: float, noise: float
) -> Trial | None:
    """A trial that fulfils the conditions; else the lowest one that decreases, or None.

    `at(step)` evaluates; `start` has a negative slope; `first` is the step to begin with. Values
    that are not finite count as too high.
    """
    conditions = Conditions(start, noise)
    low, step = start, first
    for count in range(TRIALS):
        trial = at(step)
        if not conditions.decreased(trial) or (count and trial.value >= low.value):
            return _zoom(at, conditions, low, trial, TRIALS - count)
        if conditions.level(trial):
            return trial
        if trial.slope >= 0:
            return _zoom(at, conditions, trial, low, TRIALS - count)
        low, step = trial, (GROWTH if count < FIRST_TRIALS else FAST_GROWTH) * step
    return low._replace(endless=True)


def _zoom(
    at: Callable[[float], Trial], conditions: Conditions, low: Trial, high: Trial, trials: int
) -> Trial | None:
    """Narrows the interval between `low`, the lower one, and `high`."""
    for _ in range(trials):
        step = _between(low, high)
        if step in (low.step, high.step):
            break
        trial = at(step)
        if not conditions.decreased(trial) or trial.value >= low.value:
            if conditions.decreased(trial) and conditions.level(trial):
                return trial
            high = trial
            continue
        if conditions.level(trial):
            return trial
        if trial.slope * (high.step - low.step) >= 0:
            high = low
        low = trial
    return low if low.step > 0 else None


def _between(low: Trial, high: Trial) -> float:
    """The minimum of the cubic through both, kept off the ends; the middle where it fails."""
    width = high.step - low.step
    middle = low.step + 0.5 * width
    if not high.finite:
        return middle
    # Nocedal and Wright (3.59)
    d1 = low.slope + high.slope - 3.0 * (low.value - high.value) / (low.step - high.step)
    square = d1 * d1 - low.slope * high.slope
    if not square >= 0:
        return middle
    d2 = math.copysign(math.sqrt(square), width)
    divisor = high.slope - low.slope + 2.0 * d2
    if divisor == 0:
        return middle
    share = 1.0 - (high.slope + d2 - d1) / divisor
    return low.step + width * min(max(share, EDGE), 1.0 - EDGE) if share == share else middle
