"""What rewritten code calls: all constructs and operations that may meet traced values.

One `Runtime` belongs to each rewritten function, and knows its loops and branches by number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.capture import comprehensions, list_tables, nests, runtime_branches, runtime_loops
from wengert.capture.faults import divided, handled
from wengert.capture.handlers import Guarded, Passing, Unguarded, takes
from wengert.capture.journal import active, changes, changes_structure, made
from wengert.capture.kinds import is_numeric
from wengert.capture.list_rows import is_row, note_row, store_in_row
from wengert.capture.list_tables import view_of
from wengert.capture.lists import append, store
from wengert.capture.objects import (
    Managed,
    attribute,
    augmented,
    binary,
    compared,
    delete_attribute,
    looked_up,
    set_attribute,
    special,
    truth,
    unary,
)
from wengert.capture.objects import item as written_item
from wengert.capture.open_lists import item_of, items_of
from wengert.capture.ordering import item_at
from wengert.capture.raises import raising
from wengert.capture.runtime_calls import call
from wengert.capture.sums import total
from wengert.capture.texts import shown
from wengert.capture.undefined import DELETED, Chosen, Undefined, undefined
from wengert.errors import CaptureError, ShapeError, WengertError, located
from wengert.ir.types import BOOL
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.assignment import refuse_constant
from wengert.tracer.functions.elements import is_joining, joined_by
from wengert.tracer.functions.masks import Selection
from wengert.tracer.functions.stretches import Stretch
from wengert.tracer.lift import lift, wrap
from wengert.tracer.mutation import known
from wengert.tracer.stack import current, user_location

Thunk = Callable[[], Any]


_DIVIDING = frozenset(["/", "//", "%"])


def _require(test: Tracer, message: Thunk) -> None:
    """The condition of an assertion as part of the program."""
    if test.type.shape:
        raise ShapeError(
            f"the truth of an array with shape {test.type.shape} is ambiguous; use .all() or .any()"
        )
    try:
        text = message()
    except WengertError:  # it shows traced values, whose numbers are not known yet
        text = None
    condition = lift(test)
    holds = condition if condition.dtype == BOOL else condition.ne(0)
    failed = "the assertion does not hold" if text is None else str(text)
    if takes(AssertionError):
        failed = handled(failed, AssertionError)
        holds.require(message=failed, error=CaptureError.__name__)
    else:
        holds.require(message=failed)


def concrete(x: Any) -> Any:
    """A condition, with its value if it is an array whose elements are known."""
    if isinstance(x, Tracer):
        elements = known(x)
        return x if elements is None else elements
    found = truth(x)
    return concrete(found) if isinstance(found, Tracer) else found


class Runtime:
    """The constructs of one rewritten function."""

    def __init__(self, infos: list[Any]) -> None:
        self.infos = infos

    # control flow

    def if_(self, k: int, test: Any, then: Thunk, other: Thunk, get: Thunk, set_: Any) -> None:
        """`if test: then() else: other()`"""
        runtime_branches.run_branch(self.infos[k], concrete(test), then, other, get, set_)

    def for_(self, k: int, items: Any, body: Any, get: Thunk, set_: Any, stop: Any) -> None:
        """`for item in items: body(item)`"""
        nests.run_for(self.infos[k], items, body, get, set_, stop)

    def while_(self, k: int, test: Thunk, body: Thunk, get: Thunk, set_: Any) -> None:
        """`while test(): body()`"""
        runtime_loops.run_while(self.infos[k], lambda: concrete(test()), body, get, set_)

    @staticmethod
    def collected(items: Any, element: Any, spread: bool, line: int) -> list[Any]:
        """`[element(item) for item in items]`"""
        return comprehensions.collected(items, element, spread, line)

    # variables

    def unset(self, k: int) -> tuple[Undefined, ...]:
        """Variables that have no value yet."""
        return tuple([Undefined(name) for name in self.infos[k]])

    @staticmethod
    def deleted(name: str) -> Undefined:
        """A variable after `del`."""
        return Undefined(name, DELETED)

    @staticmethod
    def owns(reads: Any) -> None:
        """Variables of a function that it makes anew in each call, and functions in it assign."""
        for cell in reads.__closure__ or ():
            made(cell)

    @staticmethod
    def assigns(reads: Any) -> None:
        """Variables from outside a function that it is about to assign: places that change."""
        for cell in reads.__closure__ or ():
            changes(cell, "cell_contents", True)
        for name in reads.__defaults__[0]:
            changes(reads.__globals__, name, False)

    @staticmethod
    def defined(x: Any) -> Any:
        """A variable that is read; raises UndefinedVariableError if it has no value."""
        return undefined(x) if isinstance(x, Undefined) else x

    # expressions

    call = staticmethod(call)
    made = staticmethod(made)
    total = staticmethod(total)
    compared = staticmethod(compared)
    unary = staticmethod(unary)
    attribute = staticmethod(attribute)
    shown = staticmethod(shown)
    setattr = staticmethod(set_attribute)
    delattr = staticmethod(delete_attribute)
    managed = Managed
    slice = slice
    chain = staticmethod(runtime_branches.chain)
    in_ = staticmethod(runtime_branches.in_)
    not_in = staticmethod(runtime_branches.not_in)

    @staticmethod
    def binary(symbol: str, a: Any, b: Any) -> Any:
        """`a + b` and its kin."""
        if symbol in _DIVIDING:
            if type(a) is str:
                b = shown(b)
            divided(a, b)
        found = binary(symbol, a, b)
        return made(found) if type(found) is list else found

    @staticmethod
    def is_truth(x: Any, value: bool) -> bool:
        """`x is True`, which holds for a bool of Python and not for one of NumPy."""
        if isinstance(x, Tracer):
            raise located(
                CaptureError(
                    f"'is {value}' asks which object it is, and this is {x.type}, which is known "
                    "only when the compiled program runs; use it as a condition (if x, if not x)"
                ),
                user_location(),
            )
        return x is value

    @staticmethod
    def choose(condition: Any, then: Thunk, other: Thunk) -> Any:
        """`then() if condition else other()`"""
        return runtime_branches.choose(concrete(condition), then, other)

    @staticmethod
    def and_(left: Any, right: Thunk, safe: bool) -> Any:
        """`left and right()`"""
        return runtime_branches.and_(concrete(left), right, safe)

    @staticmethod
    def or_(left: Any, right: Thunk, safe: bool) -> Any:
        """`left or right()`"""
        return runtime_branches.or_(concrete(left), right, safe)

    @staticmethod
    def not_(x: Any) -> Any:
        """`not x`"""
        return runtime_branches.not_(concrete(x))

    @staticmethod
    def global_(x: Any, name: str) -> Any:
        """A global object that is about to be changed: not in a region, it would not be undone."""
        if active() is not None and not isinstance(x, np.ndarray):
            raise located(
                CaptureError(
                    f"the global '{name}', a {type(x).__name__}, is changed in a loop or branch "
                    "that is compiled; return the new value instead"
                ),
                user_location(),
            )
        return x

    # items and attributes

    @staticmethod
    def append(x: Any, value: Any) -> None:
        """`x.append(value)`"""
        if type(x) is list:
            append(x, value)
        else:
            call(x.append)(value)

    @staticmethod
    def item(x: Any, index: Any) -> Any:
        """`x[index]`, where the index is written out."""
        if type(x) is list and (view := view_of(x)) is not None:
            return view[index]
        return written_item(x, index)

    @staticmethod
    def getitem(x: Any, index: Any) -> Any:
        """`x[index]`"""
        if type(x) is list and (view := view_of(x)) is not None:
            return view[index]
        method = special(x, "__getitem__")
        if method is not None:
            return method(index)
        if isinstance(x, np.ndarray) and _holds_tracer(index):
            return enter(_lifted, x)[index]
        if is_joining(x) and _holds_tracer(index):
            return enter(joined_by, x, index)
        items = items_of(x)
        if items is not None:
            return item_of(x, items, index)
        if isinstance(index, Tracer) and isinstance(x, (list, tuple, dict)):
            return _item(x, index)
        if isinstance(x, dict):
            return _of_chosen(x, index) if isinstance(index, Chosen) else looked_up(x, index)
        return made(x[index]) if type(x) is list and type(index) is slice else x[index]

    @staticmethod
    def setitem(x: Any, index: Any, value: Any) -> None:
        """`x[index] = value`"""
        method = special(x, "__setitem__")
        if method is not None:
            method(index, value)
            return
        if isinstance(x, list) and (view := view_of(x)) is not None:
            view[index] = value
            return
        if isinstance(x, (list, dict)):
            if isinstance(index, Tracer) and current() is not None:
                _store(x, index, value)
                return
            if isinstance(x, list):
                store(x, index, value)
                return
            changes(x, index, False)
        elif isinstance(x, np.ndarray):
            enter(refuse_constant, x, "x[i] = v")
        elif isinstance(x, Tracer) and x.locked and is_row(x):
            enter(store_in_row, x, index, value)
            return
        x[index] = value

    @staticmethod
    def delitem(x: Any, index: Any) -> None:
        """`del x[index]`"""
        method = special(x, "__delitem__")
        if method is not None:
            method(index)
            return
        changes_structure(x, "del x[i]")
        del x[index]

    @staticmethod
    def augment(symbol: str, x: Any, value: Any) -> Any:
        """What `x op= value` makes of x."""
        if isinstance(x, np.ndarray):
            enter(refuse_constant, x, f"x {symbol}= v")
        elif isinstance(x, (list, set, dict)):
            changes_structure(x, f"{symbol}=")
        return augmented(symbol, x, value)

    @staticmethod
    def augment_item(symbol: str, x: Any, index: Any, value: Any) -> None:
        """`x[index] op= value`"""
        old = Runtime.getitem(x, index)
        if isinstance(old, Tracer) and old.locked and is_row(old):  # of a list: what `old` is of
            new = Runtime.augment(symbol, old.copy(), value)
            enter(store_in_row, old, ..., new)
            return
        new = Runtime.augment(symbol, old, value)
        if new is old and isinstance(old, Tracer) and old.base is not None:
            return  # a view, which has been changed in place
        Runtime.setitem(x, index, new)

    @staticmethod
    def augment_attribute(symbol: str, x: Any, name: str, value: Any) -> None:
        """`x.name op= value`"""
        Runtime.setattr(x, name, Runtime.augment(symbol, attribute(x, name), value))

    # statements

    @staticmethod
    def known(test: Any) -> Any:
        """A condition in a generator, which Python runs."""
        test = concrete(test)
        if isinstance(test, Tracer):
            raise located(
                CaptureError(
                    "a generator (a function with yield) runs in Python, and this condition is "
                    "known only when the compiled program runs; write a function that fills an "
                    "array or list in a loop, or make the condition static (static_argnums)"
                ),
                user_location(),
            )
        return test

    @staticmethod
    def assert_(test: Any, message: Thunk) -> None:
        """`assert test, message()`; one on traced values is checked when the program runs."""
        test = concrete(test)
        if isinstance(test, Tracer):
            enter(_require, test, message)
        elif not test:
            text = message()
            raise AssertionError(text) if text is not None else AssertionError

    raising = staticmethod(raising)
    guarded = Guarded
    unguarded = Unguarded
    passing = Passing


def _store(x: Any, index: Tracer, value: Any) -> None:
    """`x[index] = value` of a list or dict by a traced index."""
    error = CaptureError(
        f"a {type(x).__name__} has a place for an index that is known only at run time in no "
        "compiled program; use an array (np.zeros) in place of it"
    )
    located(error, user_location())
    if type(x) is not list:
        raise error
    list_tables.store(x, index, value, error)


def _of_chosen(x: dict[Any, Any], key: Chosen) -> Any:
    """`x[key]` of a dict, where one of some keys is meant."""
    held = [looked_up(x, text) for text in key.texts]
    if not all(map(is_numeric, held)):
        undefined(key)
    return item_at(held, key.index)


def _item(x: Any, index: Tracer) -> Any:
    """`x[index]` of a container of Python, where the index is traced."""
    if not isinstance(x, dict):
        row = item_at(x, index)
        if type(x) is list:
            note_row(row, x, index)
        return row
    raise located(
        CaptureError(
            "a dict is looked up here by a key that is known only at run time; use an array and "
            "an index, or np.select"
        ),
        user_location(),
    )


def _lifted(x: Any) -> Tracer:
    return wrap(lift(x))


def _holds_tracer(index: Any) -> bool:
    if isinstance(index, (tuple, list)):
        return any(map(_holds_tracer, index))
    if isinstance(index, slice):
        return any(isinstance(p, Tracer) for p in (index.start, index.stop, index.step))
    return isinstance(index, Tracer | Selection | Stretch)
