"""What a `for` runs over, as long as it may be compiled: ranges, arrays, enumerate, zip, reversed,
ndindex, and what itertools makes of these.

A sequence knows its number of turns (an int, or a traced int) and its item for a turn, counted from
0, whose number may be traced as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np

from wengert.capture.open_lists import items_of
from wengert.errors import CaptureError, located
from wengert.ir.floats import kind_of
from wengert.ir.types import Dim
from wengert.tracer.array import Tracer
from wengert.tracer.functions.stretches import Stretch
from wengert.tracer.lift import lift, wrap
from wengert.tracer.stack import user_location


class Sequence(Protocol):
    """What can be run over."""

    @property
    def count(self) -> Any:
        """The number of turns."""
        ...

    def at(self, k: Any) -> Any:
        """The item of turn k."""
        ...


class _Iterable:
    """Python's iteration, where the number of turns is known."""

    count: Any

    def at(self, k: Any) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        return self.count if type(self.count) is int else _unknown_length()

    def __iter__(self) -> Iterator[Any]:
        return (self.at(k) for k in range(len(self)))


class Later(Iterator[Any]):
    """An iterator that is made when it is first asked: making it may read all of an array."""

    def __init__(self, make: Callable[[], Iterator[Any]]) -> None:
        self._make = make
        self._items: Iterator[Any] | None = None

    def __next__(self) -> Any:
        if self._items is None:
            self._items = self._make()
        return next(self._items)


def _unknown_length() -> NoReturn:
    raise located(
        CaptureError(
            "a range or array whose length is known only at run time can be run over by a `for` "
            "loop that is compiled, and not by a comprehension, list() or code without source; "
            "write a `for` loop, or make the length static (static_argnums)"
        ),
        user_location(),
    )


@dataclass(frozen=True, slots=True)
class Range:
    """`range` with a start, stop or step that is traced, or depends on a loop's index.

    It has a turn where it `surely` is known to have one, whatever its ends are.
    """

    start: Any
    stop: Any
    step: Any = 1
    surely: bool = False

    @property
    def count(self) -> Any:
        """The number of turns, at least 0."""
        start, stop, step = self.start, self.stop, self.step
        if all(type(x) is int for x in (start, stop, step)):
            return len(range(start, stop, step))
        if type(step) is int and step != 0:
            span = stop - start if step > 0 else start - stop
            size = abs(step)
            whole = span if size == 1 else (span + (size - 1)) // size
        else:
            up = (stop - start + step - 1) // step
            down = (start - stop - step - 1) // (-step)
            whole = np.where(step > 0, up, down)
        return np.maximum(_number(whole), 0)

    def at(self, k: Any) -> Any:
        """start + k * step"""
        return self.start + k * self.step

    def __iter__(self) -> Iterator[Any]:
        count = self.count
        return (self.at(k) for k in range(count if type(count) is int else _unknown_length()))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _number(x: Any) -> Any:
    return wrap(lift(x), True) if isinstance(x, Dim) else x


ENDLESS = 2**62
"""As many turns has `itertools.count`."""


class Count(Iterator[int]):
    """`itertools.count` of whole numbers: in one loop a range without end, else Python's."""

    def __init__(self, start: int, step: int) -> None:
        self.value, self.step = start, step
        self.spent = False

    def __next__(self) -> int:
        if self.spent:
            raise located(
                CaptureError(
                    "itertools.count() is used again after a loop over it, which may have been "
                    "compiled, so it is not known how far it has come; make one for each loop"
                ),
                user_location(),
            )
        value = self.value
        self.value += self.step
        return value

    def range(self) -> Range:
        """What is left of it, for a loop."""
        if self.spent:
            next(self)
        self.spent = True
        return Range(self.value, self.value + ENDLESS * self.step, self.step)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of an array."""

    array: Any

    @property
    def count(self) -> Any:
        """The length of the first axis."""
        return self.array.shape[0]

    def at(self, k: Any) -> Any:
        """A view, or a scalar."""
        return self.array[k]


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a slice whose length depends on data."""

    of: Stretch

    @property
    def count(self) -> Any:
        """Its length."""
        return self.of.shape[0]

    def at(self, k: Any) -> Any:
        """A view, or a scalar."""
        return self.of.element(self.of.start + k)


@dataclass(frozen=True, slots=True)
class Enumerate(_Iterable):
    """`enumerate` of a sequence."""

    inner: Any
    start: Any

    @property
    def count(self) -> Any:
        """As many as there are items."""
        return self.inner.count

    def at(self, k: Any) -> Any:
        """The number and the item."""
        return (self.start + k, self.inner.at(k))


@dataclass(frozen=True, slots=True)
class Zip(_Iterable):
    """`zip` of sequences."""

    parts: tuple[Any, ...]

    @property
    def count(self) -> Any:
        """That of the shortest."""
        counts = [p.count for p in self.parts]
        if all(type(c) is int for c in counts):
            return min(counts)
        shortest = counts[0]
        for c in counts[1:]:
            shortest = np.minimum(shortest, c)
        return shortest

    def at(self, k: Any) -> Any:
        """An item of each."""
        return tuple([p.at(k) for p in self.parts])


@dataclass(frozen=True, slots=True)
class Reversed(_Iterable):
    """`reversed` of a sequence."""

    inner: Any

    @property
    def count(self) -> Any:
        """As many as there are items."""
        return self.inner.count

    def at(self, k: Any) -> Any:
        """Counted from the end."""
        return self.inner.at(self.count - 1 - k)


@dataclass(frozen=True, slots=True)
class Pairs(_Iterable):
    """`itertools.pairwise` of a sequence."""

    inner: Any

    @property
    def count(self) -> Any:
        """One less than there are items."""
        count = self.inner.count - 1
        return max(count, 0) if type(count) is int else np.maximum(_number(count), 0)

    def at(self, k: Any) -> Any:
        """An item and the next one."""
        return (self.inner.at(k), self.inner.at(k + 1))


@dataclass(frozen=True, slots=True)
class Part(_Iterable):
    """`itertools.islice` of a sequence of known length: the items of some turns."""

    inner: Any
    turns: range

    @property
    def count(self) -> int:
        """As many as there are turns."""
        return len(self.turns)

    def at(self, k: Any) -> Any:
        """The item of turn number k of them."""
        return self.inner.at(self.turns.start + k * self.turns.step)


@dataclass(frozen=True, slots=True)
class Product(_Iterable):
    """`itertools.product` of sequences of known length, and `np.ndindex`: the last part runs first.

    A `for` over it is a loop in a loop (`nests.py`). `plain` is Python's own, for `next`.
    """

    parts: tuple[Any, ...]
    plain: Iterator[Any]

    @property
    def count(self) -> int:
        """The product of the lengths."""
        return math.prod([part.count for part in self.parts])

    def at(self, k: Any) -> Any:
        """An item of each part."""
        found: list[Any] = []
        for axis, part in enumerate(self.parts):
            steps = math.prod([other.count for other in self.parts[axis + 1 :]])
            whole = k if steps == 1 else k // steps
            found.append(part.at(whole if axis == 0 else whole % part.count))
        return tuple(found)

    def __next__(self) -> Any:
        return next(self.plain)

    def level(self, before: tuple[Any, ...]) -> Any:
        """What the loop runs over that is inside those with the items `before`."""
        return self.parts[len(before)]

    def item(self, items: tuple[Any, ...]) -> Any:
        """The item of the whole for one of each loop."""
        return items

    @property
    def depth(self) -> int:
        """The number of loops."""
        return len(self.parts)


@dataclass(frozen=True, slots=True)
class Combinations:
    """`itertools.combinations` of a sequence: loops that each begin behind the one around them.

    With `again`, `combinations_with_replacement`: they begin at the same item.
    """

    inner: Any
    depth: int
    again: bool
    plain: Iterator[Any]

    def level(self, before: tuple[Any, ...]) -> Any:
        """The places that are left for the next item."""
        count, gap = self.inner.count, 0 if self.again else 1
        start = before[-1] + gap if before else 0
        stop = count - gap * (self.depth - 1 - len(before))
        return Range(start, stop, surely=bool(before))

    def item(self, places: tuple[Any, ...]) -> Any:
        """The items at these places."""
        return tuple(map(self.inner.at, places))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.plain)


@dataclass(frozen=True, slots=True)
class Items:
    """A list or tuple beside traced sequences in a zip: its items need known numbers."""

    items: Any

    @property
    def count(self) -> int:
        """The length."""
        return len(self.items)

    def at(self, k: Any) -> Any:
        """An item."""
        return self.items[k]


def sequence(x: Any) -> Any:
    """`x` as a sequence that a compiled loop can run over; None if it is not one."""
    if isinstance(x, range):
        return Range(x.start, x.stop, x.step)
    if isinstance(
        x, (Range, Rows, Elements, Items, Enumerate, Zip, Reversed, Pairs, Part, Product)
    ):
        return x
    if isinstance(x, Count):
        return x.range()
    if isinstance(x, Tracer) and x.shape:
        return Rows(x)
    if isinstance(x, Stretch):
        return Elements(x)
    items = items_of(x)
    if items is not None:
        return Elements(items)
    if isinstance(x, np.ndarray) and x.ndim and kind_of(x.dtype) in "biufc":
        return Rows(_Constant(x))
    return None


class _Constant:
    """A concrete array that is lifted when it is indexed by something traced."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape = array.shape

    def __getitem__(self, k: Any) -> Any:
        return wrap(lift(self.array))[k] if isinstance(k, Tracer) else self.array[k]


def is_capturable(x: Any) -> bool:
    """Whether a loop over `x` depends on traced values, or can be compiled anyway."""
    return sequence(x) is not None
