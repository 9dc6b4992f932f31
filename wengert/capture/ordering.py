"""Python's orders of traced values: sorted, list.sort, min and max with a key, bisect.

An order known only at run time is an array of places, by which the items, stacked leaf by leaf, are
picked. So all items must have one structure, and arrays in them one shape.
"""

from __future__ import annotations

import bisect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.capture.kinds import is_numeric, kind_of
from wengert.capture.scalars import is_traced, largest, smallest
from wengert.capture.undefined import Chosen
from wengert.errors import CaptureError, located
from wengert.ir.types import Dim
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.creation import array
from wengert.tracer.lift import lift, wrap
from wengert.tracer.pytree import flatten
from wengert.tracer.stack import user_location

Function = Callable[..., Any]
Called = Callable[[Any], Function]
"""Gives the rewritten form of a function."""


def ordered(items: Any, key: Function | None, reverse: Any) -> list[Any]:
    """`sorted(items, key=key, reverse=reverse)`"""
    values = list(items)
    keys = values if key is None else [key(v) for v in values]
    known = _deciding(keys)
    if known is not None:
        order = sorted(range(len(values)), key=known.__getitem__, reverse=bool(reverse))
        return [values[k] for k in order]
    if reverse:  # equal items keep their order in either direction
        return ordered_rows(values[::-1], keys[::-1])[::-1]
    return ordered_rows(values, keys)


def _deciding(keys: Sequence[Any]) -> Sequence[Any] | None:
    """Known keys of the same order: all of them, or the first parts of tuples if they differ.

    Python looks at further parts only where the first ones are equal, as in sorted(d.items()).
    """
    if not any(map(_has_traced, keys)):
        return keys
    if not all(type(k) is tuple for k in keys):
        return None
    count = min(next((i for i, x in enumerate(k) if _has_traced(x)), len(k)) for k in keys)
    first = sorted(k[:count] for k in keys)
    return None if any(map(operator.eq, first, first[1:])) else [k[:count] for k in keys]


def ordered_rows(values: Sequence[Any], keys: Sequence[Any]) -> list[Any]:
    """The values in the order of their keys, which are numbers, or tuples of numbers."""
    columns = [_column(c) for c in zip(*[k if isinstance(k, tuple) else (k,) for k in keys])]  # noqa: B905
    order: Any = np.lexsort(tuple(columns[::-1]))
    return _picked(values, order, range(len(values)))


def _column(keys: Sequence[Any]) -> Any:
    if not all(is_numeric(k) and not np.shape(k) for k in keys):
        _refuse("sorted() of traced values needs keys that are numbers, or tuples of numbers")
    return enter(array, list(keys))


def _picked(values: Sequence[Any], order: Any, places: Sequence[int]) -> list[Any]:
    """Of the values, stacked leaf by leaf, those at the places in `order`."""
    flat = [flatten(v) for v in values]
    tree = flat[0][1]
    rows = [leaves for leaves, _ in flat]
    if any(t != tree for _, t in flat) or not all(is_numeric(x) for row in rows for x in row):
        _refuse(
            "an order of traced values is known only at run time, so what is put in order must be "
            "numbers, arrays, or tuples of them, of one structure"
        )
    columns = [_stacked(c) for c in zip(*rows, strict=True)]
    return [tree.unflatten([_row(c, order[k]) for c in columns]) for k in places]


def _stacked(leaves: Sequence[Any]) -> tuple[Any, bool]:
    if len({kind_of(x).type.shape for x in leaves}) > 1:
        _refuse("an order known only at run time needs arrays of one shape; pad the shorter ones")
    return enter(array, list(leaves)), all(kind_of(x).weak for x in leaves)


def _row(column: tuple[Any, bool], place: Any) -> Any:
    stack, weak = column
    row = enter(lambda: wrap(lift(stack)))[place]
    return wrap(lift(row), True) if weak else row


def _refuse(text: str) -> None:
    raise located(CaptureError(f"{text}; use np.sort or np.argsort of arrays"), user_location())


def _has_traced(key: Any) -> bool:
    return any(map(is_traced, flatten(key)[0]))


def sorting(call: Called) -> Function:
    """What stands for `sorted`."""

    def sorted_(items: Any, /, *, key: Any = None, reverse: Any = False) -> list[Any]:
        return ordered(items, None if key is None else call(key), reverse)

    return sorted_


def sorting_of(target: list[Any], call: Called) -> Function:
    """What stands for `target.sort`."""

    def sort(*, key: Any = None, reverse: Any = False) -> None:
        target[:] = ordered(target, None if key is None else call(key), reverse)

    return sort


def extreme(name: str, call: Called) -> Function:
    """What stands for `min` or `max`: with a key, the first item whose key is the least or most."""
    plain, found = {"min": (smallest, np.argmin), "max": (largest, np.argmax)}[name]

    def chosen(*args: Any, key: Any = None, **options: Any) -> Any:
        if key is None:
            return plain(*args, **options)
        items = list(args[0]) if len(args) == 1 else list(args)
        keys = [call(key)(v) for v in items]
        known = _deciding(keys)
        if known is not None:
            best = (
                {"min": min, "max": max}[name](range(len(items)), key=known.__getitem__)
                if items
                else None
            )
            return plain((), **options) if best is None else items[best]
        best = found(_column(keys))
        if all(isinstance(x, str) for x in items):
            return _text(name, items, best)
        return _picked(items, [best], [0])[0]

    chosen.__name__ = name
    return chosen


def _text(name: str, items: Sequence[Any], place: Any) -> Any:
    """The item at a place that is known only at run time, of some texts."""
    error = CaptureError(
        f"{name}() chooses one of the texts {', '.join(map(repr, items))} by traced keys, so it is "
        "known only at run time; it can be compared with a text, or be the key of a dict of numbers"
    )
    located(error, user_location())
    return Chosen(f"{name}(...)", error, items, wrap(lift(place), True))


def searched(original: Function, side: Any) -> Function:
    """What stands for a function of `bisect`."""

    def search(a: Any, x: Any, lo: int = 0, hi: int | None = None, *, key: Any = None) -> Any:
        if not any(map(is_traced, [x, *flatten(a)[0]])):
            return original(a, x, lo, hi, key=key)
        if key is not None or lo != 0 or hi is not None:
            _refuse("bisect on traced values takes no key= and no bounds; use np.searchsorted")
        places = np.searchsorted(enter(array, a) if not isinstance(a, Tracer) else a, x, side)
        return wrap(lift(places), True)

    return search


BISECT: dict[Any, Function] = {
    bisect.bisect_left: searched(bisect.bisect_left, "left"),
    bisect.bisect_right: searched(bisect.bisect_right, "right"),
}


def item_at(items: Any, index: Any) -> Any:
    """`items[index]` of a list or tuple of numbers or arrays, where the index is traced.

    The result is read-only: a change of it would not reach the list.
    """
    if isinstance(index, Dim) or index.dtype.kind not in "iub" or index.shape:
        return items[index]
    if not items or not all(map(is_numeric, flatten(list(items))[0])):
        return items[index]
    whole = enter(array, items)
    row = enter(lambda: wrap(lift(whole)))[index]
    if not row.ndim and all(kind_of(x).weak for x in items):
        return wrap(lift(row), True)
    row.locked = "it is an item of a list, by an index known only at run time; use an array instead"
    return row
