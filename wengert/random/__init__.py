"""Random numbers as functions of a key: `uniform(key(0), (3,))` is always the same.

There is no hidden state. Split a key to get others; use each for one purpose. Inside compiled
functions numbers are made where they are used and never stored, on all back ends with the same
bits, which are those of JAX's default generator (`threefry.py`); what is computed from the bits,
a logarithm say, may differ in the last place. Called on their own with many numbers to make, these
functions compile themselves.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

from wengert.api import jit
from wengert.random import continuous, discrete, keys, parametric
from wengert.tracer.array import enter
from wengert.tracer.device_arrays import is_device_array
from wengert.tracer.stack import current

# From so many numbers on, compiling pays.
MANY = 4096

KEYS = ("key", "split", "fold_in")
SHAPED = {
    "uniform": continuous,
    "normal": continuous,
    "truncated_normal": continuous,
    "exponential": continuous,
    "gumbel": continuous,
    "laplace": continuous,
    "logistic": continuous,
    "cauchy": continuous,
    "bits": discrete,
    "randint": discrete,
    "rademacher": discrete,
    "bernoulli": discrete,
}
"""Functions with an argument `shape`, and where they are."""
OTHERS = ("categorical", "permutation", "choice")
PARAMETRIC = ("gamma", "beta", "dirichlet", "multivariate_normal")


def _entered(function: Callable[..., Any]) -> Callable[..., Any]:
    """With the user's line in errors."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return enter(function, *args, **kwargs)

    return call


def _shaped(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled where nothing is traced and there is much to do."""
    known = inspect.signature(function).parameters
    compiled = jit(function, static_argnames=[n for n in ("shape", "dtype") if n in known])

    @functools.wraps(function)
    def call(key: Any, *args: Any, **kwargs: Any) -> Any:
        shape = kwargs.get("shape", next((x for x in args if isinstance(x, (tuple, list))), ()))
        many = math.prod(shape or ()) >= MANY or is_device_array(key)
        if many and current() is None:
            return compiled(key, *args, **kwargs)
        return enter(function, key, *args, **kwargs)

    return call


_NAMES: dict[str, Any] = {
    **{name: _entered(getattr(keys, name)) for name in KEYS},
    **{name: _shaped(getattr(module, name)) for name, module in SHAPED.items()},
    **{name: _entered(getattr(discrete, name)) for name in OTHERS},
    **{name: _entered(getattr(parametric, name)) for name in PARAMETRIC},
}
globals().update(_NAMES)
__all__ = sorted(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    raise AttributeError(f"wengert.random has no '{name}'; it has {', '.join(__all__)}")
