"""Rows that are read of a list of lists, or of arrays, by an index known only at run time.

`row = lists[k]` is an array with the numbers that the list had then. What Python would read of it
after a change of one of the lists, or of the list after a change of the row, is not known before
the program runs. In a loop or branch that the list is from outside of, the list becomes a table
(`list_tables.py`), in which rows are read anew each time; elsewhere the row is in doubt from the
change on, and reading it is an error.

`lists[k][i] = v` itself is a store to a table, or, where arrays are in the list, to each array if
it is the one.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.capture import list_tables
from wengert.capture.journal import changed_with
from wengert.capture.list_stores import MOST_ITEMS
from wengert.errors import CaptureError, located
from wengert.tracer.array import Tracer
from wengert.tracer.sharing import link, put_in_doubt, root
from wengert.tracer.stack import current, user_location

ITEM = "an item of a list, at an index known only at run time"


@dataclass(frozen=True, slots=True)
class _Row:
    """Where a row comes from; `lists` has the ids of all lists that its numbers may be from."""

    row: Callable[[], Any]
    source: list[Any]
    index: Any
    lists: frozenset[int]


class _Held(threading.local):
    def __init__(self) -> None:
        self.rows: dict[int, _Row] = {}


_held = _Held()


def note_row(row: Any, source: list[Any], index: Any) -> None:
    """Notes that `row` was read of a list of lists or arrays by a traced index."""
    if not isinstance(row, Tracer) or not row.ndim:
        return
    for key in [k for k, found in _held.rows.items() if found.row() is None]:
        del _held.rows[key]
    lists = frozenset(_lists_in(source))
    _held.rows[id(row)] = _Row(weakref.ref(row), source, index, lists)
    arrays = [root(x) for x in source if isinstance(x, Tracer) and x.mutable]
    if arrays:
        link(root(row), arrays, ITEM)


def _lists_in(source: list[Any]) -> list[int]:
    return [k for x in source if type(x) is list for k in (id(x), *_lists_in(x))]


def is_row(row: Any) -> bool:
    """Whether an array is such a row."""
    found = _held.rows.get(id(row))
    return found is not None and found.row() is row


def store_in_row(row: Tracer, index: Any, value: Any) -> None:
    """`row[index] = value`, which changes the list that the row is one of."""
    found = _held.rows[id(row)]
    error = CaptureError(f"a list in a list is changed: {row.locked}")
    located(error, user_location())
    if _are_arrays(found.source):
        if len(found.source) > MOST_ITEMS or not found.index.owner.alive:
            raise error
        _store_in_each(found.source, found.index, index, value)
        return
    list_tables.store_in_row(found.source, found.index, index, value, error)


def _are_arrays(items: Sequence[Any]) -> bool:
    """Whether these are arrays of one dtype that can be changed."""
    arrays = [x for x in items if isinstance(x, Tracer) and x.mutable]
    return len(arrays) == len(items) and len({x.dtype for x in arrays}) == 1


def _store_in_each(arrays: Sequence[Tracer], k: Tracer, index: Any, value: Any) -> None:
    count = len(arrays)
    place: Any = np.where(np.less(k, 0), k + count, k)
    for number, x in enumerate(arrays):
        old = x[index]
        x[index] = np.where(place == number, value, old)


def _changes(owner: Any, keys: Sequence[Any] | None, is_attribute: bool) -> None:
    """Before a list changes: rows that may be that list are known no more."""
    if not _held.rows or type(owner) is not list:
        return
    for found in list(_held.rows.values()):
        row = found.row()
        if row is None or id(owner) not in found.lists:
            continue
        trace = current()
        if trace is None or not row.owner.alive:
            continue
        error = CaptureError(f"a list is changed of which a row is known: {row.locked}")
        located(error, user_location())
        list_tables.ask_for(found.source, error)
        whole = root(row)
        put_in_doubt(trace, whole, {id(owner): user_location()})
        if whole.links is not None:
            whole.links.name = whole.links.name or ITEM


changed_with.append(_changes)
