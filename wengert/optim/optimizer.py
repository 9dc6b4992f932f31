"""What an optimiser is: two functions, and how they are chained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from wengert.api.arguments import fail
from wengert.capture.convert import converted
from wengert.errors import ArgumentError, DTypeError, InputTypeError, ShapeError, TreeError
from wengert.ir.floats import finfo, kind_of
from wengert.tracer.pytree import flatten, paths, structure, tree_map

Schedule = Callable[[Any], Any]
"""From the number of steps done, an integer that may be traced, to a number."""


class Update(Protocol):
    """`update(gradients, state, params=None, value=None) -> (updates, state)`."""

    def __call__(
        self, gradients: Any, state: Any, params: Any = None, value: Any = None
    ) -> tuple[Any, Any]: ...


@dataclass(frozen=True, slots=True)
class Optimizer:
    """A rule that makes updates from gradients, by optax's convention.

    `init(params)` gives the state, a pytree of arrays. `update(gradients, state, params, value)`
    gives the updates, which `apply_updates` adds to the parameters, and the next state. Gradients
    have the structure, shapes and dtypes of the parameters. Some rules need the parameters (weight
    decay) or the value of the loss (`reduce_on_plateau`), which may be left out for others. Both
    are pure functions, of NumPy arrays or, inside `jit`, of traced ones; loops and branches in them
    may depend on what is traced.
    """

    init: Callable[[Any], Any] = field(metadata={"static": True})
    update: Update = field(metadata={"static": True})

    def __post_init__(self) -> None:
        # called by functions of wengert (fit, chain), whose calls no tracer follows
        object.__setattr__(self, "init", converted(self.init))
        object.__setattr__(self, "update", converted(self.update))


def updated(optimizer: Optimizer, gradients: Any, state: Any, params: Any, value: Any) -> Any:
    """The updates and the next state; raises InputTypeError if `update` gives something else."""
    found = optimizer.update(gradients, state, params, value)
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        given = f"{len(found)} results" if isinstance(found, tuple) else type(found).__name__
        fail(
            InputTypeError(f"an optimiser's update returns (updates, state), and this one {given}")
        )
    return found


def apply_updates(params: Any, updates: Any) -> Any:
    """`params + updates`, each leaf with the dtype it has in `params`.

    Raises TreeError or ShapeError if the updates have not the structure or the shapes of `params`.
    """
    leaves, tree = flatten(arrays(params))
    moves = tree.flatten_up_to(updates, "the updates")
    for p, u, path in zip(leaves, moves, paths(params), strict=True):
        if np.shape(u) != np.shape(p):
            fail(
                ShapeError(
                    f"updates have the shapes of the parameters, and updates{path} has "
                    f"{np.shape(u)} where params{path} has {np.shape(p)}"
                )
            )
    return tree.unflatten([cast(p + u, p.dtype) for p, u in zip(leaves, moves, strict=True)])


def chain(*optimizers: Optimizer) -> Optimizer:
    """The optimisers one after the other: the updates of each are the gradients of the next."""

    def init(params: Any) -> tuple[Any, ...]:
        return tuple(o.init(params) for o in optimizers)

    def update(gradients: Any, state: Any, params: Any = None, value: Any = None) -> Any:
        if not isinstance(state, (tuple, list)) or len(state) != len(optimizers):
            fail(
                TreeError(
                    f"a chain of {len(optimizers)} optimisers has as many states, and this state "
                    f"is {structure(state)}; make it by the same optimiser's init(params)"
                )
            )
        states = []
        for optimizer, own in zip(optimizers, state, strict=True):
            gradients, own = optimizer.update(gradients, own, params, value)
            states.append(own)
        return gradients, tuple(states)

    return Optimizer(init, update)


def stateless(rule: Callable[[Any], Any]) -> Optimizer:
    """An optimiser without state; `rule` makes a leaf's update from its gradient."""

    def update(gradients: Any, state: Any, params: Any = None, value: Any = None) -> Any:
        return tree_map(rule, gradients), state

    return Optimizer(lambda params: (), update)


def require_params(name: str, params: Any) -> None:
    """Raises ArgumentError if the parameters were left out."""
    if params is None:
        fail(
            ArgumentError(
                f"{name} needs the parameters to make an update: call "
                "update(gradients, state, params)"
            )
        )


def arrays(params: Any) -> Any:
    """The parameters with Python floats as NumPy's; raises DTypeError for what is no float."""

    def checked(leaf: Any, path: str) -> Any:
        leaf = np.asarray(leaf)[()] if isinstance(leaf, (bool, int, float)) else leaf
        if getattr(leaf, "dtype", None) is None or kind_of(np.dtype(leaf.dtype)) != "f":
            found = getattr(leaf, "dtype", type(leaf).__name__)
            fail(
                DTypeError(
                    f"an optimiser changes arrays of floats, and params{path} is {found}; keep "
                    "what is not to be trained in an argument of its own"
                )
            )
        return leaf

    names = iter(paths(params))
    return tree_map(lambda leaf: checked(leaf, next(names)), params)


def cast(x: Any, dtype: Any) -> Any:
    """`x` with this dtype."""
    return x if x.dtype == dtype else x.astype(dtype)


def wide(dtype: Any) -> np.dtype[Any]:
    """The dtype in which moments of `dtype` are kept: at least single precision."""
    return np.promote_types(dtype, np.float32)


# A mean that decays becomes subnormal where gradients have stopped (the weights of a unit that is
# never active), and stays so for ever: 0.9 times a few of the smallest numbers rounds to as many of
# them. Processors take some hundred cycles for each operation on such a number. Three hundred of
# them among 17,000 parameters nearly doubled the time of a training step.
def flushed(mean: Any) -> Any:
    """A running mean, with zeros in the place of subnormal numbers."""
    return np.where(np.abs(mean) < finfo(mean.dtype).tiny, 0.0, mean)


def zeros(params: Any) -> Any:
    """Zeros in the shapes of the parameters, in at least single precision."""
    return tree_map(lambda p: plain_number(np.zeros_like(p, dtype=wide(p.dtype))), arrays(params))


def plain_number(x: Any) -> Any:
    """An array; a scalar where it has no axes, as compiled steps give it back (one signature)."""
    return x if x.ndim else x[()]


def count_zero() -> Any:
    """The number of steps done at the start: NumPy's, so that it never is a constant of jit."""
    return np.int64(0)


def map_parts(rule: Callable[..., tuple[Any, ...]], parts: int, gradients: Any, *rest: Any) -> Any:
    """`rule` for each leaf of the gradients and of what belongs to them; `parts` pytrees.

    Raises TreeError if the structures differ.
    """
    leaves, tree = flatten(gradients)
    others = [tree.flatten_up_to(r, "what belongs to the gradients (state, params)") for r in rest]
    rows = [rule(*xs) for xs in zip(leaves, *others, strict=True)]
    return tuple(tree.unflatten([row[k] for row in rows]) for k in range(parts))
