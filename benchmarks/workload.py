"""What a benchmark is: a function written once against NumPy's names, its inputs, what to compute.

A workload's `build` takes a `Namespace` and returns the function. With NumPy's own modules in the
namespace it is the plain NumPy function that wengert is given; with `jax.numpy` and so on it is
what a user of that tool would write. So all tools compute the same formula.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

Function = Callable[..., Any]
Mode = Literal["value", "grad", "value_and_grad", "hessian", "step"]


class Namespace(NamedTuple):
    """The modules that a function is written with: NumPy's names, and scipy.special's."""

    np: Any
    special: Any


@dataclass(frozen=True)
class Workload:
    """One line of the table.

    `mode` says what is computed from the function: its value, its gradient with respect to
    `argnums`, both, its dense Hessian, or a step of gradient descent that returns the loss and
    the new values of the arguments `argnums`.
    `make_inputs` gives the NumPy inputs, for size "full" or, to check results only, "tiny".
    `by_hand` holds versions written for this very task, as the floor: name -> a function without
    arguments (it imports what it needs) that returns the function to call with NumPy arrays.
    `targets` are the ratios to reach, by peer; "best" is the best of all that are not by hand.
    `skip` says why a peer does not take part.
    """

    name: str
    build: Callable[[Namespace], Function]
    make_inputs: Callable[[np.random.Generator, bool], tuple[np.ndarray, ...]]
    mode: Mode = "value"
    argnums: tuple[int, ...] = (0,)
    by_hand: dict[str, Callable[[], Function]] = field(default_factory=dict)
    targets: dict[str, float] = field(default_factory=dict)
    skip: dict[str, str] = field(default_factory=dict)
    tolerance: float = 1.0

    def inputs(self, tiny: bool = False) -> tuple[np.ndarray, ...]:
        """The inputs, the same at every call."""
        return self.make_inputs(np.random.default_rng(1964), tiny)


# Of the steps of gradient descent. Far too large to learn with, so that the gradients are not lost
# beside the parameters when results are compared; a Python float keeps every dtype.
LEARNING_RATE = 8.0
