"""Open traces: one stack of them per thread, and the user's line that is being traced."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.errors import LeakedTracerError, Location, located
from wengert.ir.builder import Builder, Value
from wengert.ir.program import Eqn, Literal, Var
from wengert.ir.types import Symbol, Terms
from wengert.tracer import sharing

if TYPE_CHECKING:
    from wengert.tracer.array import Tracer


Array = np.ndarray[Any, Any]
Form = tuple[Terms, int]
"""An affine function of loop indices: its terms and its constant."""


@dataclass(frozen=True, slots=True)
class Stand:
    """What is read in place of an array of another trace, with its elements if they are known."""

    array: Tracer
    value: Value
    elements: Array | None


class Trace:
    """A function, or a region of one (a loop's body, a branch), being traced.

    `captured` holds what it reads of the traces around it: for each tracer, by its id, the tracer
    and the input of this trace that stands for its contents on entry. `written` holds the arrays of
    those traces that it has changed, with their contents in this trace. `assumed` are arrays of
    those traces whose elements were known and were used while tracing: if such an array is also in
    `written` and this is the body of a loop, it must be traced again with the elements unknown.

    `arguments` are those of the function, whose callers see what is done to them, and what stands
    for them in a loop. `doubtful` are arrays of the traces around this one that are in doubt since
    an array was changed in it (see `tracer.sharing`).

    `given` are arrays of other traces, which may be finished, for which this one has values of its
    own: see `tracer.closures`.

    `joined` has containers of Python that may be the same as others (see `capture.joined`), by
    their ids, with those.

    `symbols` maps the variables of loop indices to what stands for them in shapes, `limits` the
    symbols to the affine forms of their least and greatest values. `known` has the intervals of
    integers of which more is known than how they were computed.
    """

    __slots__ = (
        "_origins",
        "_producers",
        "_scanned",
        "alive",
        "arguments",
        "assumed",
        "builder",
        "captured",
        "checks",
        "constants",
        "doubtful",
        "given",
        "joined",
        "known",
        "limits",
        "name",
        "parent",
        "symbols",
        "written",
    )

    def __init__(self, parent: Trace | None, name: str) -> None:
        self.parent = parent
        self.name = name
        self.builder = Builder()
        self.captured: dict[int, tuple[Tracer, Value]] = {}
        self.written: dict[int, tuple[Tracer, Value]] = {}
        self.assumed: dict[int, Tracer] = {}
        self.given: dict[int, Stand] = {}
        self.constants: dict[int, tuple[Array, Array, Value]] = {}
        self.symbols: dict[Var, Symbol] = {}
        self.limits: dict[Symbol, tuple[Form, Form]] = {}
        self.known: dict[Var, tuple[int, int]] = {}
        self.checks: dict[Any, Value] = {}
        self.alive = True
        self.arguments: dict[int, Tracer] = {}
        self.doubtful: dict[int, tuple[Tracer, sharing.Changes]] = {}
        self.joined: dict[int, tuple[Any, list[Any]]] = {}
        self._producers: dict[Var, Eqn] = {}
        self._scanned = 0
        self._origins: dict[Var, Tracer] = {}

    def encloses(self, other: Trace) -> bool:
        """Whether `other` was opened, in this thread, while this trace was open."""
        level = other.parent
        while level is not None and level is not self:
            level = level.parent
        return level is self

    def reaches(self, tracer: Tracer) -> bool:
        """Whether an array of another trace can be read: that is open around this, or stood for."""
        if tracer.owner.alive and tracer.owner.encloses(self):
            return True
        level: Trace | None = self
        while level is not None and id(tracer) not in level.given:
            level = level.parent
        return level is not None

    def read(self, tracer: Tracer) -> Value:
        """The contents of `tracer` in this trace; one of an enclosing trace becomes an input.

        A view is read through its base, which may have been written since.
        """
        if tracer.base is not None:
            return tracer.viewed(self)
        if tracer.links is not None:
            found = sharing.resolved(self, tracer)
            if found is not None:
                return found
        return self.read_own(tracer)

    def read_own(self, tracer: Tracer) -> Value:
        """The contents that an array, no view, was given, whatever other array it may be."""
        stand = self.given.get(id(tracer))
        if stand is not None and id(tracer) not in self.written:
            return stand.value
        if tracer.owner is self:
            return tracer.contents()
        if not self.reaches(tracer):
            raise leaked(tracer)
        found = self.written.get(id(tracer)) or self.captured.get(id(tracer))
        if found is not None:
            return found[1]
        if not tracer.mutable and isinstance(tracer.contents().atom, Literal):
            return Value(self.builder, tracer.contents().atom)
        value = Value(self.builder, Var(tracer.type))
        self.captured[id(tracer)] = (tracer, value)
        assert isinstance(value.atom, Var)
        self._origins[value.atom] = tracer
        return value

    def write(self, tracer: Tracer, value: Value) -> None:
        """Changes the contents of `tracer`, which is no view, as seen from this trace on."""
        assert tracer.base is None and value.builder is self.builder
        if value.type != tracer.type:
            raise AssertionError(f"{value.type} written to an array of {tracer.type}")
        if tracer.owner is self:
            tracer.replace(value)
        elif self.reaches(tracer):
            self.written[id(tracer)] = (tracer, value)
        else:
            raise leaked(tracer)
        if tracer.links is not None:
            sharing.note_change(self, tracer, user_location())

    def producer(self, var: Var) -> Eqn | None:
        """The equation of this trace that gives `var`."""
        eqns = self.builder.eqns
        if self._scanned > len(eqns):
            self._scanned = 0
        for eqn in eqns[self._scanned :]:
            for out in eqn.outputs:
                self._producers[out] = eqn
        self._scanned = len(eqns)
        return self._producers.get(var)

    def origin(self, var: Var) -> Tracer | None:
        """The tracer of an enclosing trace that the input `var` of this one stands for."""
        return self._origins.get(var)

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

    def splat_or_constant(self, array: Array) -> Value:
        """A concrete array baked into the program, or one repeated number."""
        first = array.flat[0] if array.size else 0
        if array.ndim and _same_bits(array, np.full_like(array, first)):
            return self.builder.full(array.shape, first, array.dtype)
        return self.constant(array)


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


@contextlib.contextmanager
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
_PASSING = frozenset({functools.__file__, contextlib.__file__})
"""Parts of the standard library that wengert's calls go through."""
_hidden_files: dict[str, bool] = {}


def _is_hidden(file: str) -> bool:
    found = _hidden_files.get(file)
    if found is None:
        hidden = file.startswith((*_HIDDEN, "<frozen", "<__array_function__")) or file in _PASSING
        found = _hidden_files[file] = hidden or f"{os.sep}scipy{os.sep}" in file
    return found


def is_users(code: CodeType) -> bool:
    """Whether a function is not of wengert, NumPy or SciPy."""
    return not _is_hidden(code.co_filename)


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
    atom = tracer.latest.atom if tracer.latest is not None else None
    origin = next((e.location for e in tracer.owner.builder.eqns if atom in e.outputs), None)
    made = f", made at {origin}," if origin else ""
    error = LeakedTracerError(
        f"a traced value {tracer.type}{made} was used outside the trace of "
        f"'{tracer.owner.name}' that it belongs to. The traced function must have kept it in a "
        f"global, an attribute, a container or another thread; return it from the function instead"
    )
    located(error, user_location())
    return error
