"""Which arrays the results of loops and branches may be: they are linked with those.

What a variable holds at the start of a turn is an input of the region that stands for an array: one
of before the loop, or one that another variable holds too. What it holds afterwards may be such an
array, or a view of one. `tracer.sharing` says what follows from that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wengert.capture.loop_unstable import Unstable
from wengert.errors import SharedArrayError
from wengert.ir.builder import Value
from wengert.tracer.array import Tracer
from wengert.tracer.mutation import lock_argument
from wengert.tracer.sharing import (
    Arrays,
    candidates,
    in_doubt,
    is_argument,
    link,
    may_share,
    put_in_doubt,
    root,
)
from wengert.tracer.stack import Trace
from wengert.tracer.views import Window, view

Pairs = set[tuple[int, int]]


def is_array(x: Any) -> bool:
    """Whether `x` is a traced array, which can be changed in place."""
    return isinstance(x, Tracer) and x.mutable


def overlap(x: Tracer, y: Tracer) -> bool:
    """Whether two arrays may have elements in common."""
    return may_share(x, y) and not _apart(x, y)


def _apart(x: Tracer, y: Tracer) -> bool:
    """Whether they are views of one array, of parts that lie apart."""
    if x.base is None or x.base is not y.base:
        return False
    if not (isinstance(x.lens, Window) and isinstance(y.lens, Window)):
        return False
    if not (x.lens.static and y.lens.static):
        return False
    one, two = (list(map(_span, w.starts, w.steps, w.sizes)) for w in (x.lens, y.lens))
    return any(a[1] < b[0] or b[1] < a[0] for a, b in zip(one, two, strict=True))


def _span(start: Any, step: int, size: int) -> tuple[int, int]:
    ends = (start, start + step * (size - 1))
    return min(ends), max(ends)


def _pairs(values: Sequence[Any]) -> Pairs:
    arrays = [(i, x) for i, x in enumerate(values) if is_array(x)]
    return {(i, j) for p, (i, x) in enumerate(arrays) for j, y in arrays[p + 1 :] if overlap(x, y)}


def _open(x: Any) -> Arrays:
    """The arrays that `x` may be and that can be changed now."""
    return {k: t for k, t in candidates(x).items() if t.owner.alive} if is_array(x) else {}


def seen_from(parent: Trace, arrays: Arrays) -> Arrays:
    """Those of some arrays that belong to a trace or to one around it."""
    return {k: x for k, x in arrays.items() if x.owner is parent or x.owner.encloses(parent)}


def join(result: Tracer, others: Arrays, name: str) -> None:
    """Links a result with the arrays that it may be; it is read-only if one is an argument."""
    link(result, others.values(), name)
    lock_argument(result, others.values(), name)


def read_now(here: Trace, x: Tracer) -> None:
    """Reads a view while its trace is open; one in doubt is an error where it is used."""
    with contextlib.suppress(SharedArrayError):
        here.read(x)


# a turn of a loop


@dataclass(slots=True)
class More:
    """What a turn has to know from the second one on: pairs of slots, and arrays of before."""

    pairs: Pairs = field(default_factory=set[tuple[int, int]])
    arrays: dict[int, Arrays] = field(default_factory=dict[int, Arrays])

    def add(self, other: More) -> bool:
        """Takes over what another one has; whether that is anything."""
        self.pairs |= other.pairs
        for i, arrays in other.arrays.items():
            self.arrays.setdefault(i, {}).update(arrays)
        return bool(other.pairs or other.arrays)


def enter_arrays(
    here: Trace, befores: Sequence[Any], entered: Sequence[Tracer], names: Sequence[str], more: More
) -> None:
    """Links what stands for the arrays of the state in a turn with these, and one another."""
    for i, x in enumerate(befores):
        others = {**_open(x), **more.arrays.get(i, {})}
        link(entered[i], others.values(), names[i])
        if any(map(is_argument, others.values())):
            here.arguments[id(entered[i])] = entered[i]
    for i, j in _pairs(befores) | more.pairs:
        link(entered[i], [entered[j]], names[i])


@dataclass(slots=True)
class Flow:
    """What the slots of a loop may hold: arrays of before it, or the array of another slot.

    `entering` are the arrays of before that slot i may hold at the start of a turn, `leaving` those
    that it may hold after one; `pairs` are slots that may hold one array after a turn; `changed`
    those whose array of the start of a turn may have been changed in it.
    """

    entering: list[Arrays]
    leaving: list[Arrays]
    pairs: Pairs
    changed: set[int]


def flow_of(
    here: Trace,
    befores: Sequence[Any],
    inputs: Sequence[Value],
    entered: Sequence[Tracer],
    leaves: Sequence[Any],
) -> Flow:
    """What a turn does with the arrays of the state; leaves without a slot come at the end."""
    numbers = {id(t): i for i, t in enumerate(entered)}
    entering = [_open(x) for x in befores]
    held = [candidates(x) if is_array(x) else {} for x in leaves]
    sources = [[numbers[k] for k in every if k in numbers] for every in held]
    leaving = [{k: x for k, x in e.items() if x.owner is not here} for e in held]
    grows = True
    while grows:
        before = sum(map(len, leaving))
        for i, found in enumerate(leaving):
            for j in sources[i]:
                found.update(entering[j])
            if i < len(entering):
                entering[i] = {**entering[i], **found}
        grows = sum(map(len, leaving)) > before
    pairs = enumerate(zip(entered, inputs, strict=True))
    changed = {i for i, (t, v) in pairs if is_changed(t, v)}
    return Flow(entering, leaving, _pairs(leaves), changed)


def is_changed(entered: Tracer, value: Value) -> bool:
    """Whether what was entered with a value may have been changed in place."""
    if entered.latest is None or entered.latest.atom is not value.atom:
        return True
    return entered.links is not None and bool(entered.links.changes)


def to_be_known(here: Trace, flow: Flow, entered: Sequence[Tracer]) -> More:
    """What the trace of a turn did not know and makes a difference."""
    count = len(entered)
    more = More()
    for i, j in flow.pairs:
        slots = i < count and j < count
        if slots and flow.changed & {i, j} and not may_share(entered[i], entered[j]):
            more.pairs.add((i, j))
    for i, t in enumerate(entered):
        known = candidates(t)
        new = {
            k: x
            for k, x in flow.entering[i].items()
            if k not in known and (k in here.written or (i in flow.changed and k in here.captured))
        }
        if new:
            more.arrays[i] = new
    return more


def close_turn(here: Trace, flow: Flow, entered: Sequence[Tracer], *tests: Trace) -> None:
    """Puts in doubt what any of the turns may have changed.

    Raises Unstable if a later turn, or the condition of the loop, reads such an array.
    """
    for i in flow.changed:
        links = entered[i].links
        changes = {id(entered[i]): None, **(links.changes if links is not None else {})}
        for x in flow.entering[i].values():
            put_in_doubt(here, x, changes)
    for trace in (here, *tests):
        for x, changes in here.doubtful.values():
            if changes and id(x) in trace.captured:
                raise Unstable(in_doubt(x, changes))


# after a loop


def settled(here: Trace, entered: Sequence[Tracer], slots: Sequence[int]) -> None:
    """Takes back the doubts that come from slots whose arrays get their contents after the loop."""
    ids = {id(entered[i]) for i in slots}
    for _, changes in here.doubtful.values():
        for k in ids & changes.keys():
            del changes[k]


def same_arrays(
    parent: Trace, after: Sequence[Any], fresh: Sequence[Tracer], results: list[Any]
) -> None:
    """Puts arrays of before the loop, and one array for one, in the place of `fresh` results that
    are these after any turn.
    """
    first: dict[int, Tracer] = {}
    for i, (x, result) in enumerate(zip(after, fresh, strict=True)):
        if is_array(x) and results[i] is result:
            found = seen(parent, x)
            found = first.setdefault(id(x), result) if found is None else found
            if found.type == result.type:
                results[i] = found


def seen(parent: Trace, x: Tracer) -> Tracer | None:
    """What a leaf of a turn is after the loop, if it is an array of before it or a view of one."""
    if x.owner is parent or (x.owner.alive and x.owner.encloses(parent)):
        return x
    if x.base is None or x.lens is None:
        return None
    if isinstance(x.lens, Window) and not x.lens.static:
        return None
    base = seen(parent, x.base)
    return None if base is None else view(base, x.lens, x.type.shape, x.locked)


def link_results(
    parent: Trace,
    flow: Flow,
    befores: Sequence[Any],
    fresh: Sequence[Tracer],
    results: Sequence[Any],
    names: Sequence[str],
    skipped: Tracer | None,
) -> None:
    """Links the results of a loop, those that are `fresh`, with the arrays that they may be.

    `skipped` is whether there is no turn, None if there surely is one.
    """
    new = {id(x) for x in fresh if x.mutable}
    pairs = flow.pairs if skipped is None else flow.pairs | _pairs(befores)
    plans: list[tuple[int, Arrays, list[Tracer]]] = []
    for i, x in enumerate(results):
        if id(x) in new:
            others, kept = seen_from(parent, flow.leaving[i]), list[Tracer]()
            if skipped is not None and i < len(befores) and is_array(befores[i]):
                before = befores[i]
                if before.base is None and before.type == x.type and id(before) not in others:
                    kept = [before]  # this is the result just if there is no turn
                more = seen_from(parent, candidates(before))
                others.update((k, t) for k, t in more.items() if t is not before or not kept)
            plans.append((i, others, kept))
    for i, others, kept in plans:
        join(results[i], others, names[i])
        link(results[i], kept, names[i], when=skipped)
    for i, j in pairs:
        x, y = results[i], results[j]
        if is_array(x) and is_array(y) and x is not y and (id(x) in new or id(y) in new):
            link(root(x), [root(y)], names[i])


# branches


def link_arms(
    parent: Trace,
    columns: Sequence[Sequence[Any]],
    results: Sequence[Tracer],
    names: Sequence[str],
) -> None:
    """Links results of a branch; `columns` has for each its value in every arm."""
    arrays = [i for i, x in enumerate(results) if x.mutable]
    plans: list[tuple[int, Arrays]] = []
    for i in arrays:
        others: Arrays = {}
        for x in columns[i]:
            others.update(seen_from(parent, candidates(x)) if is_array(x) else {})
        plans.append((i, others))
    for i, others in plans:
        join(results[i], others, names[i])
    for p, i in enumerate(arrays):
        for j in arrays[p + 1 :]:
            if results[i] is not results[j] and any(
                is_array(x) and is_array(y) and overlap(x, y)
                for x, y in zip(columns[i], columns[j], strict=True)
            ):
                link(results[i], [results[j]], names[i])
