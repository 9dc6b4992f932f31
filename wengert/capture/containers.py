"""Methods and functions of Python that change lists and dicts: the journal has to know of it."""

from __future__ import annotations

import bisect
import copy
import functools
import heapq
import operator
from collections import deque
from collections.abc import Callable
from typing import Any

from wengert.capture.journal import changes, changes_structure, looks_into, made
from wengert.capture.list_tables import view_of
from wengert.capture.lists import append
from wengert.capture.scalars import is_traced
from wengert.errors import CaptureError, TracerConversionError, located
from wengert.tracer.stack import user_location

Function = Callable[..., Any]


def new(x: Any) -> Any:
    """What a function of Python gives; a list, dict or set is one that it has made."""
    return made(x) if isinstance(x, (list, dict, set, deque)) else x


def making(f: Function) -> Function:
    """A function or method that makes a container."""

    @functools.wraps(f)
    def make(*args: Any, **options: Any) -> Any:
        return new(f(*args, **options))

    return make


MAKING: dict[Any, Function] = {f: making(f) for f in (copy.copy, copy.deepcopy)}
"""What stands for functions whose result is an object of its own."""


def looking(f: Function, owner: dict[Any, Any]) -> Function:
    """A method of a dict that asks what it has: one key, or all."""

    def look(*args: Any, **options: Any) -> Any:
        looks_into(owner, *args[:1])
        return f(*args, **options)

    return look


def updating(owner: dict[Any, Any]) -> Function:
    """`owner.update`"""

    def update(*args: Any, **options: Any) -> None:
        for key, value in dict(*args, **options).items():
            changes(owner, key, False)
            owner[key] = value

    return update


def extending(owner: list[Any]) -> Function:
    """`owner.extend`"""

    def extend(items: Any) -> None:
        for item in list(items):
            append(owner, item)

    return extend


def _in_order(function: Function) -> Function:
    """A function that moves items of a list by their order."""
    name = f"{function.__module__.lstrip('_')}.{function.__name__}"

    def moved(items: Any, *args: Any, **options: Any) -> Any:
        changes_structure(items, name)
        try:
            return function(items, *args, **options)
        except TracerConversionError as error:
            raise _unknown(name) from error

    return moved


def _unknown(name: str) -> CaptureError:
    error = CaptureError(
        f"{name} compares values that are known only at run time, so the order of the list is not "
        "known; order by numbers that are known while tracing, with the traced ones beside them, "
        "or use an array with np.argmin, np.sort or np.searchsorted"
    )
    located(error, user_location())
    return error


def _stored(owner: Any, key: Any, value: Any) -> None:
    """`operator.setitem`"""
    view = view_of(owner)
    if view is not None:
        view[key] = value
        return
    if isinstance(owner, (list, dict)) and not is_traced(key):
        changes(owner, key, False)
    operator.setitem(owner, key, value)


CHANGING: dict[Any, Function] = {
    **{
        f: _in_order(f)
        for f in (
            *(heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop),
            *(bisect.insort_left, bisect.insort_right),
        )
    },
    operator.setitem: _stored,
}
"""What stands for functions that change their first argument."""
