"""`try` with `except`, and context managers that may swallow an error: what they take.

A handler is for errors of the user's program. That a loop cannot be compiled, that a variable has a
value only under a condition of run time, or that a number is not known yet is none of these, though
such errors derive from those of Python: they pass by all handlers that do not name them.
"""

from __future__ import annotations

import ast
import contextlib
import dis
import threading
import types
from collections.abc import Callable
from typing import Any

from wengert.capture.loop_unstable import HalfDone, NeedsTable, Rebound, Unstable
from wengert.capture.source import function_node
from wengert.errors import (
    CaptureError,
    EndlessRecursionError,
    LeakedTracerError,
    MutationError,
    TracerConversionError,
    UndefinedVariableError,
    WengertError,
)

Kinds = tuple[Any, ...]
_OWN = (
    *(CaptureError, TracerConversionError, MutationError, LeakedTracerError),
    *(EndlessRecursionError, Unstable, Rebound, HalfDone, NeedsTable),
)


class _Handlers(threading.local):
    """For each handler around the code that runs, how to get the types that it takes."""

    def __init__(self) -> None:
        self.kinds: list[Callable[[], Any]] = []


_handlers = _Handlers()


def takes(kind: type[BaseException]) -> bool:
    """Whether a handler around the code that runs takes errors of this type."""
    return any(issubclass(kind, _types(kinds())) for kinds in _handlers.kinds)


def waits(kind: type[BaseException]) -> bool:
    """Whether a handler around the code that runs names errors of this type."""
    named = (t for kinds in _handlers.kinds for t in _types(kinds()))
    return any(t not in (Exception, BaseException) and issubclass(kind, t) for t in named)


def _types(found: Any) -> Kinds:
    """Types as `except` takes them, in a flat tuple."""
    if isinstance(found, tuple):
        nested: Any = found
        return tuple([kind for part in nested for kind in _types(part)])
    return (found,)


class Passing(BaseException):
    """Carries an error of wengert's past the handlers of a `try`."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def _passes(error: BaseException, kinds: Kinds) -> bool:
    """Whether an error is none of the user's program."""
    if any(issubclass(k, WengertError) and isinstance(error, k) for k in kinds):
        return False  # the handler names it
    if isinstance(error, UndefinedVariableError):
        return not error.surely
    return isinstance(error, _OWN)


class Guarded:
    """The body of a `try` with handlers, of which `kinds` gives the types."""

    __slots__ = ("_kinds",)

    def __init__(self, kinds: Callable[[], Any]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        _handlers.kinds.append(self._kinds)

    def __exit__(self, kind: Any, error: BaseException | None, trail: Any) -> None:
        _handlers.kinds.pop()
        if error is not None and _passes(error, _types(self._kinds())):
            raise Passing(error) from error


class Unguarded:
    """A whole `try`: what has passed by its handlers is what it was again."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trail: Any) -> None:
        if isinstance(error, Passing):
            raise error.error from error.error.__cause__


# context managers


def swallowed(manager: Any) -> Callable[[], Any] | None:
    """The types of errors that a context manager may swallow; None if it swallows none."""
    if isinstance(manager, contextlib.suppress):
        kinds = vars(manager)["_exceptions"]
        return lambda: kinds
    if isinstance(manager, contextlib._GeneratorContextManager):  # pyright: ignore
        held: Any = manager
        swallows = _generator_swallows(held.gen.gi_code)
    else:
        leave = getattr(type(manager), "__exit__", None)
        swallows = isinstance(leave, types.FunctionType) and _may_be_true(leave.__code__)
    return (lambda: BaseException) if swallows else None


def _generator_swallows(code: types.CodeType) -> bool:
    """Whether a generator function handles errors at its `yield`."""
    node = function_node(code)
    if node is None:
        return True
    taking = [
        n.body
        for n in ast.walk(node)
        if isinstance(n, ast.With) or (isinstance(n, (ast.Try, ast.TryStar)) and n.handlers)
    ]
    return any(isinstance(n, ast.Yield) for body in taking for s in body for n in ast.walk(s))


def _may_be_true(code: types.CodeType) -> bool:
    """Whether a function may return something other than None and False."""
    last: dis.Instruction | None = None
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name == "RETURN_CONST" and instruction.argval:
            return True
        if name == "RETURN_VALUE":
            constant = last is not None and last.opname == "LOAD_CONST" and not last.argval
            if not constant:
                return True
        last = instruction
    return False
