"""Gradients sent in fewer bytes, with what is lost carried over to the next step.

Each process adds the error of the steps before to its gradient, sends a rounded or thinned form of
the sum, and keeps the difference ("error feedback": Seide et al., Interspeech 2014; Karimireddy et
al., ICML 2019). Over many steps nothing is lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.api.arguments import fail
from wengert.api.ravel import ravel_pytree
from wengert.distributed.collectives import all_gather, psum, size
from wengert.errors import ArgumentError
from wengert.ir.floats import BFLOAT16, dtype_of, finfo
from wengert.optim.optimizer import Optimizer, zeros
from wengert.world import WORLD

HALVES = ("float16", BFLOAT16)


def compressed(method: str = "float16", fraction: float = 0.01, axis: str = WORLD) -> Optimizer:
    """The mean gradient from compressed ones, to be chained before an optimiser.

    `method` is "float16" or "bfloat16" (half the bytes of float32; the first more exact, the second
    of float32's range) or "top-k" (of each process, the largest `fraction` of all numbers with
    their places). It takes gradients that are weighted but not summed up:
    `wg.distributed.value_and_grad(loss, reduced=False)`. The state is this process's error, in the
    shapes of the parameters.

    Raises ArgumentError for another method, or a fraction that is not in (0, 1].
    """
    if method not in (*HALVES, "top-k"):
        names = ", ".join(f'"{name}"' for name in HALVES)
        fail(ArgumentError(f'gradients are compressed by {names} or "top-k", not {method!r}'))
    if not 0 < fraction <= 1:
        fail(ArgumentError(f"the fraction of numbers to send is in (0, 1], and got {fraction}"))

    def update(gradients: Any, state: Any, params: Any = None, value: Any = None) -> Any:
        flat, back = ravel_pytree(gradients)
        error, keep = ravel_pytree(state)
        wanted = flat + error.astype(flat.dtype)
        if method in HALVES:
            total, sent = _in_halves(wanted, dtype_of(method), axis)
        else:
            total, sent = _largest(wanted, max(1, int(fraction * flat.shape[0])), axis)
        return back(total), keep((wanted - sent).astype(error.dtype))

    return Optimizer(zeros, update)


def _in_halves(x: Any, half: np.dtype[Any], axis: str) -> tuple[Any, Any]:
    """The sum of all x in halves, and what this process sent; sums stay below the largest half."""
    most = x.dtype.type(float(finfo(half).max) / size(axis))
    halves = np.clip(x, -most, most).astype(half)
    return psum(halves, axis).astype(x.dtype), halves.astype(x.dtype)


def _largest(x: Any, count: int, axis: str) -> tuple[Any, Any]:
    """The sum of the `count` largest numbers of all x, and what this process sent."""
    places = np.argsort(-np.abs(x))[:count]
    numbers = x[places]
    total, sent = np.zeros_like(x), np.zeros_like(x)
    sent[places] = numbers
    np.add.at(total, all_gather(places, axis, tiled=True), all_gather(numbers, axis, tiled=True))
    return total, sent
