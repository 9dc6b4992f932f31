"""Iteration to a fixed point."""

from __future__ import annotations

from typing import Any

import numpy as np


def iterated(step: Any, start: Any, tol: float, max_steps: int) -> Any:
    """`step` again and again, until no number x of a vector changes by more than tol (1 + |x|)."""
    x = start
    count = 0
    moving = True
    while moving and count < max_steps:
        new = step(x)
        moving = np.max(np.abs(new - x) / (1 + np.abs(x))) > tol
        x = new
        count = count + 1
    return x
