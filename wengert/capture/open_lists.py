"""Lists whose length is known only at run time: a loop that `break` may leave has lengthened them.

    for _ in range(100):
        errors.append(...)
        if errors[-1] < tolerance:
            break

What all turns would append is an array, and of it the list has as much as there were turns: a slice
whose end depends on data (`tracer/functions/stretches.py`). The list itself keeps the elements it
had before, and behind them one `Ending`, which knows that slice. `errors[-1]`, `len(errors)`, sums,
loops over it and functions of NumPy use the slice; all else finds the `Ending`, an error that says
why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.capture.undefined import Undefined, undefined
from wengert.tracer.array import enter
from wengert.tracer.functions.stretches import Stretch

Function = Callable[..., Any]
MOST_LOOKED_THROUGH = 10_000


class Ending(Undefined):
    """The last element of a list that stands for an unknown number of them.

    `items` are all elements of the list, of which so many stand `before` it.
    """

    __slots__ = ("before", "items")
    cure = (
        "Its items, length, sums and functions of these are known; for anything else fill an array "
        "of the greatest length (x = np.zeros(n); x[i] = v) and count"
    )

    def __init__(self, name: str, line: int, before: int, items: Stretch) -> None:
        reason = (
            f"the loop in line {line} appends to it and may be left by break, so its length is "
            "known only when the compiled program runs"
        )
        super().__init__(f"the end of '{name}'", reason)
        self.before = before
        self.items = items


def items_of(x: Any) -> Stretch | None:
    """The elements of a list of unknown length; None if `x` is no such list."""
    if type(x) is not list or not x or not isinstance(x[-1], Ending):
        return None
    if len(x) != x[-1].before + 1:  # of a list, with more before it
        undefined(x[-1])
    return x[-1].items


def item_of(x: Any, items: Stretch, index: Any) -> Any:
    """`x[index]` of a list with these elements."""
    if type(index) is int and 0 <= index < len(x) - 1:
        return x[index]
    found = items[index]
    if not isinstance(found, Stretch):
        found.locked = "it is an item of a list whose length is known only at run time; copy it"
    return found


def length_of(x: Any) -> Any:
    """`len(x)` of such a list; None if `x` is none."""
    items = items_of(x)
    if items is not None:
        return items.length
    if type(x) is list and len(x) <= MOST_LOOKED_THROUGH:
        check_whole(x)
    return None


def check_whole(x: list[Any]) -> None:
    """Raises UndefinedVariableError for a list of unknown length, or made of such a list."""
    for item in x:
        if isinstance(item, Ending):
            undefined(item)


def on_items(function: Function) -> Function:
    """`function`, which gets the elements of a list of unknown length as a slice."""

    def called(*args: Any, **options: Any) -> Any:
        if any(items_of(x) is not None for x in args):
            args = tuple([x if (items := items_of(x)) is None else items for x in args])
        return function(*args, **options)

    return called


def ending(name: str, line: int, before: list[Any], added: Any, length: Any) -> Ending:
    """The end of a list with the elements `before` and the first `length` ones of an array."""
    whole = added if not before else enter(_joined, before, added)
    items = enter(lambda: whole[: length + len(before)])
    return Ending(name, line, len(before), items)


def _joined(before: list[Any], added: Any) -> Any:
    return np.concatenate([np.stack([*before]).astype(added.dtype), added])
