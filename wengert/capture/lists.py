"""Lists that a compiled loop appends to: what it appends is collected in an array.

Inside the loop the elements that the list had before cannot be seen, except for the last one: that
is what the turn before has appended. Nor can its length, which is another one in each turn: but
`len(x)`, `sum(x)` of an empty list or `if x:` ask for it in many ways, of which nobody tells us. So
the turn is traced twice more, with a list longer by one and with one of nearly the length that it
will have, and has to come out the same. After the loop the list gets lazy rows of the array, and
np.array, np.stack or np.concatenate of just these rows is made of the array itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from wengert.capture.aliases import (
    Flow,
    is_array,
    is_changed,
    join,
    overlap,
    seen,
    seen_from,
)
from wengert.capture.branching import value_in
from wengert.capture.forms import stored
from wengert.capture.info import Info
from wengert.capture.journal import Journal, active, changes, changes_structure, lengthens
from wengert.capture.kinds import entry, is_numeric, joined, kind_of, lifted
from wengert.capture.loop_unstable import Unstable
from wengert.capture.open_lists import check_whole, ending, items_of
from wengert.capture.undefined import Undefined
from wengert.errors import CaptureError, located
from wengert.ir.builder import Value
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap
from wengert.tracer.sharing import Arrays, candidates, link, root
from wengert.tracer.stack import Trace, current, user_location
from wengert.tracer.trace import Abstract
from wengert.tracer.views import Window, unread


@dataclass(slots=True)
class _List:
    """A list that may be appended to in a turn."""

    name: str
    target: list[Any]
    old: list[Any]
    added: list[Any] = field(default_factory=list[Any])
    values: list[Value] = field(default_factory=list[Value])
    kind: Abstract | None = None
    previous: tuple[Tracer, Value] | None = None
    same: list[Tracer | None] = field(default_factory=list[Tracer | None])
    arrays: Arrays = field(default_factory=dict[int, Tracer])


class Appending:
    """The lists of one turn of a loop that is being traced; they are `longer` by so many."""

    def __init__(self, info: Info, get: Callable[[], Any], here: Trace, longer: int = 0) -> None:
        self.here = here
        self.longer = longer
        self.lists: dict[int, _List] = {}
        self.turn: Value | None = None
        self.line = info.line
        for name, x in zip(info.appended, get()[len(info.names) :], strict=True):
            if type(x) is list and id(x) not in self.lists:
                self.lists[id(x)] = _List(name, x, list(x))

    @property
    def rows(self) -> list[_List]:
        """Those that were appended to."""
        return [x for x in self.lists.values() if x.added]

    @property
    def inputs(self) -> list[Value]:
        """The last elements of lists, as the region takes them."""
        return [x.previous[1] for x in self.lists.values() if x.previous is not None]

    @property
    def values(self) -> list[Value]:
        """All that was appended."""
        return [v for x in self.rows for v in x.values]

    @contextmanager
    def tracked(self) -> Iterator[None]:
        """Within the block, appending is noted; the lists are as before after it."""
        journal = active()
        assert journal is not None
        for x in self.lists.values():
            journal.lists[id(x.target)] = self
            reason = "its elements cannot be seen in a compiled loop that appends to the list"
            count = len(x.old) + self.longer
            hidden: list[Any] = [Undefined(f"{x.name}[...]", reason) for _ in range(count)]
            if x.old and is_numeric(x.old[-1]):
                kind = kind_of(x.old[-1])
                value = self.here.builder.input(kind.type)
                x.previous = (entry(value, kind, self.here), value)
                hidden[-1] = x.previous[0]
            x.target[:] = hidden
        try:
            yield
        finally:
            for x in self.lists.values():
                x.target[:] = x.old
                journal.lists.pop(id(x.target), None)

    def begins(self, target: list[Any]) -> int:
        """From which place on the elements of a list are those that the turn has appended."""
        return len(self.lists[id(target)].old) + self.longer

    def append(self, target: list[Any], value: Any) -> None:
        """`target.append(value)` in a turn."""
        if current() is not self.here or not is_numeric(value):
            changes_structure(target, f"{self.lists[id(target)].name}.append")
        target.append(value)

    def finish(self, turn: Value) -> None:
        """To be called at the end of the turn: makes values of what was appended."""
        self.turn = turn
        for x in self.lists.values():
            x.added = x.target[self.begins(x.target) :]
            if not all(map(is_numeric, x.added)):  # another value was stored in its place
                changes_structure(x.target, f"{x.name}[i] = v")
        for x in self.rows:
            kind = kind_of(x.added[0])
            for other in map(kind_of, x.added):
                if other.type.shape != kind.type.shape:
                    raise Unstable(self._uneven(x, kind, other))
                kind = joined(kind, other)
            if x.previous is not None:
                before = kind_of(x.old[-1])
                if before.type != kind.type:
                    raise Unstable(self._uneven(x, before, kind))
            x.kind = kind
            x.values = [lift(v).to(kind.type.dtype) for v in x.added]

    def follow(self, flow: Flow, entered: Sequence[Tracer], after: Sequence[Any]) -> None:
        """Finds out which arrays of before the loop the new elements may be.

        Raises Unstable if one of them is changed in a later turn. `after` is what a turn leaves in
        the state.
        """
        assert self.here.parent is not None
        numbers = {id(t): i for i, t in enumerate(entered)}
        changed = [x for i, x in enumerate(after) if i in flow.changed]
        for x in self.lists.values():
            if x.previous is not None and is_changed(*x.previous):
                raise Unstable(_changed_later(x.name))
        for x in self.rows:
            x.same = [seen(self.here.parent, v) if is_array(v) else None for v in x.added]
            moving = [v for v, s in zip(x.added, x.same, strict=True) if s is None and is_array(v)]
            for k, v in enumerate(moving):
                held = candidates(v)
                x.arrays.update((i, t) for i, t in held.items() if t.owner is not self.here)
                for i in held.keys() & numbers.keys():
                    x.arrays.update(flow.entering[numbers[i]])
                others = [*changed, *moving[:k]]
                if any(is_array(y) and overlap(v, y) for y in others):
                    raise Unstable(_changed_later(x.name))
            if not x.arrays.keys().isdisjoint(self.here.written):
                raise Unstable(_changed_later(x.name))

    def _uneven(self, x: _List, a: Abstract, b: Abstract) -> CaptureError:
        error = CaptureError(
            f"'{x.name}' is given {a.type} and {b.type} in a compiled loop; what a loop appends "
            "must have one shape and dtype"
        )
        located(error, user_location())
        return error

    def seen(self) -> CaptureError:
        """The error for a turn that depends on the length of a list."""
        names = ", ".join(f"'{x.name}'" for x in self.rows)
        error = CaptureError(
            f"a turn of the loop in line {self.line} appends to {names} and depends on how long "
            "the list is, or on elements before the last; fill an array of the final length "
            "(x = np.zeros(n); x[i] = v), which may be read everywhere"
        )
        located(error, user_location())
        return error

    def unbounded(self) -> str:
        """The message for a loop whose number of turns is not known."""
        names = ", ".join(f"'{x.name}'" for x in self.rows)
        return (
            f"the loop in line {self.line} appends to {names}, and its number of turns is known "
            "only at run time, so the length of the list is not known; fill an array of the "
            "greatest length (x = np.zeros(n); x[i] = v), or make the number of turns static"
        )

    def stacks(self, parent: Trace, turns: int) -> tuple[list[Value], list[Value], list[Value]]:
        """More state for the loop: its inputs, its outputs and what it is entered with."""
        inputs: list[Value] = []
        outputs: list[Value] = []
        operands: list[Value] = []
        turn = self.turn
        assert turn is not None
        for x in self.rows:
            assert x.kind is not None
            each = len(x.values)
            full = x.kind.type.with_shape((turns * each, *x.kind.type.shape))
            stack = self.here.builder.input(full)
            inputs.append(stack)
            for j, v in enumerate(x.values):
                place = turn if each == 1 else turn * each + j
                stack = stored(stack, v, place)
            outputs.append(stack)
            operands.append(parent.builder.zeros(full))
            if x.previous is not None:
                inputs.append(x.previous[1])
                outputs.append(value_in(self.here, x.added[-1], x.kind.type.dtype))
                operands.append(lifted(x.old[-1], x.kind))
        return inputs, outputs, operands

    def check_open(self) -> None:
        """Raises CaptureError if the lists cannot be of unknown length."""
        for x in self.rows:
            known = x.kind is not None and all(is_numeric(v) for v in x.old)
            if not known or any(s is not None for s in x.same):
                raise CaptureError(self.unbounded())
            for v in x.old:
                if kind_of(v).type != x.kind.type:  # pyright: ignore[reportOptionalMemberAccess]
                    raise CaptureError(self.unbounded())
            changes_structure(x.target, f"{x.name}.append")

    def close(
        self,
        found: Sequence[Value],
        after: Sequence[Any] = (),
        results: Sequence[Any] = (),
        turns: Any = None,
    ) -> None:
        """After the loop, in the enclosing trace: the lists get their new elements.

        `results` stand for what a turn leaves in the state, `after`. There were so many `turns` if
        that is known only at run time.
        """
        values = iter(found)
        stacks: list[tuple[_List, Tracer]] = []
        for x in self.rows:
            assert x.kind is not None
            stack = wrap(next(values))
            join(stack, seen_from(stack.owner, x.arrays), x.name)
            stacks.append((x, stack))
            if x.previous is not None:
                next(values)
        for k, (x, stack) in enumerate(stacks):
            link(stack, [s for y, s in stacks[:k] if _meet(x.added, y.added)], x.name)
            pairs = zip(after, results, strict=True)
            link(stack, [root(r) for y, r in pairs if _meet(x.added, [y])], x.name)
            assert x.kind is not None
            if turns is not None:
                length = turns * len(x.added)
                x.target.append(ending(x.name, self.line, x.old, stack, length))
                continue
            for j, row in enumerate(rows_of(stack, x.kind.weak)):
                same = x.same[j % len(x.same)]
                append(x.target, row if same is None else same)


def _meet(xs: Sequence[Any], ys: Sequence[Any]) -> bool:
    return any(is_array(x) and is_array(y) and overlap(x, y) for x in xs for y in ys)


def _changed_later(name: str) -> CaptureError:
    error = CaptureError(
        f"an element of '{name}' is changed in place in a turn of a compiled loop after it was "
        "appended to the list; append a copy (x.append(v.copy()))"
    )
    located(error, user_location())
    return error


def append(target: Any, value: Any) -> None:
    """`target.append(value)`"""
    lengthens(target)
    if items_of(target) is not None:
        check_whole(target)
    journal = active()
    if journal is None or type(target) is not list or id(target) in journal.made:
        target.append(value)
        return
    tracker = journal.lists.get(id(target))
    if tracker is not None:
        tracker.append(target, value)
        return
    if journal.grown is None:
        changes_structure(target, "append")
    else:  # both parts of the `if` have to do so
        journal.grown.setdefault(id(target), (target, len(target)))
    target.append(value)


def store(target: list[Any], index: Any, value: Any) -> None:
    """`target[index] = value`"""
    journal = active()
    if items_of(target) is not None:
        check_whole(target)
    if isinstance(index, slice):
        values, places = list(value), range(len(target))[index]
        if len(values) != len(places):
            changes_structure(target, "x[i:j] = v")
            target[index] = values
            return
        for k, v in zip(places, values, strict=True):
            store(target, k, v)
        return
    tracker = None if journal is None else journal.lists.get(id(target))
    place = operator.index(index)
    place = place + len(target) if place < 0 else place
    if tracker is not None and 0 <= place < tracker.begins(target):
        raise located(
            CaptureError(
                f"a compiled loop that appends to '{tracker.lists[id(target)].name}' changes an "
                "element of it that is not from the same turn; fill an array of the final length "
                "(x = np.zeros(n); x[i] = v), which may be changed everywhere"
            ),
            user_location(),
        )
    changes(target, index, False)
    target[index] = value


@dataclass(frozen=True, slots=True)
class Growth:
    """What one part of an `if` appended to a list from outside."""

    target: list[Any]
    added: tuple[Any, ...]


def growth(journal: Journal) -> dict[int, Growth]:
    """What a part of an `if` has appended, to be called at its end."""
    grown = journal.grown or {}
    return {key: Growth(target, tuple(target[n:])) for key, (target, n) in grown.items()}


def same_growth(arms: Sequence[dict[int, Growth]], line: int) -> list[tuple[list[Any], int]]:
    """The lists that all parts of an `if` lengthen, and by how much; raises if that differs."""
    counts = [{key: len(x.added) for key, x in arm.items()} for arm in arms]
    if any(c != counts[0] for c in counts):
        raise located(
            CaptureError(
                f"the branches of the condition in line {line} append to a list differently often, "
                "and the condition is known only at run time; append once in each (0.0, or a "
                "flag, beside the values), fill an array of fixed size and count, or make the "
                "condition static (static_argnums)"
            ),
            user_location(),
        )
    return [(x.target, len(x.added)) for x in arms[0].values()]


def rows_of(stack: Tracer, weak: bool) -> list[Tracer]:
    """The rows of an array, read only when they are used."""
    n, *shape = stack.shape
    kind = tuple(shape)
    steps, sizes, axes = (1,) * stack.ndim, (1, *kind), tuple(range(1, stack.ndim))
    found: list[Tracer] = []
    for k in range(n):
        row = unread(stack, Window((k, *(0 for _ in kind)), steps, sizes, axes), kind)
        row.made = bool(kind)
        row.locked = stack.locked
        row.weak = weak
        found.append(row)
    return found


def assembled(items: Any) -> Tracer | None:
    """The array of which a list holds all rows, in order; None if it is not such a list."""
    if type(items) not in (list, tuple) or len(items) < 2:
        return None
    first = items[0]
    if not isinstance(first, Tracer) or first.base is None or first.base.shape[:1] != (len(items),):
        return None
    base = first.base
    for k, x in enumerate(items):
        if not isinstance(x, Tracer) or x.base is not base or not isinstance(x.lens, Window):
            return None
        if x.lens.starts[0] != k or x.lens.sizes[1:] != base.shape[1:] or x.ndim != base.ndim - 1:
            return None
        if x.lens.axes != tuple(range(1, base.ndim)) or set(x.lens.steps) != {1}:
            return None
    return wrap(current_value(base))


def current_value(x: Tracer) -> Value:
    """The contents of an array in the current trace."""
    trace = current()
    assert trace is not None
    return trace.read(x)
