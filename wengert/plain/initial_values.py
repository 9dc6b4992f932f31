"""Steps of Runge and Kutta, of lengths that an estimate of the error decides.

How the length is chosen is E. Hairer, S. P. Nørsett, G. Wanner, Solving Ordinary Differential
Equations I, 2nd edition, Springer 1993, section II.4, with SciPy's constants.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SAFETY, LEAST, MOST = 0.9, 0.2, 10.0
"""Of the best guess, and by how much lengths change at once."""


def followed(step: Any, state: Any, time: Any, last: Any, exponent: float, longest: Any) -> Any:
    """The state where a step has come to a time or beyond, but not beyond the last.

    `step(t, y, slope, h)` gives new values, the slopes of all stages, the last of them at the new
    place, and the error in units of what is allowed. A state is (time, values, slopes there, length
    of the next step, time, values before the latest step, its length and stages, whether all went
    well, whether an attempt has just failed, the number of attempts). Lengths and times are
    constants for derivatives.
    """
    t, new, slope, length, before, y, h, stages, going, rejected, attempts = state
    way = np.sign(last - t)
    while going and (time - t) * way > 0:
        least = 10.0 * np.spacing(np.abs(t))
        length = np.minimum(length, longest)
        going = (length >= least) | (rejected == 0)
        end = t + np.maximum(length, least) * way
        end = np.where((end - last) * way > 0, last, end)
        size = end - t
        values, slopes, error = step(t, new, slope, size)
        attempts = attempts + 1
        some = error > 0
        factor = np.where(some, SAFETY * np.where(some, error, 1.0) ** exponent, MOST)
        accepted = error < 1  # an error that is not a number is one too large
        if accepted:
            y, before, h, stages = new, t, size, slopes
            t, new, slope = end, values, slopes[-1]
        most = np.where(accepted & (rejected == 0), MOST, 1.0)
        length = np.abs(size) * np.clip(np.where(error == error, factor, LEAST), LEAST, most)
        rejected = accepted == 0
    return t, new, slope, length, before, y, h, stages, going, rejected, attempts


def first_length(f: Any, start: Any, span: Any, longest: Any, norm: Any, order: int) -> Any:
    """How long the first step may be, by the first two derivatives."""
    t, y, slope = start
    way, size = np.sign(span), np.abs(span)
    of_values, of_slopes = norm(y), norm(slope)
    small = (of_values < 1e-5) | (of_slopes < 1e-5)
    guess = np.where(small, 1e-6, 0.01 * of_values / np.where(small, 1.0, of_slopes))
    guess = np.minimum(guess, size)
    bent = norm(f(t + guess * way, y + guess * way * slope) - slope)
    bent = bent / np.where(guess == 0, 1.0, guess)
    most = np.maximum(of_slopes, bent)
    flat = most <= 1e-15
    other = (0.01 / np.where(flat, 1.0, most)) ** (1.0 / (order + 1))
    other = np.where(flat, np.maximum(1e-6, guess * 1e-3), other)
    return np.minimum(np.minimum(100.0 * guess, other), np.minimum(size, longest))
