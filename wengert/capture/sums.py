"""`sum(f(x) for x in items if c)`: a loop that adds to a variable, compiled like any other.

The rewriter makes nested calls of the generator's loops and conditions, each with a function for
what is inside:

    sum(x * y for x in a for y in b if y > x)

    _wg.total(sum, lambda s: s.each(a, lambda x: s.each(b, lambda y: s.when(y > x, lambda: s.add(
        x * y)), False, 0), False, 1), line)
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from wengert.capture.info import Info
from wengert.capture.nests import run_for
from wengert.capture.objects import binary, iterator
from wengert.capture.runtime_branches import run_branch
from wengert.capture.runtime_calls import call

_NAMES = ("the sum of a generator",)
_ALL = frozenset(_NAMES)


class Sum:
    """The sum so far, the only variable of its loops and branches."""

    __slots__ = ("line", "total")

    def __init__(self, line: int) -> None:
        self.line = line
        self.total: Any = 0

    def add(self, value: Any) -> None:
        """One more term."""
        self.total = binary("+", self.total, value)

    def each(self, items: Any, body: Callable[..., Any], spread: bool, depth: int) -> None:
        """`for item in items: body(item)`; `spread` if it takes the parts of an item."""
        turn = (lambda item: body(*item)) if spread else body
        run_for(self._info(depth), items, turn, self._get, self._set, None)

    def when(self, test: Any, then: Callable[[], Any]) -> None:
        """`if test: then()`"""
        run_branch(self._info(0), test, then, _nothing, self._get, self._set)

    def _info(self, depth: int) -> Info:
        return Info(self.line, _NAMES, after=_ALL, at_start=_ALL, depth=depth)

    def _get(self) -> tuple[Any, ...]:
        return (self.total,)

    def _set(self, state: Any) -> None:
        (self.total,) = state


class Count(Sum):
    """How many terms there are."""

    __slots__ = ()

    def add(self, value: Any) -> None:
        """One more term."""
        self.total = self.total + 1


class Terms(Sum):
    """The terms as a list, for a function that is not Python's `sum`."""

    __slots__ = ()

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.total = []

    def add(self, value: Any) -> None:
        """One more term."""
        self.total.append(value)

    def each(self, items: Any, body: Callable[..., Any], spread: bool, depth: int) -> None:
        """A loop of Python."""
        for item in iterator(items):
            _ = body(*item) if spread else body(item)

    def when(self, test: Any, then: Callable[[], Any]) -> None:
        """A condition of Python."""
        if test:
            then()


def _nothing() -> None:
    pass


def total(function: Any, walk: Callable[[Sum], Any], line: int) -> Any:
    """`function(...)` of what `walk` adds."""
    kinds: dict[Any, type[Sum]] = {builtins.sum: Sum, builtins.len: Count}
    kind = kinds.get(function, Terms)
    found = kind(line)
    walk(found)
    return call(function)(found.total) if kind is Terms else found.total
