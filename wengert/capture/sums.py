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

import numpy as np

from wengert.capture.info import Info
from wengert.capture.nests import run_for
from wengert.capture.objects import binary, iterator
from wengert.capture.runtime_branches import choose, run_branch
from wengert.capture.runtime_calls import call
from wengert.errors import ArgumentError
from wengert.tracer.array import Tracer, enter
from wengert.tracer.lift import lift

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


class Choice(Terms):
    """The terms of `min`, `max`, `any` or `all`, each with its condition if that is traced."""

    __slots__ = ("conditions",)

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.conditions: list[Any] = []

    def when(self, test: Any, then: Callable[[], Any]) -> None:
        """A term that counts where the condition holds, and is computed there alone."""
        if not isinstance(test, Tracer):
            super().when(test, then)
            return

        def term() -> Any:
            then()
            return self.total.pop()

        value = choose(test, term, lambda: 0)
        self.conditions += [True] * (len(self.total) - len(self.conditions))
        self.total.append(value)
        self.conditions.append(test)

    def found(self, function: Any, *default: Any) -> Any:
        """`function` of the terms whose conditions hold."""
        terms, conditions = self.total, self.conditions
        if not conditions:
            return call(function)(terms, **dict(zip(("default",), default, strict=False)))
        conditions += [True] * (len(terms) - len(conditions))
        return enter(_CHOICES[function], terms, conditions, *default)


def _any(terms: list[Any], conditions: list[Any]) -> Any:
    found: Any = False
    for value, holds in zip(terms, conditions, strict=True):
        found = np.logical_or(found, np.logical_and(holds, value))
    return found


def _all(terms: list[Any], conditions: list[Any]) -> Any:
    return np.logical_not(_any([np.logical_not(v) for v in terms], conditions))


def _extreme(better: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """`min` or `max`: as in Python the first term stays unless a later one is better."""

    def extreme(terms: list[Any], conditions: list[Any], *default: Any) -> Any:
        best, some = terms[0], conditions[0]
        for value, holds in zip(terms[1:], conditions[1:], strict=True):
            new = np.logical_and(holds, np.logical_or(np.logical_not(some), better(value, best)))
            best, some = np.where(new, value, best), np.logical_or(some, holds)
        if default:
            return np.where(some, best, default[0])
        if isinstance(some, Tracer):
            text = "min() or max() of a generator, of which no item fulfils the condition"
            lift(some).require(message=text, error=ArgumentError.__name__)
        return best

    return extreme


_CHOICES: dict[Any, Callable[..., Any]] = {
    builtins.any: _any,
    builtins.all: _all,
    builtins.min: _extreme(np.less),
    builtins.max: _extreme(np.greater),
}


def _nothing() -> None:
    pass


def total(function: Any, walk: Callable[[Sum], Any], line: int, *default: Any) -> Any:
    """`function(...)` of what `walk` adds, or the default of `min` and `max`."""
    kinds: dict[Any, type[Sum]] = {builtins.sum: Sum, builtins.len: Count}
    kind = kinds.get(function, Choice if function in _CHOICES else Terms)
    found = kind(line)
    walk(found)
    if isinstance(found, Choice):
        return found.found(function, *default)
    options = dict(zip(("default",), default, strict=False))
    return call(function)(found.total, **options) if kind is Terms else found.total
