"""List comprehensions that do much for each of many items: a loop that fills the array of the list.

Others run in Python, and so do those whose elements are views, other objects, or of several shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.capture.info import Info
from wengert.capture.journal import made
from wengert.capture.lists import append
from wengert.capture.runtime_loops import captured
from wengert.capture.sequences import sequence
from wengert.capture.short_loops import FEWEST_TURNS
from wengert.tracer.stack import current


def collected(items: Any, element: Callable[..., Any], spread: bool, line: int) -> list[Any]:
    """The elements for all items; `spread` if the function takes the parts of an item."""
    of: Callable[[Any], Any] = (lambda item: element(*item)) if spread else element
    found = sequence(items) if current() is not None else None
    if found is not None and type(found.count) is int and found.count >= FEWEST_TURNS:
        result: list[Any] = []
        info = Info(line, (), appended=("the list of a comprehension",))
        if captured(info, found, lambda item: append(result, of(item)), lambda: (result,)):
            return made(result)
    return made([of(item) for item in items])
