"""Calls in rewritten code: `f(x)` is `call(f)(x)`.

Python's own functions are replaced by ones that also take traced values, functions of NumPy that
make arrays by those of the tracer, and the user's functions by their rewritten form.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import math
import types
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.capture import ordering
from wengert.capture.array_api import COMPILED, in_one_namespace, of_library
from wengert.capture.averages import of_statistics
from wengert.capture.classes import constructor, new_object, of_class
from wengert.capture.containers import CHANGING, MAKING, extending, looking, making, new, updating
from wengert.capture.draws import GENERATORS, QUIET, check_draw, seed_numpy, seeding
from wengert.capture.faults import of_math
from wengert.capture.iterables import ITERABLES
from wengert.capture.journal import advances, changes, changes_structure, looks_into, made
from wengert.capture.kind_tests import is_instance, is_kind
from wengert.capture.list_tables import view_of
from wengert.capture.lists import assembled
from wengert.capture.objects import (
    attribute,
    delete_attribute,
    has_attribute,
    iterator,
    set_attribute,
    set_plainly,
    special,
    through,
    truth,
)
from wengert.capture.open_lists import check_whole, items_of, length_of, on_items
from wengert.capture.scalars import BUILTINS, is_traced
from wengert.capture.series import of_polynomials
from wengert.capture.texts import from_shown
from wengert.errors import MutationError, located
from wengert.ir.types import Dim
from wengert.tracer.array import Tracer, enter
from wengert.tracer.functions.creation import CREATION
from wengert.tracer.functions.making import tracked, tracking
from wengert.tracer.lift import lift, wrap
from wengert.tracer.pytree import tree_map, tree_reduce
from wengert.tracer.stack import current, user_location

Function = Callable[..., Any]


def _iter(*args: Any) -> Any:
    """`iter`"""
    return made(iterator(*args) if len(args) == 1 else iter(*args))


def _next(items: Any, *default: Any) -> Any:
    """`next`, which a compiled loop would call once for all of its turns"""
    method = special(items, "__next__")
    if method is None:
        advances(items, "next()")
        return next(items, *default)
    try:
        return method()
    except StopIteration:
        if not default:
            raise
        return default[0]


def _length(x: Any) -> Any:
    """`len`"""
    if isinstance(x, dict):
        looks_into(x)
    known = length_of(x)
    return BUILTINS[len](x) if known is None else known


def _collecting(function: Function) -> Function:
    """`list` and its kin, which run over their argument."""

    def collected(*args: Any, **options: Any) -> Any:
        if args and (view := view_of(args[0])) is not None:
            args = (view, *args[1:])
        if args and (isinstance(args[0], dict) or special(args[0], "__iter__") is not None):
            args = (iterator(args[0]), *args[1:])
        return new(function(*args, **options))

    return on_items(collected)


def _type(*args: Any) -> Any:
    """`type`, where traced values are what they stand for"""
    if len(args) != 1 or not isinstance(args[0], Tracer):
        return type(*args)
    x = args[0]
    if x.mutable:
        return np.ndarray
    if not x.weak:
        return x.dtype.type
    return next(kind for kind in (int, float, complex) if is_kind(x, kind))


def _divmod(x: Any, y: Any, /) -> Any:
    """`divmod`"""
    return (x // y, x % y) if is_traced(x) or is_traced(y) else divmod(x, y)


def _float_type(kind: Any) -> Function:
    """np.float64(x) and its kin"""

    def converted_number(x: Any = 0, /) -> Any:
        if not is_traced(x):
            return kind(x)
        return (
            np.asarray(x).astype(kind)
            if not isinstance(x, (Tracer, Dim))
            else enter(_cast, x, kind)
        )

    return converted_number


def _cast(x: Any, kind: Any) -> Any:
    return wrap(lift(x).to(np.dtype(kind)))


def _joining(function: Any, of_rows: Callable[[Any, int], Any]) -> Function:
    """A function that joins arrays, of a list that a loop has filled: `of_rows` of its array."""
    plain: Function = CREATION.get(function) or function

    def joined(items: Any, *args: Any, **options: Any) -> Any:
        whole = None
        unknown = items_of(items)
        if unknown is not None:
            is_plain = function in (np.array, np.asarray, np.stack) and not args and not options
            return enter(unknown.now) if is_plain else plain(unknown, *args, **options)
        if not args and current() is not None:
            items = _with_wholes(items)
            whole = assembled(items)
        axis = options.get("axis", 0)
        if whole is None or type(axis) is not int or options.get("ndmin"):
            return plain(items, *args, **options)
        found = of_rows(whole, axis)
        if found is None:
            return plain(items, *args, **options)
        dtype = options.get("dtype")
        return found.copy() if dtype is None else found.astype(dtype)

    return joined


def _side_by_side(whole: Any, axis: int) -> Any:
    """The rows of an array one after the other, along an axis of them."""
    rows = whole.ndim - 1
    if not -rows <= axis < rows:
        return None  # an error where they are joined
    along = axis % rows
    moved = np.moveaxis(whole, 0, along)
    length = moved.shape[along] * moved.shape[along + 1]
    return moved.reshape((*moved.shape[:along], length, *moved.shape[along + 2 :]))


def _stacked(whole: Any, axis: int) -> Any:
    return np.moveaxis(whole, 0, axis) if -whole.ndim <= axis < whole.ndim else None


def _vertical(whole: Any, axis: int) -> Any:
    if whole.ndim > 2:
        return _side_by_side(whole, 0)
    return whole if whole.ndim == 2 else whole.reshape((-1, 1))


def _horizontal(whole: Any, axis: int) -> Any:
    return whole.reshape(-1) if whole.ndim < 3 else _side_by_side(whole, 1)


def _with_wholes(items: Any) -> Any:
    """A list of lists that loops have filled as one of the arrays of these."""
    if type(items) is not list or not all(type(x) is list for x in items):
        return items
    wholes = [assembled(x) for x in items]
    return items if any(w is None for w in wholes) else wholes


def _with_captured(function: Function) -> Function:
    """`function`, which calls its first argument, with the rewritten form of that one."""
    return lambda f, *args, **options: function(call(f), *args, **options)


def _accumulate(items: Any, func: Any = None, *, initial: Any = None) -> Any:
    """`itertools.accumulate`"""
    return itertools.accumulate(items, None if func is None else call(func), initial=initial)


TABLE: dict[Any, Function] = {
    **BUILTINS,
    **{f: through(f"__{f.__name__}__", BUILTINS[f]) for f in (abs, round, float, int, complex)},
    len: through("__len__", _length),
    **{f: from_shown(f) for f in (str, repr, format)},
    hasattr: has_attribute,
    list: _collecting(list),
    tuple: _collecting(tuple),
    set: _collecting(set),
    frozenset: _collecting(frozenset),
    sum: _collecting(BUILTINS[sum]),
    bool: lambda *x: BUILTINS[bool](*map(truth, x)),
    getattr: attribute,
    setattr: set_attribute,
    delattr: delete_attribute,
    object.__setattr__: set_plainly,
    **ITERABLES,
    iter: _iter,
    next: _next,
    isinstance: is_instance,
    sorted: _collecting(ordering.sorting(lambda f: call(f))),
    min: on_items(ordering.extreme("min", lambda f: call(f))),
    max: on_items(ordering.extreme("max", lambda f: call(f))),
    **ordering.BISECT,
    **CHANGING,
    **MAKING,
    object.__new__: new_object,
    **{f: seeding(f) for f in (np.random.default_rng, *GENERATORS)},
    np.random.seed: seed_numpy,
    divmod: _divmod,
    type: _type,
    np.isscalar: lambda x: not x.mutable if isinstance(x, Tracer) else np.isscalar(x),
    map: lambda f, *items: map(call(f), *items),
    filter: lambda f, items: filter(None if f is None else call(f), items),
    itertools.accumulate: _accumulate,
    functools.reduce: _with_captured(functools.reduce),
    tree_map: _with_captured(tree_map),
    tree_reduce: _with_captured(tree_reduce),
    np.apply_along_axis: _with_captured(tracking(np.apply_along_axis)),
    **{
        kind: _float_type(kind)
        for kind in (
            *(np.float64, np.float32, np.float16, np.complex128, np.complex64),
            *(np.int64, np.int32, np.int16, np.int8),
        )
    },
    **{f: _joining(f, lambda whole, axis: whole) for f in (np.array, np.asarray)},
    np.stack: _joining(np.stack, _stacked),
    np.concatenate: _joining(np.concatenate, _side_by_side),
    np.vstack: _joining(np.vstack, _vertical),
    np.hstack: _joining(np.hstack, _horizontal),
}
"""What stands for a function in rewritten code."""

INSTANCES: dict[type, Callable[[Any], Function]] = {}
"""What makes, of a callable object of such a type, the function to call in its place."""

_LENGTHENING = ("append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse")
_LENGTHENING += ("add", "discard", "update", "popitem", "setdefault")
_LENGTHENING += ("appendleft", "extendleft", "popleft", "rotate")
_CONTAINERS = (list, dict, set, deque)
_NOTED = {"__setattr__": True, "__setitem__": False}
"""Methods of Python's classes, and whether they store attributes."""
_LOOKING = ("get", "keys", "values", "items", "setdefault", "pop", "popitem")
_ADVANCING = ("read", "read1", "readline", "readlines", "send")
_ARRAY_CHANGES = ("fill", "sort", "partition", "put", "resize", "setfield", "byteswap")
_MANAGING = contextlib.contextmanager(lambda: iter(())).__code__
"""The code of functions that are decorated with contextmanager."""
_DISPATCHED = type(np.sum)
"""The type of functions of NumPy that are written in Python."""
_BUILTIN = (types.BuiltinFunctionType, types.BuiltinMethodType)

converted: Callable[[Any], Any] = lambda f: f  # noqa: E731  (set by `convert`)


def call(f: Any) -> Any:
    """What to call in place of `f`."""
    kind = type(f)
    if kind is types.FunctionType:
        if current() is not None:
            found = CREATION.get(f) or TABLE.get(f) or of_statistics(f)
            found = found or of_polynomials(f, _rewritten)
            if found is not None:
                return found
            if f.__code__ is _MANAGING:
                return contextlib.contextmanager(_rewritten(vars(f)["__wrapped__"]))
        return _rewritten(f)
    if kind in _BUILTIN:
        return _builtin(f)
    if kind is types.MethodType:
        return _method(f)
    try:
        found = TABLE.get(f) or CREATION.get(f)
    except TypeError:  # no hash, as data classes that compare by their fields have none
        found = None
    if found is not None:
        return found
    if kind is np.ufunc or kind is _DISPATCHED:
        return f if current() is None else on_items(tracking(f))
    return of_class(f) if isinstance(f, type) else _object(f)


def _method(f: Any) -> Any:
    owner = f.__self__
    if current() is not None:
        if isinstance(owner, GENERATORS):
            return _drawing(f, owner)
        if isinstance(f.__func__, types.FunctionType) and f.__func__.__code__ is _MANAGING:
            return types.MethodType(call(f.__func__), owner)
    found = _rewritten(f)
    if found is f and isinstance(owner, (list, dict, deque)) and f.__name__ in _LENGTHENING:
        changes_structure(owner, f".{f.__name__}()")  # of a class of the standard library
    return found


def _object(f: Any) -> Any:
    if type(f) is types.MethodWrapperType:
        if f.__name__ in _NOTED:
            return _noted(f)
        if f.__name__ == "__call__" and isinstance(f.__self__, type):
            return constructor(f.__self__)  # super().__call__ of a metaclass
    return _rewritten(f)


def _rewritten(f: Any) -> Any:
    return in_one_namespace(f) if of_library(f) else converted(f)


def _builtin(f: Any) -> Any:
    owner = f.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        found = TABLE.get(f) or (CREATION.get(f) if current() is not None else None) or f
        return of_math(found, f.__name__) if owner is math else found
    if isinstance(owner, np.ufunc) and current() is not None:
        return tracking(f)
    if isinstance(owner, GENERATORS) and current() is not None:
        return _drawing(f, owner)
    if isinstance(owner, np.ndarray) and current() is not None:
        return _array_method(f, owner)
    if type(owner).__name__ in COMPILED and current() is not None:
        return in_one_namespace(f)
    if isinstance(owner, (io.IOBase, types.GeneratorType)) and f.__name__ in _ADVANCING:
        advances(owner, f".{f.__name__}()")
    if type(owner) is str and f.__name__ == "format":
        return from_shown(f)
    return _of_container(f, owner) if isinstance(owner, _CONTAINERS) else f


def _of_container(f: Any, owner: Any) -> Any:
    """A method of a container of Python."""
    if items_of(owner) is not None:
        check_whole(owner)
    if type(owner) is dict and f.__name__ == "update":
        return updating(owner)
    if type(owner) is list and f.__name__ == "extend":
        return extending(owner)
    if f.__name__ == "copy":
        return making(f)
    if f.__name__ in _LENGTHENING:
        changes_structure(owner, f".{f.__name__}()")
    if isinstance(owner, dict) and f.__name__ in _LOOKING:
        return looking(f, owner)
    if type(owner) is list and f.__name__ == "sort" and current() is not None:
        return ordering.sorting_of(owner, call)
    return f


def _drawing(f: Any, owner: Any) -> Any:
    def draw(*args: Any, **options: Any) -> Any:
        check_draw(owner, f.__name__, (*args, *options.values()))
        if f.__name__ == "shuffle" and isinstance(args[0], list):
            changes_structure(args[0], "shuffle()")
        if f.__name__ not in QUIET:
            advances(owner, f"{f.__name__}()")
        return tracked(f(*args, **options))

    return draw


def _array_method(f: Any, owner: Any) -> Any:
    if f.__name__ in _ARRAY_CHANGES:
        raise located(
            MutationError(
                f"x.{f.__name__}() would change a NumPy array of shape {owner.shape} that is a "
                "constant of the traced function; pass it as an argument, or change a copy of it: "
                "x = np.array(x)"
            ),
            user_location(),
        )

    def method(*args: Any, **options: Any) -> Any:
        if any(isinstance(x, Tracer) for x in (*args, *options.values())):
            return getattr(wrap(lift(owner)), f.__name__)(*args, **options)
        return tracked(f(*args, **options))

    return method


def _noted(f: Any) -> Any:
    """`super().__setattr__` and `super().__setitem__`, of which the journal has to know."""

    def stored(key: Any, value: Any) -> None:
        view = view_of(f.__self__)
        if view is not None:
            view[key] = value
            return
        changes(f.__self__, key, _NOTED[f.__name__])
        f(key, value)

    return stored
