"""Arrays that may be one array, by a condition or a number of turns known only at run time.

After `if c: u = v` the variable u holds v or what it held before, and after a loop a variable may
hold an array of before it. The program has the contents of such a result as a value of its own, so
it is *linked* with the arrays that it may be. When one of them is changed in place, what those
linked with it hold is in doubt from then on, and reading it is an error that names the line of the
change. Nothing is in doubt as long as nothing is changed.

Where a scalar of the program says *when* the result is that very array (a loop has had no turn),
nothing is in doubt: what one of the two holds after a change of the other is chosen by the scalar
when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wengert.errors import Location, SharedArrayError, located

if TYPE_CHECKING:
    from wengert.ir.builder import Value
    from wengert.tracer.array import Tracer
    from wengert.tracer.stack import Trace

Arrays = dict[int, "Tracer"]
"""Arrays that are no views, by their ids."""
Changes = dict[int, Location | None]
"""What put an array in doubt: the lines of changes, by the ids of the arrays changed."""


@dataclass(slots=True)
class Links:
    """The arrays that an array may be, what they are called, and changes that put it in doubt.

    `when` has, for some of the others, a traced truth value: it is this one just if that holds.
    """

    name: str = ""
    others: Arrays = field(default_factory=dict[int, "Tracer"])
    when: Arrays = field(default_factory=dict[int, "Tracer"])
    changes: Changes = field(default_factory=dict[int, Location | None])


def root(tracer: Tracer) -> Tracer:
    """The array whose elements a view sees."""
    while tracer.base is not None:
        tracer = tracer.base
    return tracer


def candidates(x: Tracer) -> Arrays:
    """The arrays that the elements of `x` may belong to."""
    whole = root(x)
    found = {id(whole): whole}
    if whole.links is not None:
        found.update(whole.links.others)
    return found


def may_share(x: Tracer, y: Tracer) -> bool:
    """Whether two arrays may be parts of one. If z may be x and may be y, these need not be one."""
    return id(root(y)) in candidates(x)


def is_argument(x: Tracer) -> bool:
    """Whether the caller of the traced function sees what is done to an array."""
    whole = root(x)
    return id(whole) in whole.owner.arguments


def link(x: Tracer, others: Iterable[Tracer], name: str, when: Tracer | None = None) -> None:
    """Notes that `x` may be one of `others`, just if `when` holds; none of them is a view."""
    for other in others:
        if other is x:
            continue
        for one, two in ((x, other), (other, x)):
            if one.links is None:
                one.links = Links(name)
            one.links.others[id(two)] = two
            one.links.when.pop(id(two), None)
            if when is not None:
                one.links.when[id(two)] = when


def note_change(trace: Trace, x: Tracer, location: Location | None) -> None:
    """To be called after `x`, an array with links that is no view, was changed in a trace."""
    assert x.links is not None
    if x.owner is trace:
        x.links.changes.clear()
    else:
        trace.doubtful.pop(id(x), None)
    for k, other in list(x.links.others.items()):
        if other.owner.alive:
            put_in_doubt(trace, other, {id(x): location})
        else:
            del x.links.others[k]


def put_in_doubt(trace: Trace, x: Tracer, changes: Changes) -> None:
    """Notes in a trace that what `x`, an array with links, holds is not known any more."""
    if x.owner is trace:
        if x.links is None:
            x.links = Links()
        x.links.changes.update(changes)
    elif x.owner.alive and x.owner.encloses(trace):
        trace.doubtful.setdefault(id(x), (x, {}))[1].update(changes)


def pass_on(parent: Trace, region: Trace) -> None:
    """What a region has put in doubt is so in the trace around it."""
    for x, changes in region.doubtful.values():
        put_in_doubt(parent, x, changes)


def doubts(trace: Trace, x: Tracer) -> Changes:
    """The changes that put `x`, which is no view, in doubt as a trace sees it."""
    found: Changes = {}
    level: Trace | None = trace
    while level is not None and level is not x.owner:
        found.update(level.doubtful.get(id(x), (x, {}))[1])
        if id(x) in level.written:
            return found
        level = level.parent
    if x.links is not None:
        found.update(x.links.changes)
    return found


def settle(region: Trace, written: Arrays) -> None:
    """Before a region becomes part of the program: what it has put in doubt of arrays that are
    among its results has the value that it has at the end of the region.
    """
    for k in region.doubtful.keys() & written.keys():
        value = region.read(written[k])
        region.written[k] = (written[k], value)
        del region.doubtful[k]


def set_together(trace: Trace, arrays: Arrays) -> None:
    """Takes back the doubts that arrays have put on one another: each was given its contents."""
    for k, x in arrays.items():
        own = x.links.changes if x.links is not None and x.owner is trace else {}
        for changes in (own, trace.doubtful.get(k, (x, {}))[1]):
            for other in arrays.keys() & changes.keys():
                del changes[other]


def resolved(trace: Trace, x: Tracer) -> Value | None:
    """What an array with links holds, if another one was changed since; None if none was.

    Raises SharedArrayError if that is not known.
    """
    changes = doubts(trace, x)
    if not changes:
        return None
    assert x.links is not None
    (k, *more) = changes
    when, other = x.links.when.get(k), x.links.others.get(k)
    if more or when is None or other is None or doubts(trace, other):
        raise in_doubt(x, changes)
    holds = trace.read(when).broadcast(shape=x.type.shape, dims=())
    value = holds.select(trace.read(other), trace.read_own(x))
    if x.owner is trace:
        x.replace(value)
        x.links.changes.clear()
    return value


def in_doubt(x: Tracer, changes: Changes) -> SharedArrayError:
    """The error of an array that is read after an array that it may be was changed."""
    name = x.links.name if x.links is not None else ""
    who = f"'{name}'" if name else "a variable"
    where = next((place for place in changes.values() if place is not None), None)
    error = SharedArrayError(
        f"two variables, {who} among them, may hold one array or not, by a condition or a number "
        "of turns that is known only at run time. One is changed in place, and the other one is "
        "used after that; assign a copy (u = v.copy()) in the branch or loop"
    )
    located(error, where)
    return error
