"""Objects of the user's classes in the state of a loop: `p = p + v * dt` with vectors of their own.

A variable that gets a new object of one class in each turn is carried by what the object holds. On
entry of a turn and after the loop there is an object made without `__init__`, as copies are.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.capture.kinds import is_numeric
from wengert.capture.undefined import Undefined
from wengert.tracer.array import Tracer
from wengert.tracer.pytree import flatten, is_node, register_pytree_node


@dataclass(frozen=True, slots=True)
class Instance:
    """What an object holds."""

    kind: type
    names: tuple[str, ...]
    values: Sequence[Any]


register_pytree_node(
    Instance,
    lambda x: (x.values, (x.kind, x.names)),
    lambda aux, values: Instance(aux[0], aux[1], values),
)


def is_plain(x: Any) -> bool:
    """Whether an object is all that its attributes say: of a class written in Python."""
    kind = type(x)
    if is_numeric(x) or is_node(kind) or kind.__new__ is not object.__new__:
        return False
    if isinstance(x, Undefined):
        return False
    if kind.__setattr__ is not object.__setattr__ or hasattr(kind, "__del__"):
        return False
    return isinstance(kind.__init__, types.FunctionType)


def holds_ended(x: Any) -> bool:
    """Whether an object holds values of a trace that has ended, so that they are no values now."""
    if not is_plain(x):
        return False
    held = (object.__getattribute__(x, name) for name in _names(x))
    leaves = (v for part in held for v in flatten(part)[0])
    return any(isinstance(v, Tracer) and not v.owner.alive for v in leaves)


def _names(x: Any) -> tuple[str, ...]:
    """The attributes that an object has of its own."""
    slots: Iterable[str] = (
        name
        for base in type(x).__mro__
        for name, found in vars(base).items()
        if isinstance(found, types.MemberDescriptorType) and hasattr(x, name)
    )
    return (*getattr(x, "__dict__", {}), *slots)


def opened_up(value: Any, kinds: Collection[Any], found: list[Any] | None = None) -> Any:
    """`value` with what they hold in the place of objects of these classes; `found` gets those."""
    return _opened_up(value, kinds, found, ()) if kinds else value


def _opened_up(
    value: Any, kinds: Collection[Any], found: list[Any] | None, around: tuple[Any, ...]
) -> Any:
    leaves, tree = flatten(value)
    return tree.unflatten([_opened(x, kinds, found, around) for x in leaves])


def _opened(
    x: Any, kinds: Collection[Any], found: list[Any] | None, around: tuple[Any, ...]
) -> Any:
    if type(x) not in kinds or any(x is y for y in around):
        return x
    if found is not None:
        found.append(x)
    names, inside = _names(x), (*around, x)
    values = [_opened_up(object.__getattribute__(x, name), kinds, found, inside) for name in names]
    return Instance(type(x), names, values)


def closed(value: Any, kinds: Collection[Any], made: list[Any] | None = None) -> Any:
    """The opposite of `opened_up`; the objects are added to `made`."""
    if not kinds:
        return value
    leaves, tree = flatten(value, is_leaf=lambda x: isinstance(x, Instance))
    return tree.unflatten([_closed(x, kinds, made) for x in leaves])


def _closed(x: Any, kinds: Collection[Any], made: list[Any] | None) -> Any:
    if not isinstance(x, Instance):
        return x
    found = object.__new__(x.kind)
    for name, value in zip(x.names, x.values, strict=True):
        object.__setattr__(found, name, closed(value, kinds, made))
    if made is not None:
        made.append(found)
    return found
