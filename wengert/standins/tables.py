"""What stands in for SciPy's functions, classes and methods where arguments are traced.

Entries are found by SciPy's package and the name of the function or class, so this imports nothing
of SciPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, TracerConversionError
from wengert.ir.floats import kind_of
from wengert.numpy import asarray
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift

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


def in_floats(x: Any) -> Any:
    """An array of floats or complex numbers: others as float64, halves as float32, as SciPy's C."""
    found = asarray(x)
    if found.dtype == np.float16:
        return found.astype(np.float32)
    return found if kind_of(found.dtype) in "fc" else found.astype(np.float64)


def in_doubles(x: Any) -> Any:
    """An array in float64, or as complex numbers of it."""
    found = asarray(x)
    return found.astype(np.complex128 if kind_of(found.dtype) == "c" else np.float64)


def required(holds: Any, message: str, error: type[Exception] = ArgumentError) -> None:
    """Raises an error where a condition does not hold, when the program runs if need be."""
    if isinstance(holds, Tracer):
        lift(holds).require(message=message, error=error.__name__)
    elif not holds:
        raise error(message)


def by_matrix(x: Any, matrix: Any, axis: int) -> Any:
    """The product of the rows along an axis with what SciPy makes of unit vectors, in x's dtype."""
    return np.moveaxis((np.moveaxis(x, axis, -1) @ matrix).astype(x.dtype), -1, axis)
