"""Lists and dicts that a branch joins: a variable holds one or another, known at run time only.

What is read of it is what the one or the other has. A change of it is one of that other too, and
the other way round: since nobody knows of which, what is changed has no value any more there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, cast

from wengert.capture.journal import Location as Place
from wengert.capture.journal import changed_with, notes
from wengert.capture.loop_unstable import Unstable
from wengert.capture.undefined import Doubtful, Undefined
from wengert.errors import CaptureError, Location, located
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


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One of the ways by which a result comes about: its trace, and by id what it has made."""

    trace: Trace
    made: Mapping[int, Any]


def join(
    parent: Trace,
    ways: Sequence[Way],
    columns: Sequence[Sequence[Any]],
    results: Sequence[Any],
    surely: int = -1,
) -> None:
    """Notes that results may be what one of the ways has, in `columns`.

    A result is new where the way number `surely` has made it: for a loop that runs, the last turn.
    """
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
    links = [(x, _sources(ways, every, surely)) for x, every in rows]
    for k, (x, every) in enumerate(rows):
        for y, other in rows[:k]:
            if x is not y and any(a is b for a, b in zip(every, other, strict=True)):
                links.append((x, [y]))
    for x, others in links:
        for y in {id(y): y for y in others}.values():
            parent.joined.setdefault(id(x), (x, []))[1].append(y)
            parent.joined.setdefault(id(y), (y, []))[1].append(x)


def _sources(ways: Sequence[Way], every: Sequence[Any], surely: int) -> list[Any]:
    """What a result may be that one of the ways has not made, with all that may be the same."""
    if surely >= 0 and id(every[surely]) in ways[surely].made:
        return []
    return [
        y
        for way, source in zip(ways, every, strict=True)
        if id(source) not in way.made
        for y in (source, *_others(way.trace, source))
    ]


def is_joined(trace: Trace, x: Any, owners: Container[int]) -> bool:
    """Whether something in `x` is, or may be, one of the objects with these ids."""
    found = containers(x)
    return any(id(c) in owners or any(id(o) in owners for o in _others(trace, c)) for c in found)


def check_joined(
    names: Sequence[str], places: Sequence[Place], trace: Trace, after: Sequence[Any]
) -> None:
    """Raises Unstable if a variable may hold an object of before a loop that a turn changes.

    `after` is what the turn, in its `trace`, leaves in the variables.
    """
    owners = {id(place.owner) for place in places}
    for name, value in zip(names[: len(names) - len(places)], after, strict=False):
        if owners and is_joined(trace, value, owners):
            error = CaptureError(
                f"'{name}' may hold after a turn of the loop what later turns change; let it hold "
                "a copy (list(x), dict(x), copy.copy(x))"
            )
            raise Unstable(located(error, user_location()))


def into_doubt(
    places: Sequence[Place], before: Sequence[Any], after: Sequence[Any]
) -> list[tuple[Place, Any]]:
    """Takes the values from places that a turn of a loop leaves in doubt: no turn may read them.

    Gives the places and the values.
    """
    count = len(places)
    rows = zip(places, before[len(before) - count :], after[len(after) - count :], strict=True)
    taken: list[tuple[Place, Any]] = []
    for place, x, y in rows:
        if isinstance(y, Doubtful) and not isinstance(x, Undefined):
            notes(place.owner, place.key, place.is_attribute).set(y)
            taken.append((place, x))
    return taken


def _others(trace: Trace | None, x: Any) -> Iterator[Any]:
    """What may be the same object as `x`."""
    seen = {id(x)}
    while trace is not None:
        for y in trace.joined.get(id(x), (x, ()))[1]:
            if id(y) not in seen:
                seen.add(id(y))
                yield y
        trace = trace.parent


def _changes(owner: Any, keys: Sequence[Any] | None, is_attribute: bool) -> None:
    """Takes from what may be the same object what is about to be changed; None for all of it."""
    trace = current()
    if trace is None:
        return
    for other in list(_others(trace, owner)):
        if keys is None and not other and isinstance(other, (list, dict)):
            raise located(CaptureError(_LENGTHENED.format(type(owner).__name__)), user_location())
        for key in _keys(other) if keys is None else keys:
            place = notes(other, key, is_attribute)
            held = place.get()
            inside = not isinstance(other, list) or key < len(cast("list[Any]", other))
            if inside and not (isinstance(held, Undefined) and held.reason):
                place.set(Doubtful(str(place), _reason(owner, user_location())))


_LENGTHENED = (
    "a {0} gets longer or shorter that may be the same as another one, which is known only at run "
    "time; change a copy ({0}(x), copy.copy(x))"
)


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
