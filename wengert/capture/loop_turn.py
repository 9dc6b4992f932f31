"""One turn of a loop that is being captured: its body, traced on a state of unknown values."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from wengert.capture.aliases import Flow
from wengert.capture.branching import value_in
from wengert.capture.info import Info
from wengert.capture.journal import journaled
from wengert.capture.lists import Appending
from wengert.capture.loop_state import LoopState, Variables
from wengert.capture.loop_unstable import Rebound, Unstable
from wengert.capture.region import INDEX, Region, same_region
from wengert.capture.sequences import Range
from wengert.errors import CaptureError, UndefinedVariableError
from wengert.ir.builder import Value
from wengert.ir.types import BOOL, INT64, DType, Symbol
from wengert.tracer.affine import bind_index, bind_item, bounds
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap
from wengert.tracer.stack import Trace, opened

Get = Callable[[], Any]


@dataclass(slots=True)
class Turn:
    """A body that has been traced."""

    trace: Trace
    index: Value
    symbol: Symbol | None
    inputs: list[Value]
    entered: list[Tracer]
    after: list[Any]
    leaves: list[Any]
    lists: Appending
    stop: Any = None
    made: dict[int, Any] = field(default_factory=dict[int, Any])
    flow: Flow = field(default_factory=lambda: Flow([], [], set(), set()))

    @property
    def dtypes(self) -> frozenset[DType]:
        """Those of all that the turn works on."""
        atoms = (a for e in self.trace.builder.eqns for a in (*e.inputs, *e.outputs))
        outside = (t for t, _ in self.trace.captured.values())
        return frozenset(x.type.dtype for x in itertools.chain(atoms, outside))

    def region(self, state: LoopState) -> Region:
        """What goes in and comes out, in `state` and in lists."""
        inputs = [self.index, *self.inputs, *self.lists.inputs]
        found = state.outputs(self.trace, state.results(self.leaves, self.after))
        outputs = [*found, *self.lists.values]
        if isinstance(self.stop, Tracer):
            outputs.append(value_in(self.trace, self.stop, BOOL))
        return self.trace, inputs, outputs, self.symbol


def none_to_set(state: Any) -> None:
    """Gives no variables values."""


@dataclass(slots=True)
class For:
    """A `for` loop that is being captured: where it starts, and how to run its body."""

    info: Info
    items: Any
    body: Callable[[Any], None]
    variables: Variables
    get: Get
    stop: Callable[[], Any] | None
    first: int = 0
    rebound: set[Any] = field(default_factory=set[Any])
    collects: bool = False
    set_: Callable[[Any], None] = none_to_set
    doubted: list[tuple[Any, Any]] = field(default_factory=list[Any])
    count: Any = field(init=False)
    """The number of turns, computed once, outside of the loop."""

    def __post_init__(self) -> None:
        self.count = self.items.count

    @contextmanager
    def attempted(self) -> Iterator[None]:
        """Where the block fails, places that were put in doubt have their values again."""
        try:
            yield
        except BaseException:
            for place, value in self.doubted:
                place.set(value)
            raise

    def limits(self) -> tuple[Any, Any, bool]:
        """Start and stop of the index, and whether it runs downwards."""
        items = self.items
        if isinstance(items, Range) and type(items.step) is int and abs(items.step) == 1:
            if items.step == 1:
                return items.start + self.first, items.stop, False
            return items.stop + 1, items.start + 1 - self.first, True
        return self.first, self.count, False

    def surely_runs(self) -> bool:
        """Whether there is a turn, where the number of turns is not known."""
        if isinstance(self.items, Range) and self.items.surely:
            return True
        start, stop, _ = self.limits()
        low, high = bounds(start), bounds(stop)
        if low is None or high is None:
            return False
        span = stop - start
        found = bounds(span) if isinstance(span, (int, Tracer)) else None
        return (found is not None and found[0] >= 1) or high[0] > low[1]

    def item(self, i: Any) -> Any:
        """The item for an index between the limits."""
        items = self.items
        direct = isinstance(items, Range) and type(items.step) is int and abs(items.step) == 1
        if direct:
            return i
        found = items.at(i)
        if isinstance(items, Range) and type(items.step) is not int:
            bind_item(found, items.start, items.stop, items.step)
        return found

    def turn_number(self, i: Value) -> Value:
        """How many turns come before the one of index i."""
        start, stop, down = self.limits()
        if down:
            return lift(stop, INT64) - 1 - i
        return i if type(start) is int and start == 0 else i - lift(start, INT64)


def trace_turn(loop: For, state: LoopState, longer: int = 0) -> Turn:
    """Traces the body; lists that it appends to are `longer` by so many elements."""
    start, stop, _ = loop.limits()
    name = f"the loop in line {loop.info.line}"
    with opened(name) as here:
        index = here.builder.input(INDEX)
        symbol = None if loop.stop else bind_index(here, index, start, stop)
        inputs, entered = state.enter(here)
        lists = Appending(loop.info, loop.get, here, longer)
        with lists.tracked():
            item = loop.item(wrap(index, True))
            loop.body(item)
            after = state.leave(here)
            stopped = loop.stop() if loop.stop else None
            lists.finish(loop.turn_number(index))
    if stopped is not None and not isinstance(stopped, Tracer) and stopped:
        raise Unstable(CaptureError("the loop ends in its first turn"))
    return Turn(here, index, symbol, inputs, entered, after, [], lists, stopped)


def check_lengths(loop: For, state: LoopState, before: list[Any], turn: Turn) -> None:
    """Raises Unstable if the turn depends on the lengths of the lists that it appends to."""
    left = loop.count - loop.first if type(loop.count) is int else 0
    if not all(_same_turn(loop, state, before, turn, k) for k in {1, max(1, left - 1)}):
        raise Unstable(turn.lists.seen())


def _same_turn(loop: For, state: LoopState, before: list[Any], turn: Turn, longer: int) -> bool:
    """Whether a turn is the same where the lists are longer by so many elements."""
    try:
        with journaled():
            other = trace_turn(loop, state, longer)
            other.leaves, _ = state.compare(other.after)
            theirs = other.region(state)
            state.compare(turn.after)
            return same_region(turn.region(state), theirs)
    except (Unstable, Rebound, UndefinedVariableError, CaptureError):
        return False
    finally:
        loop.variables.write(before)
