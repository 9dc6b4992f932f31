"""The state of a loop: the variables that its body assigns, entered, compared and left.

Every number or array in a variable is a slot. On entry of a turn it is an input of the region; what
stands in its place after the turn is an output. Variables that the body only updates in place keep
their arrays, which are written through the enclosing trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.capture.aliases import More, enter_arrays, read_now
from wengert.capture.branching import type_zero, value_in
from wengert.capture.defaults import put_at, resupplied, supplied, value_at
from wengert.capture.info import Info
from wengert.capture.instances import closed, holds_ended, is_plain, opened_up
from wengert.capture.journal import Journal, Location
from wengert.capture.journal import made as note_made
from wengert.capture.kinds import entry, is_numeric, joined, kind_of, lifted
from wengert.capture.list_tables import leaks
from wengert.capture.loop_unstable import Rebound, Unstable
from wengert.capture.undefined import Maybe, Undefined, contents, lacks_value
from wengert.errors import CaptureError, ShapeError, UndefinedVariableError, WengertError, located
from wengert.ir.builder import Value
from wengert.ir.types import Dim
from wengert.tracer.array import Tracer
from wengert.tracer.lift import wrap
from wengert.tracer.pytree import TreeDef, flatten, paths
from wengert.tracer.stack import Trace, user_location
from wengert.tracer.trace import Abstract

NOT_YET = "it has no value when the loop begins"


class Variables:
    """The variables of a construct, and places in Python objects that it changes."""

    def __init__(self, info: Info, get: Callable[[], Any], set_: Callable[[Any], None]) -> None:
        self.info = info
        self.places: list[Location] = []
        self._get, self._set = get, set_

    @property
    def names(self) -> list[str]:
        """The names of all variables."""
        return [*self.info.names, *map(str, self.places)]

    def read(self) -> list[Any]:
        """Their values."""
        values = list(self._get()[: len(self.info.names)])
        return [*values, *map(value_at, self.places)]

    def write(self, values: Sequence[Any]) -> None:
        """Gives them values."""
        count = len(self.info.names)
        self._set(tuple(values[:count]))
        for place, value in zip(self.places, values[count:], strict=True):
            put_at(place, value)

    def add(self, journal: Journal) -> bool:
        """Adds the places that were changed; whether there are new ones."""
        known = {p.identity for p in self.places}
        own: Any = self._get  # reads those of the names that are no variables of one function
        known.update((id(cell), True, "cell_contents") for cell in own.__closure__ or ())
        known.update((id(own.__globals__), False, name) for name in self.info.names)
        new = [place for i, (place, _) in journal.places.items() if i not in known]
        self.places += new
        return bool(new)

    def needed(self, i: int) -> tuple[bool, bool]:
        """Whether the body, and whether anything after the loop, reads variable i."""
        if i >= len(self.info.names):
            return True, True
        name = self.info.names[i]
        return name in self.info.at_start, name in self.info.after


@dataclass(slots=True)
class Slot:
    """A number or array of the state: leaf `leaf` of variable `variable`."""

    variable: int
    leaf: int
    label: str
    before: Any
    kind: Abstract


@dataclass(slots=True)
class Entry:
    """A variable on entry: flattened, or without a value at the start of a turn."""

    name: str
    before: Any
    leaves: list[Any] | None = None
    tree: TreeDef | None = None


class LoopState:
    """The state on entry of a loop, and what a turn makes of it."""

    def __init__(
        self, variables: Variables, before: list[Any], runs: bool, rebound: set[Any]
    ) -> None:
        self.variables = variables
        self.before = before
        self.runs = runs  # whether there is at least one turn
        self.rebound = rebound  # names of variables; classes whose objects they get anew
        self.classes = frozenset(x for x in rebound if isinstance(x, type))
        self.objects: list[Any] = []  # what stands for those in a turn
        self.tentative = False  # Python could run a turn instead
        self.more = More()
        self.skipped: Tracer | None = None  # whether there is no turn, if that is not known
        self.entries: list[Entry] = []
        self.slots: list[Slot] = []
        self.last: list[Slot] = []  # what the last turn leaves in variables without value before
        for i, (name, value) in enumerate(zip(variables.names, before, strict=True)):
            self._enter(i, name, value)

    def _enter(self, i: int, name: str, value: Any) -> None:
        made = Entry(name, value)
        self.entries.append(made)
        inside, later = self.variables.needed(i)
        value = supplied(value)
        if lacks_value(value) or not (inside or (later and not self.runs)):
            return
        value = opened_up(value, self.classes)
        made.leaves, made.tree = flatten(value)
        labels = paths(value)
        for j, x in enumerate(made.leaves):
            if is_numeric(x) and not self._keeps(name, x):
                self.slots.append(Slot(i, j, name + labels[j], x, kind_of(x)))

    def _keeps(self, name: str, x: Any) -> bool:
        """Whether an array stays what it is, and is only written to."""
        updated = name in self.variables.info.updated and name not in self.rebound
        return updated and isinstance(x, Tracer) and x.mutable

    @property
    def befores(self) -> list[Any]:
        """What the slots hold before the loop."""
        return [s.before for s in self.slots]

    @property
    def labels(self) -> list[str]:
        """What to call the slots, and what first gets a value in the loop."""
        return [s.label for s in (*self.slots, *self.last)]

    def objects_of(self, values: Sequence[Any]) -> list[Any]:
        """The objects in values of the variables that go around by what they hold."""
        found: list[Any] = []
        for i, (e, value) in enumerate(zip(self.entries, values, strict=True)):
            if e.leaves is not None or self.variables.needed(i)[1]:
                opened_up(contents(value), self.classes, found)
        return found

    # a turn

    def enter(self, here: Trace, in_turn: bool = True) -> tuple[list[Value], list[Tracer]]:
        """Gives the variables their values at the start of a turn: inputs of the region."""
        values_in = [here.builder.input(s.kind.type) for s in self.slots]
        inputs = [entry(v, s.kind, here) for v, s in zip(values_in, self.slots, strict=True)]
        enter_arrays(here, self.befores, inputs, self.labels, self.more)
        filled = [None if e.leaves is None else list(e.leaves) for e in self.entries]
        for slot, tracer in zip(self.slots, inputs, strict=True):
            leaves = filled[slot.variable]
            assert leaves is not None
            leaves[slot.leaf] = tracer
        values: list[Any] = []
        for e, leaves in zip(self.entries, filled, strict=True):
            if e.tree is None or leaves is None:
                values.append(Undefined(e.name, NOT_YET))
            elif not any(s.variable == len(values) for s in self.slots):
                values.append(e.before)
            else:
                value = closed(e.tree.unflatten(leaves), self.classes, self.objects)
                values.append(resupplied(value, e.before))
        for i, e in enumerate(self.entries):
            if in_turn and e.name in self.variables.info.stops:
                values[i] = False  # or there would be no more turn
        self.variables.write(values)
        return values_in, inputs

    def leave(self, here: Trace) -> list[Any]:
        """The values at the end of a turn."""
        after = self.variables.read()
        if any(leaks(x) for x, e in zip(after, self.entries, strict=True) if x is not e.before):
            raise Unstable(_copied())
        for value in after:
            for x in flatten(opened_up(contents(value), self.classes))[0]:
                if isinstance(x, Tracer) and x.owner is here:
                    read_now(here, x)
        return after

    # what became of it

    def compare(self, after: Sequence[Any]) -> tuple[list[Any], list[Abstract]]:
        """The leaf in the place of each slot after a turn, and the kinds that hold both.

        Raises Unstable if structures or shapes have changed.
        """
        found: dict[tuple[int, int], Any] = {}
        self.last = []
        for i, (e, value) in enumerate(zip(self.entries, after, strict=True)):
            if e.leaves is None:
                self._first_value(i, e, value)
                continue
            value = supplied(value)
            if lacks_value(value):
                raise Unstable(_lost(e.name))
            leaves, tree = flatten(opened_up(value, self.classes))
            if e.tree is None or tree != e.tree:
                raise Unstable(_changed(e.name, e.before, value))
            if tree.order != e.tree.order:
                raise Unstable(_reordered(e.name))
            for j, (x, y) in enumerate(zip(e.leaves, leaves, strict=True)):
                found[i, j] = y
                if not is_numeric(x) or self._keeps(e.name, x):
                    self._unchanged(e, x, y)
        leaves = [found[s.variable, s.leaf] for s in self.slots]
        kinds = [_widened(s, x) for s, x in zip(self.slots, leaves, strict=True)]
        return leaves, kinds

    def _unchanged(self, e: Entry, x: Any, y: Any) -> None:
        if x is y:
            return
        if isinstance(x, Tracer):
            self.rebound.add(e.name)
            raise Rebound
        if type(x) is type(y) and is_plain(x):
            self.rebound.add(type(x))
            raise Rebound
        if isinstance(y, Tracer) or type(x) is not type(y) or not _equal(x, y):
            raise Unstable(_changed(e.name, x, y))

    def _first_value(self, i: int, e: Entry, value: Any) -> None:
        """A variable that has its first value from the body."""
        lenient = e.name in self.variables.info.lenient
        maybe = isinstance(value, Maybe)
        lost = lacks_value(value) and not maybe and value.reason
        if lost and self.tentative and all(self.variables.needed(i)):
            raise Unstable(_lost(e.name))
        if (lacks_value(value) and not maybe) or not self.variables.needed(i)[1]:
            return
        if not (self.runs or lenient or maybe):
            return
        value = opened_up(contents(value), self.classes)
        leaves, _ = flatten(value)
        labels = paths(value)
        for j, x in enumerate(leaves):
            if holds_ended(x) and type(x) not in self.classes:
                self.rebound.add(type(x))
                raise Rebound
            if is_numeric(x):
                kind = kind_of(x)
                zero = type_zero(kind) if kind.weak else np.zeros(kind.type.shape, kind.type.dtype)
                self.last.append(Slot(i, j, e.name + labels[j], zero, kind))

    def results(self, leaves: Sequence[Any], after: Sequence[Any]) -> list[Any]:
        """What a turn leaves in the slots, then in the variables first assigned in it."""
        opened = {
            s.variable: flatten(opened_up(contents(after[s.variable]), self.classes))[0]
            for s in self.last
        }
        return [*leaves, *(opened[s.variable][s.leaf] for s in self.last)]

    def outputs(self, here: Trace, results: Sequence[Any]) -> list[Value]:
        """The same as values of the region."""
        slots = (*self.slots, *self.last)
        return [value_in(here, x, s.kind.type.dtype) for s, x in zip(slots, results, strict=True)]

    def inputs_of_last(self, here: Trace) -> list[Value]:
        """Inputs that the body does not look at."""
        return [here.builder.input(s.kind.type) for s in self.last]

    def operands(self) -> list[Value]:
        """What the loop is entered with, in the current trace."""
        return [lifted(s.before, s.kind) for s in (*self.slots, *self.last)]

    def finish(self, found: Sequence[Any], after: Sequence[Any]) -> None:
        """Gives the variables their values after the loop: `found` are the leaves of all slots."""
        filled: dict[int, dict[int, Any]] = {}
        for s, x in zip((*self.slots, *self.last), found, strict=True):
            filled.setdefault(s.variable, {})[s.leaf] = x
        values = [self._final(i, e, after[i], filled.get(i)) for i, e in enumerate(self.entries)]
        self.variables.write(values)

    def _final(self, i: int, e: Entry, after: Any, leaves: dict[int, Any] | None) -> Any:
        if e.leaves is not None:
            if not leaves:
                return e.before
            assert e.tree is not None
            like = (after,) if self.runs else (after, e.before)
            return resupplied(self._closed(e.tree, e.leaves, leaves), *like)
        if isinstance(after, Maybe):
            value = self._refilled(after.value, leaves)
            return Maybe(after.name, after.reason, value, after.flag)
        if lacks_value(after):
            kept = after.reason in ("", NOT_YET) or not lacks_value(e.before)
            return e.before if kept else after
        _, later = self.variables.needed(i)
        if later and (self.runs or e.name in self.variables.info.lenient):
            return self._refilled(after, leaves)
        why = "it is assigned in the body of a loop, which may not run at all"
        return Undefined(e.name, why if later else "")

    def _refilled(self, value: Any, leaves: dict[int, Any] | None) -> Any:
        kept, tree = flatten(opened_up(value, self.classes))
        return self._closed(tree, kept, leaves or {})

    def _closed(self, tree: TreeDef, kept: Sequence[Any], leaves: dict[int, Any]) -> Any:
        objects: list[Any] = []
        whole = tree.unflatten([leaves.get(j, x) for j, x in enumerate(kept)])
        found = closed(whole, self.classes, objects)
        for x in objects:
            note_made(x)
        return found


def _equal(x: Any, y: Any) -> bool:
    try:
        return bool(x == y)
    except Exception:
        return False


def _widened(slot: Slot, after: Any) -> Abstract:
    if not is_numeric(after):
        raise Unstable(_changed(slot.label, slot.before, after))
    new = kind_of(after)
    if new.type.shape != slot.kind.type.shape:
        raise Unstable(_reshaped(slot, new))
    return joined(slot.kind, new)


def _reshaped(slot: Slot, new: Abstract) -> WengertError:
    old, found = slot.kind.type.shape, new.type.shape
    shown = tuple(f"at most {int(n)}" if isinstance(n, Dim) else n for n in found)
    error = ShapeError(
        f"the shape of '{slot.label}' changes from {old} to {shown} in a turn of the loop; "
        "give it before the loop the shape that it keeps (np.zeros), and fill it by assignment"
    )
    return located(error, user_location())


def _changed(name: str, before: Any, after: Any) -> WengertError:
    error = CaptureError(
        f"'{name}' is {_described(before)} before a turn of the loop and {_described(after)} after "
        "it; what goes around a compiled loop must keep its structure: arrays, numbers, and "
        "tuples, lists, dicts or dataclasses of them"
    )
    return located(error, user_location())


def _reordered(name: str) -> WengertError:
    error = CaptureError(
        f"'{name}' holds a dict whose keys have another order after a turn of the loop than before "
        "it, so nothing could tell in which order a turn walks through it; insert the keys in the "
        "order that they have before the loop"
    )
    return located(error, user_location())


def _lost(name: str) -> WengertError:
    error = UndefinedVariableError(f"'{name}' has a value before a turn of the loop and none after")
    return located(error, user_location())


def _copied() -> WengertError:
    error = CaptureError(
        "a variable is given a list, or a copy of one, in a compiled loop that fills the list by "
        "an index known only at run time; use an array (np.zeros) in place of it"
    )
    return located(error, user_location())


def _described(x: Any) -> str:
    if isinstance(x, Tracer):
        return f"an array {x.type}" if x.type.shape else f"a number {x.type}"
    if isinstance(x, (list, tuple, dict)):
        return f"a {type(x).__name__} of length {len(x)}"
    text = repr(x)
    return text if len(text) <= 40 else f"a {type(x).__name__}"


def wrapped(found: Sequence[Value], slots: Sequence[Slot]) -> list[Tracer]:
    """Results of a loop as traced arrays."""
    return [wrap(v, s.kind.weak) for v, s in zip(found, slots, strict=True)]
