"""What a function reads of the traces around it, when it is run again after those are finished.

Derivative rules are traced when a derivative is taken, when the function in which they were written
has long been traced. Arrays of that function which they read are inputs of their own trace then.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift
from wengert.tracer.stack import Stand, open_trace

_LONGEST = 1000
"""Longer containers hold data rather than arrays of a trace, and take long to look through."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Arrays of open traces that functions read, with their elements where those are known.

    `cells` are the variables of the functions around, with what they were at that time.
    """

    arrays: tuple[Tracer, ...] = ()
    elements: tuple[np.ndarray[Any, Any] | None, ...] = ()
    cells: tuple[tuple[types.CellType, Any], ...] = ()

    def call(self, fun: Callable[..., Any], values: Sequence[Any], *args: Any) -> Any:
        """`fun(*args)`, in which the current trace reads these values in place of the arrays."""
        here = open_trace()
        before = here.given
        stands = zip(self.arrays, values, self.elements, strict=True)
        here.given = {**before, **{id(t): Stand(t, lift(v), e) for t, v, e in stands}}
        try:
            return fun(*args)
        finally:
            here.given = before

    def call_later(self, fun: Callable[..., Any], values: Sequence[Any], *args: Any) -> Any:
        """As `call`, with the variables as they were, though they may have been assigned since."""
        since = [(cell, _contents(cell), then) for cell, then in self.cells]
        moved = [(c, now, then) for c, now, then in since if not now or now[0] is not then]
        for cell, _, then in moved:
            cell.cell_contents = then
        try:
            return self.call(fun, values, *args)
        finally:
            for cell, now, then in moved:
                if _contents(cell) and cell.cell_contents is not then:
                    continue  # assigned by the function
                if now:
                    cell.cell_contents = now[0]
                else:
                    del cell.cell_contents


def closed(captured: Sequence[Tracer], functions: Sequence[Any]) -> Closed:
    """The arrays that were found to be captured, and others in closures of functions."""
    found = {id(t): t for t in captured}
    cells: dict[int, tuple[types.CellType, Any]] = {}
    found.update((id(t), t) for t in _held(functions, set(), cells))
    arrays = tuple(found.values())
    return Closed(arrays, tuple([_known(t) for t in arrays]), tuple(cells.values()))


def _known(array: Tracer) -> Any:
    elements = array.concrete()
    return None if elements is None else elements.copy()


def _held(x: Any, seen: set[int], cells: dict[int, tuple[types.CellType, Any]]) -> Iterator[Tracer]:
    """Arrays of the open traces in the closure of a function, and of functions that are there."""
    if id(x) in seen:
        return
    seen.add(id(x))
    if isinstance(x, Tracer):
        root = x if x.base is None else x.base
        here = open_trace(x)
        if root.links is None and (root.owner is here or here.reaches(root)):
            yield root
        return
    parts: Iterable[Any] = _parts(x)
    for cell in (isinstance(x, types.FunctionType) and x.__closure__) or ():
        for contents in _contents(cell):
            cells[id(cell)] = (cell, contents)
            parts = (*parts, contents)
    for part in parts:
        yield from _held(part, seen, cells)


def _parts(x: Any) -> Iterable[Any]:
    """What may be read through `x`: items of a container, the inside of what wraps a function."""
    if type(x) in (tuple, list, dict):
        items = x.values() if type(x) is dict else x
        return items if len(x) <= _LONGEST else ()
    if isinstance(x, functools.partial):
        return (x.func, x.args, x.keywords)
    if isinstance(x, types.MethodType):
        return (x.__func__,)
    own = getattr(x, "__dict__", None)
    if type(own) is dict and "__wrapped__" in own:
        return own.values()
    return ()


def _contents(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # not bound
        return ()
