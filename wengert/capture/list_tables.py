"""Lists of numbers that loops fill by indices known only at run time: arrays while the loop runs.

`dp = [0.0] * n`, then `dp[i] = dp[i - 1] + x[i]`: a list has no place for a traced index, so the
construct around the store is traced again with an array in place of the list (`NeedsTable`). It is
the outermost loop or branch that the list is from outside of; the array is changed in place there,
and is state of the loops inside as any other. Afterwards the list, which is the same object for
whoever holds it, has the elements of the array. Lists of lists become arrays of more axes, if no
list stands in two places.

Meanwhile the elements in the list are `Hidden`: whatever looks at them without `Table` raises an
error. Then the construct is traced once more without that table, and a store by an index from data
chooses the items (`list_stores.py`), if they are few; else the loop runs in Python.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np

from wengert.capture.journal import Journal, active, changed_with
from wengert.capture.kinds import is_numeric, joined, kind_of
from wengert.capture.list_stores import may_store, store_chosen
from wengert.capture.lists import assembled
from wengert.capture.loop_unstable import NeedsTable, Unstable
from wengert.capture.undefined import Undefined, contents, undefined
from wengert.errors import CaptureError, WengertError, located
from wengert.ir.types import Dim
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.creation import array as array_of
from wengert.tracer.lift import lift, wrap
from wengert.tracer.mutation import adopt
from wengert.tracer.stack import current, user_location
from wengert.tracer.trace import Abstract
from wengert.tracer.views import Window, unread

T = TypeVar("T")

_FAILED = (WengertError, Unstable, TypeError, ValueError, LookupError)
"""What a construct raises that cannot be traced, perhaps for what is hidden from it."""

MOST_LISTS = 8
"""A line that asks for tables of more lists stores to one that each attempt makes anew."""
MOST_TRACED = 8
"""So many traced numbers, or half of all if that is more, are stored one by one in an array."""


class Hidden(Undefined):
    """An element of a list while an array stands for the list."""

    __slots__ = ()
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __eq__(self, other: object) -> bool:
        undefined(self)

    def __ne__(self, other: object) -> bool:
        undefined(self)


_HIDDEN = Hidden(
    "list[...]", "its elements can be read and changed one by one in a compiled loop that fills it"
)


@dataclass(slots=True, eq=False)
class Table:
    """An array in place of a list, or of all lists in a list: `saved` has them as they were.

    It is `known` if all of them were numbers of Python, and so may be what the loop makes of them.
    """

    need: NeedsTable
    array: Tracer
    kind: Abstract
    saved: list[tuple[list[Any], list[Any]]]
    known: bool

    @property
    def target(self) -> list[Any]:
        """The list."""
        return self.need.target


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A list of a table, at the index `prefix`; what takes a list apart can run over it."""

    table: Table
    prefix: tuple[Any, ...] = ()

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __eq__(self, other: object) -> bool:
        raise _refused("a list in a list is compared")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _refused(f".{name} of a list in a list is called")

    def __len__(self) -> int:
        return self.table.array.type.shape[len(self.prefix)]

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        place = (*self.prefix, _checked(index))
        if len(place) < self.table.array.ndim:
            self.table.array[place]  # an index out of range is an error here
            return View(self.table, place)
        found = self.table.array[place]
        return wrap(lift(found), True) if self.table.kind.weak else found

    def __setitem__(self, index: Any, value: Any) -> None:
        place = (*self.prefix, _checked(index))
        if len(place) < self.table.array.ndim or not is_number(value):
            raise _refused("a list in a list, or what is no number, is stored")
        table = self.table
        kind = joined(table.kind, kind_of(value))
        if kind != table.kind:
            raise NeedsTable(
                table.target,
                kind,
                _refused("numbers of several kinds are stored"),
                table.need.may_choose,
            )
        table.array[place] = value


def is_number(x: Any) -> bool:
    """Whether `x` can be an element of a table."""
    return is_numeric(x) and not kind_of(x).type.shape


def _checked(index: Any) -> Any:
    if isinstance(index, Dim):
        return wrap(lift(index))
    if isinstance(index, Tracer) and not index.type.shape and index.dtype.kind in "iu":
        return index
    if isinstance(index, (int, np.integer)):
        return int(index)
    raise _refused("a part of it, or an element by something other than an integer, is taken")


def _refused(what: str) -> CaptureError:
    error = CaptureError(
        f"a list that a loop fills by an index known only at run time is an array there, and {what}"
        "; use an array (np.zeros) in place of it"
    )
    located(error, user_location())
    return error


class _Held(threading.local):
    """Lists that tables stand for, by id.

    `levels` has for each construct that can make tables the journal around it. `chosen` are lists
    that cannot be tables, by id, and the lines that store to such.
    """

    def __init__(self) -> None:
        self.levels: list[Journal | None] = []
        self.views: dict[int, tuple[list[Any], View]] = {}
        self.chosen: set[Any] = set()


_held = _Held()


def view_of(x: Any) -> View | None:
    """What stands for a list, if a table does."""
    found = _held.views.get(id(x)) if _held.views else None
    return None if found is None else found[1]


def store(target: list[Any], index: Any, value: Any, error: CaptureError) -> None:
    """`target[index] = value` by a traced index, where `target` is no table yet.

    Raises NeedsTable for one from outside of what is being traced, and `error` for one that cannot
    be an array, and has too many items for each to be chosen.
    """
    parts = _lists(target)
    if parts is None or not is_number(value):
        raise error
    kind, choosable = _kind(parts[1]), may_store(target, index)
    refused = id(target) in _held.chosen or error.location in _held.chosen
    if not refused and not _is_own(target, active()):  # in a table the value may be of another kind
        _need(target, kind, error, choosable)
        refused = True
    try:
        if refused:
            raise error
        with holding() as tables:
            tables.make(NeedsTable(target, joined(kind, kind_of(value)), error))
            view = view_of(target)
            assert view is not None
            view[index] = value
    except CaptureError as found:
        if found is not error or not choosable:
            raise
        store_chosen(target, index, value)


def store_in_row(source: list[Any], k: Any, index: Any, value: Any, error: CaptureError) -> None:
    """`source[k][index] = value` for a list of lists that is no table yet.

    Raises NeedsTable if it is from outside of what is being traced.
    """
    parts = _lists(source)
    if parts is None or not is_number(value):
        raise error
    kind = _kind(parts[1])
    if not _is_own(source, active()):
        if id(source) not in _held.chosen:
            _need(source, kind, error, False)
        raise error
    with holding() as tables:
        tables.make(NeedsTable(source, joined(kind, kind_of(value)), error))
        view = view_of(source)
        assert view is not None
        view[k][index] = value


def ask_for(source: list[Any], error: CaptureError) -> None:
    """Raises NeedsTable if a list of lists can be a table of a construct around."""
    parts = None if _is_own(source, active()) else _lists(source)
    if parts is not None and id(source) not in _held.chosen and error.location not in _held.chosen:
        _need(source, _kind(parts[1]), error, True)


def _need(target: list[Any], kind: Abstract, error: CaptureError, may_choose: bool) -> None:
    """Raises NeedsTable if one of the constructs around can make it."""
    if any(_is_own(target, journal) for journal in _held.levels):
        raise NeedsTable(target, kind, error, may_choose)


def _kind(numbers: Sequence[Any]) -> Abstract:
    """What holds all of these."""
    return functools.reduce(joined, map(kind_of, numbers))


def _is_own(target: list[Any], journal: Journal | None) -> bool:
    """Whether a list is not from outside of a region: made in it, if it has a journal."""
    return journal is None or (id(target) in journal.made and id(target) not in journal.lists)


def _lists(target: Any) -> tuple[list[list[Any]], list[Any], tuple[int, ...]] | None:
    """The list and all in it, the numbers in order, and the shape; None if it is no such list."""
    lists: list[list[Any]] = [target]
    level: list[Any] = list(target)
    shape = [len(level)]
    while level and all(type(x) is list for x in level):
        lengths = {len(x) for x in level}
        if len(lengths) != 1:
            return None
        lists += level
        shape += lengths
        level = [y for x in level for y in x]
    known = {id(x) for x in lists}
    if not level or len(known) < len(lists) or any(k in _held.views for k in known):
        return None
    return (lists, level, tuple(shape)) if all(map(is_number, level)) else None


@dataclass(slots=True)
class Tables:
    """The tables of one loop or branch; lists of its own for which there shall be `none`."""

    made: list[Table] = field(default_factory=list[Table])
    none: list[list[Any]] = field(default_factory=list[list[Any]])

    def retried(self, attempt: Callable[[], T]) -> T:
        """What `attempt` gives, which leaves nothing behind where it fails for want of a table."""
        needs: list[NeedsTable] = []
        while True:
            _held.levels.append(active())
            try:
                return attempt()
            except NeedsTable as need:
                if not _is_own(need.target, active()):
                    raise
                found = need
            except _FAILED:
                if not self._given_up():
                    raise
                continue
            finally:
                _held.levels.pop()
            needs.append(found)
            try:
                if len({id(n.target) for n in needs if n.line == found.line}) > MOST_LISTS:
                    raise found.error
                self.make(found)
            except CaptureError:
                if not found.may_choose:
                    raise
                self._choose(found)

    def _given_up(self) -> bool:
        """Whether there were tables that can be done without, and are none any more."""
        found = [t for t in self.made if t.need.may_choose]
        for table in found:
            self.made.remove(table)
            _leave(table, False)
            self._choose(table.need)
        return bool(found)

    def _choose(self, need: NeedsTable) -> None:
        self.none.append(need.target)
        _held.chosen |= {id(need.target), need.line}

    def make(self, need: NeedsTable) -> None:
        """An array in place of a list; in place of a narrower one if there is one."""
        old = next((t for t in self.made if t.target is need.target), None)
        if old is not None:
            self.made.remove(old)
            _leave(old, False)
        parts = _lists(need.target)
        if parts is None:
            raise need.error
        lists, numbers, shape = parts
        if any(isinstance(x, Tracer) and not x.owner.alive for x in numbers):
            raise need.error  # a list that stood in a turn for one that variables hand on
        kind = joined(need.kind, _kind(numbers))
        whole = _array(need, numbers, shape, kind)
        known = not any(isinstance(x, Tracer) for x in numbers)
        table = Table(need, whole, kind, [(x, list(x)) for x in lists], known)
        _hide(table)
        self.made.append(table)


def _array(need: NeedsTable, numbers: list[Any], shape: tuple[int, ...], kind: Abstract) -> Tracer:
    """The numbers as an array; where a few are traced, those are stored among the others."""
    dtype = kind.type.dtype
    known = assembled(need.target)
    if known is not None:
        return known.astype(dtype).copy()
    traced = {k: x for k, x in enumerate(numbers) if isinstance(x, Tracer)}
    if len(traced) > MOST_TRACED and 2 * len(traced) > len(numbers):
        return enter(array_of, numbers).reshape(shape).astype(dtype).copy()
    try:
        plain = np.array([0 if k in traced else x for k, x in enumerate(numbers)], dtype)
    except OverflowError:
        raise need.error from None
    found = adopt(plain.reshape(shape))
    for k, x in traced.items():
        found[np.unravel_index(k, shape)] = x
    return found


def _hide(table: Table) -> None:
    places: dict[int, tuple[Any, ...]] = {id(table.target): ()}
    for x, held in table.saved:
        prefix = places[id(x)]
        places |= {id(y): (*prefix, k) for k, y in enumerate(held) if type(y) is list}
        _held.views[id(x)] = (x, View(table, prefix))
        for follow in changed_with:
            follow(x, range(len(x)), False)
        if len(prefix) == table.array.ndim - 1:
            x[:] = [_HIDDEN] * len(x)


def _leave(table: Table, done: bool) -> None:
    """The list has elements again: those of the array, or what it had."""
    for x, held in table.saved:
        _, view = _held.views.pop(id(x))
        prefix = view.prefix
        if not done:
            x[:] = held
        elif len(prefix) == table.array.ndim - 1:
            x[:] = [_element(table, (*prefix, k)) for k in range(len(x))]


def _element(table: Table, place: tuple[int, ...]) -> Any:
    """An element of the array, read when it is used."""
    ones = (1,) * len(place)
    found = unread(table.array, Window(place, ones, ones, ()), ())
    found.made = False
    found.weak = table.kind.weak
    return found


@contextmanager
def holding() -> Iterator[Tables]:
    """Tables that are made within the block end with it."""
    tables, chosen = Tables(), frozenset(_held.chosen)
    try:
        yield tables
    except BaseException:
        for table in reversed(tables.made):
            _leave(table, False)
        raise
    else:
        for table in reversed(tables.made):
            _leave(table, True)
    finally:
        _held.chosen = set(chosen)


def are_known(arrays: Iterable[Tracer]) -> bool:
    """Whether these arrays are tables that were made here of numbers which Python knows."""
    own = {id(view.table.array): view.table for _, view in _held.views.values()}
    return all(id(x) in own and own[id(x)].known and x.owner is current() for x in arrays)


def leaks(x: Any) -> bool:
    """Whether there are hidden elements in what a turn gives a variable, at any depth.

    It is a list that a table stands for, or a copy of one.
    """
    x = contents(x)
    if isinstance(x, dict):
        return any(map(leaks, dict.values(cast("dict[Any, Any]", x))))
    if isinstance(x, (list, tuple)):
        return any(map(leaks, cast("Sequence[Any]", x)))
    return x is _HIDDEN
