"""Numbers for which Python raises an error, where a handler of the user's waits for it.

Elsewhere 1 / 0 is infinite and the logarithm of -1 is no number, as in NumPy. A compiled program
cannot go on in a handler, so where one names the error the program ends with an error of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.capture.handlers import waits
from wengert.errors import CaptureError
from wengert.ir.floats import kind_of
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift


def divided(a: Any, b: Any) -> None:
    """To be called before a number is divided by another one."""
    if isinstance(b, Tracer) and _is_number(a) and _is_number(b) and waits(ZeroDivisionError):
        _require(np.not_equal(b, 0), "a number is divided by zero", ZeroDivisionError)


def of_math(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """What stands for `math.name`, which raises an error outside of its domain and range."""
    if not waits(ValueError) and not waits(OverflowError):
        return function

    @functools.wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        found = function(*args, **options)
        traced = isinstance(found, Tracer) and _is_number(found) and kind_of(found.dtype) == "f"
        if traced and all(map(_is_number, args)):
            _check(name, args, found)
        return found

    return checked


_OVERFLOWING = frozenset(
    ["exp", "exp2", "expm1", "cosh", "sinh", "pow", "gamma", "lgamma", "ldexp"]
)
"""Infinite results of these are an OverflowError, but at poles; those of others a ValueError."""
_POLES: dict[str, Callable[[Any], Any]] = {
    "pow": lambda x: np.equal(x, 0),
    "gamma": lambda x: np.less_equal(x, 0),
    "lgamma": lambda x: np.less_equal(x, 0),
}


def _check(name: str, args: Any, found: Tracer) -> None:
    unknown = functools.reduce(np.logical_or, map(np.isnan, args), False)
    finite = functools.reduce(np.logical_and, map(np.isfinite, args), True)
    infinite = np.isinf(found) & finite
    outside: Any = np.isnan(found) & np.logical_not(unknown)
    if name not in _OVERFLOWING:
        outside = outside | infinite
    elif name in _POLES:
        pole = _POLES[name](args[0])
        outside, infinite = outside | (infinite & pole), infinite & np.logical_not(pole)
    if waits(ValueError):
        _require(np.logical_not(outside), f"math.{name} is outside of its domain", ValueError)
    if name in _OVERFLOWING and waits(OverflowError):
        _require(np.logical_not(infinite), f"math.{name} is outside of its range", OverflowError)


def _is_number(x: Any) -> bool:
    return type(x) in (bool, int, float) or (isinstance(x, Tracer) and x.weak and not x.shape)


def handled(what: str, kind: type[Exception]) -> str:
    """The message for an error at run time for which a handler waits."""
    return (
        f"{what}, and a handler waits for {kind.__name__}, in which a compiled program cannot go "
        "on; test the number in an `if` before"
    )


def _require(holds: Any, what: str, kind: type[Exception]) -> None:
    lift(holds).require(message=handled(what, kind), error=CaptureError.__name__)
