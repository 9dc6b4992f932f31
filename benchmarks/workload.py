"""What a benchmark is: a function, its inputs, what to compute.

Most functions are written once against NumPy's names: `build` takes a `Namespace` and returns the
function. With NumPy's own modules in the namespace it is the plain NumPy function that wengert is
given; with `jax.numpy` and so on it is what a user of that tool would write. So all tools compute
the same formula. Loops and in-place updates have no common text: there `build` is a dictionary
with a version for each tool, "plain" being the unchanged Python that NumPy and wengert are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np

Function = Callable[..., Any]
Mode = Literal["value", "grad", "value_and_grad", "hessian", "step", "vmap", "vmap_grad", "as_is"]

# What to time beside a gradient, to say how many times the value it costs.
VALUE_MODE: dict[Mode, Mode] = {"grad": "value", "vmap_grad": "vmap"}
PLAIN_TOOLS = ("wengert", "numpy")  # they are given the version "plain"


class Namespace(NamedTuple):
    """The modules that a function is written with: NumPy's names, and scipy.special's."""

    np: Any
    special: Any


@dataclass(frozen=True)
class Workload:
    """One line of the table.

    `build` makes the function from a namespace, or is a dictionary of functions without arguments
    that make it (they import what they need), one for each tool that takes part.
    `mode` says what is computed from the function: its value, its gradient with respect to
    `argnums`, both, its dense Hessian, a step of gradient descent that returns the loss and the
    new values of the arguments `argnums`, the value or gradient for each row of all arguments, or
    ("as_is") whatever the versions in `build` do, which transform and compile for themselves; the
    time to compile is not measured there.
    `make_inputs` gives the NumPy inputs, for size "full" or, to check results only, "tiny".
    `by_hand` holds versions written for this very task, as the floor: name -> a function without
    arguments (it imports what it needs) that returns the function to call with NumPy arrays.
    `targets` are the ratios to reach, by peer; "best" is the best of all that are not by hand.
    `compile_targets` are those of the time to compile. `extras` are further numbers to report, with
    their units: name -> a function of (what makes wengert's function anew, its arguments).
    `skip` says why a peer does not take part.
    """

    name: str
    build: Callable[[Namespace], Function] | Mapping[str, Callable[[], Function]]
    make_inputs: Callable[[np.random.Generator, bool], tuple[Any, ...]]
    mode: Mode = "value"
    argnums: tuple[int, ...] = (0,)
    by_hand: dict[str, Callable[[], Function]] = field(default_factory=dict)
    targets: dict[str, float] = field(default_factory=dict)
    compile_targets: dict[str, float] = field(default_factory=lambda: {"jax": 2.0})
    extras: dict[str, Callable[[Callable[[], Function], Sequence[Any]], float]] = field(
        default_factory=dict
    )
    skip: dict[str, str] = field(default_factory=dict)
    tolerance: float = 1.0

    def inputs(self, tiny: bool = False) -> tuple[Any, ...]:
        """The inputs, the same at every call: arrays, or NumPy's scalars."""
        return self.make_inputs(np.random.default_rng(1964), tiny)

    @property
    def has_versions(self) -> bool:
        """Whether each tool has a version of its own."""
        return not callable(self.build)

    def is_for(self, tool: str) -> bool:
        """Whether there is a function for this tool."""
        return tool not in self.skip and (callable(self.build) or version(tool) in self.build)

    def function(self, tool: str, namespace: Namespace) -> Function:
        """A tool's function, before any transformation."""
        return self.build(namespace) if callable(self.build) else self.build[version(tool)]()

    def value_alone(self) -> Workload | None:
        """The same function without the gradient, where the mode is a gradient."""
        mode = VALUE_MODE.get(self.mode)
        return None if mode is None else replace(self, mode=mode)


def version(tool: str) -> str:
    """The name of the version that a tool is given."""
    return "plain" if tool in PLAIN_TOOLS else tool


# Of the steps of gradient descent. Far too large to learn with, so that the gradients are not lost
# beside the parameters when results are compared; a Python float keeps every dtype.
LEARNING_RATE = 8.0
