"""Lists and dicts that a branch joins: a variable holds one or another, known at run time only.

What is read of it is what the one or the other has. A change of it is one of that other too, and
the other way round: since nobody knows of which, what is changed has no value any more there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterator, Sequence
from typing import Any

from wengert.capture.journal import changed_with, notes
from wengert.capture.undefined import Undefined
from wengert.errors import Location
from wengert.tracer.pytree import is_node
from wengert.tracer.stack import Trace, current, user_location


def containers(x: Any) -> list[Any]:
    """The lists, dicts and objects with leaves in `x` that can be changed."""
    kind: Any = type(x)
    if isinstance(x, dict):
        items: dict[Any, Any] = x
        return [x, *(c for part in items.values() for c in containers(part))]
    if isinstance(x, (list, tuple)):
        parts: Sequence[Any] = x
        inner = [c for part in parts for c in containers(part)]
        return [x, *inner] if isinstance(x, list) else inner
    if not dataclasses.is_dataclass(x) or not is_node(kind) or kind.__dataclass_params__.frozen:
        return []
    return [x, *(c for f in dataclasses.fields(kind) for c in containers(getattr(x, f.name)))]


def join(parent: Trace, columns: Sequence[Sequence[Any]], results: Sequence[Any]) -> None:
    """Notes that results of a branch may be what one of its parts has, in `columns`."""
    rows: list[tuple[Any, Sequence[Any]]] = []
    for column, result in zip(columns, results, strict=True):
        found = containers(result)
        parts = [containers(x) for x in column]
        if found and all(len(p) == len(found) for p in parts):
            rows += [
                (x, every)
                for x, *every in zip(found, *parts, strict=True)
                if not any(x is y for y in every)
            ]
    links = [
        (x, [y for source in every for y in (source, *_others(parent, source))])
        for x, every in rows
    ]
    for k, (x, every) in enumerate(rows):
        for y, other in rows[:k]:
            if x is not y and any(a is b for a, b in zip(every, other, strict=True)):
                links.append((x, [y]))
    for x, others in links:
        for y in others:
            parent.joined.setdefault(id(x), (x, []))[1].append(y)
            parent.joined.setdefault(id(y), (y, []))[1].append(x)


def is_joined(trace: Trace, x: Any, owners: Container[int]) -> bool:
    """Whether something in `x` is, or may be, one of the objects with these ids."""
    found = containers(x)
    return any(id(c) in owners or any(id(o) in owners for o in _others(trace, c)) for c in found)


def _others(trace: Trace | None, x: Any) -> Iterator[Any]:
    """What may be the same object as `x`."""
    while trace is not None:
        if id(x) in trace.joined:
            yield from trace.joined[id(x)][1]
        trace = trace.parent


def _changes(owner: Any, keys: Sequence[Any] | None, is_attribute: bool) -> None:
    """Takes from what may be the same object what is about to be changed; None for all of it."""
    trace = current()
    if trace is None:
        return
    for other in list(_others(trace, owner)):
        lost = _keys(other) if keys is None else keys
        for key in lost:
            place = notes(other, key, is_attribute)
            if not isinstance(place.get(), Undefined):
                place.set(Undefined(str(place), _reason(owner, user_location())))


def _keys(x: Any) -> Sequence[Any]:
    return list(x) if isinstance(x, dict) else range(len(x)) if isinstance(x, list) else ()


def _reason(owner: Any, location: Location | None) -> str:
    where = f" in line {location.line}" if location else ""
    kind = type(owner).__name__
    return (
        f"it may be part of the same {kind} as what is changed{where}, which is known only at run "
        f"time; change a copy ({kind}(x), copy.copy(x)) there"
    )


changed_with.append(_changes)
