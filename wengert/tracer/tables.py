"""The tables through which a traced value answers NumPy.

`tracer/functions/*` fills them with the decorators below; `tracer/array` reads them. An
implementation takes the arguments its NumPy namesake takes, any of them traced, and gives traced
values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)

UFUNCS: dict[str, Function] = {}
"""Calls of ufuncs by their `__name__`: `f(*operands, **kwargs)`; of the keyword arguments only
`dtype`, `casting` and those special to the ufunc (axes of matmul) arrive."""

UFUNC_METHODS: dict[str, Function] = {}
"""Methods of ufuncs (reduce, accumulate, outer, reduceat): `f(ufunc, *inputs, **kwargs)`."""

FUNCTIONS: dict[Function, Function] = {}
"""Functions that go through `__array_function__`, by the function itself."""

METHODS: dict[str, Function] = {}
"""Methods of arrays by name, `__getitem__` and `__matmul__`-like ones included: `f(self, ...)`."""

VIEWS: set[Any] = set()
"""Functions, and names of methods, of an array whose results are views of it. Their
implementations must write nothing but slices, reversals, transposes, reshapes and broadcasts."""

CHANGING: set[Any] = set()
"""Functions, and names of methods, that change an array in place."""

FIXED: set[Any] = set()
"""Functions that need arrays whose lengths do not depend on the indices of loops."""

STATIC: dict[Any, tuple[str, ...]] = {}
"""Functions, and names of methods, with parameters that shapes depend on: arrays for these are
NumPy's own if their elements are known while tracing."""

LOCKED: set[Any] = set()
"""Those of `VIEWS` whose results are read-only."""


def views(*names: Any, locked: bool = False) -> Callable[[F], F]:
    """Declares that functions and methods give views."""
    VIEWS.update(names)
    if locked:
        LOCKED.update(names)
    return lambda implementation: implementation


def changing(*names: Any) -> Callable[[F], F]:
    """Declares that functions and methods change an array in place."""
    CHANGING.update(names)
    return lambda implementation: implementation


def ufunc(*names: str) -> Callable[[F], F]:
    """Registers what calling the ufuncs of these names does."""
    return _register(UFUNCS, names)


def ufunc_method(*names: str) -> Callable[[F], F]:
    """Registers a method of all ufuncs, such as reduce."""
    return _register(UFUNC_METHODS, names)


def function(*functions: Function) -> Callable[[F], F]:
    """Registers the implementation of NumPy functions."""
    return _register(FUNCTIONS, functions)


def method(*names: str) -> Callable[[F], F]:
    """Registers the implementation of array methods."""
    return _register(METHODS, names)


def _register(table: dict[Any, Function], keys: tuple[Any, ...]) -> Callable[[F], F]:
    def decorate(implementation: F) -> F:
        for key in keys:
            if key in table:
                raise ValueError(f"{key!r} is registered twice")
            table[key] = implementation
        return implementation

    return decorate
