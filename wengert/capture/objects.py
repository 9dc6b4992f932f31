"""Objects of the user's own classes: `a + b`, `x[i]`, `x.name`, `with x` and the rest call methods.

Python finds these special methods by the type of an object and calls them as they were written. In
rewritten code their rewritten forms are called, so that their loops and branches are compiled, and
what they change is known to be state. Objects of all other types take the short way.
"""

from __future__ import annotations

import functools
import operator
import types
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.capture.array_api import of_operator
from wengert.capture.handlers import Guarded, Passing, swallowed
from wengert.capture.journal import changes, looks, looks_into, made
from wengert.capture.kinds import is_numeric
from wengert.capture.open_lists import item_of, items_of
from wengert.capture.undefined import Doubtful, Supplied, Undefined, check_known, undefined
from wengert.errors import MutationError, located
from wengert.ir.types import Dim
from wengert.tracer.array import Tracer
from wengert.tracer.stack import user_location

Function = Callable[..., Any]

_PLAIN = frozenset(
    {
        *(Tracer, Dim, int, float, bool, complex, str, bytes, list, tuple, dict, set, frozenset),
        *(range, slice, type(None), type, types.ModuleType, types.FunctionType),
        *(np.ndarray, np.ufunc, np.float64, np.float32, np.int64, np.bool_, np.complex128),
    }
)
"""Types without special methods of the user."""

_BINARY: dict[str, tuple[Function, Function, str]] = {
    "+": (operator.add, operator.iadd, "add"),
    "-": (operator.sub, operator.isub, "sub"),
    "*": (operator.mul, operator.imul, "mul"),
    "/": (operator.truediv, operator.itruediv, "truediv"),
    "//": (operator.floordiv, operator.ifloordiv, "floordiv"),
    "%": (operator.mod, operator.imod, "mod"),
    "**": (operator.pow, operator.ipow, "pow"),
    "@": (operator.matmul, operator.imatmul, "matmul"),
    "&": (operator.and_, operator.iand, "and"),
    "|": (operator.or_, operator.ior, "or"),
    "^": (operator.xor, operator.ixor, "xor"),
    "<<": (operator.lshift, operator.ilshift, "lshift"),
    ">>": (operator.rshift, operator.irshift, "rshift"),
}
_CONTAINERS = frozenset({list, tuple})
_COMPARE: dict[str, tuple[Function, str, str]] = {
    "Eq": (operator.eq, "__eq__", "__eq__"),
    "NotEq": (operator.ne, "__ne__", "__ne__"),
    "Lt": (operator.lt, "__lt__", "__gt__"),
    "LtE": (operator.le, "__le__", "__ge__"),
    "Gt": (operator.gt, "__gt__", "__lt__"),
    "GtE": (operator.ge, "__ge__", "__le__"),
}
_UNARY: dict[str, tuple[Function, str]] = {
    "USub": (operator.neg, "__neg__"),
    "UAdd": (operator.pos, "__pos__"),
    "Invert": (operator.invert, "__invert__"),
}

converted: Callable[[Any], Any] = lambda f: f  # noqa: E731  (set by `convert`)


def special(x: Any, name: str) -> Function | None:
    """The rewritten form of a special method of an object; None if it has none of the user's."""
    kind = type(x)
    if kind in _PLAIN:
        return None
    found = getattr(kind, name, None)
    if type(found) is not types.FunctionType:
        return None
    inner = converted(found)
    return None if inner is found else types.MethodType(inner, x)


def item(x: Any, index: Any) -> Any:
    """`x[index]`, where the index is written out."""
    method = special(x, "__getitem__")
    if method is not None:
        return method(index)
    if isinstance(x, dict):
        return looked_up(x, index)
    items = items_of(x)
    return x[index] if items is None else item_of(x, items, index)


def looked_up(x: Any, key: Any) -> Any:
    """`x[key]` of a dict."""
    if key not in x:
        return _made_when_missing(x, key)
    found = x[key]
    if isinstance(found, Supplied):
        return found.value
    return undefined(found) if isinstance(found, Undefined) else found


def _made_when_missing(x: Any, key: Any) -> Any:
    """`x[key]` of a dict that has no such key."""
    method = special(x, "__missing__")
    if method is not None:
        looks(x)
        return method(key)
    if not isinstance(x, defaultdict) or x.default_factory is None:
        looks(x)
        return x[key]  # for Python's error
    value = default_of(x)
    if not is_numeric(value):  # for a number it makes no difference in which turn it is made
        looks(x)
    changes(x, key, False)
    dict.__setitem__(x, key, value)
    return value


def default_of(x: defaultdict[Any, Any]) -> Any:
    """What the factory of a dict gives."""
    value = converted(x.default_factory)()
    return made(value) if isinstance(value, (list, dict, set, deque)) else value


# operators


def binary(symbol: str, a: Any, b: Any) -> Any:
    """`a + b` and its kin."""
    plain, _, short = _BINARY[symbol]
    if type(a) in _PLAIN and type(b) in _PLAIN:
        return plain(a, b)
    standing = of_operator(short, a, b)
    if standing is not None:
        return standing()
    return _between(plain, a, b, f"__{short}__", f"__r{short}__", type(a) is not type(b))


def _between(plain: Function, a: Any, b: Any, name: str, mirrored: str, mirrors: bool) -> Any:
    """What an operator makes of two operands, by the order in which Python asks them."""
    left = special(a, name)
    right = special(b, mirrored) if mirrors else None
    if left is None and right is None:
        return plain(a, b)
    if left is None and not isinstance(a, np.generic):  # numbers of NumPy leave it to the other
        native = getattr(type(a), name, None)
        left = None if native is None else functools.partial(native, a)
    tries = [(left, b), (right, a)]
    derived = issubclass(type(b), type(a)) and type(b) is not type(a)
    if derived and getattr(type(b), mirrored, None) is not getattr(type(a), mirrored, None):
        tries.reverse()
    for method, other in tries:
        found = NotImplemented if method is None else method(other)
        if found is not NotImplemented:
            return found
    return plain(a, b)  # for Python's error


def augmented(symbol: str, x: Any, value: Any) -> Any:
    """What `x += value` and its kin make of x."""
    _, in_place, short = _BINARY[symbol]
    if type(x) in _PLAIN and type(value) in _PLAIN:
        return in_place(x, value)
    method = special(x, f"__i{short}__")
    if method is not None:
        found = method(value)
        return binary(symbol, x, value) if found is NotImplemented else found
    if getattr(type(x), f"__i{short}__", None) is None:
        return binary(symbol, x, value)
    return in_place(x, value)


def compared(name: str, a: Any, b: Any) -> Any:
    """`a < b` and its kin; names are those of the syntax tree."""
    plain, forward, backward = _COMPARE[name]
    if type(a) in _CONTAINERS and type(b) in _CONTAINERS:
        check_known(a)
        check_known(b)
    if type(a) in _PLAIN and type(b) in _PLAIN:
        return plain(a, b)
    if name == "NotEq" and special(a, "__ne__") is None and special(a, "__eq__") is not None:
        found = compared("Eq", a, b)
        return np.logical_not(found) if isinstance(found, Tracer) else not found
    return _between(plain, a, b, forward, backward, True)


def unary(name: str, x: Any) -> Any:
    """`-x`, `+x` and `~x`."""
    plain, method = _UNARY[name]
    found = special(x, method)
    return plain(x) if found is None else found()


def truth(x: Any) -> Any:
    """The truth of an object of the user's, or of a list of unknown length; others as they are."""
    if isinstance(x, dict):
        looks_into(x)
    if type(x) is list:
        measured(x)
        items = items_of(x)
        return x if items is None else items.length != 0
    if type(x) in _PLAIN:
        return x
    method = special(x, "__bool__")
    if method is not None:
        return method()
    method = None if hasattr(type(x), "__bool__") else special(x, "__len__")
    return x if method is None else method() != 0


def measured(x: list[Any]) -> None:
    """To be called before it is asked how long a list is; an error if nobody knows."""
    if x and type(x[0]) is Doubtful:
        undefined(x[0])


def through(name: str, function: Function) -> Function:
    """A function of Python, such as `len`, which calls a special method."""

    def called(x: Any = 0, *args: Any, **options: Any) -> Any:
        method = special(x, name)
        if type(x) is list:
            measured(x)
        return function(x, *args, **options) if method is None else method(*args, **options)

    return called


# attributes

_MISSING = object()


def _in_class(kind: type, name: str) -> Any:
    for base in kind.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def attribute(x: Any, name: str, *default: Any) -> Any:
    """`x.name`"""
    kind = type(x)
    if kind in _PLAIN:
        return getattr(x, name, *default)
    try:
        found = _attribute(x, kind, name)
    except AttributeError:
        looks(x)
        try:
            method = special(x, "__getattr__")
            if method is None:
                raise
            found = method(name)
        except AttributeError:
            if not default:
                raise
            return default[0]
    return undefined(found) if isinstance(found, Undefined) else found


def _attribute(x: Any, kind: type, name: str) -> Any:
    """`x.name`, without `__getattr__`."""
    if kind.__getattribute__ is not object.__getattribute__:
        method = special(x, "__getattribute__")
        if method is not None:
            return method(name)
    found = _in_class(kind, name)
    if type(found) is property and isinstance(found.fget, types.FunctionType):
        return converted(found.fget)(x)
    held: dict[str, Any] = getattr(x, "__dict__", {})
    if type(found) is functools.cached_property:
        looks(held)
        if name not in held:
            value = converted(found.func)(x)
            changes(held, name, False)
            held[name] = value
        return held[name]
    method = None if found is None else special(found, "__get__")
    if method is not None and (name not in held or hasattr(type(found), "__set__")):
        return method(x, kind)
    if hasattr(kind, "__getattr__") and special(x, "__getattr__") is not None:
        return object.__getattribute__(x, name)
    return getattr(x, name)


def set_attribute(x: Any, name: str, value: Any) -> None:
    """`x.name = value`"""
    if isinstance(x, Tracer):
        _check_kept(name)
        setattr(x, name, value)
        return
    method = special(x, "__setattr__")
    if method is not None:
        method(name, value)
        return
    found = _in_class(type(x), name)
    if type(found) is property and isinstance(found.fset, types.FunctionType):
        converted(found.fset)(x, value)
        return
    method = None if found is None else special(found, "__set__")
    if method is not None:
        method(x, value)
        return
    changes(x, name, True)
    setattr(x, name, value)


def _check_kept(name: str) -> None:
    if name in ("shape", "dtype", "strides"):
        raise located(
            MutationError(
                f"x.{name} = ... would change what an array is, which in a traced function "
                "has one type; write x = x.reshape(shape) or x = x.astype(dtype)"
            ),
            user_location(),
        )


def set_plainly(x: Any, name: str, value: Any) -> None:
    """`object.__setattr__(x, name, value)`"""
    changes(x, name, True)
    object.__setattr__(x, name, value)


def has_attribute(x: Any, name: str) -> bool:
    """`hasattr(x, name)`"""
    if type(x) in _PLAIN:
        return hasattr(x, name)
    return attribute(x, name, _MISSING) is not _MISSING


def delete_attribute(x: Any, name: str) -> None:
    """`del x.name`"""
    method = special(x, "__delattr__")
    if method is not None:
        method(name)
        return
    found = _in_class(type(x), name)
    if type(found) is property and isinstance(found.fdel, types.FunctionType):
        converted(found.fdel)(x)
        return
    changes(x, name, True)
    delattr(x, name)


# statements


def iterator(x: Any) -> Iterator[Any]:
    """`iter(x)`"""
    if isinstance(x, dict):
        looks_into(x)
    method = special(x, "__iter__")
    found = iter(x) if method is None else method()
    return found if special(found, "__next__") is None else _drawn(found)


def _drawn(source: Any) -> Iterator[Any]:
    while True:
        method = special(source, "__next__")
        assert method is not None
        try:
            item = method()
        except StopIteration:
            return
        yield item


class Managed:
    """A context manager of the user's in `with`; one that may swallow errors is a handler."""

    __slots__ = ("_handler", "_manager")

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        swallows = swallowed(manager)
        self._handler = None if swallows is None else Guarded(swallows)

    def __enter__(self) -> Any:
        method = special(self._manager, "__enter__")
        found = self._manager.__enter__() if method is None else method()
        if self._handler is not None:
            self._handler.__enter__()
        return found

    def __exit__(self, *error: Any) -> Any:
        passing: Passing | None = None
        if self._handler is not None:
            try:
                self._handler.__exit__(*error)
            except Passing as found:
                passing = found
        method = special(self._manager, "__exit__")
        taken = self._manager.__exit__(*error) if method is None else method(*error)
        return taken if passing is None else False
