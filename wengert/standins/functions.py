"""Functions of the user's, which SciPy's functions are given to integrate, solve or minimise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.capture.convert import convert
from wengert.errors import ArgumentError, InputTypeError
from wengert.tracer.array import Tracer

Function = Callable[..., Any]


def called_with(f: Any, args: Any = ()) -> Function:
    """The function in rewritten form, with more arguments behind the first."""
    if not callable(f):
        raise InputTypeError(f"a function is needed, got {type(f).__name__}")
    found, more = convert(f), as_tuple(args)
    return found if not more else lambda *x: found(*x, *more)


def as_tuple(args: Any) -> tuple[Any, ...]:
    """More arguments of a function: one that is no tuple is the only one."""
    return () if args is None else args if isinstance(args, tuple) else (args,)


def refused(name: str, **options: Any) -> None:
    """Raises ArgumentError for options that traced values do not have."""
    for option, given in options.items():
        if given is not None and given is not False:
            raise ArgumentError(f"{name} of traced values takes no {option}, got {given!r}")


def is_known(x: Any) -> bool:
    """Whether the elements of an array, or of a list of numbers, are known while tracing."""
    if isinstance(x, list | tuple):
        return all(map(is_known, x))
    return not isinstance(x, Tracer) or x.concrete() is not None
