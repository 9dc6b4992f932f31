"""Minima of functions of many variables, by descent along directions.

A `Way` of choosing directions has three functions: `begin(x)` gives a state that knows nothing,
`toward(state, x, slope)` the next direction with a count of products with the Hessian, and
`learn(state, step, change)` the state after a step along which the slope changed so.

J. Nocedal, S. J. Wright, Numerical Optimization, 2nd edition, 2006, chapters 3, 6 and 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

CONVERGED, EXHAUSTED, STALLED, DIVERGED = 0, 1, 2, 3
"""Why a descent has ended: with a level slope, after all steps, where nothing lower is found, where
values fall without end or are no numbers."""
RUNNING = -1
DECREASE, CURVATURE = 1e-4, 0.9
TRIALS = 50
MEMORY = 10
"""How many steps L-BFGS remembers."""


@dataclass(frozen=True, eq=False)
class Way:
    """How directions are chosen; the first step is one direction long if they are `scaled`."""

    begin: Callable[..., Any]
    toward: Callable[..., Any]
    learn: Callable[..., Any]
    scaled: bool = False


def descended(f: Any, start: Any, tol: float, most: int, way: Way, noise: float = 0.0) -> Any:
    """Point, value, slope, reason to end, and the counts of steps, evaluations and products.

    `f` gives value and gradient. Values count as equal within `noise`, relative to them. Where a
    direction leads to nothing lower, one that owes nothing to earlier steps is tried.
    """
    x = start
    value, slope = f(x)
    state = way.begin(x)
    informed = False
    status = _status(value, np.max(np.abs(slope)), tol)
    count, calls, products = 0, 1, 0
    while status == RUNNING and count < most:
        direction, more = way.toward(state, x, slope)
        fall = direction @ slope
        if (fall < 0) == 0:
            state, direction, informed = way.begin(x), -slope, False
            fall = direction @ slope
        short = np.minimum(1.0, 1.0 / np.sqrt(-fall))
        first = np.where(informed | way.scaled, 1.0, short)
        there = (x, value, slope)
        new, endless, tries = searched(f, there, direction, first, noise * np.abs(value))
        moved = new[1] != value
        moved = moved | np.any(new[0] != x)
        step, change = new[0] - x, new[2] - slope
        ended = _status(np.where(endless, np.inf, new[1]), np.max(np.abs(new[2])), tol)
        status = np.where(moved, ended, np.where(informed, RUNNING, STALLED))
        informed = informed & moved
        if step @ change > 2.2e-16 * np.sqrt((step @ step) * (change @ change)):
            state = way.learn(state, step, change)
            informed = True
        elif moved == 0:
            state = way.begin(x)
        x, value, slope = new
        count, calls = count + np.where(moved, 1, 0), calls + tries
        products = products + more
    status = np.where(status == RUNNING, EXHAUSTED, status)
    return x, value, slope, status, (count, calls, products)


def _status(value: Any, size: Any, tol: float) -> Any:
    going = np.where(size <= tol, CONVERGED, RUNNING)
    return np.where(np.isfinite(value) & np.isfinite(size), going, DIVERGED)


def searched(f: Any, start: Any, direction: Any, first: Any, noise: Any) -> Any:
    """The point along a direction, whether values fell as far as was tried, and the trials.

    Steps are halved, or doubled, until values have fallen enough and the slope has (Wolfe's
    conditions, found by bisection); else the longest step counts after which values had fallen.
    Close to a minimum, where differences of values drown in noise, the slope decides for them.
    W. W. Hager, H. Zhang, A new conjugate gradient method, SIAM J. Optim. 16 (2005), section 4.
    """
    x, value, slope = start
    fall = direction @ slope
    size, shortest, longest = first, 0.0, np.inf
    lower, least, bent = x, value, slope
    tries, good = 0, False
    while tries < TRIALS and not good:
        new = x + size * direction
        other, turned = f(new)
        along = turned @ direction
        less = other <= value + DECREASE * size * fall
        near = (along <= (2.0 * DECREASE - 1.0) * fall) & (other <= value + noise)
        low = (less | near) & np.isfinite(other) & np.isfinite(along)
        steep = along < CURVATURE * fall
        good = low & (steep == 0)
        longest = np.where(low, longest, size)
        shortest = np.where(low, size, shortest)
        lower, least = np.where(low, new, lower), np.where(low, other, least)
        bent = np.where(low, turned, bent)
        bounded = longest < np.inf
        size = np.where(bounded, 0.5 * (shortest + np.where(bounded, longest, 0.0)), 2.0 * size)
        tries = tries + 1
    endless = (good == 0) & (longest == np.inf)
    return (lower, least, bent), endless, tries


# the negative gradient, scaled by the last step's curvature (Barzilai and Borwein 1988)


def _scaled(scale: Any, x: Any, slope: Any) -> Any:
    return -slope * scale, 0


def _by_curvature(scale: Any, step: Any, change: Any) -> Any:
    return (step @ step) / (step @ change)


STEEPEST = Way(lambda x: 1.0, _scaled, _by_curvature)


# Broyden, Fletcher, Goldfarb, Shanno: (6.17), from the scale (6.20)


def _unit(x: Any) -> Any:
    return np.eye(x.shape[0]), True


def _by_inverse(state: Any, x: Any, slope: Any) -> Any:
    return -(state[0] @ slope), 0


def _updated(state: Any, step: Any, change: Any) -> Any:
    """The inverse Hessian that maps the change of slope to the step."""
    inverse, first = state
    curve = step @ change
    inverse = inverse * np.where(first, curve / (change @ change), 1.0)
    turned = inverse @ change
    more = (1.0 + change @ turned / curve) / curve
    both = np.outer(step, turned)
    return inverse + more * np.outer(step, step) - (both + both.T) / curve, False


BFGS = Way(_unit, _by_inverse, _updated)


# the same from the last steps alone: algorithm 7.4; unused rows are zero, and add nothing


def _nothing(x: Any) -> Any:
    rows = np.zeros((MEMORY, x.shape[0]))
    return rows, rows.copy(), np.zeros(MEMORY), 1.0


def _by_rows(state: Any, x: Any, slope: Any) -> Any:
    steps, changes, inverses, scale = state
    q = slope
    shares = np.zeros(MEMORY)
    for k in range(MEMORY - 1, -1, -1):
        shares[k] = inverses[k] * (steps[k] @ q)
        q = q - shares[k] * changes[k]
    q = scale * q
    for k in range(MEMORY):
        q = q + (shares[k] - inverses[k] * (changes[k] @ q)) * steps[k]
    return -q, 0


def _with_row(state: Any, step: Any, change: Any) -> Any:
    steps, changes, inverses, _ = state
    curve = step @ change
    return (
        np.concatenate([steps[1:], step[None]]),
        np.concatenate([changes[1:], change[None]]),
        np.concatenate([inverses[1:], np.reshape(1.0 / curve, (1,))]),
        curve / (change @ change),
    )


LBFGS = Way(_nothing, _by_rows, _with_row)


def newton(curvature: Any) -> Way:
    """Newton's direction by conjugate gradients: algorithm 7.1.

    `curvature(x, d)` is the Hessian's product.
    """

    def toward(state: Any, x: Any, slope: Any) -> Any:
        return conjugate(lambda d: curvature(x, d), slope)

    return Way(lambda x: 0, toward, lambda state, step, change: state, True)


def conjugate(product: Any, slope: Any) -> Any:
    """The direction and the number of products; it ends early where the curvature is negative."""
    size = np.sqrt(slope @ slope)
    enough = np.minimum(0.5, np.sqrt(size)) * size
    z, r = 0.0 * slope, slope
    d = -slope
    count, going = 0, True
    while going and count < 2 * slope.shape[0]:
        image = product(d)
        bend = d @ image
        bent = bend > 2.2e-16 * (d @ d)
        square = r @ r
        share = np.where(bent, square / np.where(bent, bend, 1.0), 0.0)
        z = np.where((bent == 0) & (count == 0), d, z + share * d)
        r = r + share * image
        left = r @ r
        going = bent & (np.sqrt(left) > enough)
        d = left / square * d - r
        count = count + 1
    return z, count


# the steps of an optimiser, which come as they are


def followed(f: Any, start: Any, tol: float, most: int, advance: Any, state: Any) -> Any:
    """The same as `descended`, for a point that `advance(slope, state, x, value)` moves.

    Where values stop being finite, the lowest point before counts. `f` gives value, gradient, and
    the largest component of that.
    """
    x = best = start
    value, slope, size = f(x)
    least, flat = value, slope
    status = _status(value, size, tol)
    count = 0
    while status == RUNNING and count < most:
        x, state = advance(slope, state, x, value)
        value, slope, size = f(x)
        status = _status(value, size, tol)
        count = count + 1
        if status != DIVERGED and value < least:
            best, least, flat = x, value, slope
    if status == DIVERGED:
        x, value, slope = best, least, flat
    status = np.where(status == RUNNING, EXHAUSTED, status)
    return x, value, slope, status, (count, count + 1, 0)
