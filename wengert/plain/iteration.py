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


def conjugated(product: Any, right: Any, tol: float, max_steps: int) -> Any:
    """x with product(x) = right, for a symmetric positive operator, by conjugate gradients.

    It ends where the residual is smaller than tol |right|. J. Nocedal, S. J. Wright, Numerical
    Optimization, 2nd edition, 2006, algorithm 5.2.
    """
    x, r = 0.0 * right, right
    d = r
    square = r @ r
    least = tol * tol * square
    count = 0
    while square > least and count < max_steps:
        image = product(d)
        share = square / (d @ image)
        x = x + share * d
        r = r - share * image
        before = square
        square = r @ r
        d = r + square / before * d
        count = count + 1
    return x
