"""What stands in for SciPy's functions, classes and methods where arguments are traced.

Entries are found by SciPy's package and the name of the function or class, so this imports nothing
of SciPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, TracerConversionError

Function = Callable[..., Any]

FUNCTIONS: dict[tuple[str, str], Function] = {}
"""By package and name of a function or class: takes the same arguments."""
METHODS: dict[tuple[str, str], Callable[[Any, str], Function | None]] = {}
"""By package and name of a class: what stands in for a method of an instance, `__call__` too."""


def stands_in(package: str, *names: str) -> Callable[[Function], Function]:
    """Enters a function for those of these names."""

    def decorate(function: Function) -> Function:
        for name in names or (function.__name__,):
            FUNCTIONS[f"scipy.{package}", name] = function
        return function

    return decorate


def package_of(module: str) -> str:
    """SciPy's public package of a module."""
    return ".".join(module.split(".")[:2])


def of_instance(owner: Any, name: str) -> Function | None:
    """What stands in for a method of SciPy's object."""
    for kind in type(owner).__mro__:
        found = METHODS.get((package_of(kind.__module__), kind.__name__))
        if found is not None:
            return found(owner, name)
    return None


def known(name: str, x: Any) -> Any:
    """An array whose elements must be known, though it may have been made while tracing."""
    try:
        return np.asarray(x, float)
    except TracerConversionError:
        found = None  # what is raised here would be taken for NumPy's own and replaced
    if found is None:
        raise ArgumentError(
            f"{name} of traced values needs known places: derivatives in these are not there"
        )
    return found
