"""Places of a defaultdict: one that has no value is worth what its factory gives.

A key that only one part of an `if` makes can be read afterwards, as reading makes it anyhow.
Whether the dict has it, and how long it is, is known at run time only: the place holds `Supplied`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from wengert.capture.journal import Location
from wengert.capture.kinds import is_numeric
from wengert.capture.objects import default_of
from wengert.capture.undefined import Supplied, Undefined

_WHY = "the defaultdict was given it under a condition that is known only at run time"


def value_at(place: Location) -> Any:
    """What a place holds; `Supplied` if it is a number or array that a factory would give."""
    value, owner = place.get(), place.owner
    absent = isinstance(value, Undefined) and not value.reason
    if absent and not place.is_attribute and isinstance(owner, defaultdict):
        made = None if owner.default_factory is None else default_of(owner)
        if is_numeric(made):
            return Supplied(str(place), _WHY, made, absent=True)
    return value


def put_at(place: Location, value: Any) -> None:
    """Stores what `value_at` has given, or what has come of it."""
    absent = isinstance(value, Supplied) and value.absent
    place.set(Undefined(str(place)) if absent else value)


def supplied(x: Any) -> Any:
    """What is read of a place, where its factory may have to give it."""
    return x.value if isinstance(x, Supplied) else x


def resupplied(value: Any, *like: Any) -> Any:
    """A value as that of a place which need not have one, if one of those is so."""
    for x in like:
        if isinstance(x, Supplied) and not isinstance(value, Undefined):
            return Supplied(x.name, x.reason, value)
    return value
