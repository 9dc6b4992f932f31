"""Open traces: one stack of them per thread, and the user's line that is being traced."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.errors import LeakedTracerError, Location, located
from wengert.ir.builder import Builder, Value
from wengert.ir.program import Literal, Var

if TYPE_CHECKING:
    from wengert.tracer.array import Tracer


Array = np.ndarray[Any, Any]


class Trace:
    """A function being traced.

    `captured` maps the variables of enclosing traces that it reads to their tracers and to the
    inputs of this trace that stand for them.
    """

    __slots__ = ("alive", "builder", "captured", "constants", "name", "parent")

    def __init__(self, parent: Trace | None, name: str) -> None:
        self.parent = parent
        self.name = name
        self.builder = Builder()
        self.captured: dict[Var, tuple[Tracer, Value]] = {}
        self.constants: dict[int, tuple[Array, Array, Value]] = {}
        self.alive = True

    def encloses(self, other: Trace) -> bool:
        """Whether `other` was opened, in this thread, while this trace was open."""
        level = other.parent
        while level is not None and level is not self:
            level = level.parent
        return level is self

    def read(self, tracer: Tracer) -> Value:
        """The value of `tracer` in this trace; one of an enclosing trace becomes an input."""
        atom = tracer.value.atom
        if tracer.owner is self:
            return tracer.value
        if not tracer.owner.alive or not tracer.owner.encloses(self):
            raise leaked(tracer)
        if isinstance(atom, Literal):
            return Value(self.builder, atom)
        found = self.captured.get(atom)
        if found is None:
            found = self.captured[atom] = (tracer, Value(self.builder, Var(atom.type)))
        return found[1]

    def constant(self, array: Array) -> Value:
        """A concrete array baked into the program; the same contents are baked in once.

        The contents are compared because the user may change an array between two uses of it.
        """
        if array.ndim == 0:
            return self.builder.literal(array[()], array.dtype)
        found = self.constants.get(id(array))
        if found is not None and _same_bits(array, found[1]):
            return found[2]
        value = self.builder.constant(array)
        frozen = self.builder.eqns[-1].params["value"]
        self.constants[id(array)] = (array, frozen, value)
        return value


def _same_bits(array: Array, frozen: Array) -> bool:
    if array.shape != frozen.shape:
        return False
    native = np.ascontiguousarray(array, dtype=frozen.dtype)
    return np.array_equal(native.view(np.uint8), frozen.view(np.uint8))


class _Stack(threading.local):
    top: Trace | None = None


_stack = _Stack()


def current() -> Trace | None:
    """The innermost open trace of this thread."""
    return _stack.top


def open_trace(x: Any = None) -> Trace:
    """The current trace; without one, an error that names the traced value `x`."""
    trace = _stack.top
    if trace is None:
        if hasattr(x, "owner"):
            raise leaked(x)
        raise LeakedTracerError("no function is being traced here")
    return trace


@contextmanager
def opened(name: str) -> Iterator[Trace]:
    """A new trace, open within the block and finished after it."""
    trace = Trace(_stack.top, name)
    _stack.top = trace
    try:
        yield trace
    finally:
        _stack.top = trace.parent
        trace.alive = False


# where the user is

_HIDDEN = tuple(
    os.path.dirname(os.path.abspath(path)) + os.sep
    for path in (os.path.dirname(__file__), np.__file__)
)
_hidden_files: dict[str, bool] = {}


def _is_hidden(file: str) -> bool:
    found = _hidden_files.get(file)
    if found is None:
        hidden = file.startswith((*_HIDDEN, "<frozen", "<__array_function__"))
        found = _hidden_files[file] = hidden or f"{os.sep}scipy{os.sep}" in file
    return found


def user_location() -> Location | None:
    """The innermost line on the call stack that is not of wengert, NumPy or SciPy."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_hidden(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return None
    return Location(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def raised_at(error: BaseException) -> Location | None:
    """The innermost line that `error` came through and that is not of wengert, NumPy or SciPy."""
    found: Location | None = None
    trail = error.__traceback__
    while trail is not None:
        code = trail.tb_frame.f_code
        if not _is_hidden(code.co_filename):
            found = Location(code.co_filename, trail.tb_lineno, code.co_name)
        trail = trail.tb_next
    return found


def leaked(tracer: Tracer) -> LeakedTracerError:
    """The error of a traced value used where its trace is not open."""
    origin = next(
        (e.location for e in tracer.owner.builder.eqns if tracer.value.atom in e.outputs), None
    )
    made = f", made at {origin}," if origin else ""
    error = LeakedTracerError(
        f"a traced value {tracer.value.type}{made} was used outside the trace of "
        f"'{tracer.owner.name}' that it belongs to. The traced function must have kept it in a "
        f"global, an attribute, a container or another thread; return it from the function instead"
    )
    located(error, user_location())
    return error
