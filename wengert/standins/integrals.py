"""Rules for samples of a function: `scipy.integrate.simpson`.

What SciPy gives is linear in the samples. So the weights are what SciPy gives for unit vectors, if
the places are known.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.standins.tables import in_floats, known, stands_in


@stands_in("integrate")
def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral by parabolas through three samples each."""
    y = in_floats(y)
    count = y.shape[axis]
    rule = importlib.import_module("scipy.integrate").simpson
    if x is None:  # in units of dx, which may be traced
        weights = rule(np.eye(count), axis=-1).astype(y.real.dtype)
        return np.moveaxis(y, axis, -1) @ weights * dx
    x = known("simpson", x)
    if x.ndim == 1:
        return np.moveaxis(y, axis, -1) @ rule(np.eye(count), x=x, axis=-1)
    if x.shape != y.shape:
        raise ShapeError(f"simpson takes x of one dimension, or of the shape of y, {y.shape}")
    places = np.moveaxis(x, axis, -1)
    units = np.broadcast_to(np.eye(count), (*places.shape, count))
    weights = rule(
        np.moveaxis(units, -1, 0), x=np.broadcast_to(places, units.shape[-1:] + places.shape)
    )
    return np.sum(np.moveaxis(y, axis, -1) * np.moveaxis(weights, 0, -1), axis=-1)
